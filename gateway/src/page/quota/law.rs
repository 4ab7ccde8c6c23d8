//! How many pages one client may have: a pure law, with the time given.
//!
//! The rule is GCRA (ITU-T I.371), with one more: a page is charged when it is asked for, so
//! that what waits for permits is bounded by the rate as well, and given back when the gateway
//! refuses it.
//!
//! What always holds: a client that asks within its rate is never over it, whatever the
//! gateway refuses; what it was given is at most a burst and the rate times the time, in any
//! stretch that begins with nothing of it under way. Giving back at the instant of the charge
//! leaves nothing behind.
//!
//! Not here: which clients there are, how often they may ask, and the clock.

use std::time::Duration;

/// An instant as nanoseconds since the gateway began; half a millennium of them.
pub(super) type Nanos = u64;

/// The rate of pages: so long from one to the next, and so far ahead of it at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageRate {
    interval: Nanos,
    /// What a whole burst takes to come back.
    burst: Nanos,
}

/// When all pages charged to a client will have been paid for: GCRA's theoretical arrival time.
/// Zero is a client that never asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Paid(Nanos);

impl PageRate {
    /// A page each `interval`, and `burst` at once after a rest.
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        // More than one a nanosecond is no limit that could be told from that.
        let interval = nanos(interval).max(1);
        // No client lives to see a burst above this, and no sum overflows with it.
        let burst = interval.saturating_mul(u64::from(burst)).min(u64::MAX / 4);
        Self { interval, burst }
    }
}

