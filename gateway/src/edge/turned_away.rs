//! Pages that are refused where their heads are read.
//!
//! While all tickets are out most of what comes is refused, and what that costs is taken from the pages
//! that have begun. Half of what a refusal costs is to make a request of a head, to pass it through layers,
//! and to make bytes of the answer again. So a plain head is read here, before hyper sees it, and if it
//! is for a page, that is refused with the same lines of code, in the same order, and written at once.
//!
//! Always holds: a client is told what it would be told otherwise, field by field, and it is counted,
//! recorded and charged alike. What is not plain, what is for anything but a page, and every head while a
//! ticket is free takes the way through hyper, as if nothing had been looked at.
//!
//! Not here: what a refusal says ([`super::respond`]), in which order a page is refused
//! ([`crate::page`]), and when a connection may be answered so ([`super::socket`]).

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderValue, Request, Uri};
use http_body_util::Empty;

use crate::edge::connection::Connection;
use crate::edge::http1::{self, FieldLines};
use crate::edge::respond::{Fields as _, Respond};
use crate::edge::{Asked, Edge, REQUEST_ID, layers, origin, understand};
use crate::generation::Generation;
use crate::page::deadline::now;
use crate::page::downstream::Transport;

/// Fields of a plain head. Browsers send some twenty.
const FIELDS: usize = 32;

/// What says how to read on, which is hyper's to understand.
const NOT_PLAIN: [HeaderName; 6] = [
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    EXPECT,
    UPGRADE,
    TE,
    TRAILER,
];

/// Answers whole heads of requests that are refused at once.
#[derive(Clone)]
pub struct TurnAway(Arc<Answers>);

/// What to write for a head; `None` leaves it to hyper.
type Answers = dyn Fn(&Connection, &[u8]) -> Option<Vec<u8>> + Send + Sync;

impl TurnAway {
    /// As `edge` answers.
    pub fn by<T: Transport>(edge: Arc<Edge<T>>) -> Self {
        Self::with(move |connection, head| edge.turn_away(connection, head))
    }

    pub(super) fn with(
        answers: impl Fn(&Connection, &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(answers))
    }

    /// What to write for this head; `None` leaves it to hyper.
    pub(super) fn answer(&self, connection: &Connection, head: &[u8]) -> Option<Vec<u8>> {
        (self.0)(connection, head)
    }
}

impl fmt::Debug for TurnAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnAway")
    }
}

impl<T: Transport> Edge<T> {
    pub(super) fn turn_away(&self, connection: &Connection, head: &[u8]) -> Option<Vec<u8>> {
        let generation = self.generations.current();
        let pages = &generation.pages;
        let is_last = || self.phase.turns_away() || connection.is_old(now());
        if !pages.admission().is_full() || is_last() {
            return None;
        }
        let request = plain(head)?;
        // A defect is left to the way on which it is answered.
        let refused = AssertUnwindSafe(|| self.refused(&generation, connection, &request));
        std::panic::catch_unwind(refused).ok().flatten()
    }

    fn refused(
        &self,
        generation: &Generation<T>,
        connection: &Connection,
        request: &Request<Empty<Bytes>>,
    ) -> Option<Vec<u8>> {
        let pages = &generation.pages;
        let (origin, unreadable) = origin(generation, request);
        let Ok(Asked::Page(asked)) = understand(generation, connection, request, &origin) else {
            return None;
        };
        pages.telemetry().count_bad_contexts(&unreadable);
        let answer = pages.turn_away(&asked);
        let refusal = answer.result.as_ref().err()?;
        let mut fields = FieldLines::default();
        let (status, body) = Respond::of(pages).refusal(refusal, &answer, &mut fields);
        let allowance = generation.rate_limit.told(answer.allowance);
        for (name, value) in allowance.into_iter().flatten() {
            fields.add(name, value);
        }
        if let Some(id) = &origin.request_id {
            fields.add(REQUEST_ID, id.clone());
        }
        Some(http1::written(status, &fields, &body))
    }
}

/// The request of a head that is plain: a `GET` without a body, after which the connection goes on.
fn plain(head: &[u8]) -> Option<Request<Empty<Bytes>>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let whole = parsed.parse(head) == Ok(httparse::Status::Complete(head.len()));
    if !whole || parsed.method != Some("GET") || parsed.version != Some(1) {
        return None;
    }
    let mut request = Request::new(Empty::new());
    let target = parsed.path.filter(|target| target.starts_with('/'))?;
    // One copy, of which all values are a part.
    let head_copy = Bytes::copy_from_slice(head);
    let part = |of: &[u8]| {
        let at = of.as_ptr() as usize - head.as_ptr() as usize;
        head_copy.slice(at..at + of.len())
    };
    *request.uri_mut() = Uri::from_maybe_shared(part(target.as_bytes())).ok()?;
    let headers = request.headers_mut();
    headers.reserve(parsed.headers.len() + 1);
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        if NOT_PLAIN.contains(&name) || name == CONNECTION && field.value != b"keep-alive" {
            return None;
        }
        let value = HeaderValue::from_maybe_shared(part(field.value)).ok()?;
        headers.append(name, value);
    }
    layers::identify(headers);
    Some(request)
}

/// Whether these are exactly one head, of whatever request.
pub(super) fn is_one_head(bytes: &[u8]) -> bool {
    let mut line = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        if matches!(&bytes[line..end], b"" | b"\r") {
            return line > 0 && end + 1 == bytes.len();
        }
        line = end + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_plain(head: &str) -> bool {
        plain(head.as_bytes()).is_some()
    }

    #[test]
    fn a_get_without_a_body_is_plain() {
        for more in [
            "",
            "connection: keep-alive\r\n",
            "Accept-Encoding: gzip\r\nX-Request-Id: 1\r\nx-request-id: 2\r\n",
        ] {
            assert!(
                is_plain(&format!("GET /p/1?a=b HTTP/1.1\r\nHost: a\r\n{more}\r\n")),
                "{more}"
            );
        }
        let many = "a: b\r\n".repeat(FIELDS);
        assert!(is_plain(&format!("GET / HTTP/1.1\r\n{many}\r\n")));
        assert!(!is_plain(&format!(
            "GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"
        )));
    }

    #[test]
    fn what_hyper_has_to_understand_is_not() {
        for head in [
            "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
            "get / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nG",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
        ] {
            assert!(!is_plain(head), "{head:?}");
        }
    }

    #[test]
    fn one_head_ends_where_the_bytes_do() {
        for one in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "x\n\n",
            "a\r\nb\n\r\n",
            "a\nb\r\n\n",
        ] {
            assert!(is_one_head(one.as_bytes()), "{one:?}");
        }
        for other in [
            "",
            "\r\n",
            "\n\n",
            "GET / HTTP/1.1\r\nHost: a\r\n",
            "GET / HTTP/1.1\r\n\r\nG",
            "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\n\nGET / HTTP/1.1\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\n\r\n",
        ] {
            assert!(!is_one_head(other.as_bytes()), "{other:?}");
        }
    }
}
