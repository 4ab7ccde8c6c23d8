//! One HTTP/1.1 exchange on a connection that the call owns.
//!
//! The connection is polled inside the call's own future: no task drives it, so dropping the
//! call closes it and nothing of the exchange is left. What a connection holds while it waits
//! is its socket; bytes are read into a buffer of the worker thread, which is taken only when
//! there is something to read.
//!
//! What always holds: an exchange sends its request once, reads no more than the limits of
//! [`answer`] allow, and returns the connection only if the peer ended the answer where it
//! said, sent nothing after it, and did not ask to close.
//!
//! Not here: which connection, how long (the caller drops the future), and what a status means.

pub(super) mod answer;
mod chunked;
pub(super) mod request;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::answer::{Answer, AnswerReader, Malformed};

/// What one read takes at most: a whole answer of an ordinary part.
const READ: usize = 32 * 1024;

thread_local! {
    /// Shared by all exchanges of a worker thread: none keeps it over an await.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    /// The connection ended before the first byte of the answer: the request may never have
    /// been looked at, and a safe one may be sent again (RFC 9110 section 9.2.2, RFC 9112
    /// section 9.3.1).
    #[error("closed before it answered")]
    Unanswered,
    /// The connection ended within the answer.
    #[error("closed before the answer was whole")]
    Truncated,
    /// The system says why.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What came is not an answer, or more than is accepted.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Sends `request` and reads the answer, with a body of at most `max_body` bytes.
///
/// # Errors
/// [`ExchangeError`]; the connection must not be used again then.
pub(super) async fn exchange<S>(
    stream: &mut S,
    request: Vec<u8>,
    max_body: usize,
) -> Result<Answer, ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    write_all(stream, request).await?;
    let mut reader = AnswerReader::new(max_body);
    poll_fn(|cx| {
        loop {
            if let Some(answer) = ready!(read_some(stream, &mut reader, cx))? {
                return Poll::Ready(Ok(answer));
            }
        }
    })
    .await
}

/// Whether nothing has come on a connection that waits for its next request: an end, an error
/// and bytes that nobody asked for all mean that it cannot be used.
///
/// tokio's cooperative budget would make a dead connection look alive to a task that has used
/// it up, so it does not count here.
pub(super) fn is_silent<S: AsyncRead + Unpin>(stream: &mut S) -> bool {
    let mut byte = [0];
    let mut buffer = ReadBuf::new(&mut byte);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let looking = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buffer));
    let looking = std::pin::pin!(tokio::task::coop::unconstrained(looking));
    looking.poll(&mut cx).is_pending()
}

/// The request is dropped as soon as it has been taken.
async fn write_all<S>(stream: &mut S, request: Vec<u8>) -> Result<(), ExchangeError>
where
    S: AsyncWrite + Unpin,
{
    let mut left = request.as_slice();
    while !left.is_empty() {
        let wrote = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, left)).await;
        match wrote.map_err(unanswered)? {
            0 => return Err(ExchangeError::Unanswered),
            wrote => left = &left[wrote..],
        }
    }
    // Nothing to do on a socket; TLS sends what it holds back.
    poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx))
        .await
        .map_err(unanswered)
}

fn read_some<S: AsyncRead + Unpin>(
    stream: &mut S,
    reader: &mut AnswerReader,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Answer>, ExchangeError>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        let read = ready!(Pin::new(stream).poll_read(cx, &mut buffer));
        Poll::Ready(match read {
            Ok(()) if !buffer.filled().is_empty() => {
                reader.take(buffer.filled()).map_err(ExchangeError::from)
            }
            Ok(()) => ended(reader).map(Some),
            Err(error) if reader.is_untouched() => Err(unanswered(error)),
            // A peer that resets after the last byte of an answer without a length has ended it.
            Err(error) => Err(error.into()),
        })
    })
}

fn ended(reader: &mut AnswerReader) -> Result<Answer, ExchangeError> {
    if reader.is_untouched() {
        return Err(ExchangeError::Unanswered);
    }
    reader.end().ok_or(ExchangeError::Truncated)
}

/// An error before the first byte of the answer, by which the peer ended the connection.
fn unanswered(error: io::Error) -> ExchangeError {
    let by_the_peer = matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::WriteZero
    );
    match by_the_peer {
        true => ExchangeError::Unanswered,
        false => ExchangeError::Io(error),
    }
}

#[cfg(test)]
mod tests;
