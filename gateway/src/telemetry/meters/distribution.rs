//! The values of a histogram so far, for who wants to know what came between two instants.

use std::sync::Arc;
use std::time::Duration;

/// Values by bucket. Empty of what is not measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Upper edges in microseconds, ascending; the last bucket has none.
    edges: Arc<[u64]>,
    /// Values by bucket; one more than there are edges.
    buckets: Vec<u64>,
}

impl Distribution {
    pub(super) fn new(edges: &Arc<[u64]>, buckets: Vec<u64>) -> Self {
        Self {
            edges: Arc::clone(edges),
            buckets,
        }
    }

    /// Both together; their edges are the same, or one of them is empty.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        if self.buckets.is_empty() {
            return other;
        }
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += more;
        }
        self
    }

    /// What came since it was `before`, which may be empty: then all of it.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        for (bucket, before) in self.buckets.iter_mut().zip(&before.buckets) {
            *bucket = bucket.saturating_sub(*before);
        }
        self
    }

    /// The value below which this share of all lies, as if the values of a bucket were spread
    /// evenly in it; the last edge for what lies beyond it, and nothing if there are none. It is
    /// what Prometheus' `histogram_quantile` makes of the same buckets, so dashboards agree.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let all: u64 = self.buckets.iter().sum();
        if all == 0 {
            return None;
        }
        let wanted = share * all as f64;
        let (mut below, mut lower) = (0.0, 0);
        for (&upper, &count) in self.edges.iter().zip(&self.buckets) {
            let count = count as f64;
            if count > 0.0 && below + count >= wanted {
                let within = (wanted - below) / count * (upper - lower) as f64;
                return Some(Duration::from_micros(lower + within as u64));
            }
            (below, lower) = (below + count, upper);
        }
        Some(Duration::from_micros(lower))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(buckets: [u64; 3]) -> Distribution {
        Distribution::new(&Arc::from([100, 200]), buckets.to_vec())
    }

    fn micros(distribution: &Distribution, share: f64) -> Option<u128> {
        Some(distribution.quantile(share)?.as_micros())
    }

    #[test]
    fn values_of_a_bucket_are_spread_evenly_in_it() {
        let ten_and_ten = of([10, 10, 0]);
        for (share, expected) in [(0.0, 0), (0.25, 50), (0.5, 100), (0.75, 150), (1.0, 200)] {
            assert_eq!(micros(&ten_and_ten, share), Some(expected), "{share}");
        }
        assert_eq!(micros(&of([0, 10, 0]), 0.5), Some(150));
    }

    #[test]
    fn of_nothing_there_is_none_and_beyond_the_last_edge_it_is_the_edge() {
        assert_eq!(micros(&of([0, 0, 0]), 0.5), None);
        assert_eq!(Distribution::default().quantile(0.5), None);
        assert_eq!(micros(&of([1, 0, 99]), 0.99), Some(200));
    }

    #[test]
    fn only_what_came_since_counts() {
        let (before, after) = (of([100, 0, 0]), of([100, 10, 0]));
        assert_eq!(micros(&after.clone().since(&before), 0.5), Some(150));
        assert_eq!(after.clone().since(&Distribution::default()), after);
        assert_eq!(Distribution::default().and(after.clone()), after);
        assert_eq!(of([1, 2, 3]).and(of([10, 20, 30])), of([11, 22, 33]));
    }
}
