//! Downstreams without sockets: the fakes themselves, on the paused clock.
//!
//! What a fake decides about a call (latency, capacity, faults) is what it decides on sockets. What
//! that looks like to the gateway is here, simplified: a body arrives at once, unless it trickles.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use fixtures::{Behaviour, Call, Decision, Ending, Fake, Fault, Line, Rng, Service, draw};
use gateway::config::DownstreamId;
use gateway::page::admission::Admission;
use gateway::page::admission::core::NeedSet;
use gateway::page::deadline::Deadline;
use gateway::page::downstream::only::Answers;
use gateway::page::downstream::{AnswerFields, AttemptError, CallRequest, Cause, Reply};
use http::HeaderName;
use tokio::time::sleep;

use super::arm;
use super::own_load::OwnLoad;
use super::recorder::{Calling, Recorder};
use crate::scenario::{Scenario, services};

/// Names the page whose draws a call has, and under which number it was asked for; every call has
/// the header of this name anyway.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// tokio's timers know no shorter time.
const STEP: Duration = Duration::from_millis(1);

/// What every part is made of, unless its behaviour gives a size.
const BODY: &[u8] = br#"{"id":"p-1001"}"#;

/// The fakes, by [`DownstreamId`].
pub(super) struct Modelled {
    downstreams: Vec<Downstream>,
    changes: Vec<(DownstreamId, Behaviour)>,
    recorder: Arc<Recorder>,
    own_load: Arc<OwnLoad>,
    /// Where each call takes a permit of its own, if it is not the page that does.
    bulkheads: Option<Arc<Admission>>,
    /// Calls do not share connections here, and none is ever cut.
    line: Arc<Line>,
}

struct Downstream {
    /// Those that are one service have one fake.
    fake: Arc<Fake>,
    max_body: usize,
}

impl Modelled {
    pub(super) fn new(
        scenario: &Scenario,
        recorder: Arc<Recorder>,
        own_load: Arc<OwnLoad>,
        bulkheads: Option<Arc<Admission>>,
    ) -> Result<Self> {
        let mut downstreams: Vec<Downstream> = Vec::new();
        let services = services(&scenario.config);
        for (config, service) in scenario.config.downstreams.iter().zip(services) {
            let fake = match downstreams.get(service.0) {
                Some(same) => Arc::clone(&same.fake),
                None => Arc::new(fake(scenario, downstreams.len())?),
            };
            downstreams.push(Downstream {
                fake,
                max_body: config.max_body.get(),
            });
        }
        let changes = scenario.changes().into_iter();
        Ok(Self {
            downstreams,
            changes: changes.map(|(_, id, behaviour)| (id, behaviour)).collect(),
            recorder,
            own_load,
            bulkheads,
            line: Arc::default(),
        })
    }

    /// The bulkheads of calls, where they have their own.
    pub(super) fn bulkheads(&self) -> Option<&Arc<Admission>> {
        self.bulkheads.as_ref()
    }

    /// Makes one of the scenario's changes.
    pub(super) fn change(&self, index: usize) {
        let (id, behaviour) = &self.changes[index];
        let changed = self.downstreams[id.0].fake.set(behaviour.clone());
        debug_assert!(
            changed.is_ok(),
            "behaviours were checked when they were read"
        );
        self.recorder.changed(*id);
    }
}

