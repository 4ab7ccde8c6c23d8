//! How one arrival ended.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use gateway::outcome::{PageOutcome, Promise};
use http::header::RETRY_AFTER;
use hyper::Response;
use serde::Deserialize;

const COMPLETE: &str = "x-gateway-complete";

/// The end of a request, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// A whole answer: this status, and the body read to its last byte.
    Status(u16),
    /// The client's patience ended first; it closed its connection.
    Left,
    /// No whole answer within the guard. A server that bounds its answers never shows this.
    Hung,
    /// The connection broke before the answer was whole.
    Reset,
    /// No connection could be opened.
    ConnectFailed,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Status(code) => write!(f, "{code}"),
            Ending::Left => f.pad("left"),
            Ending::Hung => f.pad("hung"),
            Ending::Reset => f.pad("reset"),
            Ending::ConnectFailed => f.pad("connect failed"),
        }
    }
}

/// One arrival that was sent, and what came of it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// When it was due, counted from the start of the load.
    pub scheduled: Duration,
    /// From when it was *due*, not from when it was sent, to its ending.
    pub latency: Duration,
    /// How late the generator itself was in sending it; part of `latency`.
    pub lag: Duration,
    /// How it ended.
    pub ending: Ending,
    /// `X-Gateway-Complete`, where there was one.
    pub complete: Option<bool>,
    /// `reason` of a problem answer (RFC 9457), for statuses from 400.
    pub reason: Option<Box<str>>,
    /// `Retry-After` in seconds, where there was one.
    pub retry_after: Option<u32>,
    /// What the socket said, for `Reset` and `ConnectFailed`.
    pub error: Option<Box<str>>,
    /// The body, if the load was told to keep bodies.
    pub body: Option<Bytes>,
}

impl Answer {
    /// Whether a whole answer with this status came.
    #[must_use]
    pub fn is(&self, status: u16) -> bool {
        self.ending == Ending::Status(status)
    }

    /// A 200 no later than `deadline` after it was due: the only thing worth counting.
    #[must_use]
    pub fn is_good(&self, deadline: Duration) -> bool {
        let promise = Promise {
            deadline: Some(deadline),
            ..Promise::default()
        };
        self.is(200) && promise.standing(PageOutcome::Complete, self.latency).good
    }

    pub(crate) fn ended(
        scheduled: Duration,
        lag: Duration,
        latency: Duration,
        ending: Ending,
    ) -> Self {
        Self {
            scheduled,
            latency,
            lag,
            ending,
            complete: None,
            reason: None,
            retry_after: None,
            error: None,
            body: None,
        }
    }

    /// Takes from the answer what a report may ask for.
    pub(crate) fn read(&mut self, response: Response<Bytes>, keep_body: bool) {
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        self.ending = Ending::Status(response.status().as_u16());
        self.complete = header(COMPLETE).and_then(|text| text.parse().ok());
        self.retry_after = header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        if response.status().as_u16() >= 400 {
            self.reason = reason_of(response.body());
        }
        self.body = keep_body.then(|| response.into_body());
    }
}

fn reason_of(body: &[u8]) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Problem {
        reason: Box<str>,
    }
    serde_json::from_slice::<Problem>(body)
        .ok()
        .map(|problem| problem.reason)
}
