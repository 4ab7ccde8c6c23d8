//! Whether readiness follows the load that is refused (`admin.unready_when_shedding`): a pure law,
//! with the time passed in.
//!
//! A replica that refuses most of what it is asked for leaves the load balancer for a while, if it
//! is told to. That helps where it alone is short, and harms where all are: then all leave at
//! once. So what always holds is a bound on the harm:
//! - unready only after more than [`ABOVE`] of the pages owed in [`LOOKED_AT`] were refused for
//!   load, and those were [`LEAST`] at least;
//! - ready again once less than [`BELOW`] were, or after [`LONGEST`], whatever is refused;
//! - and then ready for [`REST`] at least: never unready for more than a quarter of the time.
//!
//! Not here: phases, which go forward only ([`phase`](super::phase)).

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::phase::CurrentPhase;
use crate::page::deadline::now;
use crate::telemetry::events;

/// Share of the pages owed above which a gateway may be unready.
pub const ABOVE: f64 = 0.5;

/// Share below which it is ready again.
pub const BELOW: f64 = 0.1;

/// What is looked back on.
pub const LOOKED_AT: Duration = Duration::from_secs(LOOKS as u64);

/// Fewer pages owed in that time say nothing.
pub const LEAST: u64 = 20;

/// Longest that a gateway is unready for it.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Shortest that it is ready afterwards.
pub const REST: Duration = Duration::from_secs(90);

/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);

const LOOKS: usize = 10;

/// Pages so far, ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Whose clients were owed one.
    pub owed: u64,
    /// Of those, refused for load.
    pub shed: u64,
}

/// The law. See the module's head.
#[derive(Clone, Debug)]
pub struct Shedding {
    /// What there were at the last looks, oldest first from `next` on.
    seen: [Option<Pages>; LOOKS],
    next: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Until when nothing makes it unready.
    Ready(Option<Duration>),
    /// Since when.
    Unready(Duration),
}

impl Default for Shedding {
    fn default() -> Self {
        Self {
            seen: [None; LOOKS],
            next: 0,
            state: State::Ready(None),
        }
    }
}

impl Shedding {
    /// Looks at how many pages there were so far, once a second. Returns whether the gateway is
    /// to be unready; `at` is the time since any epoch.
    pub fn look(&mut self, at: Duration, pages: Pages) -> bool {
        let before = self.seen[self.next].replace(pages);
        self.next = (self.next + 1) % LOOKS;
        self.state = match self.state {
            State::Ready(Some(until)) if at < until => self.state,
            State::Ready(_) if before.is_some_and(|before| share(before, pages) > ABOVE) => {
                State::Unready(at)
            }
            State::Unready(since) if at.saturating_sub(since) >= LONGEST => {
                State::Ready(Some(at + REST))
            }
            State::Unready(_) if before.is_some_and(|before| share(before, pages) < BELOW) => {
                State::Ready(Some(at + REST))
            }
            state @ (State::Ready(_) | State::Unready(_)) => state,
        };
        matches!(self.state, State::Unready(_))
    }
}

/// The share that was refused of what came in between; none of too little.
fn share(before: Pages, now: Pages) -> f64 {
    let owed = now.owed.saturating_sub(before.owed);
    let shed = now.shed.saturating_sub(before.shed);
    match owed < LEAST {
        true => 0.0,
        false => shed as f64 / owed as f64,
    }
}

/// Looks once a second, for as long as it is polled. `count` is `None` while readiness does not
/// follow what is refused.
pub async fn watch(phase: CurrentPhase, count: impl Fn() -> Option<Pages>) {
    let epoch: Instant = now();
    let (mut law, mut unready) = (Shedding::default(), false);
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let before = unready;
        unready = match count() {
            Some(pages) => law.look(now() - epoch, pages),
            None => {
                law = Shedding::default();
                false
            }
        };
        if unready != before {
            phase.sheds(unready);
            events::unready_when_shedding(unready);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// One gateway, asked for 100 pages a second of which a share in percent is refused.
    #[derive(Default)]
    struct Run {
        law: Shedding,
        at: Duration,
        pages: Pages,
    }

    impl Run {
        fn second(&mut self, owed: u64, percent: u64) -> bool {
            self.at += SECOND;
            self.pages.owed += owed;
            self.pages.shed += owed * percent / 100;
            self.law.look(self.at, self.pages)
        }

        /// How many seconds until it is what it was not.
        fn until(&mut self, unready: bool, owed: u64, percent: u64) -> u64 {
            (1..1_000)
                .find(|_| self.second(owed, percent) == unready)
                .unwrap()
        }
    }

    #[test]
    fn ten_seconds_of_more_than_half_refused_are_unready_for_thirty_and_then_ready_for_ninety() {
        let mut run = Run::default();
        assert_eq!(run.until(true, 100, 51), 11, "ten whole seconds");
        assert_eq!(run.until(false, 100, 100), 30);
        assert_eq!(run.until(true, 100, 100), 90);
    }

    #[test]
    fn half_of_the_pages_is_no_reason_and_nor_are_a_few_at_night() {
        let mut run = Run::default();
        assert!((0..100).all(|_| !run.second(100, 50)));
        let mut run = Run::default();
        assert!((0..100).all(|_| !run.second(1, 100)));
    }

    #[test]
    fn it_is_ready_again_ten_seconds_after_the_last_refusals() {
        let mut run = Run::default();
        run.until(true, 100, 100);
        assert_eq!(run.until(false, 100, 0), 10);
        let mut run = Run::default();
        run.until(true, 100, 100);
        assert_eq!(run.until(false, 0, 0), 10, "nobody asks, as nobody should");
    }

    #[test]
    fn between_the_two_bounds_it_stays_what_it_is() {
        let mut run = Run::default();
        run.until(true, 100, 60);
        assert!((0..29).all(|_| run.second(100, 30)), "unready");
        assert!(!run.second(100, 30), "but not for ever");
        assert!((0..200).all(|_| !run.second(100, 30)), "ready");
    }

    proptest! {
        #[test]
        fn whatever_is_refused_it_is_never_unready_for_long_or_again_soon(
            seconds in prop::collection::vec((0_u64..200, 0_u64..=100), 1..600),
        ) {
            let mut run = Run::default();
            let (mut unready_for, mut ready_for) = (0, u64::MAX);
            let mut recent: Vec<(u64, u64)> = Vec::new();
            for (owed, percent) in seconds {
                recent.push((owed, owed * percent / 100));
                let unready = run.second(owed, percent);
                if unready {
                    if unready_for == 0 {
                        prop_assert!(ready_for >= REST.as_secs());
                        let last = recent.iter().rev().take(LOOKS);
                        let (owed, shed) = last.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
                        prop_assert!(owed >= LEAST && shed * 2 > owed);
                    }
                    unready_for += 1;
                    ready_for = 0;
                    prop_assert!(unready_for <= LONGEST.as_secs());
                } else {
                    unready_for = 0;
                    ready_for = ready_for.saturating_add(1);
                }
            }
        }
    }
}
