//! One call: a permit goes in, one outcome comes out.
//!
//! A call never runs past its deadline, holds its permit exactly as long as it
//! runs, and is told of exactly once, also when its future is dropped. What
//! carries it to the downstream is a [`Transport`].

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use crate::config::DownstreamId;
use crate::outcome::CallOutcome;
use crate::page::admission::Permit;
use crate::page::deadline::{Deadline, now};
use crate::page::json::{CheckedJson, JsonError};
use crate::telemetry::Telemetry;
use crate::telemetry::record::{CallRecord, PartRecord, Stretch};

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
    /// Which kind it is, for searching: one of few.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Broken(_) => "broken",
            Self::Status(_) => "status",
            Self::TooLarge(_) => "too_large",
            Self::Encoded => "encoded",
            Self::Json(_) => "json",
        }
    }

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

/// A call that is about to begin.
#[derive(Debug)]
pub struct PlannedCall {
    /// What is sent.
    pub request: CallRequest,
    /// Of its client span; the request says the same.
    pub span_id: u64,
    /// When it begins.
    pub begins: Instant,
    /// By when it must have ended.
    pub deadline: Deadline,
}

/// Runs one call until it ends or its deadline comes, and writes into `part` what it did.
pub async fn call<T: Transport>(
    transport: &T,
    telemetry: &Telemetry,
    permit: Permit,
    planned: PlannedCall,
    part: &mut PartRecord,
) -> CallEnd {
    let mut running = Running::begin(telemetry, permit.downstream(), &planned, part);
    let end = match planned
        .deadline
        .limit(transport.call(permit.downstream(), planned.request))
        .await
    {
        Ok(Ok(reply)) => {
            running.call().http_status = Some(reply.status);
            judge(reply)
        }
        Ok(Err(cause)) => CallEnd::Failed(cause),
        Err(_elapsed) => CallEnd::Late,
    };
    drop(permit);
    running.end(&end);
    end
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

/// Tells of a call exactly once: as it ended, or as cancelled when it is dropped before.
struct Running<'a> {
    telemetry: &'a Telemetry,
    downstream: DownstreamId,
    part: &'a mut PartRecord,
    outcome: CallOutcome,
}

impl<'a> Running<'a> {
    fn begin(
        telemetry: &'a Telemetry,
        downstream: DownstreamId,
        planned: &PlannedCall,
        part: &'a mut PartRecord,
    ) -> Self {
        part.call = Some(CallRecord {
            span_id: planned.span_id,
            stretch: Stretch {
                began: planned.begins,
                took: Duration::ZERO,
            },
            budget_left: planned.deadline.left(planned.begins),
            http_status: None,
            failure: None,
        });
        Self {
            telemetry,
            downstream,
            part,
            outcome: CallOutcome::Cancelled,
        }
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
        let call = self.call();
        call.stretch.took = now() - call.stretch.began;
        let took = call.stretch.took;
        self.telemetry
            .call_ended(self.downstream, self.outcome, took);
    }
}
