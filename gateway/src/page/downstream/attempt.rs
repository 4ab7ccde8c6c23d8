//! The attempts of a call: which endpoint, which beside it, and whether again.
//!
//! What always holds: at most one request of a call is under way; a request is sent again only
//! when the first was never looked at, and once: where its connection was closed, on one that has
//! carried nothing yet, where its stream was refused, on any; an endpoint to which no connection can be had costs a call no more than a quarter of
//! `connect_timeout` while another one can be reached (RFC 8305 section 5, with its delay scaled
//! to the timeout). Every attempt is counted at its endpoint until it ends or is dropped.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::balance::{Balancer, Ended};
use super::eject::Health;
use super::{
    AttemptError, CallRequest, Cause, Endpoint, EndpointId, Endpoints, Reply, Transport, Which,
};
use crate::config::{Config, DownstreamId, Kept};
use crate::page::deadline::now;
use crate::telemetry::Telemetry;
use crate::telemetry::recent::in_flight::InFlightCall;
use crate::telemetry::record::{AttemptRecord, ConnectionUse, TimeSpan};

/// Of `connect_timeout`, how long an endpoint has to itself before the next is tried beside it.
const BESIDE_AFTER: u32 = 4;

/// The downstreams of one configuration: how to reach them, and how their endpoints do.
#[derive(Debug)]
pub struct Downstreams<T> {
    transport: T,
    each: Vec<Downstream>,
}

#[derive(Debug)]
struct Downstream {
    balancer: Arc<Mutex<Balancer>>,
    beside_after: Duration,
}

/// How an endpoint does, for views.
#[derive(Clone, Debug)]
pub struct EndpointView {
    /// Its address.
    pub address: Arc<str>,
    /// Attempts under way.
    pub in_flight: u32,
    /// Whether it is in use.
    pub health: Health,
}

impl<T: Transport> Downstreams<T> {
    /// Nothing is known of any endpoint yet.
    pub fn new(config: &Config, transport: T) -> Self {
        Self::at(config, &Kept::nothing(config), &[], transport)
    }

    /// Those of another configuration, and how to reach them: of those that are `kept` it is known
    /// how they do.
    pub fn carried(&self, config: &Config, kept: &Kept, transport: T) -> Self {
        let before = self.each.iter().map(|one| Arc::clone(&one.balancer));
        Self::at(config, kept, &before.collect::<Vec<_>>(), transport)
    }

    fn at(config: &Config, kept: &Kept, before: &[Arc<Mutex<Balancer>>], transport: T) -> Self {
        let new = |_| Arc::new(Mutex::new(Balancer::new(fastrand::Rng::new())));
        let balancers = kept.downstreams(before, new).into_iter();
        let each = balancers.zip(&config.downstreams);
        let each = each.map(|(balancer, downstream)| Downstream {
            balancer,
            beside_after: downstream.connect_timeout / BESIDE_AFTER,
        });
        Self {
            transport,
            each: each.collect(),
        }
    }

    /// What carries the attempts.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// How the endpoints of a downstream do.
    pub fn endpoints(&self, downstream: DownstreamId) -> Vec<EndpointView> {
        let endpoints = self.transport.endpoints(downstream);
        let balancer = self.each[downstream.0].balancer.lock();
        let view = |endpoint: &T::Endpoint| {
            let known = balancer.health().find(|(id, ..)| *id == endpoint.id());
            let (_, health, in_flight) = known.unwrap_or((endpoint.id(), Health::default(), 0));
            EndpointView {
                address: endpoint.address(),
                in_flight,
                health,
            }
        };
        endpoints.all.iter().map(view).collect()
    }

    /// How many endpoints a downstream has, and how many of them are set aside.
    pub fn ejected(&self, downstream: DownstreamId) -> (u32, u32) {
        let endpoints = self.endpoints(downstream);
        let aside = endpoints.iter().filter(|one| !one.health.is_in_use());
        (endpoints.len() as u32, aside.count() as u32)
    }

    /// Makes attempts until one has an answer, and writes them into `attempts`. The caller limits
    /// how long: dropping the future ends the attempt under way.
    ///
    /// # Errors
    /// Why the last attempt had no whole answer.
    pub async fn fetch(
        &self,
        telemetry: &Telemetry,
        id: DownstreamId,
        request: &CallRequest<'_>,
        attempts: &mut Vec<AttemptRecord>,
        seen: Option<InFlightCall<'_>>,
    ) -> Result<Reply, Cause> {
        let mut which = Which::Any;
        let mut resent = false;
        loop {
            let (attempt, connection) = self.connected(id, which, seen).await?;
            let is_new = self.transport.is_new(&connection);
            let mut attempt = attempt.recorded(attempts, is_new, seen);
            let (cause, again) = match self.transport.exchange(connection, request).await {
                Ok(reply) => {
                    attempt.answered(reply.status);
                    return Ok(reply);
                }
                Err(AttemptError::Closed(cause)) => (cause, Some(Which::New)),
                Err(AttemptError::Refused(cause)) => (cause, Some(Which::Any)),
                Err(AttemptError::Failed(cause)) => (cause, None),
            };
            let Some(again) = again.filter(|_| !resent) else {
                attempt.failed(&cause, Ended::Failed);
                return Err(cause);
            };
            attempt.failed(&cause, Ended::Unreached);
            telemetry.counts().retry(id);
            (which, resent) = (again, true);
        }
    }

