//! How much of what a limit decided in the last minute it would have refused: a pure law, with
//! the time given.
//!
//! What always holds: memory is fixed; what is counted is seen for [`WINDOW`] less a second at
//! least and [`WINDOW`] at most, and no longer.

use std::time::Duration;

use crate::page::admission::core::Time;

/// What is looked back on.
pub const WINDOW: Duration = Duration::from_secs(SLICES as u64);

/// Slices of a second each.
const SLICES: usize = 60;

/// Decisions of the last minute.
#[derive(Clone, Debug)]
pub struct Share {
    slices: [Seen; SLICES],
    /// The second of the newest slice; those before it follow in the ring.
    newest: u64,
}

/// Decisions, and how many of them were refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Refusals.
    pub refused: u64,
    /// Decisions, refusals among them.
    pub of: u64,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            slices: [Seen::default(); SLICES],
            newest: 0,
        }
    }
}

impl Share {
    /// One more decision.
    pub fn count(&mut self, now: Time, refused: bool) {
        self.turn(now);
        let slice = &mut self.slices[self.newest as usize % SLICES];
        slice.of += 1;
        slice.refused += u64::from(refused);
    }

    /// What was decided in the last minute.
    pub fn seen(&mut self, now: Time) -> Seen {
        self.turn(now);
        self.slices.iter().fold(Seen::default(), |sum, slice| Seen {
            refused: sum.refused + slice.refused,
            of: sum.of + slice.of,
        })
    }

    /// Empties the slices that began since the newest one. An earlier `now` counts as the latest.
    fn turn(&mut self, now: Time) {
        let second = now.as_secs().max(self.newest);
        let begun = (second - self.newest).min(SLICES as u64);
        for ago in 0..begun {
            self.slices[(second - ago) as usize % SLICES] = Seen::default();
        }
        self.newest = second;
    }
}

impl Seen {
    /// The share of refusals, 0 to 1; `None` of no decisions.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.refused as f64 / self.of as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is seen if every decision is kept and looked at again.
    fn naive(decisions: &[(Time, bool)], now: Time) -> Seen {
        let first = (now.as_secs() + 1).saturating_sub(WINDOW.as_secs());
        let recent = decisions.iter().filter(|(at, _)| at.as_secs() >= first);
        recent.fold(Seen::default(), |seen, (_, refused)| Seen {
            refused: seen.refused + u64::from(*refused),
            of: seen.of + 1,
        })
    }

    proptest! {
        #[test]
        fn the_last_minute_is_seen_whatever_the_pauses(
            steps in prop::collection::vec((0_u64..40_000, any::<bool>()), 1..200),
        ) {
            let (mut share, mut now, mut all) = (Share::default(), Time::ZERO, Vec::new());
            for (pause, refused) in steps {
                now += Duration::from_millis(pause);
                share.count(now, refused);
                all.push((now, refused));
                let seen = share.seen(now);
                prop_assert_eq!(seen, naive(&all, now));
                prop_assert!(seen.refused <= seen.of);
            }
        }
    }

    #[test]
    fn a_decision_is_forgotten_after_a_minute_and_not_before_its_59_seconds() {
        let mut share = Share::default();
        let at = Duration::from_millis(10_999);
        share.count(at, true);
        assert_eq!(share.seen(Duration::from_millis(69_999)).share(), Some(1.0));
        assert_eq!(share.seen(Duration::from_secs(70)).share(), None);
    }

    #[test]
    fn time_that_goes_back_loses_nothing() {
        let mut share = Share::default();
        share.count(Duration::from_secs(5), false);
        share.count(Duration::from_secs(4), true);
        assert_eq!(share.seen(Time::ZERO), Seen { refused: 1, of: 2 });
    }
}
