//! Bytes that are no request: what they seem to be, who is told, what is answered.
//!
//! hyper refuses them by a bare status, and nothing else would know of them: a balancer that
//! speaks TLS or the PROXY protocol to this port would be traffic at zero and errors at zero.
//!
//! What always holds: each such connection is counted once, under one kind, and logged at most
//! once a second; where an answer can be read, it is a problem like all others.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderValue;
use http::header::CONNECTION;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;
use uuid::Uuid;

use crate::edge::http1::FieldLines;
use crate::edge::linger::linger;
use crate::edge::respond::Fields as _;
use crate::edge::stream::Stream;
use crate::edge::{REQUEST_ID, http1, respond};
use crate::lifecycle::Listener;
use crate::page::deadline::{Deadline, now};
use crate::page::refusal::Refusal;
use crate::telemetry::context::TraceContext;
use crate::telemetry::events;
use crate::telemetry::names::Unreadable;
use crate::text::header_value;

/// Between two lines of the log.
const QUIET: Duration = Duration::from_secs(1);

/// How long a client may take to take what it is answered.
const TAKES: Duration = Duration::from_secs(1);

/// First bytes that no request for HTTP/1.1 has, and what they begin.
const BEGINNINGS: [(&[u8], Unreadable); 6] = [
    // A handshake record of TLS 1.0 or later (RFC 8446 section 5.1).
    (b"\x16\x03", Unreadable::Tls),
    (b"PROXY TCP4 ", Unreadable::ProxyProtocol),
    (b"PROXY TCP6 ", Unreadable::ProxyProtocol),
    (b"PROXY UNKNOWN", Unreadable::ProxyProtocol),
    // Version 2 of it.
    (b"\r\n\r\n\0\r\nQUIT\n", Unreadable::ProxyProtocol),
    // RFC 9113 section 3.4.
    (b"PRI * HTTP/2.0\r\n", Unreadable::Http2),
];

/// Why a connection is refused: what came, and the problem that says so; `None` to those who
/// could not read it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRequest {
    pub(super) what: Unreadable,
    problem: Option<Refusal>,
}

impl NoRequest {
    /// Why a head that begins so is none, if it is none.
    pub(super) fn by_beginning(bytes: &[u8]) -> Option<Self> {
        let known = BEGINNINGS
            .iter()
            .find(|(known, _)| bytes.starts_with(known));
        let what = known?.1;
        let problem = match what {
            // Its client takes it for what it is, no TLS; people who look at the bytes can read it.
            Unreadable::Tls => Some(bad("TLS is not spoken here.")),
            Unreadable::ProxyProtocol => Some(bad("The PROXY protocol is not spoken here.")),
            Unreadable::Http2
            | Unreadable::TooLarge
            | Unreadable::Malformed
            | Unreadable::Plaintext
            | Unreadable::TlsHandshake
            | Unreadable::TlsClientCertificate
            | Unreadable::TlsTimeout
            | Unreadable::Http2Flood => None,
        };
        Some(Self { what, problem })
    }

    /// What hyper refuses by this answer of its own: it has no body and no head of ours.
    pub(super) fn by_answer(answer: &[u8]) -> Option<Self> {
        let status = answer.strip_prefix(b"HTTP/1.")?.get(2..5)?;
        match status {
            b"400" => Some(Self {
                what: Unreadable::Malformed,
                problem: Some(bad("The request is not HTTP/1.1 as RFC 9112 has it.")),
            }),
            b"414" => Some(Self::too_large(Refusal::UriTooLong)),
            b"431" => Some(Self::no_room()),
            _ => None,
        }
    }

    /// There is no room for the head.
    pub(super) fn no_room() -> Self {
        Self::too_large(Refusal::HeadersTooLarge)
    }

    /// A trusted proxy did not say for whom its connection is.
    pub(super) fn not_introduced() -> Self {
        Self {
            what: Unreadable::ProxyProtocol,
            problem: Some(bad(
                "A header of the PROXY protocol has to come first from this address.",
            )),
        }
    }

    /// A client does without TLS where it is spoken.
    pub(super) fn without_tls() -> Self {
        Self {
            what: Unreadable::Plaintext,
            problem: Some(bad("TLS is spoken here. Use https.")),
        }
    }

    /// `what` came, and no answer to it could be read.
    pub(super) fn unanswered(what: Unreadable) -> Self {
        let problem = None;
        Self { what, problem }
    }

    fn too_large(problem: Refusal) -> Self {
        Self {
            what: Unreadable::TooLarge,
            problem: Some(problem),
        }
    }

