//! HTTP/2 towards clients, under limits (RFC 9113).
//!
//! What always holds: a connection has at most [`MAX_STREAMS`] pages at once, all in its own task, and
//! all end with it; what a client may cost without asking for a page is limited in number
//! (`frames`, `resets`) and in time (`activity`); a client that has to leave is told so (GOAWAY),
//! and what it asked for before is answered.
//!
//! Requests are those of HTTP/1.1 from here on: the same service answers them by the same checks, and
//! `:authority` is their Host.
//!
//! Not here: how a connection comes to speak it ([`super::socket`] by its first bytes, `opening` by TLS).

mod activity;
mod frames;
mod io;
mod resets;
mod streams;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, Stream as _};
use h2::Reason;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneService;
use tower::{BoxError, Service as _};

use self::activity::{Activity, Next};
use self::io::Socket;
use self::resets::Resets;
use self::streams::{End, Opened, Pieces, Progress, Running};
use super::connection::Connection;
use super::socket::Waits;
use super::stream::Stream;
use super::unreadable::NoRequest;
use super::validate::MAX_HEAD;
use crate::page::deadline::{Deadline, now};
use crate::telemetry::names::Unreadable;

/// The first line of the client's preface (RFC 9113 section 3.4): no request of HTTP/1.1 begins so.
pub(super) const PREFACE_LINE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Pages of one connection at once: what RFC 9113 section 6.5.2 recommends as the least.
pub const MAX_STREAMS: u32 = 100;

/// Bytes that a client may send before it is asked for more, on a stream and in all: requests have no
/// bodies. RFC 9113 section 6.9.2 has every connection begin with as many.
const WINDOW: u32 = 65_535;

/// Bytes of an answer that are held for a stream while its client has no room for them.
const SEND_BUFFER: usize = 64 * 1024;

/// Streams that a client resets before anybody has looked at them, until the connection is closed
/// (CVE-2023-44487).
const UNSEEN_RESETS: usize = 20;

/// Streams that have to be reset for what their client sends on them, until the connection is closed
/// (MadeYouReset, CVE-2025-8671). In its whole life, so that a proxy may pass on some mistakes of its clients.
const FORCED_RESETS: usize = 100;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// What answers requests.
pub(super) type Service = BoxCloneService<Request<Incoming>, Response<Body>, Infallible>;

/// The body of its answers.
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The body of an answer as it is written; that to HEAD has none.
type Written = Either<Pieces<Body>, Empty<Bytes>>;

/// What the parts of one connection share.
struct Shared {
    connection: Arc<Connection>,
    activity: Mutex<Activity>,
    /// The client has reset more than it may.
    floods: AtomicBool,
}

/// Serves what comes on `stream`, of which `read` has been read, until it ends; the first request must
/// be there by `first`. Dropping the future ends everything at once.
///
/// # Errors
/// Why it ended, if not because one side wanted to.
pub(super) async fn serve(
    (stream, read): (Stream, Vec<u8>),
    service: Service,
    connection: Arc<Connection>,
    (waits, first): (Waits, Deadline),
    drain: CancellationToken,
) -> Result<(), BoxError> {
    let shared = Arc::new(Shared {
        connection,
        activity: Mutex::new(Activity::new(now(), waits, first)),
        floods: AtomicBool::new(false),
    });
    let (opened, streams) = Opened::new();
    let mut streams = Streams::new(streams);
    let served = Served {
        service,
        current: Arc::clone(&opened.current),
        shared: Arc::clone(&shared),
    };
    let socket = Socket::new(stream, read, Arc::clone(&shared));
    let mut http = pin!(http(opened).serve_connection(TokioIo::new(socket), served));
    let mut drain = pin!(drain.cancelled_owned());
    let mut drains = false;
    let mut told = false;
    let mut timer = pin!(tokio::time::sleep_until(now()));
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = http.as_mut().poll(cx) {
                return Poll::Ready(ended.map_err(|error| shared.failed(error)));
            }
            let mut goes_on = streams.go_on(cx, &shared);
            drains = drains || drain.as_mut().poll(cx).is_ready();
            if drains || shared.connection.retires() {
                shared.activity.lock().leaves(now());
            }
            let next = shared.wait(cx, timer.as_mut());
            if next == Poll::Ready(Next::Close) {
                return Poll::Ready(Err("what was waited for has not come".into()));
            }
            if !told && shared.activity.lock().is_leaving() {
                told = true;
                http.as_mut().graceful_shutdown();
                goes_on = true;
            }
            if !goes_on {
                return Poll::Pending;
            }
        }
    })
    .await
}

fn http(opened: Opened) -> Builder<Opened> {
    let mut http = Builder::new(opened);
    http.max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(MAX_HEAD as u32)
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .max_local_error_reset_streams(FORCED_RESETS);
    http
}

/// The streams of a connection that are open.
struct Streams {
    opened: mpsc::UnboundedReceiver<Running>,
    running: FuturesUnordered<Running>,
    resets: Resets,
}

