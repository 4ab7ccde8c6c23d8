//! What one client may ask for: a pure law, with the time given.
//!
//! Two rates by the same rule, GCRA (ITU-T I.371): *pages* at `rate`, and *attempts* at a
//! multiple of it. An attempt is never given back. A page is charged when it is asked for, so
//! that what waits for permits is bounded by the rate as well, and given back when the gateway
//! refuses it.
//!
//! What always holds: a client that asks within its rate is never over it, whatever the
//! gateway refuses; what it was given is at most a burst and the rate times the time, in any
//! stretch that begins with nothing of it under way; it asks at most `attempts` times that.
//! Giving back at the instant of the charge leaves nothing behind.
//!
//! Not here: which clients there are, and the clock.

use std::time::Duration;

/// An instant as nanoseconds since the gateway began; half a millennium of them.
pub(super) type Nanos = u64;

/// The rates of every client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) pages: Gcra,
    pub(super) attempts: Gcra,
}

/// One rate: so long from one to the next, and so far ahead of it at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gcra {
    interval: Nanos,
    /// What a whole burst takes to come back.
    burst: Nanos,
}

/// What one client asked for so far. All zero is a client that never did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// When all pages charged will have been paid for: GCRA's theoretical arrival time.
    pages: Nanos,
    /// The same of attempts.
    attempts: Nanos,
}

impl Rates {
    /// `attempts` times the rate and burst of pages may be asked for.
    pub(super) fn new(interval: Duration, burst: u32, attempts: u32) -> Self {
        // More than one a nanosecond is no limit that could be told from that.
        let interval = nanos(interval).max(1);
        let pages = Gcra::new(interval, burst);
        Self {
            pages,
            // So many times as often, with as long a burst.
            attempts: Gcra {
                interval: (interval / u64::from(attempts)).max(1),
                ..pages
            },
        }
    }
}

impl Gcra {
    fn new(interval: Nanos, burst: u32) -> Self {
        // No client lives to see a burst above this, and no sum overflows with it.
        let burst = interval.saturating_mul(u64::from(burst)).min(u64::MAX / 4);
        Self { interval, burst }
    }

    /// When all will have been paid for with one more.
    fn with_one_more(self, paid_at: Nanos, now: Nanos) -> Nanos {
        now.max(paid_at).saturating_add(self.interval)
    }

    /// Time until there is one more; zero if there is.
    fn wait(self, paid_at: Nanos, now: Nanos) -> Nanos {
        let allowed = now.saturating_add(self.burst);
        self.with_one_more(paid_at, now).saturating_sub(allowed)
    }
}

impl Usage {
    /// One page is asked for.
    ///
    /// # Errors
    /// The time until it is over neither rate. Of an attempt too many nothing is charged, of a
    /// page too many the attempt.
    pub(super) fn take(&mut self, rates: &Rates, now: Nanos) -> Result<(), Duration> {
        let page = rates.pages.wait(self.pages, now);
        let attempt = rates.attempts.wait(self.attempts, now);
        if attempt == 0 {
            self.attempts = rates.attempts.with_one_more(self.attempts, now);
        }
        match page.max(attempt) {
            0 => {
                self.pages = rates.pages.with_one_more(self.pages, now);
                Ok(())
            }
            wait => Err(Duration::from_nanos(wait)),
        }
    }

    /// The gateway refused a page that was charged.
    pub(super) fn give_back(&mut self, rates: &Rates) {
        self.pages = self.pages.saturating_sub(rates.pages.interval);
    }

    /// Whether it cannot be told from a client that never asked.
    pub(super) fn is_idle(&self, now: Nanos) -> bool {
        self.pages <= now && self.attempts <= now
    }
}