    /// Answers, as far as that can be read, and closes the connection.
    pub(super) async fn answer(self, mut stream: Stream) {
        let answer = self.problem.as_ref().map(written);
        let answered = async {
            stream.write_all(&answer.unwrap_or_default()).await?;
            stream.shutdown().await
        };
        // A client that does not take its answer has had its time.
        if let Ok(Ok(())) = Deadline::after(now(), TAKES).limit(answered).await {
            let _ = linger(&mut stream).await;
        }
    }
}

fn bad(what: &str) -> Refusal {
    Refusal::BadRequest(what.to_owned())
}

fn written(problem: &Refusal) -> Vec<u8> {
    let id = Uuid::now_v7().simple().to_string();
    let mut fields = FieldLines::default();
    let (status, body) = respond::to_no_request(problem, &id, &TraceContext::new(), &mut fields);
    fields.add(REQUEST_ID, header_value(id));
    fields.add(CONNECTION, HeaderValue::from_static("close"));
    http1::written(status, &fields, &body)
}

/// Why a connection is closed without being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotServed {
    /// What came is no request.
    Unreadable(Unreadable),
    /// Its client has as many as it may.
    TooMany,
}

/// Who is told of the connections of one listener that are not served.
pub(super) struct Report<C> {
    listener: Listener,
    count: C,
    unreadable: Mutex<Said>,
    too_many: Mutex<Said>,
}

/// When it was logged last, and how often it was not since: a pure state.
#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

impl Said {
    /// Once more, at `now`: how many others are to be said with it, if it is to be said.
    fn once_more(&mut self, now: Instant) -> Option<u64> {
        let early = |last: Instant| now.saturating_duration_since(last) < QUIET;
        if self.last.is_some_and(early) {
            self.unsaid += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl<C: Fn(NotServed)> Report<C> {
    pub(super) fn new(listener: Listener, count: C) -> Self {
        Self {
            listener,
            count,
            unreadable: Mutex::default(),
            too_many: Mutex::default(),
        }
    }

    /// `what` came from `peer`.
    pub(super) fn unreadable(&self, what: Unreadable, peer: SocketAddr) {
        (self.count)(NotServed::Unreadable(what));
        let more = self.unreadable.lock().once_more(now());
        if let Some(more) = more {
            events::unreadable(self.listener, peer, what, more);
        }
    }

    /// `client` opened more connections than it may have.
    pub(super) fn too_many(&self, client: SocketAddr) {
        (self.count)(NotServed::TooMany);
        let more = self.too_many.lock().once_more(now());
        if let Some(more) = more {
            events::too_many_connections(self.listener, client, more);
        }
    }
}

impl<C> fmt::Debug for Report<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_another_protocol_is_known_by_its_first_bytes_and_requests_are_not() {
        for (bytes, what) in [
            (&b"\x16\x03\x01\x02\x00\x01\x00"[..], Some(Unreadable::Tls)),
            (
                b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
                Some(Unreadable::ProxyProtocol),
            ),
            (b"PROXY UNKNOWN\r\n", Some(Unreadable::ProxyProtocol)),
            (
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11",
                Some(Unreadable::ProxyProtocol),
            ),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Unreadable::Http2)),
            (b"GET / HTTP/1.1\r\n", None),
            (b"PROXY /p/1 HTTP/1.1\r\n", None),
            (b"PRI /p/1 HTTP/1.1\r\n", None),
            (b"\r\nGET / HTTP/1.1\r\n", None),
            (b"", None),
        ] {
            let found = NoRequest::by_beginning(bytes).map(|none| none.what);
            assert_eq!(found, what, "{bytes:?}");
        }
    }

    #[test]
    fn hypers_own_refusals_are_known_and_pages_are_not() {
        for (answer, what) in [
            (
                &b"HTTP/1.1 400 Bad Request\r\n"[..],
                Some(Unreadable::Malformed),
            ),
            (
                b"HTTP/1.0 431 Request Header Fields Too Large\r\n",
                Some(Unreadable::TooLarge),
            ),
            (b"HTTP/1.1 414 URI Too Long\r\n", Some(Unreadable::TooLarge)),
            (b"HTTP/1.1 200 OK\r\n", None),
            (b"{\"complete\":true", None),
            (b"HTTP/1.", None),
        ] {
            assert_eq!(NoRequest::by_answer(answer).map(|none| none.what), what);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_said_at_most_once_a_second_and_how_often_it_was_not() {
        let (mut said, began) = (Said::default(), now());
        let at = |ms: u64| began + Duration::from_millis(ms);
        assert_eq!(said.once_more(at(0)), Some(0));
        for n in 1..=300 {
            assert_eq!(said.once_more(at(n * 3)), None);
        }
        assert_eq!(said.once_more(at(1000)), Some(300));
        assert_eq!(said.once_more(at(1001)), None);
        assert_eq!(said.once_more(at(9000)), Some(1));
    }
}
