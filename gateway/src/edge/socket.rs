//! A client's connection as hyper reads and writes it.
//!
//! What always holds: bytes of an incomplete head are counted as they are read, and a head
//! for which there is no room is not read on, nor one that takes longer than [`Waits::head`];
//! a connection that is idle for [`Waits::idle`] ends, and none is while an answer is streamed; tickets are released when everything
//! written has reached the system; a client that does not take it is cut off
//! ([`super::patience`]).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};
use tokio::time::Sleep;

use crate::edge::connection::Connection;
use crate::edge::heads::{Progress, READ};
use crate::edge::http2;
use crate::edge::opening::gone;
use crate::edge::patience::Patience;
use crate::edge::stream::Stream;
use crate::edge::turned_away::{TurnAway, is_one_head};
use crate::edge::unreadable::NoRequest;
use crate::page::deadline::{Deadline, now};

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
    /// None once a head was refused, or HTTP/2 is spoken.
    stream: Option<Take<Stream>>,
    connection: Arc<Connection>,
    waits: Waits,
    awaited: Awaited,
    /// When what is awaited must be there.
    overdue: Pin<Box<Sleep>>,
    /// Bytes of an answer have been written since its head was complete.
    answering: bool,
    patience: Patience,
    /// HTTP/2 is spoken if that is what comes first.
    may_be_http2: bool,
    /// What has come of that.
    beginning: Vec<u8>,
    /// Who is refused before hyper sees it, if anybody is.
    turn_away: Option<TurnAway>,
    /// What has been read so far was one head at a time: hyper keeps nothing of what comes next.
    one_by_one: bool,
    /// What is left to be written to who was turned away, and flushed.
    owed: Option<Bytes>,
}

impl Socket {
    /// Watches over `stream`, on which the first head must be there `by` then. With `http2` the connection
    /// is handed over if that begins.
    pub(super) fn new(
        stream: Stream,
        connection: Arc<Connection>,
        waits: Waits,
        by: Deadline,
        http2: bool,
        turn_away: Option<TurnAway>,
    ) -> Self {
        let overdue = by.left(now()).unwrap_or(waits.head);
        Self {
            stream: Some(stream.take(READ as u64)),
            connection,
            waits,
            awaited: Awaited::Head,
            overdue: Box::pin(tokio::time::sleep(overdue)),
            answering: false,
            patience: Patience::default(),
            may_be_http2: http2,
            beginning: Vec::new(),
            one_by_one: turn_away.is_some(),
            turn_away,
            owed: None,
        }
    }

