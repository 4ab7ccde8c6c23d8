//! How many of its requests a client may take back: a pure state, with the time given.
//!
//! A request that is reset has cost calls to services, and its client next to nothing (CVE-2023-44487;
//! h2 itself counts only those that are reset before anybody has looked at them). A proxy takes back
//! those of clients that leave, so resets are weighed against answers: whoever takes most of them is
//! never in trouble.

use std::time::Duration;

use tokio::time::Instant;

/// Resets that a new connection may begin with: as many as it may have streams.
const MOST: u32 = super::MAX_STREAMS;

/// One more may be made after so long, whatever else happens.
const EVERY: Duration = Duration::from_millis(100);

/// The resets that a connection may still make.
#[derive(Debug)]
pub(super) struct Resets {
    left: u32,
    /// Until when time has been counted.
    counted: Instant,
}

impl Resets {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: MOST,
            counted: now,
        }
    }

    /// An answer was taken whole.
    pub(super) fn answered(&mut self) {
        self.left = (self.left + 1).min(MOST);
    }

    /// A request was taken back. False: that was one too many.
    #[must_use]
    pub(super) fn reset(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted);
        let more = u32::try_from(passed.as_nanos() / EVERY.as_nanos()).unwrap_or(u32::MAX);
        if more > 0 {
            self.counted = now;
            self.left = self.left.saturating_add(more).min(MOST);
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::deadline::now;

    /// How many of its resets, one each `gap`, a connection may make; `answers` after each.
    fn allowed(gap: Duration, answers: u32, most: u32) -> u32 {
        let began = now();
        let mut resets = Resets::new(began);
        for made in 0..most {
            if !resets.reset(began + gap * made) {
                return made;
            }
            (0..answers).for_each(|_| resets.answered());
        }
        most
    }

    #[test]
    fn whoever_only_resets_is_cut_off_soon_and_at_a_pace_that_time_allows_never() {
        assert_eq!(allowed(Duration::ZERO, 0, 1000), MOST);
        // 2,500 a second: 100, and the few that 42 ms of time have not brought.
        assert_eq!(allowed(Duration::from_micros(400), 0, 10_000), MOST);
        assert_eq!(allowed(EVERY, 0, 10_000), 10_000);
    }

    #[test]
    fn a_proxy_whose_clients_take_half_of_the_answers_is_never_cut_off() {
        assert_eq!(allowed(Duration::ZERO, 1, 10_000), 10_000);
    }
}
