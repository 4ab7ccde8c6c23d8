//! What a connection is waited for, and until when: a pure state, with the time given.
//!
//! What always holds: the first request is there, or the connection ends, when the first head of
//! HTTP/1.1 would have to be; what has begun of a frame or of a header block is complete within
//! [`Waits::head`]; without a stream for [`Waits::idle`] the client is told to leave (GOAWAY), and one
//! that was told and has no stream has [`GRACE`] to go.

use std::time::Duration;

use tokio::time::Instant;

use crate::edge::patience::SLOW_ANSWER;
use crate::edge::socket::Waits;
use crate::page::deadline::Deadline;

/// For a client that was told to leave and has nothing under way: a round trip, and its reply. The
/// last bytes of an answer may still be on their way to it: it has as long again after each that is
/// written, up to [`SLOW_ANSWER`] in all.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// See the module's head.
#[derive(Debug)]
pub(super) struct Activity {
    waits: Waits,
    /// Until when the first request must be there; never, once it is.
    first: Deadline,
    /// Streams that are open.
    open: usize,
    /// Since when none is.
    quiet: Instant,
    /// When something was written last.
    written: Instant,
    /// Since when something has begun that is not complete.
    partial: Option<Instant>,
    /// Since when the client is told to leave.
    leaving: Option<Instant>,
    /// Whether it has to, whatever is still being written.
    soon: bool,
}

/// What is to be done, unless something happens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Tell the client to leave.
    Leave,
    /// Close the connection.
    Close,
}

impl Activity {
    /// The first request must be there by `first`.
    pub(super) fn new(now: Instant, waits: Waits, first: Deadline) -> Self {
        Self {
            waits,
            first,
            open: 0,
            quiet: now,
            written: now,
            partial: None,
            leaving: None,
            soon: false,
        }
    }

    /// Bytes came; whether something is not complete now.
    pub(super) fn received(&mut self, now: Instant, partial: bool) {
        match partial {
            true => _ = self.partial.get_or_insert(now),
            false => self.partial = None,
        }
    }

    /// Something was written.
    pub(super) fn wrote(&mut self, now: Instant) {
        self.written = now;
    }

    /// A stream opened.
    pub(super) fn opened(&mut self) {
        self.first = Deadline::NEVER;
        self.open += 1;
    }

    /// A stream ended.
    pub(super) fn closed(&mut self, now: Instant) {
        self.open -= 1;
        if self.open == 0 {
            self.quiet = now;
        }
    }

    /// The client is told to leave.
    pub(super) fn leaves(&mut self, now: Instant) {
        self.leaving.get_or_insert(now);
    }

    /// The same, and nothing that is written gives it more time.
    pub(super) fn leaves_soon(&mut self, now: Instant) {
        self.leaves(now);
        self.soon = true;
    }

    /// Whether the client is told to leave.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Whether a stream that is opened comes too late: the client has had time to learn that it was
    /// told to leave.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.leaving
            .is_some_and(|since| Deadline::after(since, GRACE).is_past(now))
    }

    /// What is to be done, and when.
    pub(super) fn next(&self) -> (Deadline, Next) {
        let partial = self.partial.map_or(Deadline::NEVER, |since| {
            Deadline::after(since, self.waits.head)
        });
        let close = self.first.min(partial);
        let quiet = match (self.open, self.leaving) {
            (0, Some(since)) => {
                let free = since.max(self.quiet);
                let busy = if self.soon {
                    free
                } else {
                    free.max(self.written)
                };
                let goes = Deadline::after(busy, GRACE);
                (goes.min(Deadline::after(free, SLOW_ANSWER)), Next::Close)
            }
            (0, None) if self.first == Deadline::NEVER => {
                (Deadline::after(self.quiet, self.waits.idle), Next::Leave)
            }
            _ => (Deadline::NEVER, Next::Close),
        };
        match quiet.0.min(close) == close {
            true => (close, Next::Close),
            false => quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::deadline::now;

    const SECOND: Duration = Duration::from_secs(1);
    const WAITS: Waits = Waits {
        head: Duration::from_secs(5),
        idle: Duration::from_secs(75),
    };

    fn opened(began: Instant) -> Activity {
        Activity::new(began, WAITS, Deadline::after(began, WAITS.head))
    }

    fn at(instant: Instant) -> Deadline {
        Deadline::after(instant, Duration::ZERO)
    }

    #[test]
    fn silence_after_the_preface_ends_when_silence_before_a_head_would() {
        let began = now();
        let mut activity = opened(began);
        activity.received(began + SECOND, false);
        assert_eq!(activity.next(), (at(began + 5 * SECOND), Next::Close));
        // Told to leave, it need not be waited for any longer.
        activity.leaves(began + SECOND);
        assert_eq!(activity.next(), (at(began + 2 * SECOND), Next::Close));
    }

    #[test]
    fn half_a_frame_is_waited_for_as_half_a_head_is_whatever_else_is_open() {
        let began = now();
        let mut activity = opened(began);
        activity.opened();
        assert_eq!(activity.next().0, Deadline::NEVER);
        activity.received(began + SECOND, true);
        activity.received(began + 4 * SECOND, true);
        assert_eq!(activity.next(), (at(began + 6 * SECOND), Next::Close));
        activity.received(began + 5 * SECOND, false);
        assert_eq!(activity.next().0, Deadline::NEVER);
    }

    #[test]
    fn an_idle_client_is_told_to_leave_and_has_a_second_to_go() {
        let began = now();
        let mut activity = opened(began);
        activity.opened();
        activity.opened();
        activity.closed(began + SECOND);
        assert_eq!(activity.next().0, Deadline::NEVER);
        activity.closed(began + 2 * SECOND);
        let idle = began + 77 * SECOND;
        assert_eq!(activity.next(), (at(idle), Next::Leave));
        activity.leaves(idle);
        assert_eq!(activity.next(), (at(idle + GRACE), Next::Close));
        assert!(!activity.is_over(idle) && activity.is_over(idle + GRACE));
        // A request that crossed is still answered.
        activity.opened();
        assert_eq!(activity.next().0, Deadline::NEVER);
        activity.closed(idle + 3 * SECOND);
        assert_eq!(
            activity.next(),
            (at(idle + 3 * SECOND + GRACE), Next::Close)
        );
        // Its last bytes have not all been written, and whoever takes them one by one has a minute.
        activity.wrote(idle + 4 * SECOND);
        assert_eq!(
            activity.next(),
            (at(idle + 4 * SECOND + GRACE), Next::Close)
        );
        activity.wrote(idle + 63 * SECOND);
        assert_eq!(activity.next(), (at(idle + 63 * SECOND), Next::Close));
        activity.leaves_soon(idle + 64 * SECOND);
        assert_eq!(
            activity.next(),
            (at(idle + 3 * SECOND + GRACE), Next::Close)
        );
    }
}
