//! The difference of two scrapes: counts, rates, means and percentiles of what happened in between.

use std::time::Duration;

use super::ReadingsError;
use super::exposition::{Sample, Samples};
use crate::telemetry::names::metrics::Metric;

/// Two scrapes of one process.
pub(super) struct Between<'a> {
    before: &'a Samples,
    after: &'a Samples,
    elapsed: Duration,
}

/// What a histogram took in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spread {
    pub(super) count: f64,
    /// Seconds.
    sum: f64,
    /// Upper edges in seconds, ascending, with all values up to there.
    buckets: Vec<(f64, f64)>,
}

impl<'a> Between<'a> {
    /// # Errors
    /// [`ReadingsError::Restarted`]: a counter is smaller than it was.
    pub(super) fn new(
        before: &'a Samples,
        after: &'a Samples,
        elapsed: Duration,
    ) -> Result<Self, ReadingsError> {
        // One process lists its series in one order.
        let counters = |samples: &'a Samples| {
            let all = samples.all();
            all.filter(|sample| sample.name.ends_with("_total"))
        };
        let grew = |(then, now): (&Sample, &Sample)| now.is_of(then) && now.value >= then.value;
        let as_many = counters(before).count() == counters(after).count();
        if !as_many || !counters(before).zip(counters(after)).all(grew) {
            return Err(ReadingsError::Restarted);
        }
        Ok(Self {
            before,
            after,
            elapsed,
        })
    }

    /// Time between them, in seconds; never zero.
    pub(super) fn seconds(&self) -> f64 {
        self.elapsed.as_secs_f64().max(0.001)
    }

    /// How often what a counter counts happened, over all of its series with these labels.
    pub(super) fn count(&self, metric: &Metric, labels: &[(&str, &str)]) -> f64 {
        self.grown(&metric.prometheus(), labels)
    }

    /// By how much series grew.
    pub(super) fn grown(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.after.sum(name, labels) - self.before.sum(name, labels)
    }

    /// A gauge as it stood at the end.
    pub(super) fn stands(&self, metric: &Metric, labels: &[(&str, &str)]) -> f64 {
        self.after.sum(&metric.prometheus(), labels)
    }

    /// What a histogram took in, over all of its series with these labels.
    pub(super) fn spread(&self, metric: &Metric, labels: &[(&str, &str)]) -> Spread {
        let name = metric.prometheus();
        let bucket = format!("{name}_bucket");
        let mut edges: Vec<&str> = Vec::new();
        for sample in self.after.of(&bucket, labels) {
            let edge = sample.label("le").unwrap_or_default();
            if !edges.contains(&edge) {
                edges.push(edge);
            }
        }
        let up_to = |edge: &&str| {
            let labels = [labels, &[("le", *edge)]].concat();
            let seconds = edge.parse().unwrap_or(f64::INFINITY);
            (seconds, self.grown(&bucket, &labels))
        };
        Spread {
            count: self.grown(&format!("{name}_count"), labels),
            sum: self.grown(&format!("{name}_sum"), labels),
            buckets: edges.iter().map(up_to).collect(),
        }
    }
}

impl Spread {
    /// In seconds; nothing if there was nothing.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }

    /// Both together; their edges are the same, or one of them is empty.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.count += other.count;
        self.sum += other.sum;
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            for ((_, up_to), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
                *up_to += more;
            }
        }
        self
    }

    /// The upper edge, in seconds, of the bucket that holds this share of all values: the
    /// percentile is at most that. Infinite beyond the last edge; nothing if there was nothing.
    pub(super) fn at_most(&self, share: f64) -> Option<f64> {
        let wanted = self.count * share;
        let holds = self.buckets.iter().find(|(_, up_to)| *up_to >= wanted);
        holds.map(|(edge, _)| *edge).filter(|_| self.count > 0.0)
    }
}