impl Streams {
    fn new(opened: mpsc::UnboundedReceiver<Running>) -> Self {
        Self {
            opened,
            running: FuturesUnordered::new(),
            resets: Resets::new(now()),
        }
    }

    /// Lets all go on that can. Whether any ended, so that there is something to write.
    fn go_on(&mut self, cx: &mut Context<'_>, shared: &Shared) -> bool {
        while let Poll::Ready(Some(stream)) = self.opened.poll_recv(cx) {
            self.running.push(stream);
        }
        let mut any_ended = false;
        while let Poll::Ready(Some(end)) = Pin::new(&mut self.running).poll_next(cx) {
            shared.closed(end, &mut self.resets, now());
            any_ended = true;
        }
        any_ended
    }
}

impl Shared {
    /// A stream has ended.
    fn closed(&self, end: End, resets: &mut Resets, now: Instant) {
        if end != End::Refused {
            self.activity.lock().closed(now);
        }
        match end {
            End::Refused => {}
            End::Answered => resets.answered(),
            End::Reset if resets.reset(now) => {}
            End::Reset => {
                if !self.floods.swap(true, Ordering::Relaxed) {
                    self.refuse_flood();
                }
                self.activity.lock().leaves_soon(now);
            }
        }
    }

    fn refuse_flood(&self) {
        let flood = NoRequest::unanswered(Unreadable::Http2Flood);
        self.connection.refuse(flood, None);
    }

    /// Why a stream that is being opened is none; safe to be sent again elsewhere.
    fn refuses(&self, now: Instant) -> Option<Reason> {
        if self.floods.load(Ordering::Relaxed) {
            return Some(Reason::ENHANCE_YOUR_CALM);
        }
        let is_over = self.activity.lock().is_over(now);
        is_over.then_some(Reason::REFUSED_STREAM)
    }

    /// What is to be done now, if anything.
    fn wait(&self, cx: &mut Context<'_>, mut timer: Pin<&mut tokio::time::Sleep>) -> Poll<Next> {
        loop {
            let (by, next) = self.activity.lock().next();
            let Some(at) = by.instant() else {
                return Poll::Pending;
            };
            if at <= now() {
                if next == Next::Leave {
                    self.activity.lock().leaves(now());
                }
                return Poll::Ready(next);
            }
            // It is armed for what was next before, and looked at again then: requests come and go
            // faster than timers are set.
            if timer.is_elapsed() || timer.deadline() > at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// The connection has failed: h2 closes those that flood it.
    fn failed(&self, error: hyper::Error) -> BoxError {
        let h2 = std::error::Error::source(&error).and_then(|e| e.downcast_ref::<h2::Error>());
        let floods = |error: &h2::Error| {
            !error.is_remote() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM)
        };
        if h2.is_some_and(floods) {
            self.refuse_flood();
        }
        error.into()
    }
}

/// The service as hyper calls it: when a header block is complete.
struct Served {
    service: Service,
    current: Arc<Mutex<Option<Arc<Progress>>>>,
    shared: Arc<Shared>,
}

impl hyper::service::Service<Request<Incoming>> for Served {
    type Response = Response<Written>;
    type Error = h2::Error;
    type Future = BoxFuture<'static, Result<Response<Written>, h2::Error>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let progress = Arc::new(Progress::default());
        *self.current.lock() = Some(Arc::clone(&progress));
        if let Some(reason) = self.shared.refuses(now()) {
            progress.is_refused();
            return Box::pin(std::future::ready(Err(reason.into())));
        }
        self.shared.activity.lock().opened();
        let is_head = request.method() == Method::HEAD;
        take_host(&mut request);
        // None of our layers ever is not ready: none of them limits.
        let answering = self.service.clone().call(request);
        Box::pin(async move {
            let Ok(answer) = answering.await;
            Ok(written(answer, is_head, progress))
        })
    }
}

/// `:authority` is the Host, unless there is one beside it: two that differ are two (RFC 9113 section
/// 8.3.1), which nobody reads alike.
fn take_host<B>(request: &mut Request<B>) {
    let Some(authority) = request.uri().authority() else {
        return;
    };
    let Ok(authority) = HeaderValue::from_str(authority.as_str()) else {
        return;
    };
    let hosts = request.headers().get_all(HOST).iter();
    if !hosts.eq([&authority]) {
        request.headers_mut().append(HOST, authority);
    }
}

/// The answer without what is forbidden in HTTP/2 (RFC 9113 section 8.2.2).
fn written(answer: Response<Body>, is_head: bool, progress: Arc<Progress>) -> Response<Written> {
    let (mut head, body) = answer.into_parts();
    head.headers.remove(CONNECTION);
    head.headers.remove(KEEP_ALIVE);
    if is_head || body.is_end_stream() {
        if let Some(length) = body.size_hint().exact().filter(|_| is_head) {
            let length = HeaderValue::from(length);
            head.headers.entry(CONTENT_LENGTH).or_insert(length);
        }
        progress.is_whole();
        return Response::from_parts(head, Either::Right(Empty::new()));
    }
    Response::from_parts(head, Either::Left(Pieces::new(body, progress)))
}
