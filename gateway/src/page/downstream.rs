//! One call: a permit goes in, one outcome comes out.
//!
//! A call never runs past its deadline, holds its permit exactly as long as it
//! runs, and is accounted for exactly once, also when its future is dropped. It is one or more
//! attempts ([`attempt`]), each one exchange with one endpoint: which endpoint ([`balance`]), which are
//! set aside ([`eject`]), and whether again is decided here, in any world; what carries an attempt
//! is a [`Transport`].

pub mod attempt;
pub mod balance;
pub mod eject;
pub mod fields;
pub mod only;
pub mod request;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

pub use self::attempt::Downstreams;
pub use self::fields::AnswerFields;
pub use self::request::{CallRequest, OwnFields};
use crate::config::{DownstreamId, Pass, PassedStatus};
use crate::outcome::{CallOutcome, PartStatus};
use crate::page::admission::Permit;
use crate::page::budget::CallLimit;
use crate::page::deadline::now;
use crate::page::json::{CheckedJson, JsonError};
use crate::telemetry::Telemetry;
use crate::telemetry::context::TraceContext;
use crate::telemetry::recent::in_flight::InFlightCall;
use crate::telemetry::record::{CallRecord, PartRecord};

/// Carries attempts. Dropping a returned future must end its work at the downstream, and must
/// fail no other attempt.
pub trait Transport: Send + Sync + 'static {
    /// One address of a downstream.
    type Endpoint: Endpoint;
    /// The right to one exchange with an endpoint, at once. Dropping it gives it back unused.
    type Connection: Send;

    /// The endpoints that a downstream has now. Cheap; never waits.
    fn endpoints(&self, downstream: DownstreamId) -> Arc<Endpoints<Self::Endpoint>>;

    /// The endpoints of a downstream whose name has not been resolved yet, once it is.
    ///
    /// # Errors
    /// [`Cause::Connect`]: not within the downstream's `connect_timeout`.
    fn resolved(
        &self,
        downstream: DownstreamId,
    ) -> impl Future<Output = Result<Arc<Endpoints<Self::Endpoint>>, Cause>> + Send;

    /// A connection that is open and free `now`, if there is one. Never waits.
    fn idle(&self, endpoint: &Self::Endpoint, now: Instant) -> Option<Self::Connection>;

    /// Whether the connection has carried nothing yet.
    fn is_new(&self, connection: &Self::Connection) -> bool;

    /// A connection as soon as one becomes free, or one that is opened from here on. What is
    /// being opened outlives the future.
    ///
    /// # Errors
    /// [`Cause::Connect`]: there is none within `connect_timeout`.
    fn connect(
        &self,
        endpoint: &Self::Endpoint,
        which: Which,
    ) -> impl Future<Output = Result<Self::Connection, Cause>> + Send;

    /// One request, and its whole answer.
    ///
    /// # Errors
    /// [`AttemptError`] when there is no whole answer. An answer with an error status is `Ok`.
    fn exchange(
        &self,
        connection: Self::Connection,
        request: &CallRequest<'_>,
    ) -> impl Future<Output = Result<Reply, AttemptError>> + Send;
}

/// Tells endpoints apart, in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub u32);

/// One address of a downstream.
pub trait Endpoint: Clone + Send + Sync + 'static {
    /// Its number; another one when the address leaves the name and comes back.
    fn id(&self) -> EndpointId;
    /// Its address, for logs and traces.
    fn address(&self) -> Arc<str>;
    /// Openings of connections to it that failed, since there is this endpoint: also those that
    /// no call was waiting for any more.
    fn failed_connects(&self) -> u32;
}

/// The endpoints of a downstream at one moment.
#[derive(Clone, Debug)]
pub struct Endpoints<E> {
    /// Changes whenever `all` does.
    pub version: u64,
    /// In a stable order; empty until a name is resolved.
    pub all: Vec<E>,
}

/// Which connection will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first that is free.
    Any,
    /// One that has carried nothing yet.
    New,
}

/// What came back. The body is empty unless the status is a success.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Not encoded; at most the downstream's `max_body`.
    pub body: Bytes,
    /// What its client may be told beside the status; `None` of most answers.
    pub fields: Option<Box<AnswerFields>>,
}

