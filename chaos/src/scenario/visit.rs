//! One client's visit: what it draws, how long it waits, and whether it asks again. The same for both
//! worlds.
//!
//! What a client draws belongs to the page it asks for, not to the order of events: see [`Visit`].

use std::time::Duration;

use fixtures::{Latency, Rng, draw};
use gateway::outcome::PageOutcome;
use parking_lot::Mutex;

use super::load::{Backoff, Demand, Load};

/// One page that somebody asks for, by name: the same in both worlds, under any config and beside
/// any other load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Which load.
    pub(crate) load: usize,
    /// Which arrival or user of it.
    pub(crate) who: u32,
    /// Which page of a user; 0 of an arrival.
    pub(crate) nth: u32,
}

impl Visit {
    /// Different for each attempt at each page.
    pub(crate) fn number(self, attempt: u32) -> u64 {
        let who = (self.load as u64) << 56 | u64::from(self.who) << 28 | u64::from(self.nth);
        Rng::for_decision(who, "visit", attempt.into()).next_u64()
    }

    /// The request id of an attempt, which names the draws of its calls.
    pub(crate) fn request_id(self, attempt: u32) -> String {
        draw::request_id(self.number(attempt))
    }

    /// The generator of what this client draws under this label.
    pub(crate) fn random(self, seed: u64, label: &str) -> Rng {
        Rng::for_decision(seed, label, self.number(0))
    }

    /// Which one of the load's clients asks.
    pub(crate) fn client(self, load: &Load) -> u32 {
        match &load.client {
            Some(client) => self.who % client.count,
            None => self.who,
        }
    }
}

impl Load {
    /// Whether the answer is one that is asked for again.
    pub(crate) fn is_worth_another(&self, outcome: PageOutcome) -> bool {
        use PageOutcome as Out;
        match outcome {
            Out::Shed | Out::Quota | Out::Failed => true,
            Out::Late => self.retries.late,
            // As much time again would not suffice either.
            Out::ClientBudget => false,
            Out::Complete
            | Out::Partial
            | Out::NotFound
            | Out::Denied
            | Out::BadRequest
            | Out::Cancelled => false,
        }
    }

    /// How long a client waits before it asks again, for the `attempt`th time, counted from 1;
    /// `told` is the answer's `Retry-After` in seconds. `None`: it does not ask again.
    pub(crate) fn pause_before(
        &self,
        attempt: u32,
        told: Option<u32>,
        random: &mut Rng,
    ) -> Option<Duration> {
        let told = told.map(|seconds| Duration::from_secs(seconds.into()));
        let first = match self.retries.backoff {
            Backoff::Doubling(first) => first,
            Backoff::RetryAfter if told.is_some() => return told,
            Backoff::RetryAfter => self.retries.otherwise?,
        };
        let pause = first * 2_u32.saturating_pow(attempt - 1);
        Some(whole(pause.mul_f64(0.5 + random.unit())))
    }

    /// How long the client of this page waits before it leaves.
    pub(crate) fn patience(&self, visit: Visit, seed: u64) -> Option<Duration> {
        let drawn = |patience: &Latency| patience.sample(&mut visit.random(seed, "patience"));
        self.patience.as_ref().map(drawn).map(at_least_one)
    }

    /// What the client of this page gives it.
    pub(crate) fn budget(&self, visit: Visit, seed: u64) -> Option<Duration> {
        let drawn = |budget: &Latency| budget.sample(&mut visit.random(seed, "budget"));
        self.budget.as_ref().map(drawn).map(at_least_one)
    }

    /// How long a user thinks before this page.
    pub(crate) fn think(&self, visit: Visit, seed: u64) -> Duration {
        let Demand::Closed { think, .. } = self.demand else {
            return Duration::ZERO;
        };
        // 1 - U, because U may be 0 and its logarithm may not.
        let drawn = -(1.0 - visit.random(seed, "think").unit()).ln();
        whole(think.mul_f64(drawn))
    }
}

/// The retries that all clients of a load may still make: a share is put in with each page asked
/// for first, and one is taken out with each retry. Ten are the most that are kept.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    share: Option<f64>,
    left: Mutex<f64>,
}

