//! HTTP/2: exchanges of many calls on one connection.
//!
//! A connection is driven by a task of its own; a call owns a [`Stream`], the right to one of the
//! streams that the peer allows, and no call is given one that the peer would let wait. Dropping
//! a call resets its stream and leaves its siblings alone.
//!
//! What always holds: streams given out never exceed what the peer allows; a connection that has
//! failed, is going away or is too old gives out no further stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, poll_fn};
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Request, Uri, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::coding::Coding;
use super::http1::answer::{MAX_FIELDS, MAX_HEAD, Malformed};
use super::listening::{Heard, Listening};
use super::stream::Stream as Io;
use crate::page::downstream::{AnswerFields, CallRequest, Cause};
use crate::text::header_value;

/// A connection that answers no ping while calls wait on it is dead.
const PING_EVERY: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Streams of a connection at most, whatever the peer allows.
const MAX_STREAMS: usize = 256;

/// Header fields of a request beside those that all calls of its page have: two of every request, and
/// ordinarily two of its trace and the time left.
const OTHER_FIELDS: usize = 5;

/// What an answer may have under way on one stream, and all of them on one connection: as many
/// times as there are streams, so that one unread body does not stall its siblings.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS as u32;

/// The right to one stream of a connection.
#[derive(Debug)]
pub(super) struct Stream {
    sender: SendRequest<Empty<Bytes>>,
    shared: Arc<Shared>,
    /// Whether a call has it, so that it counts against what the peer allows.
    taken: bool,
}

/// What the streams of a connection share.
#[derive(Debug)]
struct Shared {
    ended: AtomicBool,
    /// A request has been sent on it.
    carried: AtomicBool,
    /// What the peer allows at once; 0 until it has said.
    allowed: watch::Sender<usize>,
    open: AtomicUsize,
    used: Mutex<Instant>,
    idle_timeout: Duration,
    retire: Instant,
}

/// Whole answer of an exchange.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
    pub(super) coding: Coding,
    pub(super) fields: Option<Box<AnswerFields>>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Http2Error {
    /// The connection ended, or was ending, before the peer looked at the request.
    Closed(String),
    /// The peer refused it unseen (RFC 9113 section 8.7).
    Refused(String),
    /// Anything else.
    Failed(Cause),
}

/// A connection whose peer has spoken, but may not allow a stream yet.
#[derive(Debug)]
pub(super) struct Opened {
    sender: SendRequest<Empty<Bytes>>,
    shared: Arc<Shared>,
}

/// Says hello on `io` and waits for the peer's first word; the connection is to be retired at
/// `retire`.
///
/// # Errors
/// What hyper says.
pub(super) async fn open(
    io: Io,
    now: Instant,
    idle_timeout: Duration,
    retire: Instant,
) -> Result<Opened, hyper::Error> {
    let (work, received) = mpsc::unbounded_channel();
    let heard = Arc::new(Heard::default());
    let io = Listening {
        io,
        heard: Arc::clone(&heard),
    };
    let (sender, connection) = Builder::new(Work(work))
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEAD as u32)
        // None until the peer has said how many it allows.
        .initial_max_send_streams(0)
        .handshake(TokioIo::new(io))
        .await?;
    let (allowed, _) = watch::channel(0);
    let shared = Arc::new(Shared {
        ended: AtomicBool::new(false),
        carried: AtomicBool::new(false),
        allowed,
        open: AtomicUsize::new(0),
        used: Mutex::new(now),
        idle_timeout,
        retire,
    });
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with the connection: when its peer closes, and when its last stream has been dropped"
    )]
    tokio::spawn(drive(connection, received, Arc::clone(&shared)));
    heard.wait().await;
    Ok(Opened { sender, shared })
}

