//! What one page did: its log line, its trace and its metrics are all written from this.
//!
//! A record is plain data, filled while the page lives and never changed after. Making
//! one costs the page two allocations; spans are made of it only if the page is kept.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::time::Instant;

use crate::config::{ClientKey, DownstreamId, PageId};
use crate::outcome::{PageOutcome, PartStatus, Reason, Scope, ShedBy, Standing};
use crate::telemetry::context::TraceContext;
use crate::telemetry::names::configured::Configured;

/// A request, before it is known what becomes of it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// When the request's head could have been read, as far as that is known: the instant at
    /// which it was, less the usual lag of the last 100 ms.
    pub arrived: Instant,
    /// `GET` or `HEAD`; `_OTHER` for what no page answers.
    pub method: &'static str,
    /// The client's `X-Request-Id`, or the one made for it.
    pub request_id: Option<HeaderValue>,
    /// The trace it belongs to.
    pub trace: TraceContext,
}

/// What one page did.
#[derive(Clone, Debug)]
pub struct PageRecord {
    /// The request.
    pub origin: Arc<Origin>,
    /// What everything in it is called: the names of the configuration that it was served by.
    pub names: Arc<Configured>,
    /// Which page.
    pub page: PageId,
    /// Who asked.
    pub client: Option<ClientKey>,
    /// The instant by which its calls must have ended; `None` when it never came to that, or is never.
    pub deadline: Option<Instant>,
    /// Waiting for permits; `None` when it never came to that.
    pub admission: Option<TimeSpan>,
    /// Whose permits it waited for; `None` when it did not wait.
    pub waited_for: Option<DownstreamId>,
    /// How the limits stood when it learned whether it starts; `None` when it never came to that.
    pub occupancy: Option<Occupancy>,
    /// In the page's order; empty when the page was not admitted.
    pub parts: Vec<PartRecord>,
    /// Writing the page; `None` when it never came to that.
    pub assembly: Option<TimeSpan>,
    /// The longest that what could run in the gateway waited to run meanwhile.
    pub lag: Duration,
    /// When the answer was ready, or the client gone.
    pub ended: Instant,
    /// The same, by the wall clock.
    pub ended_at: SystemTime,
    /// How it ended.
    pub outcome: PageOutcome,
    /// Whether its client was owed a page, and got it.
    pub standing: Standing,
    /// Status of the answer; `None` when there was nobody to answer.
    pub status: Option<u16>,
    /// Why it was refused.
    pub reason: Option<Reason>,
    /// The limit or downstream that a refusal is about.
    pub scope: Option<Scope>,
    /// What would have shed it if it were not only watched, as far as that was known at the end.
    pub would_shed: Option<ShedBy>,
}

impl PageRecord {
    /// Of a page of which nothing is known but that it was asked for: were it dropped now, its
    /// client would have left.
    pub fn open(page: PageId, names: Arc<Configured>, origin: Arc<Origin>) -> Self {
        Self {
            names,
            page,
            client: None,
            deadline: None,
            admission: None,
            waited_for: None,
            occupancy: None,
            parts: Vec::new(),
            assembly: None,
            lag: Duration::ZERO,
            ended: origin.arrived,
            ended_at: SystemTime::UNIX_EPOCH,
            outcome: PageOutcome::Cancelled,
            standing: Standing::default(),
            status: None,
            reason: None,
            scope: None,
            would_shed: None,
            origin,
        }
    }
}

impl CallRecord {
    /// Of a call that begins, with no limit.
    pub fn begun(span_id: u64, began: Instant) -> Self {
        Self {
            span_id,
            span: TimeSpan {
                began,
                took: Duration::ZERO,
            },
            lag: Duration::ZERO,
            budget_left: None,
            attempts: Vec::new(),
            http_status: None,
            body: None,
            failure: None,
        }
    }
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    /// Its first instant.
    pub began: Instant,
    /// Its length.
    pub took: Duration,
}

/// How full one limit was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Taken.
    pub taken: u32,
    /// There are at most; `None` is no limit.
    pub limit: Option<u32>,
}

/// How the limits of a page stood at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Tickets of pages that had no answer yet.
    pub tickets: Use,
    /// Places in the page's queue.
    pub queue: Use,
    /// Permits of the first required downstream that had no room for the page, or else of the
    /// one that had the least; `None` of a page that requires none.
    pub permits: Option<(DownstreamId, Use)>,
}

/// What became of one part.
#[derive(Clone, Debug, Default)]
pub struct PartRecord {
    /// How it ended.
    pub status: PartStatus,
    /// Its call; `None` when none was made.
    pub call: Option<CallRecord>,
}