impl RetryBudget {
    /// As much as is ever kept, so that a quiet stretch does not pay for a storm.
    const MOST: f64 = 10.0;

    pub(crate) fn of(load: &Load) -> Self {
        Self {
            share: load.retries.budget,
            left: Mutex::new(0.0),
        }
    }

    /// A page is asked for first.
    pub(crate) fn asked(&self) {
        if let Some(share) = self.share {
            let mut left = self.left.lock();
            *left = (*left + share).min(Self::MOST);
        }
    }

    /// Whether there may be one more retry, which is then taken.
    pub(crate) fn take(&self) -> bool {
        if self.share.is_none() {
            return true;
        }
        let mut left = self.left.lock();
        let may = *left >= 1.0 - 1e-9;
        if may {
            *left -= 1.0;
        }
        may
    }
}

/// Rounded down to a millisecond, as all instants of clients are.
fn whole(time: Duration) -> Duration {
    Duration::from_millis(time.as_millis() as u64)
}

fn at_least_one(time: Duration) -> Duration {
    whole(time).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use gateway::config::PageId;

    use super::*;
    use crate::load::Arrivals;
    use crate::scenario::load::Retries;

    fn load(retries: Retries) -> Load {
        Load {
            page: PageId(0),
            demand: Demand::Open {
                rate: 1.0,
                arrivals: Arrivals::Poisson,
            },
            from: Duration::ZERO,
            until: Duration::from_secs(1),
            client: None,
            patience: None,
            budget: None,
            retries,
            reads_for: Duration::ZERO,
        }
    }

    const OBEYS: Retries = Retries {
        most: 3,
        late: true,
        backoff: Backoff::RetryAfter,
        otherwise: None,
        budget: Some(0.1),
    };

    #[test]
    fn who_obeys_waits_as_told_and_otherwise_as_it_likes_or_not_at_all() {
        let random = &mut Rng::for_decision(1, "test", 1);
        let mut pause =
            |otherwise, told| load(Retries { otherwise, ..OBEYS }).pause_before(1, told, random);
        let (second, tenth) = (Duration::from_secs(1), Duration::from_millis(100));
        assert_eq!(pause(None, Some(3)), Some(3 * second));
        assert_eq!(pause(Some(tenth), Some(3)), Some(3 * second));
        assert_eq!(pause(None, None), None);
        let own = pause(Some(tenth), None).unwrap();
        assert!(own >= tenth / 2 && own <= tenth * 3 / 2, "{own:?}");
    }

    #[test]
    fn a_budget_of_a_tenth_allows_a_retry_for_ten_pages_and_saves_ten_at_most() {
        let budget = RetryBudget::of(&load(OBEYS));
        let ask = |pages| (0..pages).for_each(|_| budget.asked());
        ask(9);
        assert!(!budget.take());
        ask(1);
        assert!(budget.take() && !budget.take());
        ask(1000);
        let taken = (0..100).filter(|_| budget.take()).count();
        assert_eq!(taken, 10);
    }

    #[test]
    fn only_who_asks_for_late_pages_again_asks_for_a_late_page_again() {
        for late in [true, false] {
            let load = load(Retries { late, ..OBEYS });
            assert_eq!(load.is_worth_another(PageOutcome::Late), late);
            assert!(load.is_worth_another(PageOutcome::Shed));
            assert!(!load.is_worth_another(PageOutcome::Cancelled));
            assert!(!load.is_worth_another(PageOutcome::ClientBudget));
        }
    }

    #[test]
    fn every_attempt_at_every_page_has_a_number_of_its_own() {
        let visit = |load, who, nth| Visit { load, who, nth };
        let all = [
            visit(0, 1, 0),
            visit(1, 1, 0),
            visit(0, 2, 0),
            visit(0, 1, 1),
        ];
        let mut numbers: Vec<u64> = all
            .iter()
            .flat_map(|visit| [0, 1, 2].map(|attempt| visit.number(attempt)))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 12);
    }
}
