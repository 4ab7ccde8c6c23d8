//! The response body: a ticket is released with the last byte of its page.
//!
//! hyper drops a body as soon as it has copied it, which may be long before the
//! client has taken it. So the ticket of a page whose body is done waits in its
//! connection's [`Unflushed`], and [`Socket`] releases it when everything written
//! has reached the system. A client that takes nothing for [`SLOW_READER`], or is
//! not done after [`SLOW_ANSWER`], is cut off, or its ticket would never be released.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::page::admission::Ticket;
use crate::page::deadline::{Deadline, now};

/// How long a client may take nothing of an answer that is waiting for it.
pub const SLOW_READER: Duration = Duration::from_secs(10);

/// How long a client may be taking an answer that had to wait for it once: a trickle
/// of reads must not keep a ticket out either.
pub const SLOW_ANSWER: Duration = Duration::from_secs(60);

/// Tickets of pages whose last bytes have not all been written to the connection.
#[derive(Debug, Default)]
pub struct Unflushed(Mutex<Vec<Ticket>>);

impl Unflushed {
    fn add(&self, ticket: Ticket) {
        self.0.lock().push(ticket);
    }

    fn flushed(&self) {
        let tickets = std::mem::take(&mut *self.0.lock());
        drop(tickets);
    }
}

/// The bytes of an answer, and the ticket that leaves with the last of them.
#[derive(Debug, Default)]
pub struct PageBody {
    bytes: Bytes,
    ticket: Option<(Ticket, Arc<Unflushed>)>,
}

impl PageBody {
    /// A body without a ticket.
    pub fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            ticket: None,
        }
    }

    /// A body of a page in flight.
    pub fn with_ticket(bytes: Bytes, ticket: Option<Ticket>, unflushed: &Arc<Unflushed>) -> Self {
        Self {
            bytes,
            ticket: ticket.map(|ticket| (ticket, Arc::clone(unflushed))),
        }
    }
}

impl Body for PageBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

impl Drop for PageBody {
    fn drop(&mut self) {
        if let Some((ticket, unflushed)) = self.ticket.take() {
            unflushed.add(ticket);
        }
    }
}

/// A client's connection: releases tickets when all is written, and cuts off a client
/// that does not read.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    unflushed: Arc<Unflushed>,
    stalled: Option<Pin<Box<Sleep>>>,
    /// Until when everything written has to be taken, once something had to wait.
    patience: Deadline,
}

impl Socket {
    /// Watches over `stream`.
    pub fn new(stream: TcpStream, unflushed: Arc<Unflushed>) -> Self {
        Self {
            stream,
            unflushed,
            stalled: None,
            patience: Deadline::NEVER,
        }
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

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when its own buffer is empty: everything has been written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.patience = Deadline::NEVER;
        self.unflushed.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
