//! When requests arrive: a pure sequence of offsets, fixed before the first request is sent.
//!
//! Always holds: offsets rise, all lie before the end, and the same seed gives the same sequence.
//! Nothing a server does can change them; that is what makes the load open-loop.

use std::time::Duration;

use fixtures::Rng;

/// How arrivals are spaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Evenly, one every `1 / rate` seconds.
    Constant,
    /// Independently of each other, as many users who do not know of one another: gaps are
    /// exponential with mean `1 / rate`.
    Poisson,
    /// Burstier than that, as what people do together is: the rate is redrawn again and again, from
    /// a lognormal distribution whose mean is the rate asked for; in between as [`Poisson`].
    ///
    /// [`Poisson`]: Arrivals::Poisson
    Bursty {
        /// Coefficient of variation of the rate: its standard deviation over its mean.
        cv: f64,
        /// How long a rate lasts.
        every: Duration,
    },
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
    /// Seconds from the start to the last arrival given (not of constant ones).
    last: f64,
    /// Of the rates that are drawn.
    seed: u64,
}

impl Schedule {
    /// `rate` in arrivals per second, positive and finite; `seed` matters to random arrivals only.
    #[must_use]
    pub fn new(arrivals: Arrivals, rate: f64, duration: Duration, seed: u64) -> Self {
        Self {
            arrivals,
            rate,
            end: duration.as_secs_f64(),
            random: fastrand::Rng::with_seed(seed),
            count: 0,
            last: 0.0,
            seed,
        }
    }

    /// The next arrival where the rate is redrawn: as much work as is drawn is done at the rates
    /// of the stretches it lies in.
    fn bursty(&mut self, cv: f64, every: f64) -> f64 {
        let mut left = exponential(&mut self.random);
        let mut at = self.last;
        // Counted, because a product of floats may lie just before its stretch.
        let first = (at / every) as u64;
        for stretch in first.. {
            if at >= self.end {
                break;
            }
            let rate = self.rate * drawn_rate(self.seed, stretch, cv);
            let ends = (stretch + 1) as f64 * every;
            let inside = rate * (ends - at).max(0.0);
            if left < inside {
                return at + left / rate;
            }
            left -= inside;
            at = ends;
        }
        at
    }
}

/// With mean 1.
fn exponential(random: &mut fastrand::Rng) -> f64 {
    // 1 - U, because U may be 0 and its logarithm may not.
    -(1.0 - random.f64()).ln()
}

/// Lognormal with mean 1; the same for the same stretch.
fn drawn_rate(seed: u64, stretch: u64, cv: f64) -> f64 {
    let variance = cv.mul_add(cv, 1.0).ln();
    let normal = Rng::for_decision(seed, "rate", stretch).normal();
    (normal * variance.sqrt() - variance / 2.0).exp()
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at = match self.arrivals {
            // Counted, not summed: a sum of rounded gaps drifts.
            Arrivals::Constant => self.count as f64 / self.rate,
            Arrivals::Poisson => self.last + exponential(&mut self.random) / self.rate,
            Arrivals::Bursty { cv, every } => self.bursty(cv, every.as_secs_f64()),
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
    fn bursty_arrivals_have_the_asked_rate_and_its_variation() {
        let every = Duration::from_millis(500);
        let long = MINUTE * 20;
        let bursty = Arrivals::Bursty { cv: 0.5, every };
        let all: Vec<_> = Schedule::new(bursty, 200.0, long, 1).collect();
        assert!(all.is_sorted());
        let mut counts = vec![0.0; 2400];
        for at in &all {
            counts[(at.as_millis() / 500) as usize] += 1.0;
        }
        let mean = counts.iter().sum::<f64>() / 2400.0;
        let variance = counts.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 2400.0;
        // 100 in each stretch; a tenth of that alone from Poisson, the rest from the rate.
        assert!((95.0..105.0).contains(&mean), "{mean}");
        let of_the_rate = (variance - mean).sqrt() / mean;
        assert!((0.44..0.56).contains(&of_the_rate), "{of_the_rate}");
    }

    #[test]
    fn without_variation_bursty_arrivals_are_poisson() {
        let every = Duration::from_millis(500);
        let bursty = Arrivals::Bursty { cv: 0.0, every };
        let all: Vec<_> = Schedule::new(bursty, 1000.0, MINUTE, 7).collect();
        let near = |a: &Duration, b: &Duration| a.abs_diff(*b) < Duration::from_micros(1);
        assert!(all.iter().zip(&poisson(7)).all(|(a, b)| near(a, b)));
        assert_eq!(all.len(), poisson(7).len());
    }

    #[test]
    fn every_length_of_a_stretch_comes_to_an_end() {
        for every in (50..1000).map(Duration::from_millis) {
            let bursty = Arrivals::Bursty { cv: 0.6, every };
            let all = Schedule::new(bursty, 50.0, MINUTE, 1).count();
            assert!((1500..6000).contains(&all), "{every:?}: {all}");
        }
    }

    #[test]
    fn no_arrival_lies_at_or_after_the_end() {
        assert!(poisson(3).into_iter().all(|at| at < MINUTE));
    }
}
