//! What a load showed: counts, latencies, and the run over time.
//!
//! Always holds: every figure is computed from the answers when asked for, so any two agree.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::{Answer, Ending};

/// Largest latency a histogram tells apart, in microseconds (ten minutes); longer ones count as this.
const LONGEST_US: u64 = 600_000_000;

/// All that came of a load.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every arrival that was sent, in the order they were due.
    pub answers: Vec<Answer>,
    /// Arrivals that found `max_outstanding` requests under way and were not sent. Above zero the
    /// load was not the one asked for.
    pub not_sent: u64,
}

/// One slice of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Requests due in this slice.
    pub due: usize,
    /// Those of them that were answered 200 in time.
    pub good: usize,
}

impl Report {
    /// How many answers `wanted` picks.
    pub fn count(&self, wanted: impl Fn(&Answer) -> bool) -> usize {
        self.answers.iter().filter(|answer| wanted(answer)).count()
    }

    /// Pages answered 200 within `deadline` of when they were due.
    #[must_use]
    pub fn good(&self, deadline: Duration) -> usize {
        self.count(|answer| answer.is_good(deadline))
    }

    /// The latencies of the answers `wanted` picks.
    pub fn latency(&self, wanted: impl Fn(&Answer) -> bool) -> Latencies {
        self.answers
            .iter()
            .filter(|a| wanted(a))
            .map(|a| a.latency)
            .collect()
    }

    /// How late the generator was in sending: its own share of every latency. If it is large,
    /// the machine was too small for load and server together.
    #[must_use]
    pub fn lag(&self) -> Latencies {
        self.answers.iter().map(|a| a.lag).collect()
    }

    /// How often each ending was met.
    #[must_use]
    pub fn by_ending(&self) -> BTreeMap<Ending, usize> {
        tally(self.answers.iter().map(|answer| answer.ending))
    }

    /// How often each problem `reason` was given.
    #[must_use]
    pub fn by_reason(&self) -> BTreeMap<&str, usize> {
        tally(
            self.answers
                .iter()
                .filter_map(|answer| answer.reason.as_deref()),
        )
    }

    /// The run in slices of `width` (at least a millisecond) by when requests were due.
    #[must_use]
    pub fn series(&self, width: Duration, deadline: Duration) -> Vec<Bucket> {
        let width = width.as_millis().max(1);
        let mut series = Vec::new();
        for answer in &self.answers {
            let at = (answer.scheduled.as_millis() / width) as usize;
            series.resize(series.len().max(at + 1), Bucket::default());
            series[at].due += 1;
            series[at].good += usize::from(answer.is_good(deadline));
        }
        series
    }
}

fn tally<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// One line per ending and reason, with its latencies.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lag = self.lag().quantile(0.99);
        writeln!(
            f,
            "{} sent, {} not sent, generator late by {} at p99",
            self.answers.len(),
            self.not_sent,
            Millis(lag)
        )?;
        writeln!(
            f,
            "{:<32} {:>7} {:>9} {:>9} {:>9} {:>9}",
            "ending", "count", "p50", "p90", "p99", "max"
        )?;
        for ((ending, reason), count) in
            tally(self.answers.iter().map(|a| (a.ending, a.reason.as_deref())))
        {
            let label = format!("{ending} {}", reason.unwrap_or_default());
            let took = self.latency(|a| a.ending == ending && a.reason.as_deref() == reason);
            write!(f, "{label:<32} {count:>7}")?;
            for value in [took.p50(), took.p90(), took.p99(), took.max()] {
                write!(f, " {:>9}", Millis(value).to_string())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Milliseconds with one decimal, or a dash where nothing was measured.
struct Millis(Option<Duration>);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, "{:.1} ms", value.as_secs_f64() * 1e3),
            None => f.write_str("-"),
        }
    }
}

/// A distribution of latencies, to three significant digits.
///
/// Of nothing there is no p99: quantiles are `None`, so a bound on them cannot be met by an empty
/// set.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// The smallest latency that at least this share (0 to 1) of the answers did not exceed.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_micros(self.0.value_at_quantile(share)))
    }

    /// The median.
    #[must_use]
    pub fn p50(&self) -> Option<Duration> {
        self.quantile(0.5)
    }

    /// Nine of ten were not slower.
    #[must_use]
    pub fn p90(&self) -> Option<Duration> {
        self.quantile(0.9)
    }

    /// Ninety-nine of a hundred were not slower.
    #[must_use]
    pub fn p99(&self) -> Option<Duration> {
        self.quantile(0.99)
    }

    /// The slowest.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        self.quantile(1.0)
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(latencies: I) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the bounds are constants that hdrhistogram accepts"
        )]
        let mut histogram = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("constant bounds");
        for latency in latencies {
            histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        }
        Self(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn answer(scheduled: u64, latency: u64, ending: Ending) -> Answer {
        Answer::ended(ms(scheduled), Duration::ZERO, ms(latency), ending)
    }

    fn report() -> Report {
        Report {
            answers: vec![
                answer(0, 10, Ending::Status(200)),
                answer(50, 400, Ending::Status(200)),
                answer(150, 20, Ending::Reset),
            ],
            not_sent: 1,
        }
    }

    #[test]
    fn a_page_that_came_too_late_is_not_good() {
        assert_eq!(report().count(|a| a.is(200)), 2);
        assert_eq!(report().good(ms(300)), 1);
    }

    #[test]
    fn there_is_no_quantile_of_nothing() {
        assert_eq!(report().latency(|a| a.is(500)).p99(), None);
    }

    #[test]
    fn the_series_counts_a_request_where_it_was_due() {
        let series = report().series(ms(100), ms(300));
        assert_eq!(
            series,
            [Bucket { due: 2, good: 1 }, Bucket { due: 1, good: 0 }]
        );
    }

    #[test]
    fn the_table_names_every_ending_and_what_was_not_sent() {
        let table = report().to_string();
        assert!(table.contains("3 sent, 1 not sent"), "{table}");
        assert!(
            table
                .lines()
                .any(|line| line.starts_with("reset") && line.contains("20.0 ms")),
            "{table}"
        );
    }
}
