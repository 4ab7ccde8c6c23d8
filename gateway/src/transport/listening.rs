//! A connection that says when its peer has spoken.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::stream::Stream;

/// That a first byte, or the end, has come.
#[derive(Debug, Default)]
pub(super) struct Heard(Notify);

impl Heard {
    /// Resolves once it has.
    pub(super) async fn wait(&self) {
        self.0.notified().await;
    }
}

/// Passes everything on.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) io: Stream,
    pub(super) heard: Arc<Heard>,
}

impl AsyncRead for Listening {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        // Kept for whoever asks later; further ones change nothing.
        self.heard.0.notify_one();
        Poll::Ready(read)
    }
}

impl AsyncWrite for Listening {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