/// Why an attempt gave no whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptError {
    /// The peer closed a connection that had carried exchanges before, before the first byte of an
    /// answer: the request may be sent again (RFC 9110 section 9.2.2), on one that has not.
    Closed(Cause),
    /// The peer refused the request without having looked at it (RFC 9113 section 8.7): it may be
    /// sent again, on the same connection too.
    Refused(Cause),
    /// Anything else.
    Failed(Cause),
}

/// Why a call failed: for logs and traces, never for clients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection broke before the answer was whole.
    #[error("connection broke: {0}")]
    Broken(String),
    /// An error status, a redirect, or none that HTTP knows.
    #[error("answered {0}")]
    Status(u16),
    /// More bytes than `max_body`.
    #[error("body is larger than {0} bytes")]
    TooLarge(usize),
    /// A head that is larger, or has more fields, than is read.
    #[error("{0}")]
    Head(String),
    /// A content coding that is not known, or a body that is not encoded as it says.
    #[error("{0}")]
    Encoded(&'static str),
    /// A body that cannot be spliced into a page.
    #[error(transparent)]
    Json(#[from] JsonError),
}

impl Cause {
    /// Which kind it is, for searching: one of few.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Broken(_) => "broken",
            Self::Status(_) => "status",
            Self::TooLarge(_) => "too_large",
            Self::Head(_) => "head",
            Self::Encoded(_) => "encoded",
            Self::Json(_) => "json",
        }
    }

    /// Whether the same page might well succeed a moment later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) => true,
            Self::Status(status) => *status >= 500 || matches!(status, 408 | 425 | 429),
            Self::TooLarge(_) | Self::Head(_) | Self::Encoded(_) | Self::Json(_) => false,
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// A usable body.
    Ok(CheckedJson),
    /// A status that its part passes on.
    Passed(PassedStatus, Option<Box<AnswerFields>>),
    /// Not by its deadline.
    Late,
    /// Not within the smaller budget that the page's client gave.
    ClientBudget,
    /// No answer, or none that can be used.
    Failed(Cause),
}

impl CallEnd {
    fn outcome(&self) -> CallOutcome {
        match self {
            Self::Ok(_) => CallOutcome::Ok,
            Self::Passed(status, _) => outcome_of(*status),
            Self::Late => CallOutcome::Late,
            // As those are that end with the page: which of them the timer met first says nothing.
            Self::ClientBudget => CallOutcome::Cancelled,
            Self::Failed(_) => CallOutcome::Failed,
        }
    }
}

/// How a call ended that was answered so, and a part that was.
fn outcome_of(status: PassedStatus) -> CallOutcome {
    match status {
        PassedStatus::Unauthorized | PassedStatus::Forbidden => CallOutcome::Denied,
        PassedStatus::NotFound | PassedStatus::Conflict | PassedStatus::Gone => {
            CallOutcome::NotFound
        }
        PassedStatus::TooManyRequests => CallOutcome::Busy,
    }
}

/// What clients are told of a part that was answered so.
pub fn part_status(status: PassedStatus) -> PartStatus {
    outcome_of(status).part()
}

/// A call that is about to begin.
#[derive(Debug)]
pub struct PlannedCall<'a> {
    /// Where to.
    pub downstream: DownstreamId,
    /// Path and query.
    pub path: String,
    /// Header fields of all calls of the page.
    pub shared: &'a HeaderMap,
    /// The trace of the page.
    pub trace: &'a TraceContext,
    /// Of its client span; the request says the same.
    pub span_id: u64,
    /// When it begins.
    pub begins: Instant,
    /// By when it must have ended.
    pub limit: CallLimit,
    /// Statuses that are no failure.
    pub pass: Pass,
    /// Where it is seen while it runs.
    pub seen: Option<InFlightCall<'a>>,
}

impl<'a> PlannedCall<'a> {
    /// What it has of its time when it begins.
    fn budget_left(&self) -> Option<Duration> {
        self.limit.deadline.left(self.begins)
    }