impl Answers for Modelled {
    async fn answer(
        &self,
        id: DownstreamId,
        request: &CallRequest<'_>,
    ) -> Result<Reply, AttemptError> {
        self.recorder.made();
        let _permits = match &self.bulkheads {
            Some(bulkheads) => {
                let needs = NeedSet::new([bulkheads.need(id, true)]);
                let page = self.recorder.page_of(page_number(request));
                let queue = arm::queue_of(page, id, self.downstreams.len());
                let permits = bulkheads.permits(queue, &needs, Deadline::NEVER);
                let no_permit = |_| AttemptError::Failed(Cause::Connect("no permit".to_owned()));
                Some(permits.await.map_err(no_permit)?)
            }
            None => None,
        };
        let downstream = &self.downstreams[id.0];
        let goes_on = downstream.fake.conditions().behaviour.work_goes_on;
        let record = Calling::start(&self.recorder, page_number(request), id, goes_on);
        self.own_load.connect(id.0).await;
        let call = match draws_of(request) {
            Some(number) => downstream.fake.arrive_as(&self.line, number),
            None => downstream.fake.arrive(&self.line),
        };
        let decision = downstream.fake.work(&call).await;
        let reply = downstream.answer(call, &decision).await;
        self.own_load.receive(id.0, reply.is_ok()).await;
        record.ended(reply.as_ref());
        reply.map_err(AttemptError::Failed)
    }
}

impl Downstream {
    async fn answer(&self, call: Call, decision: &Decision) -> Result<Reply, Cause> {
        let size = decision
            .body_bytes
            .map_or(BODY.len(), |bytes| bytes as usize);
        let broken = |how: &str| Err(Cause::Broken(how.to_owned()));
        let ok = |body: &'static [u8]| {
            Ok(Reply {
                status: 200,
                body: Bytes::from_static(body),
                fields: None,
            })
        };
        let (ending, reply) = match decision.fault {
            Some(Fault::Status(status)) => {
                let fields = Fault::fields(status).iter();
                let fields = fields.map(|(name, value)| (*name, value.as_bytes()));
                let reply = Reply {
                    status,
                    body: Bytes::new(),
                    fields: AnswerFields::of(status, fields),
                };
                (Ending::Faulted, Ok(reply))
            }
            Some(Fault::Reset) => (Ending::Faulted, broken("reset")),
            Some(Fault::Close) => (Ending::Faulted, broken("closed")),
            Some(Fault::Truncated) => (Ending::Faulted, broken("truncated")),
            Some(Fault::WrongJson) => (Ending::Faulted, ok(&BODY[..BODY.len() / 2])),
            Some(Fault::Endless) => (Ending::Faulted, Err(Cause::TooLarge(self.max_body))),
            Some(Fault::Trickle { every }) => {
                sleep(every.saturating_mul(u32::try_from(size).unwrap_or(u32::MAX))).await;
                (Ending::Completed, ok(BODY))
            }
            _ if size > self.max_body => (Ending::Completed, Err(Cause::TooLarge(self.max_body))),
            // A hang that got here has been healed.
            Some(Fault::Hang) | None => (Ending::Completed, ok(BODY)),
        };
        call.finish(ending);
        reply
    }
}

/// The fake of this downstream.
fn fake(scenario: &Scenario, index: usize) -> Result<Fake> {
    let name = scenario.config.downstreams[index].name.as_str();
    let (service, seed) = identity(name, scenario.seed);
    let behaviour = scenario.behaviours[index].clone();
    let fake = Fake::in_steps(service, seed, behaviour, Some(STEP));
    fake.with_context(|| format!("downstream {name}"))
}

/// A fake's decisions depend on its service and its seed: those of a service that is faked on
/// sockets too are the same there. Any name may be configured.
fn identity(name: &str, seed: u64) -> (Service, u64) {
    let other = || {
        (
            Service::Product,
            Rng::for_decision(seed, name, 0).next_u64(),
        )
    };
    Service::from_name(name).map_or_else(other, |service| (service, seed))
}

fn request_id<'a>(request: &'a CallRequest<'_>) -> Option<&'a str> {
    request.shared.get(REQUEST_ID)?.to_str().ok()
}

/// The number of the call's draws.
fn draws_of(request: &CallRequest<'_>) -> Option<u64> {
    draw::number(request_id(request)?, request.path)
}

/// The number under which its page was asked for.
fn page_number(request: &CallRequest<'_>) -> u64 {
    let number = request_id(request).and_then(|id| id.rsplit('-').next()?.parse().ok());
    number.unwrap_or(u64::MAX)
}