impl Opened {
    /// As many streams as the peer allows, once it allows one.
    pub(super) async fn streams(self) -> Vec<Stream> {
        let mut says = self.shared.allowed.subscribe();
        // Its end is published as one stream, which is not usable.
        let allowed = says.wait_for(|allowed| *allowed > 0).await.map(|n| *n);
        let stream = |_| Stream {
            sender: self.sender.clone(),
            shared: Arc::clone(&self.shared),
            taken: false,
        };
        (0..allowed.unwrap_or(1).min(MAX_STREAMS))
            .map(stream)
            .collect()
    }
}

/// What hyper wants to have run for a connection: it runs in the connection's own task, so that
/// one task notices everything that the peer says.
#[derive(Clone, Debug)]
struct Work(mpsc::UnboundedSender<BoxFuture<'static, ()>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Work {
    fn execute(&self, work: F) {
        // An error: the connection has ended, and with it all of its work.
        let _ = self.0.send(Box::pin(work));
    }
}

/// Keeps the connection going and publishes what the peer allows.
async fn drive(
    connection: Connection<TokioIo<Listening>, Empty<Bytes>, Work>,
    mut received: mpsc::UnboundedReceiver<BoxFuture<'static, ()>>,
    shared: Arc<Shared>,
) {
    let mut connection = Some(Box::pin(connection));
    let mut working = FuturesUnordered::new();
    poll_fn(|cx| {
        if let Some(running) = &mut connection {
            // How it ended shows at the streams that were open.
            let ended = running.as_mut().poll(cx).is_ready();
            shared.allow(running.current_max_send_streams());
            if ended {
                connection = None;
                shared.end();
            }
        }
        while let Poll::Ready(Some(work)) = received.poll_recv(cx) {
            working.push(work);
        }
        while let Poll::Ready(Some(())) = working.poll_next_unpin(cx) {}
        if let Some(running) = &connection {
            shared.allow(running.current_max_send_streams());
        }
        match connection.is_none() && working.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

impl Shared {
    fn allow(&self, streams: usize) {
        self.allowed.send_if_modified(|allowed| {
            let changed = *allowed != streams;
            *allowed = streams;
            changed
        });
    }

    /// No further stream is given out, and whoever waits for the peer's first word waits no longer.
    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.allowed
            .send_modify(|allowed| *allowed = (*allowed).max(1));
    }
}

impl Stream {
    /// Whether a request sent now would be on its way at once.
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        let shared = &self.shared;
        !shared.ended.load(Ordering::Acquire)
            && self.sender.is_ready()
            && now < shared.retire
            && shared.open.load(Ordering::Acquire) < *shared.allowed.borrow()
    }

    /// Whether no request was sent on its connection yet.
    pub(super) fn is_of_new_connection(&self) -> bool {
        !self.shared.carried.load(Ordering::Relaxed)
    }

    /// When its connection has been idle for too long.
    pub(super) fn expires(&self) -> Instant {
        match self.shared.open.load(Ordering::Acquire) {
            0 => *self.shared.used.lock() + self.shared.idle_timeout,
            // A sibling is in use, and so is the connection.
            _ => self.shared.retire,
        }
    }

    /// Counts it as open.
    pub(super) fn take(&mut self) {
        if !std::mem::replace(&mut self.taken, true) {
            self.shared.open.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Counts it as free again.
    pub(super) fn release(&mut self, now: Instant) {
        if std::mem::take(&mut self.taken) {
            *self.shared.used.lock() = now;
            self.shared.open.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// No further stream of its connection is given out.
    fn retire(&self) {
        self.shared.ended.store(true, Ordering::Release);
    }

    /// Sends the request and reads the answer, with a body of at most `max_body` bytes.
    pub(super) async fn exchange(
        &mut self,
        base: &Base,
        request: &CallRequest<'_>,
        max_body: usize,
    ) -> Result<Answer, Http2Error> {
        let request = base.request(request).map_err(Http2Error::Failed)?;
        self.shared.carried.store(true, Ordering::Relaxed);
        let response = match self.sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return Err(self.not_answered(&error)),
        };
        let (head, body) = response.into_parts();
        if head.headers.len() > MAX_FIELDS {
            return Err(failed(Malformed::TooManyFields));
        }
        let coding = coding(&head.headers);
        let status = head.status.as_u16();
        let all = head.headers.iter();
        let fields = AnswerFields::of(status, all.map(|(n, v)| (n.as_str(), v.as_bytes())));
        let body = match head.status.is_success() {
            true => read(body, &head.headers, max_body).await?,
            // Its status is all that counts; the stream is reset.
            false => Bytes::new(),
        };
        Ok(Answer {
            status,
            body,
            coding,
            fields,
        })
    }

    fn not_answered(&self, error: &hyper::Error) -> Http2Error {
        let h2 = std::error::Error::source(error).and_then(|e| e.downcast_ref::<h2::Error>());
        if h2.and_then(h2::Error::reason) == Some(h2::Reason::REFUSED_STREAM) {
            return Http2Error::Refused(words(error));
        }
        // Of the streams of a connection that goes away, only those fail so that the peer says it
        // has not looked at (RFC 9113 section 6.8).
        let goes_away = h2.is_some_and(|error| error.is_go_away() && error.is_remote());
        if goes_away || error.is_canceled() || error.is_closed() {
            self.retire();
            return Http2Error::Closed(words(error));
        }
        Http2Error::Failed(Cause::Broken(words(error)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.taken {
            self.shared.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// What goes before the path of every request.
#[derive(Debug)]
pub(super) struct Base {
    /// `https://host:port/prefix`, without a trailing slash.
    pub(super) origin: String,
}

impl Base {
    fn request(&self, request: &CallRequest<'_>) -> Result<Request<Empty<Bytes>>, Cause> {
        let uri = Uri::try_from(format!("{}{}", self.origin, request.path));
        let uri = uri.map_err(|error| Cause::Broken(format!("its path is not a URI: {error}")))?;
        let mut headers = HeaderMap::with_capacity(request.shared.len() + OTHER_FIELDS);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in request.shared {
            headers.append(name, value.clone());
        }
        request.own.each(|name, value| {
            headers.append(name.clone(), header_value(Bytes::copy_from_slice(value)));
        });
        let mut made = Request::new(Empty::new());
        *made.version_mut() = Version::HTTP_2;
        *made.uri_mut() = uri;
        *made.headers_mut() = headers;
        Ok(made)
    }
}

fn coding(headers: &HeaderMap) -> Coding {
    let mut coding = Coding::default();
    let values = headers.get_all(CONTENT_ENCODING).iter();
    values.for_each(|value| coding.add(value.as_bytes()));
    coding
}

/// Reads a body of at most `max_body` bytes; of a longer one, no more than that.
async fn read(
    mut body: Incoming,
    headers: &HeaderMap,
    max_body: usize,
) -> Result<Bytes, Http2Error> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    let announced: Option<u64> = announced.and_then(|length| length.parse().ok());
    if announced.is_some_and(|length| length > max_body as u64) {
        return Err(failed(Malformed::TooLarge(max_body)));
    }
    let mut whole = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Http2Error::Failed(Cause::Broken(words(&error))))?;
        let Ok(data) = frame.into_data() else {
            // Trailers: nothing of them is used.
            continue;
        };
        if data.len() > max_body - whole.len() - more.len() {
            return Err(failed(Malformed::TooLarge(max_body)));
        }
        if whole.is_empty() && more.is_empty() {
            whole = data;
        } else {
            more.extend_from_slice(&std::mem::take(&mut whole));
            more.extend_from_slice(&data);
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(match more.is_empty() {
        true => whole,
        false => more.freeze(),
    })
}

fn failed(malformed: Malformed) -> Http2Error {
    Http2Error::Failed(malformed.into())
}

/// The error and what it came from.
fn words(error: &hyper::Error) -> String {
    let sources = std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source());
    let words: Vec<_> = sources.map(ToString::to_string).collect();
    words.join(": ")
}
