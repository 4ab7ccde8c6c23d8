//! One series of a distribution: buckets for Prometheus, single values for DogStatsD.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::distribution::Distribution;

/// Values of one series that are kept until they are taken; of more than that, a fair
/// sample (Vitter, "Random Sampling with a Reservoir", 1985, algorithm R).
pub(super) const MOST_KEPT: usize = 4096;

/// Buckets with upper edges that belong to them, and the values themselves if somebody
/// takes them.
#[derive(Debug)]
pub(super) struct Histogram {
    /// Upper edges in microseconds, ascending; the last bucket has none.
    edges: Arc<[u64]>,
    keeps_values: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Values by bucket; one more than there are edges.
    buckets: Vec<u64>,
    /// Of all values, in microseconds.
    sum: u64,
    /// Values since they were taken last, in microseconds, in no order.
    kept: Vec<u32>,
    /// How many there were since then.
    seen: u64,
}

impl Histogram {
    pub(super) fn new(edges: &Arc<[u64]>, keeps_values: bool) -> Self {
        let state = State {
            buckets: vec![0; edges.len() + 1],
            ..State::default()
        };
        Self {
            edges: Arc::clone(edges),
            keeps_values,
            state: Mutex::new(state),
        }
    }

    /// One more value, in whole microseconds: what is shorter is noise, and its digits would
    /// be half of every datagram.
    pub(super) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.edges.partition_point(|edge| *edge < micros);
        let mut state = self.state.lock();
        state.buckets[bucket] += 1;
        state.sum = state.sum.saturating_add(micros);
        if self.keeps_values {
            state.keep(u32::try_from(micros).unwrap_or(u32::MAX));
        }
    }

    /// Upper edges in microseconds, ascending.
    pub(super) fn edges(&self) -> &[u64] {
        &self.edges
    }

    /// The values in each bucket, and the sum of all in microseconds.
    pub(super) fn read(&self) -> (Vec<u64>, u64) {
        let state = self.state.lock();
        (state.buckets.clone(), state.sum)
    }

    /// All values so far.
    pub(super) fn distribution(&self) -> Distribution {
        Distribution::new(&self.edges, self.read().0)
    }

    /// Moves the values since the last time into `values`, which is emptied before; returns
    /// how many there were, which is more when a sample had to do.
    pub(super) fn take(&self, values: &mut Vec<u32>) -> u64 {
        values.clear();
        let mut state = self.state.lock();
        std::mem::swap(&mut state.kept, values);
        std::mem::take(&mut state.seen)
    }
}

impl State {
    fn keep(&mut self, value: u32) {
        self.seen += 1;
        if self.kept.len() < MOST_KEPT {
            self.kept.push(value);
        } else if let Some(place) = self.kept.get_mut(fastrand::u64(..self.seen) as usize) {
            *place = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(keeps_values: bool) -> Histogram {
        Histogram::new(&Arc::from([100, 200]), keeps_values)
    }

    #[test]
    fn an_edge_is_part_of_its_bucket_and_the_last_bucket_has_none() {
        let histogram = histogram(false);
        for micros in [0, 100, 101, 200, 201, u64::MAX / 2] {
            histogram.record(Duration::from_micros(micros));
        }
        histogram.record(Duration::from_nanos(100_999));
        let (buckets, sum) = histogram.read();
        assert_eq!(buckets, [3, 2, 2]);
        assert_eq!(sum, 702 + u64::MAX / 2);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.read().1, u64::MAX);
    }

    #[test]
    fn values_are_taken_once_and_kept_only_for_somebody_who_takes_them() {
        let mut values = vec![7];
        let unheard = histogram(false);
        unheard.record(Duration::from_micros(5));
        assert_eq!((unheard.take(&mut values), values.len()), (0, 0));
        let heard = histogram(true);
        heard.record(Duration::from_micros(5));
        heard.record(Duration::MAX);
        assert_eq!(heard.take(&mut values), 2);
        assert_eq!(values, [5, u32::MAX]);
        assert_eq!((heard.take(&mut values), values.len()), (0, 0));
    }

    #[test]
    fn of_too_many_values_a_fair_sample_is_kept_and_all_are_counted() {
        let histogram = histogram(true);
        let all = 10 * MOST_KEPT as u64;
        for micros in 0..all {
            histogram.record(Duration::from_micros(micros));
        }
        let mut values = Vec::new();
        assert_eq!(histogram.take(&mut values), all);
        assert_eq!(values.len(), MOST_KEPT);
        // The mean of a sample of 4096 of these is within 1 % of theirs but once in a
        // million times: its standard deviation is 0.45 %, the bound is 11 of them.
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
        let expected = (all - 1) as f64 / 2.0;
        assert!(
            (mean / expected - 1.0).abs() < 0.1,
            "{mean}, not {expected}"
        );
        assert_eq!(histogram.read().0.iter().sum::<u64>(), all);
    }
}