    /// An endpoint, and a connection to it.
    async fn connected(
        &self,
        id: DownstreamId,
        which: Which,
        seen: Option<InFlightCall<'_>>,
    ) -> Result<(Attempt<'_>, T::Connection), Cause> {
        let mut endpoints = self.transport.endpoints(id);
        if endpoints.all.is_empty() {
            endpoints = self.transport.resolved(id).await?;
        }
        let downstream = &self.each[id.0];
        let Some((endpoint, attempt)) = downstream.attempt(&endpoints, &[]) else {
            return Err(Cause::Connect("its name has no address".to_owned()));
        };
        if which == Which::Any
            && let Some(connection) = self.transport.idle(endpoint, attempt.began)
        {
            return Ok((attempt, connection));
        }
        if let Some(seen) = seen {
            seen.attempts(&attempt.address, attempt.began, None);
        }
        // Boxed: most calls find a connection, and need no room for this.
        Box::pin(self.reached(downstream, &endpoints, endpoint, attempt, which)).await
    }

    /// A connection to `endpoint`, or to one of the others where it takes its time.
    async fn reached<'a>(
        &self,
        downstream: &'a Downstream,
        endpoints: &Endpoints<T::Endpoint>,
        endpoint: &T::Endpoint,
        attempt: Attempt<'a>,
        which: Which,
    ) -> Result<(Attempt<'a>, T::Connection), Cause> {
        if endpoints.all.len() == 1 {
            return self.connect(endpoint, attempt, which).await;
        }
        let mut tried = vec![attempt.id];
        let mut racing = FuturesUnordered::new();
        racing.push(self.connect(endpoint, attempt, which));
        let mut unreached = Cause::Connect(String::new());
        loop {
            let untried = tried.len() < endpoints.all.len();
            tokio::select! {
                biased;
                Some(connected) = racing.next() => match connected {
                    Ok(connected) => return Ok(connected),
                    Err(cause) => unreached = cause,
                },
                () = tokio::time::sleep(downstream.beside_after), if untried => {}
            }
            if let Some((endpoint, attempt)) = downstream.attempt(endpoints, &tried) {
                tried.push(attempt.id);
                racing.push(self.connect(endpoint, attempt, which));
            } else if racing.is_empty() {
                return Err(unreached);
            }
        }
    }

    async fn connect<'a>(
        &self,
        endpoint: &T::Endpoint,
        mut attempt: Attempt<'a>,
        which: Which,
    ) -> Result<(Attempt<'a>, T::Connection), Cause> {
        match self.transport.connect(endpoint, which).await {
            Ok(connection) => {
                attempt.waited = now().saturating_duration_since(attempt.began);
                Ok((attempt, connection))
            }
            Err(cause) => {
                attempt.end(|_| Ended::Unreached);
                Err(cause)
            }
        }
    }
}

impl Downstream {
    fn attempt<'a, 'e, E: Endpoint>(
        &'a self,
        endpoints: &'e Endpoints<E>,
        tried: &[EndpointId],
    ) -> Option<(&'e E, Attempt<'a>)> {
        let began = now();
        let at = self.balancer.lock().pick(endpoints, tried, began)?;
        let endpoint = &endpoints.all[at];
        let attempt = Attempt {
            balancer: &self.balancer,
            id: endpoint.id(),
            address: endpoint.address(),
            began,
            waited: Duration::ZERO,
            ended: false,
        };
        Some((endpoint, attempt))
    }
}

/// An attempt under way: counted at its endpoint until it ends; dropped, it was cut short.
struct Attempt<'a> {
    balancer: &'a Mutex<Balancer>,
    id: EndpointId,
    address: Arc<str>,
    began: Instant,
    /// For a connection.
    waited: Duration,
    ended: bool,
}

impl<'a> Attempt<'a> {
    fn recorded<'r>(
        self,
        records: &'r mut Vec<AttemptRecord>,
        is_new: bool,
        seen: Option<InFlightCall<'_>>,
    ) -> RecordedAttempt<'a, 'r> {
        let connection = ConnectionUse {
            is_new,
            waited: self.waited,
        };
        if let Some(seen) = seen {
            seen.attempts(&self.address, self.began, Some(connection));
        }
        // Most calls make one attempt, and records are kept for a while.
        records.reserve_exact(1);
        records.push(AttemptRecord {
            endpoint: Arc::clone(&self.address),
            span: TimeSpan {
                began: self.began,
                took: Duration::ZERO,
            },
            connection,
            failure: None,
        });
        RecordedAttempt {
            attempt: self,
            records,
        }
    }

    /// Ends it now, as `how` says of the time it took; returns that.
    fn end(&mut self, how: impl FnOnce(Duration) -> Ended) -> Duration {
        self.ended = true;
        let ended = now();
        let took = ended.saturating_duration_since(self.began);
        self.balancer.lock().ended(self.id, how(took), ended);
        took
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Ended::Cut);
        }
    }
}

/// An attempt that has begun its exchange.
struct RecordedAttempt<'a, 'r> {
    attempt: Attempt<'a>,
    records: &'r mut Vec<AttemptRecord>,
}

impl RecordedAttempt<'_, '_> {
    fn answered(&mut self, status: u16) {
        // A server that fails fast must not draw all calls to itself.
        let fails = status >= 500;
        self.end(None, |took| match fails {
            true => Ended::Failed,
            false => Ended::Answered(took),
        });
    }

    fn failed(&mut self, cause: &Cause, how: Ended) {
        self.end(Some(cause.kind()), |_| how);
    }

    fn end(&mut self, failure: Option<&'static str>, how: impl FnOnce(Duration) -> Ended) {
        let took = self.attempt.end(how);
        if let Some(record) = self.records.last_mut() {
            record.failure = failure;
            record.span.took = took;
        }
    }
}

impl Drop for RecordedAttempt<'_, '_> {
    fn drop(&mut self) {
        if !self.attempt.ended {
            self.end(None, Ended::Cut);
        }
    }
}
