//! A client's connection as hyper reads and writes it.
//!
//! What always holds: bytes of an incomplete head are counted as they are read, and a head
//! for which there is no room is not read on, nor one that takes longer than [`Waits::head`];
//! a connection that is idle for [`Waits::idle`] ends, and none is while an answer is streamed; tickets are released when everything
//! written has reached the system; a client that takes nothing for [`SLOW_READER`], or is
//! not done after [`SLOW_ANSWER`], is cut off, or its ticket would never be released.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};
use tokio::time::Sleep;

use crate::edge::bound::Stream;
use crate::edge::connection::Connection;
use crate::edge::heads::{Progress, READ};
use crate::edge::proxy_protocol::{Introduction, NoHeader};
use crate::edge::unreadable::NoRequest;
use crate::page::deadline::{Deadline, now};

/// How long a client may take nothing of an answer that is waiting for it.
pub const SLOW_READER: Duration = Duration::from_secs(10);

/// How long a client may be taking an answer that had to wait for it once: a trickle
/// of reads must not keep a ticket out either.
pub const SLOW_ANSWER: Duration = Duration::from_secs(60);

/// How long a client is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// For a whole head, from its first byte. The first one has it from the connection's opening.
    pub head: Duration,
    /// Between an answer and the next head.
    pub idle: Duration,
}

/// What is waited for while a read finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// The rest of a head, or all of the first one.
    Head,
    /// The next head.
    NextHead,
    /// Nothing: a page is under way, or its answer is.
    Nothing,
}

/// Between hyper and the system.
#[derive(Debug)]
pub(super) struct Socket {
    /// None once a head was refused, and until it is introduced.
    stream: Option<Take<Stream>>,
    /// For whom a trusted proxy opened it, if it still has to say that.
    introduction: Option<Introduction>,
    connection: Arc<Connection>,
    waits: Waits,
    awaited: Awaited,
    /// When what is awaited must be there.
    overdue: Pin<Box<Sleep>>,
    /// Bytes of an answer have been written since its head was complete.
    answering: bool,
    stalled: Option<Pin<Box<Sleep>>>,
    /// Until when everything written has to be taken, once something had to wait.
    patience: Deadline,
}

impl Socket {
    /// Watches over `stream`.
    pub(super) fn new(stream: Stream, connection: Arc<Connection>, waits: Waits) -> Self {
        Self {
            stream: Some(stream.take(READ as u64)),
            ..Self::introduced(None, connection, waits)
        }
    }

    /// Watches over the connection of a trusted proxy, which has to say first for whom it is.
    pub(super) fn of_proxy(
        introduction: Introduction,
        connection: Arc<Connection>,
        waits: Waits,
    ) -> Self {
        Self::introduced(Some(introduction), connection, waits)
    }

    fn introduced(
        introduction: Option<Introduction>,
        connection: Arc<Connection>,
        waits: Waits,
    ) -> Self {
        Self {
            stream: None,
            introduction,
            connection,
            waits,
            awaited: Awaited::Head,
            overdue: Box::pin(tokio::time::sleep(waits.head)),
            answering: false,
            stalled: None,
            patience: Deadline::NEVER,
        }
    }

    fn writer(&mut self) -> io::Result<&mut Stream> {
        let stream = self.stream.as_mut().ok_or_else(refused)?;
        Ok(stream.get_mut())
    }

    /// Whether it is known for whom the connection is.
    fn introduce(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(introduction) = &mut self.introduction else {
            return Poll::Ready(Ok(()));
        };
        let Poll::Ready((stream, header)) = introduction.poll(cx) else {
            return self.wait(cx);
        };
        let place = |client| introduction.place(client);
        let client = header.map(|client| client.map(|client| (client, place(client))));
        self.introduction = None;
        self.stream = Some(stream.take(READ as u64));
        match client {
            Ok(None) => Poll::Ready(Ok(())),
            Ok(Some((client, place))) => {
                self.connection.is_for(client);
                self.connection.takes(place);
                Poll::Ready(match self.connection.is_too_many() {
                    true => Err(io::Error::other(
                        "its client has as many connections as it may",
                    )),
                    false => Ok(()),
                })
            }
            Err(NoHeader) => Poll::Ready(Err(self.refuse(NoRequest::not_introduced()))),
        }
    }