/// Saturated.
pub(super) fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const MS: Nanos = 1_000_000;
    const SECOND: Nanos = 1_000 * MS;

    fn rates(per_second: u32, burst: u32, attempts: u32) -> Rates {
        Rates::new(Duration::from_secs(1) / per_second, burst, attempts)
    }

    #[test]
    fn what_is_given_back_at_once_was_never_charged_though_the_attempt_was() {
        let rates = rates(50, 10, 4);
        let mut usage = Usage::default();
        for _ in 0..40 {
            assert_eq!(usage.take(&rates, SECOND), Ok(()));
            usage.give_back(&rates);
        }
        // Of the pages nothing is used, of the attempts all.
        assert_eq!(usage.pages, SECOND);
        assert_eq!(usage.take(&rates, SECOND), Err(Duration::from_millis(5)));
    }

    #[test]
    fn an_attempt_too_many_costs_nothing_and_ends_as_the_rate_of_attempts_says() {
        let rates = rates(10, 1, 2);
        let mut usage = Usage::default();
        assert_eq!(usage.take(&rates, 0), Ok(()));
        // A page too many is an attempt all the same.
        assert_eq!(usage.take(&rates, 0), Err(Duration::from_millis(100)));
        let before = usage;
        // Of both rates it is over, the longer wait.
        assert_eq!(usage.take(&rates, 0), Err(Duration::from_millis(100)));
        usage.give_back(&rates);
        assert_eq!(usage.take(&rates, 0), Err(Duration::from_millis(50)));
        assert_eq!(usage.attempts, before.attempts);
        assert_eq!(usage.take(&rates, 50 * MS), Ok(()));
    }

    #[test]
    fn a_client_is_idle_when_both_of_its_rates_are_whole_again() {
        let rates = rates(10, 5, 2);
        let mut usage = Usage::default();
        assert!(usage.is_idle(0));
        usage.take(&rates, 0).unwrap();
        assert!(!usage.is_idle(100 * MS - 1) && usage.is_idle(100 * MS));
        usage.give_back(&rates);
        assert!(!usage.is_idle(50 * MS - 1) && usage.is_idle(50 * MS));
    }

    /// When a page is charged, and whether a refusal gives it back.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Charging {
        /// The law: when it is asked for, and given back.
        WhenAsked,
        /// Broken: never given back, so that the client pays for the gateway's state.
        ForGood,
        /// Broken: when it is let in, so that what waits is not bounded by the rate.
        WhenLetIn,
    }

    impl Charging {
        fn asked(self, usage: &mut Usage, rates: &Rates, now: Nanos) -> Result<(), Duration> {
            match self {
                Self::WhenAsked | Self::ForGood => usage.take(rates, now),
                Self::WhenLetIn => usage.clone().take(rates, now),
            }
        }

        fn ended(self, usage: &mut Usage, rates: &Rates, now: Nanos, let_in: bool) {
            match self {
                Self::WhenAsked if !let_in => usage.give_back(rates),
                Self::WhenLetIn if let_in => drop(usage.take(rates, now)),
                Self::WhenAsked | Self::ForGood | Self::WhenLetIn => {}
            }
        }
    }

    fn random_rates(random: &mut fastrand::Rng) -> Rates {
        rates(random.u32(1..200), random.u32(1..20), 1_000_000)
    }

    /// The gateway decides at once, and refuses two of three. Whether the client could ever
    /// tell it from a gateway that was never asked for what it refused.
    fn refusals_leave_no_trace(charging: Charging, seed: u64) -> bool {
        let mut random = fastrand::Rng::with_seed(seed);
        let rates = random_rates(&mut random);
        let (mut usage, mut without) = (Usage::default(), Usage::default());
        let mut now = 0;
        (0..300).all(|_| {
            now += random.u64(..rates.pages.interval);
            let let_in = random.u8(..3) == 0;
            let mut if_let_in = without;
            let expected = if_let_in.take(&rates, now);
            let verdict = charging.asked(&mut usage, &rates, now);
            if verdict.is_ok() {
                charging.ended(&mut usage, &rates, now, let_in);
            }
            if let_in {
                without = if_let_in;
            }
            verdict == expected
        })
    }

    /// Pages wait up to 50 ms before they are let in or refused. Whether those of the client
    /// that are under way or were let in ever exceed its rate, in a stretch that began with none
    /// under way.
    fn what_waits_is_within_the_rate(charging: Charging, seed: u64) -> bool {
        let mut random = fastrand::Rng::with_seed(seed);
        let rates = random_rates(&mut random);
        let mut usage = Usage::default();
        let mut waiting: VecDeque<(Nanos, bool)> = VecDeque::new();
        let (mut now, mut begun, mut given) = (0, 0, 0);
        (0..300).all(|_| {
            now += random.u64(..rates.pages.interval);
            while let Some(&(at, let_in)) = waiting.front().filter(|(at, _)| *at <= now) {
                waiting.pop_front();
                charging.ended(&mut usage, &rates, at, let_in);
                given -= u64::from(!let_in);
            }
            if waiting.is_empty() {
                (begun, given) = (now, 0);
            }
            if charging.asked(&mut usage, &rates, now).is_ok() {
                given += 1;
                let last = waiting.back().map_or(0, |(at, _)| *at);
                let at = last.max(now + random.u64(MS..50 * MS));
                waiting.push_back((at, random.bool()));
            }
            given * rates.pages.interval <= rates.pages.burst + (now - begun)
        })
    }

    #[test]
    fn what_is_refused_at_once_leaves_no_trace() {
        let holds = |charging| (0..1_000).all(|seed| refusals_leave_no_trace(charging, seed));
        assert!(holds(Charging::WhenAsked));
        assert!(!holds(Charging::ForGood), "not noticed");
    }

    #[test]
    fn a_wait_for_permits_lets_no_client_have_more_than_its_rate() {
        let holds = |charging| (0..1_000).all(|seed| what_waits_is_within_the_rate(charging, seed));
        assert!(holds(Charging::WhenAsked));
        assert!(!holds(Charging::WhenLetIn), "not noticed");
    }

    #[test]
    fn a_client_within_its_rate_is_never_over_it_whatever_waits_or_is_refused() {
        let mut random = fastrand::Rng::with_seed(1);
        let rates = rates(50, 5, 4);
        let (mut usage, mut now) = (Usage::default(), 0);
        for _ in 0..10_000 {
            now += rates.pages.interval;
            assert_eq!(usage.take(&rates, now), Ok(()));
            if random.bool() {
                usage.give_back(&rates);
            }
        }
    }

    #[test]
    fn the_largest_numbers_a_config_can_hold_overflow_nothing() {
        for interval in [Duration::from_nanos(1), Duration::from_secs(3600)] {
            let rates = Rates::new(interval, u32::MAX, u32::MAX);
            let mut usage = Usage::default();
            for _ in 0..3 {
                assert_eq!(usage.take(&rates, u64::MAX / 2), Ok(()));
            }
        }
    }
}
