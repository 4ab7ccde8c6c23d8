//! What a client is still sending when its connection is closed on.
//!
//! A connection that is closed before that has been read is reset, and with it what the client has not
//! read: an answer, or that it was told to leave (RFC 9112 section 9.6, RFC 9113 section 9.1).
//!
//! What always holds: so it goes on for [`LINGER`] and for [`MOST`] bytes at most, and not at all where
//! the client has closed its side too.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

use crate::edge::validate::MAX_HEAD;

/// From the moment when nothing more is written.
const LINGER: Duration = Duration::from_secs(1);

/// As much as a head may have: whoever sends more is not about to stop.
const MOST: usize = MAX_HEAD;

/// Reads what comes on `stream`, to which nothing more is written, until it can be closed.
///
/// # Errors
/// Those of reading: it is closed already.
pub(super) async fn linger(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut linger = Linger::new();
    poll_fn(|cx| linger.poll(cx, stream)).await
}

/// The same, for whoever polls.
#[derive(Debug)]
pub(super) struct Linger {
    ends: Pin<Box<Sleep>>,
    left: usize,
}

impl Linger {
    /// It begins now.
    pub(super) fn new() -> Self {
        Self {
            ends: Box::pin(tokio::time::sleep(LINGER)),
            left: MOST,
        }
    }

    /// Whether the connection can be closed.
    ///
    /// # Errors
    /// Those of reading: it is closed already.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<()>> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 1024];
        while self.ends.as_mut().poll(cx).is_pending() {
            let mut rest = ReadBuf::uninit(&mut buffer);
            ready!(pin!(&mut *stream).poll_read(cx, &mut rest))?;
            let came = rest.filled().len();
            if came == 0 || came > self.left {
                break;
            }
            self.left -= came;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;
    use crate::page::deadline::now;

    async fn took(mut stream: impl AsyncRead + Unpin) -> Duration {
        let began = now();
        linger(&mut stream).await.unwrap();
        now() - began
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_client_has_closed_too() {
        let (mut client, stream) = duplex(64 * 1024);
        let closes = async {
            client.write_all(&[0; 3_000]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            client.shutdown().await.unwrap();
        };
        let (time, ()) = tokio::join!(took(stream), closes);
        assert_eq!(time, Duration::from_millis(300));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stays_or_sends_on_is_not_waited_for() {
        let (client, stream) = duplex(64 * 1024);
        assert_eq!(took(stream).await, LINGER);
        drop(client);
        let (mut client, stream) = duplex(2 * MOST);
        client.write_all(&vec![0; MOST + 1]).await.unwrap();
        assert_eq!(took(stream).await, Duration::ZERO);
        // Bytes that come one by one give nobody more time.
        let (mut client, stream) = duplex(64);
        let trickles = async {
            while client.write_all(&[0]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let (time, ()) = tokio::join!(took(stream), trickles);
        assert_eq!(time, LINGER);
    }
}
