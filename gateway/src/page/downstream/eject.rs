//! When an endpoint is set aside for its failures, and when it is tried again: a pure state
//! machine, told the time.
//!
//! An endpoint that fails several times in a row is ejected for a pause. When the pause is over,
//! one real call is its probe: a success brings it back, a failure ejects it for a longer pause.
//! Pauses double and are jittered, so that many gateways do not probe at the same moment, and
//! are short enough that an endpoint that has returned is in use again within five seconds.
//!
//! Not here: how many endpoints may be set aside at once ([`super::balance`]).

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which an endpoint is set aside.
pub const EJECT_AFTER: u32 = 3;

/// The first pause, before jitter.
pub const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause, before jitter; with it, below five seconds.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Each pause is shortened or lengthened by up to this share.
const JITTER: f64 = 0.2;

/// A probe that has not ended after this is given up for another: its call may have been
/// cancelled without a word.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// Where an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Health {
    /// In use; so many failures in a row.
    InUse {
        /// Since the last success.
        failures: u32,
    },
    /// Set aside.
    Ejected {
        /// Until then.
        until: Instant,
        /// Ejections in a row.
        times: u32,
    },
    /// One call is under way to find out.
    Probing {
        /// When the probe is given up.
        until: Instant,
        /// Ejections in a row.
        times: u32,
    },
}

impl Default for Health {
    fn default() -> Self {
        Self::InUse { failures: 0 }
    }
}

impl Health {
    /// Whether calls go there as to any other.
    pub fn is_in_use(self) -> bool {
        matches!(self, Self::InUse { .. })
    }

    /// Whether its pause is over, so that the next call may be its probe.
    pub fn is_due(self, now: Instant) -> bool {
        match self {
            Self::InUse { .. } => false,
            Self::Ejected { until, .. } | Self::Probing { until, .. } => until <= now,
        }
    }

    /// A call was sent there as a probe.
    pub fn probe(&mut self, now: Instant) {
        if let Self::Ejected { times, .. } | Self::Probing { times, .. } = *self {
            let until = now + PROBE_TIME;
            *self = Self::Probing { until, times };
        }
    }

    /// A call succeeded there.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A call failed there, or no connection could be opened. `jitter` is drawn from 0 to 1.
    pub fn failed(&mut self, now: Instant, jitter: f64) {
        *self = match *self {
            Self::InUse { failures } if failures + 1 < EJECT_AFTER => Self::InUse {
                failures: failures + 1,
            },
            Self::InUse { .. } => ejected(now, 1, jitter),
            Self::Probing { times, .. } => ejected(now, times.saturating_add(1), jitter),
            // Calls that had begun before it was set aside say nothing new.
            Self::Ejected { .. } => *self,
        };
    }
}

fn ejected(now: Instant, times: u32, jitter: f64) -> Health {
    let doubled = 2_u32.saturating_pow(times.saturating_sub(1).min(16));
    let pause = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
    let pause = pause.mul_f64(1.0 + JITTER * (2.0 * jitter - 1.0));
    Health::Ejected {
        until: now + pause,
        times,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_JITTER: f64 = 0.5;

    fn after(failures: u32, at: Instant) -> Health {
        let mut health = Health::default();
        for _ in 0..failures {
            health.failed(at, NO_JITTER);
        }
        health
    }

    #[tokio::test(start_paused = true)]
    async fn the_third_failure_in_a_row_sets_an_endpoint_aside() {
        let now = crate::page::deadline::now();
        assert!(after(2, now).is_in_use());
        let until = now + Duration::from_millis(500);
        assert_eq!(after(3, now), Health::Ejected { until, times: 1 });
        let mut health = after(2, now);
        health.succeeded();
        health.failed(now, NO_JITTER);
        assert_eq!(health, Health::InUse { failures: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_doubles_with_each_failed_probe_and_has_a_longest() {
        let now = crate::page::deadline::now();
        let mut health = after(3, now);
        for millis in [1000, 2000, 4000, 4000, 4000] {
            health.probe(now);
            health.failed(now, NO_JITTER);
            let Health::Ejected { until, .. } = health else {
                panic!("{health:?}");
            };
            assert_eq!(until - now, Duration::from_millis(millis));
        }
        health.probe(now);
        health.failed(now, 1.0);
        assert!(matches!(health, Health::Ejected { until, .. }
            if until - now < Duration::from_secs(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_brings_it_back_and_one_that_is_never_heard_of_is_followed_by_another() {
        let now = crate::page::deadline::now();
        let mut health = after(3, now);
        assert!(!health.is_due(now + Duration::from_millis(499)));
        assert!(health.is_due(now + FIRST_PAUSE));
        health.probe(now + FIRST_PAUSE);
        assert!(!health.is_due(now + FIRST_PAUSE));
        assert!(health.is_due(now + FIRST_PAUSE + PROBE_TIME));
        health.succeeded();
        assert_eq!(health, Health::default());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_calls_from_before_do_not_lengthen_the_pause() {
        let now = crate::page::deadline::now();
        assert_eq!(after(3, now), after(10, now));
    }
}
