//! When requests arrive: a pure sequence of offsets, fixed before the first request is sent.
//!
//! Always holds: offsets rise, all lie before the end, and the same seed gives the same sequence.
//! Nothing a server does can change them; that is what makes the load open-loop.

use std::time::Duration;

/// How arrivals are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly, one every `1 / rate` seconds.
    Constant,
    /// Independently of each other, as many users who do not know of one another: gaps are
    /// exponential with mean `1 / rate`.
    Poisson,
}

/// The offsets of all arrivals from the start of the load.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    rate: f64,
    end: f64,
    random: fastrand::Rng,
    /// Arrivals given so far.
    count: u64,
    /// Seconds from the start to the last arrival given (Poisson only).
    last: f64,
}

impl Schedule {
    /// `rate` in arrivals per second, positive and finite; `seed` matters to Poisson only.
    #[must_use]
    pub fn new(arrivals: Arrivals, rate: f64, duration: Duration, seed: u64) -> Self {
        Self {
            arrivals,
            rate,
            end: duration.as_secs_f64(),
            random: fastrand::Rng::with_seed(seed),
            count: 0,
            last: 0.0,
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at = match self.arrivals {
            // Counted, not summed: a sum of rounded gaps drifts.
            Arrivals::Constant => self.count as f64 / self.rate,
            // 1 - U, because U may be 0 and its logarithm may not.
            Arrivals::Poisson => self.last - (1.0 - self.random.f64()).ln() / self.rate,
        };
        if at >= self.end {
            return None;
        }
        self.count += 1;
        self.last = at;
        Some(Duration::from_secs_f64(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn poisson(seed: u64) -> Vec<Duration> {
        Schedule::new(Arrivals::Poisson, 1000.0, MINUTE, seed).collect()
    }

    #[test]
    fn constant_arrivals_are_even_and_do_not_drift() {
        let all: Vec<_> = Schedule::new(Arrivals::Constant, 300.0, MINUTE, 0).collect();
        assert_eq!(all.len(), 18_000);
        assert_eq!(all[0], Duration::ZERO);
        assert_eq!(all[9_000], Duration::from_secs(30));
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals_and_another_seed_does_not() {
        assert_eq!(poisson(7), poisson(7));
        assert_ne!(poisson(7), poisson(8));
    }

    #[test]
    fn poisson_arrivals_have_the_asked_rate_and_the_spread_of_independent_users() {
        let all = poisson(1);
        // 60 000 expected, standard deviation 245: four of them either way.
        assert!((59_000..61_000).contains(&all.len()), "{}", all.len());
        assert!(all.is_sorted());
        let gaps: Vec<f64> = all
            .windows(2)
            .map(|w| (w[1] - w[0]).as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // The standard deviation of exponential gaps equals their mean; of even gaps it is zero.
        assert!(
            (0.95..1.05).contains(&(variance.sqrt() / mean)),
            "{mean} {variance}"
        );
    }

    #[test]
    fn no_arrival_lies_at_or_after_the_end() {
        assert!(poisson(3).into_iter().all(|at| at < MINUTE));
    }
}