/// One call.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// Of its client span; the downstream was told so.
    pub span_id: u64,
    /// From its begin to its end, whoever ended it.
    pub span: TimeSpan,
    /// The longest that what could run in the gateway waited to run meanwhile: so much of the
    /// time may not be the downstream's.
    pub lag: Duration,
    /// What it had left when it began; `None` is no limit.
    pub budget_left: Option<Duration>,
    /// In order; the last is the one that answered, or was under way at the end.
    pub attempts: Vec<AttemptRecord>,
    /// Status of the downstream's answer, if one came.
    pub http_status: Option<u16>,
    /// Length of its body, decoded, in bytes.
    pub body: Option<usize>,
    /// For a call that failed: the kind, one of few, and the words.
    pub failure: Option<(&'static str, String)>,
}

impl CallRecord {
    /// The status of its answer in words, if one came.
    pub fn answered(&self) -> Option<String> {
        self.http_status.map(|status| format!("answered {status}"))
    }
}

/// One exchange with one endpoint.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The endpoint's address.
    pub endpoint: Arc<str>,
    /// From the choice of the endpoint to the end of the exchange, whoever ended it.
    pub span: TimeSpan,
    /// The connection that carried it.
    pub connection: ConnectionUse,
    /// Why there was no whole answer; `None` also for one that was cut short.
    pub failure: Option<&'static str>,
}

/// What an attempt found for a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionUse {
    /// It had carried nothing before.
    pub is_new: bool,
    /// From the choice of the endpoint until there was one; zero where one was free.
    pub waited: Duration,
}

impl AttemptRecord {
    /// The endpoint's address and port; `None` in a world without them.
    pub fn peer(&self) -> Option<(&str, u16)> {
        let (address, port) = self.endpoint.rsplit_once(':')?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        Some((address, port.parse().ok()?))
    }
}

/// Why a call is an error to whoever made it. A call that was ended on purpose is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// A status of 4xx that the part passes on: an error on a client's span.
    Refused,
    /// Out of time.
    Timeout,
    /// No usable answer.
    Failed,
}

impl PartRecord {
    /// Why its call is an error, if it is one.
    pub fn error(&self) -> Option<CallError> {
        match self.status {
            PartStatus::Ok | PartStatus::Shed | PartStatus::Cancelled => None,
            PartStatus::NotFound | PartStatus::Denied | PartStatus::Busy => {
                Some(CallError::Refused)
            }
            PartStatus::Late => Some(CallError::Timeout),
            PartStatus::Failed => Some(CallError::Failed),
        }
    }
}

impl PageRecord {
    /// Whether the page is an error: of a server only what is its own fault is one, a
    /// status of 5xx that is not for its client's own smaller budget.
    pub fn is_error(&self) -> bool {
        self.outcome != PageOutcome::ClientBudget && self.status.is_some_and(|status| status >= 500)
    }

    /// From arrival to the end.
    pub fn total(&self) -> Duration {
        self.ended.saturating_duration_since(self.origin.arrived)
    }

    /// The total, less the wait for permits and the time from the first call's begin to
    /// the last one's end; `None` of a page that made no call: refusing costs next to nothing,
    /// and beside a flood of refusals nothing of what pages cost would be seen.
    pub fn overhead(&self) -> Option<Duration> {
        let calls = || self.parts.iter().filter_map(|part| part.call.as_ref());
        let begun = calls().map(|call| call.span.began).min()?;
        let ended = calls().map(|call| call.span.end()).max()?;
        let called = ended.saturating_duration_since(begun);
        let waited = self.admission.map_or(Duration::ZERO, |wait| wait.took);
        Some(self.total().saturating_sub(waited).saturating_sub(called))
    }

    /// What it was shed by, if it was.
    pub fn shed_by(&self) -> Option<ShedBy> {
        ShedBy::of(self.reason?, self.scope?)
    }

    /// Whether the answer had every part; `None` when there was no page.
    pub fn complete(&self) -> Option<bool> {
        match self.outcome {
            PageOutcome::Complete => Some(true),
            PageOutcome::Partial => Some(false),
            PageOutcome::Shed
            | PageOutcome::Quota
            | PageOutcome::Late
            | PageOutcome::Failed
            | PageOutcome::NotFound
            | PageOutcome::Denied
            | PageOutcome::BadRequest
            | PageOutcome::ClientBudget
            | PageOutcome::Cancelled => None,
        }
    }
}

impl TimeSpan {
    /// Its last instant.
    pub fn end(self) -> Instant {
        self.began + self.took
    }
}

/// As logs and spans show a time: with hundredths, as what is shorter is noise.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_micros() / 10) as f64 / 100.0
}
