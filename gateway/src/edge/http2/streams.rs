//! The streams of one connection: they run in the connection's own task, and end with it.
//!
//! What always holds: a stream that its client resets drops its page at once; one whose client does
//! not take its answer is reset, as [`crate::edge::patience`] has it for whole connections; it is known
//! of each that ended whether its answer had been taken whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tower::BoxError;

use crate::edge::patience::{SLOW_ANSWER, SLOW_READER};
use crate::page::deadline::{Deadline, now};

/// An answer is handed to h2 in pieces of so many bytes, each when the client has room for more: so
/// its ticket is held until the client lacks no more than this. The frames that all clients take
/// (RFC 9113 section 6.5.2).
const PIECE: usize = 16 * 1024;

/// How far the answer of a stream has come.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Handed>);

#[derive(Debug, Default)]
struct Handed {
    /// When the first piece of it was, and the last so far.
    first_and_last: Option<(Instant, Instant)>,
    whole: bool,
    refused: bool,
}

impl Progress {
    fn handed(&self, now: Instant) {
        let pieces = &mut self.0.lock().first_and_last;
        *pieces = Some((pieces.map_or(now, |(first, _)| first), now));
    }

    /// All of it has been handed over.
    pub(super) fn is_whole(&self) {
        self.0.lock().whole = true;
    }

    /// There is to be none.
    pub(super) fn is_refused(&self) {
        self.0.lock().refused = true;
    }

    fn end(&self) -> End {
        let handed = self.0.lock();
        match (handed.refused, handed.whole) {
            (true, _) => End::Refused,
            (false, true) => End::Answered,
            (false, false) => End::Reset,
        }
    }

    /// Until when more of it has to be taken.
    fn patience(&self) -> Deadline {
        match self.0.lock().first_and_last {
            None => Deadline::NEVER,
            Some((first, last)) => {
                Deadline::after(first, SLOW_ANSWER).min(Deadline::after(last, SLOW_READER))
            }
        }
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its answer was taken whole.
    Answered,
    /// Its client reset it, or did not take its answer.
    Reset,
    /// It was opened too late: nothing was done for it.
    Refused,
}

/// A stream that is open.
pub(super) struct Running {
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
    progress: Arc<Progress>,
    overdue: Option<Pin<Box<Sleep>>>,
}

impl Future for Running {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        if self.work.as_mut().poll(cx).is_ready() {
            return Poll::Ready(self.progress.end());
        }
        let Some(at) = self.progress.patience().instant() else {
            return Poll::Pending;
        };
        let overdue = self
            .overdue
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if overdue.deadline() != at {
            overdue.as_mut().reset(at);
        }
        // What is dropped is reset.
        ready!(overdue.as_mut().poll(cx));
        Poll::Ready(End::Reset)
    }
}

/// Takes the streams that hyper opens to the task of their connection.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    streams: mpsc::UnboundedSender<Running>,
    /// Of the request that hyper has just given to the service: it opens the stream right after.
    pub(super) current: Arc<Mutex<Option<Arc<Progress>>>>,
}

impl Opened {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Running>) {
        let (streams, opened) = mpsc::unbounded_channel();
        let current = Arc::default();
        (Self { streams, current }, opened)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Opened {
    fn execute(&self, work: F) {
        let running = Running {
            work: Box::pin(work),
            progress: self.current.lock().take().unwrap_or_default(),
            overdue: None,
        };
        // An error: the connection has ended, and with it all of its streams.
        let _ = self.streams.send(running);
    }
}

/// The body of an answer, in pieces, and how far it has come.
pub(super) struct Pieces<B> {
    body: B,
    /// Of a frame that is longer than a piece.
    rest: Bytes,
    progress: Arc<Progress>,
}

impl<B> Pieces<B> {
    pub(super) fn new(body: B, progress: Arc<Progress>) -> Self {
        let rest = Bytes::new();
        Self {
            body,
            rest,
            progress,
        }
    }
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Body for Pieces<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    self.progress.is_whole();
                    return Poll::Ready(None);
                }
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        self.progress.handed(now());
        if self.is_end_stream() {
            self.progress.is_whole();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest + body.lower());
        if let Some(upper) = body.upper() {
            hint.set_upper(rest + upper);
        }
        hint
    }
}
