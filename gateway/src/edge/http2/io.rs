//! A client's connection as h2 reads and writes it.
//!
//! What always holds: header blocks that are not complete are counted with the heads of HTTP/1.1
//! ([`crate::edge::heads`]); frames that ask for nothing are limited ([`super::frames`]); what
//! answers held is released when everything that h2 has written has reached the system; what a client
//! sends while it learns that it has to leave does not keep it from learning it ([`crate::edge::linger`]).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Shared;
use super::frames::{Flood, Frames};
use crate::edge::linger::Linger;
use crate::edge::patience::Patience;
use crate::edge::stream::Stream;
use crate::edge::unreadable::NoRequest;
use crate::page::deadline::now;
use crate::telemetry::names::Unreadable;

/// Between h2 and the system.
pub(super) struct Socket {
    stream: Stream,
    /// What was read before it was known that this is HTTP/2.
    read: Vec<u8>,
    frames: Frames,
    /// Bytes of a header block that are counted as held.
    held: usize,
    patience: Patience,
    /// Once nothing more is written.
    linger: Option<Linger>,
    shared: Arc<Shared>,
}

impl Socket {
    pub(super) fn new(stream: Stream, read: Vec<u8>, shared: Arc<Shared>) -> Self {
        Self {
            stream,
            read,
            frames: Frames::new(now()),
            held: 0,
            patience: Patience::default(),
            linger: None,
            shared,
        }
    }

    fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (now, connection) = (now(), &self.shared.connection);
        if let Err(Flood) = self.frames.received(bytes, now) {
            connection.refuse(NoRequest::unanswered(Unreadable::Http2Flood), None);
            return Err(io::Error::other("the client floods the connection"));
        }
        let block = self.frames.partial_block();
        if block < self.held {
            connection.head.complete();
            self.held = 0;
        }
        if connection.head.received(block - self.held).is_err() {
            connection.refuse(NoRequest::unanswered(Unreadable::TooLarge), None);
            return Err(io::Error::other("there is no room for the header block"));
        }
        self.held = block;
        let partial = self.frames.is_partial();
        self.shared.activity.lock().received(now, partial);
        Ok(())
    }

    fn wrote(&mut self, wrote: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = wrote {
            self.frames.wrote(*bytes);
            self.shared.activity.lock().wrote(now());
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.read.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        } else {
            let length = self.read.len().min(buf.remaining());
            buf.put_slice(&self.read[..length]);
            self.read.drain(..length);
        }
        Poll::Ready(self.received(&buf.filled()[before..]))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&wrote);
        self.patience.watch(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&wrote);
        self.patience.watch(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        ready!(self.patience.watch(cx, flushed))?;
        self.patience.is_done();
        self.shared.connection.unflushed.release();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, linger, .. } = &mut *self;
        if linger.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        linger.get_or_insert_with(Linger::new).poll(cx, stream)
    }
}