    fn writer(&mut self) -> io::Result<&mut Stream> {
        let stream = self.stream.as_mut().ok_or_else(gone)?;
        Ok(stream.get_mut())
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
            self.connection.refuse(why, Some(stream.into_inner()));
        }
        io::Error::other("the bytes received are not a request")
    }

    /// Keeps what came first if it may become the preface of HTTP/2.
    fn is_part_of_preface(&mut self, read: &[u8]) -> bool {
        let grows = read.len() > self.beginning.len();
        let is_part = grows
            && http2::PREFACE_LINE[1..].len() >= read.len()
            && http2::PREFACE_LINE.starts_with(read);
        if is_part {
            self.beginning = read.to_vec();
        }
        is_part
    }

    /// HTTP/2 is spoken from now on; hyper gets the error.
    fn hand_over(&mut self, read: Vec<u8>) -> io::Error {
        if let Some(stream) = self.stream.take() {
            self.connection.hand_over(stream.into_inner(), read);
        }
        gone()
    }

    /// Whether hyper answers by itself, which it does to what it cannot read: no head of a
    /// request is complete, and none of our answers begins so.
    fn is_refusal(&self, answer: &[u8]) -> Option<NoRequest> {
        match self.connection.head.progress() {
            Progress::Complete => None,
            Progress::Awaited | Progress::Begun => NoRequest::by_answer(answer),
        }
    }

    /// Whether this is refused here. Only what comes while hyper waits for a head, and keeps nothing of
    /// one, is a request by itself.
    fn turns_away(&mut self, received: &[u8], begins: bool) -> bool {
        let Some(turn_away) = self.turn_away.as_ref().filter(|_| self.one_by_one) else {
            return false;
        };
        self.one_by_one = received.is_empty() || begins && is_one_head(received);
        if !self.one_by_one {
            return false;
        }
        let answer = turn_away.answer(&self.connection, received);
        self.owed = answer.map(Bytes::from);
        self.owed.is_some()
    }

    /// Writes what is owed to who was turned away. Nothing is read before, so hyper has nothing to write.
    fn poll_owed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(owed) = self.owed.as_mut().filter(|owed| !owed.is_empty()) {
            let stream = self.stream.as_mut().ok_or_else(gone)?;
            let wrote = Pin::new(stream.get_mut()).poll_write(cx, owed);
            match ready!(self.patience.watch(cx, wrote))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                wrote => owed.advance(wrote),
            }
        }
        if self.owed.is_some() {
            let flushed = Pin::new(self.writer()?).poll_flush(cx);
            ready!(self.patience.watch(cx, flushed))?;
            self.patience.is_done();
            self.owed = None;
            // The next head is awaited from now on.
            self.awaited = Awaited::Nothing;
        }
        Poll::Ready(Ok(()))
    }

    /// An answer is being written: what comes after it is not awaited yet.
    fn writes(&mut self) {
        self.answering = true;
        self.awaited = Awaited::Nothing;
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let begins = self.connection.head.progress() == Progress::Awaited;
        loop {
            ready!(self.poll_owed(cx))?;
            buf.put_slice(&self.beginning);
            let Some(reader) = &mut self.stream else {
                return Poll::Ready(Err(gone()));
            };
            reader.set_limit(READ as u64);
            match Pin::new(reader).poll_read(cx, buf) {
                Poll::Ready(read) => read?,
                Poll::Pending => {
                    buf.set_filled(before);
                    return self.wait(cx);
                }
            }
            let read = &buf.filled()[before..];
            if self.may_be_http2 && self.is_part_of_preface(read) {
                buf.set_filled(before);
                continue;
            }
            if std::mem::take(&mut self.may_be_http2) {
                if read.starts_with(http2::PREFACE_LINE) {
                    return Poll::Ready(Err(self.hand_over(read.to_vec())));
                }
                self.beginning = Vec::new();
            }
            if !self.turns_away(read, begins) {
                break;
            }
            buf.set_filled(before);
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
        self.patience.watch(cx, wrote)
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
        self.patience.watch(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|stream| stream.get_ref().is_write_vectored())
    }

    /// hyper flushes when its own buffer is empty: everything has been written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.owed.is_some() {
            // hyper has written nothing, and flushes all the same. What is owed is waited for by who
            // reads, as is whoever does not take it.
            return Poll::Ready(Ok(()));
        }
        // With TLS that is where a client that does not read is waited for.
        let flushed = Pin::new(self.writer()?).poll_flush(cx);
        ready!(self.patience.watch(cx, flushed))?;
        self.patience.is_done();
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
        ready!(self.poll_owed(cx))?;
        Pin::new(self.writer()?).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;
    use tokio::task::JoinSet;

    use super::*;
    use crate::edge::bound::Plain;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// More than the system keeps for a client that does not read.
    const ANSWER: usize = 4 << 20;

    /// A connection whose every head is answered by this much, and how often one was.
    fn turning_away(near: UnixStream) -> (Socket, Arc<AtomicUsize>) {
        let peer = ([127, 0, 0, 1], 1).into();
        let connection = Arc::new(Connection::new(peer, &Arc::default()));
        let hour = Duration::from_secs(3600);
        let waits = Waits {
            head: hour,
            idle: hour,
        };
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let turn_away = TurnAway::with(move |_, head| {
            assert_eq!(head, HEAD);
            count.fetch_add(1, Ordering::SeqCst);
            Some(vec![b'x'; ANSWER])
        });
        let (stream, never) = (Stream::Left(Plain::Right(near)), Deadline::NEVER);
        let socket = Socket::new(stream, connection, waits, never, false, Some(turn_away));
        (socket, asked)
    }

    /// As hyper does, which reads, writes and flushes whenever it is woken.
    async fn polled(socket: &mut Socket, read: &mut Vec<u8>) -> io::Result<usize> {
        let mut bytes = [0; 4096];
        poll_fn(|cx| {
            let mut buf = ReadBuf::new(&mut bytes);
            let polled = Pin::new(&mut *socket).poll_read(cx, &mut buf);
            let _ = Pin::new(&mut *socket).poll_flush(cx)?;
            ready!(polled)?;
            read.extend_from_slice(buf.filled());
            Poll::Ready(Ok(buf.filled().len()))
        })
        .await
    }

    #[tokio::test]
    async fn nothing_is_read_while_an_answer_is_owed_and_all_of_it_arrives() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (mut socket, asked) = turning_away(near);
        let mut hyper = JoinSet::new();
        hyper.spawn(async move {
            let mut read = Vec::new();
            while polled(&mut socket, &mut read).await? > 0 {}
            io::Result::Ok(read)
        });
        let until = async |times| {
            while asked.load(Ordering::SeqCst) < times {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        far.write_all(HEAD).await.unwrap();
        until(1).await;
        far.write_all(HEAD).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        let mut answer = vec![0; ANSWER];
        far.read_exact(&mut answer).await.unwrap();
        until(2).await;
        far.read_exact(&mut answer).await.unwrap();
        assert!(answer.iter().all(|&byte| byte == b'x'));
        // What is not one head is hyper's, and so is all that comes after it.
        far.write_all(&HEAD[..9]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        far.write_all(HEAD).await.unwrap();
        far.shutdown().await.unwrap();
        let read = hyper.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(read, [&HEAD[..9], HEAD].concat());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_client_that_does_not_take_what_it_is_owed_tries_patience() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (mut socket, asked) = turning_away(near);
        far.write_all(HEAD).await.unwrap();
        let mut read = Vec::new();
        let polled = polled(&mut socket, &mut read);
        let waited = tokio::time::timeout(Duration::from_millis(100), polled).await;
        assert!(waited.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(socket.patience.is_tried());
    }
}
