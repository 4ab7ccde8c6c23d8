//! Random choices of one seed, in the units that files are written in.

use fixtures::Rng;

/// A generator of its own for each thing that is drawn, so that one more choice in one of them
/// does not change the others.
pub(super) struct Draw {
    random: Rng,
    grain: u64,
}

impl Draw {
    /// Times are whole multiples of the seed's grain. With a grain of 10 ms arrivals, deadlines,
    /// waits, answers and clients that leave fall on the same instants all the time, which is where
    /// an order that was taken for granted shows.
    pub(super) fn new(seed: u64, label: &str) -> Self {
        let coarse = Rng::for_decision(seed, "grain", 0).chance(0.4);
        Self {
            random: Rng::for_decision(seed, label, 0),
            grain: if coarse { 10 } else { 1 },
        }
    }

    pub(super) fn is_coarse(&self) -> bool {
        self.grain > 1
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.random.chance(share)
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.below(all.len())]
    }

    /// Both ends included; small numbers are as likely as large ones, order by order.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        let (from, to) = ((least.max(1) as f64).ln(), (most.max(1) as f64 + 1.0).ln());
        if least == 0 && self.chance(0.2) {
            return 0;
        }
        let drawn = (from + (to - from) * self.random.unit()).exp() as u64;
        drawn.clamp(least, most)
    }

    /// Milliseconds, both ends included but for the grain.
    pub(super) fn ms(&mut self, least: u64, most: u64) -> u64 {
        self.between(least, most).div_ceil(self.grain) * self.grain
    }

    /// A seed for whatever has a generator of its own.
    pub(super) fn seed(&mut self) -> u64 {
        self.random.next_u64() >> 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_drawn_and_nothing_beyond_them() {
        let mut draw = Draw::new(1, "test");
        let drawn: Vec<u64> = (0..2000).map(|_| draw.between(0, 5)).collect();
        for wanted in 0..=5 {
            assert!(drawn.contains(&wanted), "{wanted}");
        }
        assert!(drawn.iter().all(|n| *n <= 5));
    }

    #[test]
    fn coarse_seeds_draw_whole_grains_and_both_kinds_of_seed_are_common() {
        let coarse = (0..100).filter(|seed| {
            let mut draw = Draw::new(*seed, "test");
            let times: Vec<u64> = (0..20).map(|_| draw.ms(1, 1000)).collect();
            assert!(!draw.is_coarse() || times.iter().all(|ms| ms % 10 == 0));
            draw.is_coarse()
        });
        assert!((20..=60).contains(&coarse.count()));
    }
}