    fn request(&self) -> CallRequest<'_> {
        CallRequest {
            path: &self.path,
            shared: self.shared,
            own: OwnFields {
                span: Some((self.trace, self.span_id)),
                budget_left: self.budget_left(),
            },
        }
    }

    /// The same, seen there while it runs.
    #[must_use]
    pub fn seen(self, seen: Option<InFlightCall<'a>>) -> Self {
        Self { seen, ..self }
    }
}

/// Runs one call until it ends or its deadline comes, and writes into `part` what it did.
pub async fn call<T: Transport>(
    downstreams: &Downstreams<T>,
    telemetry: &Telemetry,
    permit: Permit,
    planned: PlannedCall<'_>,
    part: &mut PartRecord,
) -> CallEnd {
    let mut running = Running::begin(telemetry, &planned, part);
    let request = planned.request();
    let attempts = &mut running.call().attempts;
    let to = planned.downstream;
    let answered = {
        // Pinned here: whoever gets it by value keeps room for it once more, and moves it there.
        let fetched = pin!(downstreams.fetch(telemetry, to, &request, attempts, planned.seen));
        planned.limit.deadline.limit(fetched).await
    };
    let end = match answered {
        Ok(Ok(reply)) => {
            running.answered(&reply);
            judge(reply, planned.pass)
        }
        Ok(Err(cause)) => CallEnd::Failed(cause),
        Err(_elapsed) if planned.limit.is_clients => CallEnd::ClientBudget,
        Err(_elapsed) => CallEnd::Late,
    };
    drop(permit);
    running.end(&end);
    end
}

fn judge(reply: Reply, pass: Pass) -> CallEnd {
    match reply.status {
        // Of the successes only these two carry the whole of what was asked for.
        200 | 203 => match CheckedJson::new(reply.body) {
            Ok(json) => CallEnd::Ok(json),
            Err(error) => CallEnd::Failed(error.into()),
        },
        status => match PassedStatus::of(status).filter(|known| pass.has(*known)) {
            Some(known) => CallEnd::Passed(known, reply.fields),
            None => CallEnd::Failed(Cause::Status(status)),
        },
    }
}

/// Tells of a call exactly once: as it ended, or as cancelled when it is dropped before.
struct Running<'a> {
    telemetry: &'a Telemetry,
    downstream: DownstreamId,
    part: &'a mut PartRecord,
    seen: Option<InFlightCall<'a>>,
    outcome: CallOutcome,
    /// When its answer was there; what is made of it is the gateway's time.
    answered: Option<Instant>,
}

impl<'a> Running<'a> {
    fn begin(
        telemetry: &'a Telemetry,
        planned: &PlannedCall<'a>,
        part: &'a mut PartRecord,
    ) -> Self {
        let budget_left = planned.budget_left();
        if let Some(seen) = planned.seen {
            seen.begins(planned.begins, planned.span_id, budget_left);
        }
        part.call = Some(CallRecord {
            budget_left,
            ..CallRecord::begun(planned.span_id, planned.begins)
        });
        Self {
            telemetry,
            downstream: planned.downstream,
            part,
            seen: planned.seen,
            outcome: CallOutcome::Cancelled,
            answered: None,
        }
    }

    fn answered(&mut self, reply: &Reply) {
        let call = self.call();
        call.http_status = Some(reply.status);
        call.body = Some(reply.body.len());
        self.answered = call.attempts.last().map(|attempt| attempt.span.end());
    }

    fn call(&mut self) -> &mut CallRecord {
        #[expect(clippy::expect_used, reason = "`begin` made it, nobody takes it")]
        self.part.call.as_mut().expect("a running call is recorded")
    }

    fn end(mut self, end: &CallEnd) {
        self.outcome = end.outcome();
        self.part.status = self.outcome.part();
        if let CallEnd::Failed(cause) = end {
            self.call().failure = Some((cause.kind(), cause.to_string()));
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let ended = self.answered.unwrap_or_else(now);
        let telemetry = self.telemetry;
        let call = self.call();
        call.span.took = ended - call.span.began;
        let took = call.span.took;
        if let Some(seen) = self.seen {
            seen.ended(self.outcome.part(), took);
        }
        let call = self.call();
        call.lag = telemetry.lag().worst(call.span.began, ended).min(took);
        self.telemetry
            .call_ended(self.downstream, self.outcome, took);
    }
}
