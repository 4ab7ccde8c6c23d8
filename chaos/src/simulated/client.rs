//! Clients: they ask, wait as long as their patience lasts, read, and ask again when refused.

use std::sync::Arc;
use std::time::Duration;

use gateway::page::downstream::only::Only;
use gateway::page::quota::{Client, ClientKey};
use gateway::page::{Answer, PageRequest, Pages};
use gateway::telemetry::context::TraceContext;
use gateway::telemetry::record::Origin;
use http::{HeaderMap, HeaderValue};
use tokio::time::{sleep, timeout};

use super::control::{self, NegativeControl};
use super::downstream::{Modelled, REQUEST_ID};
use super::own_load::OwnLoad;
use super::recorder::{Asked, Recorder};
use crate::clock::now;
use crate::play::{Ask, Sample, Visitors};
use crate::scenario::{Load, Scenario, Visit};

/// All clients, and the gateway they share.
pub(super) struct Clients {
    pub(super) pages: Pages<Only<Modelled>>,
    pub(super) own_load: Arc<OwnLoad>,
    pub(super) recorder: Arc<Recorder>,
    /// Lag above which tickets shrink.
    pub(super) max_lag: Option<Duration>,
    visitors: Visitors,
    /// By page.
    samples: Vec<Sample>,
    /// Whether clients are held to the `Retry-After` they were told.
    held: bool,
    control: Option<NegativeControl>,
}

impl Clients {
    pub(super) fn new(
        scenario: &Scenario,
        pages: Pages<Only<Modelled>>,
        own_load: Arc<OwnLoad>,
        recorder: Arc<Recorder>,
        samples: Vec<Sample>,
        control: Option<NegativeControl>,
    ) -> Self {
        Self {
            pages,
            own_load,
            recorder,
            max_lag: scenario.config.admission.max_lag,
            visitors: Visitors::of(scenario),
            samples,
            held: held(scenario, control),
            control,
        }
    }

    /// One client, from its first request to its last answer.
    pub(super) async fn visit(self: Arc<Self>, visit: Visit, at: Duration) {
        self.visitors.visit(&*self, visit, at).await;
    }

    /// From the request's lying in its socket to the answer's being written.
    async fn served(
        &self,
        asked: &Asked,
        visit: Visit,
        attempt: u32,
        budget: Option<Duration>,
    ) -> Answer {
        self.own_load.read().await;
        asked.read();
        let id = format!("{}-{}", visit.request_id(attempt), asked.number);
        let request = self.request(visit, &id, budget);
        let answer = self.pages.serve(request).await;
        asked.answered(&answer);
        if answer.result.is_ok() {
            self.own_load.write().await;
        }
        self.own_load.answered(&answer.record);
        answer
    }

    fn request(&self, visit: Visit, id: &str, budget: Option<Duration>) -> PageRequest {
        let plan = self.visitors.load(visit);
        let mut headers = HeaderMap::new();
        // Letters, digits and dashes.
        headers.extend(HeaderValue::try_from(id).map(|id| (REQUEST_ID, id)));
        let sample = &self.samples[plan.page.0];
        PageRequest {
            page: plan.page,
            params: sample.params.clone(),
            query: sample.query.as_deref().map(Box::from),
            client: Client {
                key: client_key(plan, visit),
                held: self.held,
            },
            // As the header says it: in whole milliseconds.
            budget: budget.map(|budget| Duration::from_millis(budget.as_millis() as u64)),
            headers,
            origin: Arc::new(Origin {
                arrived: now() - self.pages.telemetry().lag().usual(),
                method: "GET",
                request_id: None,
                trace: TraceContext::new(),
            }),
        }
    }
}

impl Ask for Clients {
    async fn ask(&self, visit: Visit, attempt: u32, _: Duration) -> Option<Option<u32>> {
        let plan = self.visitors.load(visit);
        let budget = self.visitors.budget(visit);
        let page = (visit.load, plan.page, attempt > 0);
        let asked = Asked::page(&self.recorder, page, client_key(plan, visit), budget);
        let serving = self.served(&asked, visit, attempt, budget);
        let answer = match self.visitors.patience(visit) {
            Some(patience) => timeout(patience, serving).await.ok(),
            None => Some(serving.await),
        };
        let Some(answer) = answer else {
            control::client_left(self.control, &self.pages);
            return None;
        };
        asked.received();
        if answer.result.is_ok() && !plan.reads_for.is_zero() {
            // The page holds its ticket until its last byte has been read.
            sleep(plan.reads_for).await;
        }
        let told = control::retry_after(self.control, answer.retry_after);
        if let Some(seconds) = told {
            asked.told(seconds);
        }
        let again = plan.is_worth_another(answer.record.outcome);
        again.then_some(told)
    }

    fn elapsed(&self) -> Duration {
        self.recorder.elapsed()
    }
}

/// Whether clients are held to the `Retry-After` they were told.
fn held(scenario: &Scenario, control: Option<NegativeControl>) -> bool {
    let config = control::config(control, &scenario.config).clients;
    config.holds_early(true)
}

/// Clients of one kind share their load between them; without a name each arrival is its own.
fn client_key(load: &Load, visit: Visit) -> ClientKey {
    let kind = match &load.client {
        Some(_) => 1 + visit.load as u128,
        None => 0,
    };
    let unnamed = match &load.client {
        Some(_) => 0,
        None => (visit.load as u128) << 32,
    };
    ClientKey(kind << 64 | unnamed | u128::from(visit.client(load)))
}
