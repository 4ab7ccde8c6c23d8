//! How long a client may take over what is written to it.
//!
//! What always holds: one that takes nothing for [`SLOW_READER`], or is not done [`SLOW_ANSWER`] after
//! it had to be waited for, is cut off, or the tickets of its answers would never be released.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use crate::page::deadline::{Deadline, now};

/// How long a client may take nothing of an answer that is waiting for it.
pub const SLOW_READER: Duration = Duration::from_secs(10);

/// How long a client may be taking an answer that had to wait for it once: a trickle
/// of reads must not keep a ticket out either.
pub const SLOW_ANSWER: Duration = Duration::from_secs(60);

/// With one client.
#[derive(Debug)]
pub(super) struct Patience {
    stalled: Option<Pin<Box<Sleep>>>,
    /// Until when everything written has to be taken, once something had to wait.
    ends: Deadline,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            stalled: None,
            ends: Deadline::NEVER,
        }
    }
}

impl Patience {
    /// Passes on what a write came to.
    ///
    /// # Errors
    /// The client took nothing for too long, or has been taking its time for too long.
    pub(super) fn watch<V>(
        &mut self,
        cx: &mut Context<'_>,
        wrote: Poll<io::Result<V>>,
    ) -> Poll<io::Result<V>> {
        if wrote.is_ready() {
            let waited = self.stalled.take().is_some();
            let over = waited && self.ends.is_past(now());
            return if over {
                Poll::Ready(Err(does_not_read()))
            } else {
                wrote
            };
        }
        if self.ends == Deadline::NEVER {
            self.ends = Deadline::after(now(), SLOW_ANSWER);
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(SLOW_READER)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(does_not_read()))
    }

    /// Whether a client is being waited for that takes nothing.
    #[cfg(test)]
    pub(super) fn is_tried(&self) -> bool {
        self.stalled.is_some()
    }

    /// Everything written has reached the system.
    pub(super) fn is_done(&mut self) {
        self.ends = Deadline::NEVER;
    }
}

fn does_not_read() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the client does not read its answer",
    )
}