    /// There is nothing to read: an error when what is awaited is overdue.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.is_silent();
        let awaited = match self.connection.head.progress() {
            Progress::Complete => Awaited::Nothing,
            Progress::Begun => Awaited::Head,
            // The first one is awaited like the rest of one.
            Progress::Awaited if self.awaited == Awaited::Head => Awaited::Head,
            Progress::Awaited => Awaited::NextHead,
        };
        if awaited != self.awaited {
            self.awaited = awaited;
            let wait = match awaited {
                Awaited::Head => self.waits.head,
                Awaited::NextHead => self.waits.idle,
                Awaited::Nothing => return Poll::Pending,
            };
            if let Some(at) = Deadline::after(now(), wait).instant() {
                self.overdue.as_mut().reset(at);
            }
        }
        if awaited == Awaited::Nothing {
            return Poll::Pending;
        }
        ready!(self.overdue.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Gives the stream up to whoever answers what is no request; hyper gets the error.
    fn refuse(&mut self, why: NoRequest) -> io::Error {
        if let Some(stream) = self.stream.take() {
            self.connection.refuse(why, stream.into_inner());
        }
        io::Error::other("the bytes received are not a request")
    }

    /// Whether hyper answers by itself, which it does to what it cannot read: no head of a
    /// request is complete, and none of our answers begins so.
    fn is_refusal(&self, answer: &[u8]) -> Option<NoRequest> {
        match self.connection.head.progress() {
            Progress::Complete => None,
            Progress::Awaited | Progress::Begun => NoRequest::by_answer(answer),
        }
    }

    /// An answer is being written: what comes after it is not awaited yet.
    fn writes(&mut self) {
        self.answering = true;
        self.awaited = Awaited::Nothing;
    }

    /// Passes on what a write came to; an error when the client took nothing for too
    /// long, or has been taking its time for too long.
    fn watch<V>(
        &mut self,
        cx: &mut Context<'_>,
        wrote: Poll<io::Result<V>>,
    ) -> Poll<io::Result<V>> {
        if wrote.is_ready() {
            let waited = self.stalled.take().is_some();
            let over = waited && self.patience.is_past(now());
            return if over {
                Poll::Ready(Err(does_not_read()))
            } else {
                wrote
            };
        }
        if self.patience == Deadline::NEVER {
            self.patience = Deadline::after(now(), SLOW_ANSWER);
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(SLOW_READER)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(does_not_read()))
    }
}

fn does_not_read() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the client does not read its answer",
    )
}

fn refused() -> io::Error {
    io::Error::other("its request has been refused")
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.introduce(cx))?;
        let before = buf.filled().len();
        let begins = self.connection.head.progress() == Progress::Awaited;
        let Some(reader) = &mut self.stream else {
            return Poll::Ready(Err(refused()));
        };
        reader.set_limit(READ as u64);
        match Pin::new(reader).poll_read(cx, buf) {
            Poll::Ready(read) => read?,
            Poll::Pending => return self.wait(cx),
        }
        let received = &buf.filled()[before..];
        if begins && let Some(why) = NoRequest::by_beginning(received) {
            return Poll::Ready(Err(self.refuse(why)));
        }
        if self.connection.head.received(received.len()).is_err() {
            return Poll::Ready(Err(self.refuse(NoRequest::no_room())));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(why) = self.is_refusal(buf) {
            return Poll::Ready(Err(self.refuse(why)));
        }
        let wrote = Pin::new(self.writer()?).poll_write(cx, buf);
        self.writes();
        self.watch(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        if let Some(why) = first.and_then(|first| self.is_refusal(first)) {
            return Poll::Ready(Err(self.refuse(why)));
        }
        let wrote = Pin::new(self.writer()?).poll_write_vectored(cx, bufs);
        self.writes();
        self.watch(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|stream| stream.get_ref().is_write_vectored())
    }

    /// hyper flushes when its own buffer is empty: everything has been written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(self.writer()?).poll_flush(cx))?;
        self.patience = Deadline::NEVER;
        if self.connection.streams() {
            return Poll::Ready(Ok(()));
        }
        self.connection.unflushed.release();
        self.connection.ends_answer();
        if std::mem::take(&mut self.answering) {
            self.connection.head.answered();
            // hyper may be reading already, and does not read again before there is something.
            let _ = self.wait(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.writer()?).poll_shutdown(cx)
    }
}
