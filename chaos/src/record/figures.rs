//! The figures of a window: what [`Metric`]s mean, exactly.

use std::time::Duration;

use gateway::telemetry::names::PageOutcome;

use super::{PageEnd, Record, SLICE};
use crate::scenario::{Metric, Scenario, Window};

/// Recovery is judged in slices of this: 50 pages at 200 per second.
const RECOVERY_SLICE: Duration = Duration::from_millis(250);

/// The share of good pages in each slice after a recovery.
const RECOVERED: f64 = 0.95;

impl Record {
    /// The figure in a window; `None` if there is nothing it could be computed from.
    #[must_use]
    pub fn figure(&self, scenario: &Scenario, window: &Window, metric: Metric) -> Option<f64> {
        let figures = Figures {
            pages: self.in_window(scenario, window).collect(),
            scenario,
            window,
        };
        match metric {
            Metric::InFlightMax => self.in_flight_max(window),
            other => figures.of(other),
        }
    }

    fn in_window<'a>(
        &'a self,
        scenario: &'a Scenario,
        window: &'a Window,
    ) -> impl Iterator<Item = &'a PageEnd> {
        let first = self.pages.partition_point(|page| page.at < window.from);
        let inside = self.pages[first..]
            .iter()
            .take_while(|page| page.at < window.until);
        inside.filter(|page| {
            let client = scenario.loads[page.load].client.as_ref();
            window.page.is_none_or(|wanted| wanted == page.page)
                && window
                    .client
                    .as_ref()
                    .is_none_or(|wanted| client.is_some_and(|client| client.name == *wanted))
        })
    }

    fn in_flight_max(&self, window: &Window) -> Option<f64> {
        let at = |instant: Duration| (instant.as_millis() / SLICE.as_millis()) as usize;
        let until = at(window.until).min(self.slices.len());
        let slices = self.slices.get(at(window.from)..until)?;
        slices
            .iter()
            .map(|slice| slice.in_flight)
            .max()
            .map(f64::from)
    }
}

struct Figures<'a> {
    pages: Vec<&'a PageEnd>,
    scenario: &'a Scenario,
    window: &'a Window,
}

impl Figures<'_> {
    fn of(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::GoodPages => self.share(|page| self.is_good(page)),
            Metric::Goodput => Some(self.good() / self.seconds()),
            Metric::Refused => self.share(PageEnd::is_refused),
            Metric::Partial => self.share(|page| page.outcome == PageOutcome::Partial),
            Metric::Failed => {
                self.share(|page| matches!(page.outcome, PageOutcome::Failed | PageOutcome::Late))
            }
            Metric::Cancelled => self.share(|page| page.outcome == PageOutcome::Cancelled),
            Metric::P50 => self.quantile(0.5, PageEnd::is_served),
            Metric::P99 => self.quantile(0.99, PageEnd::is_served),
            Metric::P999 => self.quantile(0.999, PageEnd::is_served),
            Metric::Slowest => self.quantile(1.0, |p| p.outcome != PageOutcome::Cancelled),
            Metric::RefusalP99 => self.quantile(0.99, |p| p.outcome == PageOutcome::Shed),
            // A figure of the whole gateway, not of some pages.
            Metric::InFlightMax => None,
            Metric::CallsPerGoodPage => quotient(self.sum(|p| p.calls), self.good()),
            Metric::Calls => Some(self.sum(|page| page.calls) / self.seconds()),
            Metric::Aborted => quotient(self.sum(|p| p.aborted), self.sum(|p| p.calls)),
            Metric::Wasted => quotient(self.sum(|p| p.wasted), self.sum(|p| p.calls)),
            Metric::Recovery => self.recovery(),
        }
    }

    fn is_good(&self, page: &PageEnd) -> bool {
        let in_time = self.scenario.in_time(page.page);
        page.is_served() && in_time.is_none_or(|limit| page.took <= limit)
    }

    fn good(&self) -> f64 {
        self.pages.iter().filter(|page| self.is_good(page)).count() as f64
    }

    fn seconds(&self) -> f64 {
        (self.window.until - self.window.from).as_secs_f64()
    }

    fn share(&self, wanted: impl Fn(&PageEnd) -> bool) -> Option<f64> {
        let count = self.pages.iter().filter(|page| wanted(page)).count();
        quotient(count as f64, self.pages.len() as f64)
    }

    fn sum(&self, of: impl Fn(&PageEnd) -> u16) -> f64 {
        self.pages.iter().map(|page| f64::from(of(page))).sum()
    }

    /// The smallest time that this share of the wanted pages did not exceed.
    fn quantile(&self, share: f64, wanted: impl Fn(&PageEnd) -> bool) -> Option<f64> {
        let wanted = self.pages.iter().filter(|page| wanted(page));
        let mut times: Vec<Duration> = wanted.map(|page| page.took).collect();
        let at = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1);
        if times.is_empty() {
            return None;
        }
        let (_, time, _) = times.select_nth_unstable(at);
        Some(time.as_secs_f64())
    }

    /// From the start of the window to the end of the last slice that was not good.
    fn recovery(&self) -> Option<f64> {
        let slice = |page: &PageEnd| {
            ((page.at - self.window.from).as_millis() / RECOVERY_SLICE.as_millis()) as usize
        };
        let mut last_bad = 0;
        let mut seen = false;
        for pages in self.pages.chunk_by(|a, b| slice(a) == slice(b)) {
            seen = true;
            let good = pages.iter().filter(|page| self.is_good(page)).count();
            if (good as f64) < RECOVERED * pages.len() as f64 {
                last_bad = slice(pages[0]) + 1;
            }
        }
        seen.then_some(last_bad as f64 * RECOVERY_SLICE.as_secs_f64())
    }
}

fn quotient(dividend: f64, divisor: f64) -> Option<f64> {
    (divisor > 0.0).then(|| dividend / divisor)
}