impl Paid {
    /// One page is asked for, by an attempt that has to wait for `attempt` if that is not zero.
    ///
    /// # Errors
    /// The time until there is one more and an attempt is free: nothing is charged.
    pub(super) fn take(
        &mut self,
        rate: &PageRate,
        now: Nanos,
        attempt: Duration,
    ) -> Result<(), Duration> {
        let with_one_more = now.max(self.0).saturating_add(rate.interval);
        let allowed = now.saturating_add(rate.burst);
        let page = Duration::from_nanos(with_one_more.saturating_sub(allowed));
        match page.max(attempt) {
            Duration::ZERO => {
                self.0 = with_one_more;
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// How many pages there are at once, and how long until there is one more; zero if a whole
    /// burst is there.
    pub(super) fn left(self, rate: &PageRate, now: Nanos) -> (u64, Nanos) {
        let used = self.0.saturating_sub(now);
        let free = rate.burst.saturating_sub(used);
        let pages = free / rate.interval;
        let more_in = match used {
            0 => 0,
            // Within a burst that was made smaller there may be less than nothing.
            used => (used + (pages + 1) * rate.interval).saturating_sub(rate.burst),
        };
        (pages, more_in)
    }

    /// The gateway refused a page that was charged.
    pub(super) fn give_back(&mut self, rate: &PageRate) {
        self.0 = self.0.saturating_sub(rate.interval);
    }

    /// Whether it cannot be told from a client that never asked.
    pub(super) fn is_whole(self, now: Nanos) -> bool {
        self.0 <= now
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

    fn rate(per_second: u32, burst: u32) -> PageRate {
        PageRate::new(Duration::from_secs(1) / per_second, burst)
    }

    fn take(paid: &mut Paid, rate: &PageRate, now: Nanos) -> Result<(), Duration> {
        paid.take(rate, now, Duration::ZERO)
    }

    #[test]
    fn an_attempt_that_has_to_wait_charges_nothing_and_the_longer_wait_counts() {
        let (rate, mut paid) = (rate(10, 1), Paid::default());
        let attempt = Duration::from_millis(150);
        assert_eq!(paid.take(&rate, 0, attempt), Err(attempt));
        assert_eq!(paid, Paid::default());
        assert_eq!(take(&mut paid, &rate, 0), Ok(()));
        assert_eq!(take(&mut paid, &rate, 0), Err(Duration::from_millis(100)));
        assert_eq!(paid.take(&rate, 0, attempt), Err(attempt));
    }

    #[test]
    fn what_is_left_is_what_can_be_taken_and_one_more_comes_when_it_is_said_to_and_not_before() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..300 {
            let (rate, mut paid, mut now) = (random_rate(&mut random), Paid::default(), 0);
            for _ in 0..30 {
                now += random.u64(..2 * rate.interval);
                let _ = take(&mut paid, &rate, now);
                let (pages, more_in) = paid.left(&rate, now);
                let mut probed = paid;
                for _ in 0..pages {
                    assert_eq!(take(&mut probed, &rate, now), Ok(()));
                }
                assert!(take(&mut probed.clone(), &rate, now).is_err());
                assert!(more_in > 0, "something was just taken");
                assert!(take(&mut probed.clone(), &rate, now + more_in - 1).is_err());
                assert_eq!(take(&mut probed, &rate, now + more_in), Ok(()));
            }
        }
        let rate = rate(10, 5);
        assert_eq!(Paid::default().left(&rate, 1), (5, 0));
    }

    #[test]
    fn of_a_burst_that_was_made_smaller_nothing_may_be_left_for_longer_than_one_page_takes() {
        let (wide, narrow, mut paid) = (rate(10, 5), rate(10, 2), Paid::default());
        for _ in 0..5 {
            assert_eq!(take(&mut paid, &wide, 0), Ok(()));
        }
        assert_eq!(paid.left(&narrow, 0), (0, 400 * MS));
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
        fn asked(self, paid: &mut Paid, rate: &PageRate, now: Nanos) -> Result<(), Duration> {
            match self {
                Self::WhenAsked | Self::ForGood => take(paid, rate, now),
                Self::WhenLetIn => take(&mut paid.clone(), rate, now),
            }
        }

        fn ended(self, paid: &mut Paid, rate: &PageRate, now: Nanos, let_in: bool) {
            match self {
                Self::WhenAsked if !let_in => paid.give_back(rate),
                Self::WhenLetIn if let_in => drop(take(paid, rate, now)),
                Self::WhenAsked | Self::ForGood | Self::WhenLetIn => {}
            }
        }
    }

    fn random_rate(random: &mut fastrand::Rng) -> PageRate {
        rate(random.u32(1..200), random.u32(1..20))
    }

    /// The gateway decides at once, and refuses two of three. Whether the client could ever
    /// tell it from a gateway that was never asked for what it refused.
    fn refusals_leave_no_trace(charging: Charging, seed: u64) -> bool {
        let mut random = fastrand::Rng::with_seed(seed);
        let rate = random_rate(&mut random);
        let (mut paid, mut without) = (Paid::default(), Paid::default());
        let mut now = 0;
        (0..300).all(|_| {
            now += random.u64(..rate.interval);
            let let_in = random.u8(..3) == 0;
            let mut if_let_in = without;
            let expected = take(&mut if_let_in, &rate, now);
            let verdict = charging.asked(&mut paid, &rate, now);
            if verdict.is_ok() {
                charging.ended(&mut paid, &rate, now, let_in);
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
        let rate = random_rate(&mut random);
        let mut paid = Paid::default();
        let mut waiting: VecDeque<(Nanos, bool)> = VecDeque::new();
        let (mut now, mut begun, mut given) = (0, 0, 0);
        (0..300).all(|_| {
            now += random.u64(..rate.interval);
            while let Some(&(at, let_in)) = waiting.front().filter(|(at, _)| *at <= now) {
                waiting.pop_front();
                charging.ended(&mut paid, &rate, at, let_in);
                given -= u64::from(!let_in);
            }
            if waiting.is_empty() {
                (begun, given) = (now, 0);
            }
            if charging.asked(&mut paid, &rate, now).is_ok() {
                given += 1;
                let last = waiting.back().map_or(0, |(at, _)| *at);
                let at = last.max(now + random.u64(MS..50 * MS));
                waiting.push_back((at, random.bool()));
            }
            given * rate.interval <= rate.burst + (now - begun)
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
        let rate = rate(50, 5);
        let (mut paid, mut now) = (Paid::default(), 0);
        for _ in 0..10_000 {
            now += rate.interval;
            assert_eq!(take(&mut paid, &rate, now), Ok(()));
            if random.bool() {
                paid.give_back(&rate);
            }
        }
    }

    #[test]
    fn the_largest_numbers_a_config_can_hold_overflow_nothing() {
        for interval in [Duration::from_nanos(1), Duration::from_secs(3600)] {
            let rate = PageRate::new(interval, u32::MAX);
            let mut paid = Paid::default();
            for _ in 0..3 {
                assert_eq!(take(&mut paid, &rate, u64::MAX / 2), Ok(()));
            }
        }
    }
}
