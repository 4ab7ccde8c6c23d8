//! One call: a permit goes in, one outcome comes out.
//!
//! A call never runs past its deadline, holds its permit exactly as long as it
//! runs, and is counted exactly once, also when its future is dropped. What
//! carries it to the downstream is a [`Transport`].

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use crate::config::DownstreamId;
use crate::page::admission::Permit;
use crate::page::deadline::{Deadline, now};
use crate::page::json::{CheckedJson, JsonError};
use crate::telemetry::events;
use crate::telemetry::meters::Meters;
use crate::telemetry::names::CallOutcome;

/// Carries calls. Dropping the returned future must end the work at the downstream,
/// and must fail no other call.
pub trait Transport: Send + Sync + 'static {
    /// One request, and its whole answer.
    ///
    /// # Errors
    /// [`Cause`] when there is no whole answer. An answer with an error status is `Ok`.
    fn call(
        &self,
        downstream: DownstreamId,
        request: CallRequest,
    ) -> impl Future<Output = Result<Reply, Cause>> + Send;
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct CallRequest {
    /// Path and query, percent-encoded, beginning with `/`.
    pub path: String,
    /// All headers but those of the connection itself.
    pub headers: HeaderMap,
}

/// What came back. The body is empty unless the status is a success.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// At most the downstream's `max_body`.
    pub body: Bytes,
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
    /// A content coding, though none was accepted.
    #[error("body is encoded, though only identity was accepted")]
    Encoded,
    /// A body that cannot be spliced into a page.
    #[error(transparent)]
    Json(#[from] JsonError),
}

impl Cause {
    /// Whether the same page might well succeed a moment later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) => true,
            Self::Status(status) => *status >= 500 || matches!(status, 408 | 425 | 429),
            Self::TooLarge(_) | Self::Encoded | Self::Json(_) => false,
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// A usable body.
    Ok(CheckedJson),
    /// 404.
    NotFound,
    /// Not by its deadline.
    Late,
    /// No answer, or none that can be used.
    Failed(Cause),
}

impl CallEnd {
    fn outcome(&self) -> CallOutcome {
        match self {
            Self::Ok(_) => CallOutcome::Ok,
            Self::NotFound => CallOutcome::NotFound,
            Self::Late => CallOutcome::Late,
            Self::Failed(_) => CallOutcome::Failed,
        }
    }
}

/// Runs one call until it ends or `deadline` comes; returns how it ended and how long it took.
pub async fn call<T: Transport>(
    transport: &T,
    meters: &Meters,
    permit: Permit,
    request: CallRequest,
    deadline: Deadline,
) -> (CallEnd, Duration) {
    let record = CallRecord::begin(meters, permit.downstream());
    let end = match deadline
        .limit(transport.call(permit.downstream(), request))
        .await
    {
        Ok(Ok(reply)) => judge(reply),
        Ok(Err(cause)) => CallEnd::Failed(cause),
        Err(_elapsed) => CallEnd::Late,
    };
    drop(permit);
    let took = record.end(&end);
    (end, took)
}

fn judge(reply: Reply) -> CallEnd {
    match reply.status {
        // Of the successes only these two carry the whole of what was asked for.
        200 | 203 => match CheckedJson::new(reply.body) {
            Ok(json) => CallEnd::Ok(json),
            Err(error) => CallEnd::Failed(error.into()),
        },
        404 => CallEnd::NotFound,
        status => CallEnd::Failed(Cause::Status(status)),
    }
}

/// Counts a call exactly once: as it ended, or as cancelled when it is dropped before.
struct CallRecord<'a> {
    meters: &'a Meters,
    downstream: DownstreamId,
    started: Instant,
    outcome: CallOutcome,
    took: Option<Duration>,
}

impl<'a> CallRecord<'a> {
    fn begin(meters: &'a Meters, downstream: DownstreamId) -> Self {
        Self {
            meters,
            downstream,
            started: now(),
            outcome: CallOutcome::Cancelled,
            took: None,
        }
    }

    fn end(mut self, end: &CallEnd) -> Duration {
        self.outcome = end.outcome();
        if let CallEnd::Failed(cause) = end {
            let name = self.meters.counts().downstream_name(self.downstream.0);
            events::call_failed(name, cause);
        }
        let took = now() - self.started;
        self.took = Some(took);
        took
    }
}

impl Drop for CallRecord<'_> {
    fn drop(&mut self) {
        let took = self.took.unwrap_or_else(|| now() - self.started);
        self.meters.call(self.downstream.0, self.outcome, took);
    }
}
