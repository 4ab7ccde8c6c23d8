//! The figures of a window: what [`Metric`]s mean, exactly.

mod recovery;
#[cfg(test)]
mod tests;

use std::time::Duration;

use gateway::outcome::{PageOutcome, Standing};

use super::{DownstreamSlice, PageEnd, Record, SLICE, Slice, World};
use crate::scenario::{Scenario, Window};
use crate::verdict::Metric;

/// A figure, and how many pages it was computed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// In the figure's unit; `None` if there is nothing it could be computed from.
    pub value: Option<f64>,
    /// Of a percentile the pages whose times count, of the SLI those owed, else all in the window.
    pub pages: usize,
}

impl Record {
    /// The figure in a window; `None` if there is nothing it could be computed from.
    #[must_use]
    pub fn figure(&self, scenario: &Scenario, window: &Window, metric: Metric) -> Option<f64> {
        self.measure(scenario, window, metric).value
    }

    /// The figure in a window, and how many pages it was computed from.
    #[must_use]
    pub fn measure(&self, scenario: &Scenario, window: &Window, metric: Metric) -> Measured {
        let figures = Figures {
            pages: self.in_window(scenario, window).collect(),
            slices: self.slices_in(window),
            world: self.world,
            scenario,
            window,
        };
        Measured {
            value: figures.of(metric),
            pages: figures.pages_of(metric),
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

    fn slices_in(&self, window: &Window) -> &[Slice] {
        let at = |instant: Duration| (instant.as_millis() / SLICE.as_millis()) as usize;
        let until = at(window.until).min(self.slices.len());
        self.slices.get(at(window.from)..until).unwrap_or_default()
    }
}

struct Figures<'a> {
    pages: Vec<&'a PageEnd>,
    slices: &'a [Slice],
    world: World,
    scenario: &'a Scenario,
    window: &'a Window,
}

impl Figures<'_> {
    fn of(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::GoodPages => self.share(|page| self.is_good(page)),
            Metric::Goodput => Some(self.good() / self.seconds()),
            Metric::Owed => self.share(|page| self.standing(page).owed),
            Metric::Sli => quotient(self.good(), self.owed()),
            Metric::Refused => self.share(PageEnd::is_refused),
            Metric::OverQuota => self.share(|page| page.outcome == PageOutcome::Quota),
            Metric::WouldShed => self.would_shed(),
            Metric::Partial => self.share(|page| page.outcome == PageOutcome::Partial),
            Metric::Failed => {
                self.share(|page| matches!(page.outcome, PageOutcome::Failed | PageOutcome::Late))
            }
            Metric::Cancelled => self.share(|page| page.outcome == PageOutcome::Cancelled),
            Metric::Abandoned => self.share(|page| self.standing(page).abandoned),
            Metric::P50 => self.quantile(0.5, PageEnd::is_served),
            Metric::P99 => self.quantile(0.99, PageEnd::is_served),
            Metric::P999 => self.quantile(0.999, PageEnd::is_served),
            // A client that left counts at the time it waited: it would have waited longer.
            Metric::AnyP99 => self.quantile(0.99, |_| true),
            Metric::AnyP999 => self.quantile(0.999, |_| true),
            Metric::Slowest => self.quantile(1.0, |_| true),
            Metric::RefusalP50 => self.quantile(0.5, is_shed),
            Metric::RefusalP99 => self.quantile(0.99, is_shed),
            Metric::InFlightMax => {
                let in_flight = self.slices.iter().map(|slice| slice.in_flight);
                in_flight.max().map(f64::from)
            }
            Metric::CallsPerGoodPage => quotient(self.calls()?, self.good()),
            Metric::Calls => Some(self.calls()? / self.seconds()),
            Metric::Aborted => quotient(self.sum(|p| p.aborted, |s| s.aborted)?, self.calls()?),
            Metric::Wasted => quotient(self.sum(|p| p.wasted, |s| s.wasted)?, self.calls()?),
            Metric::Recovery => self.recovery(),
        }
    }

    /// How many pages the figure is computed from.
    fn pages_of(&self, metric: Metric) -> usize {
        let count = |wanted: &dyn Fn(&PageEnd) -> bool| {
            self.pages.iter().filter(|page| wanted(page)).count()
        };
        match metric {
            Metric::P50 | Metric::P99 | Metric::P999 => count(&PageEnd::is_served),
            Metric::RefusalP50 | Metric::RefusalP99 => count(&is_shed),
            Metric::Sli => count(&|page| self.standing(page).owed),
            Metric::GoodPages
            | Metric::Goodput
            | Metric::Owed
            | Metric::Refused
            | Metric::OverQuota
            | Metric::WouldShed
            | Metric::Partial
            | Metric::Failed
            | Metric::Cancelled
            | Metric::Abandoned
            | Metric::AnyP99
            | Metric::AnyP999
            | Metric::Slowest
            | Metric::InFlightMax
            | Metric::CallsPerGoodPage
            | Metric::Calls
            | Metric::Aborted
            | Metric::Wasted
            | Metric::Recovery => self.pages.len(),
        }
    }

    fn standing(&self, page: &PageEnd) -> Standing {
        page.standing(self.scenario)
    }

    fn is_good(&self, page: &PageEnd) -> bool {
        self.standing(page).good
    }

    fn owed(&self) -> f64 {
        let owed = self.pages.iter().filter(|page| self.standing(page).owed);
        owed.count() as f64
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

    fn calls(&self) -> Option<f64> {
        self.sum(|page| page.calls, |slice| slice.started)
    }

    /// Decisions may follow arrivals by the longest wait for permits, and the gateway does not
    /// tell them apart by client.
    fn would_shed(&self) -> Option<f64> {
        if self.window.page.is_some() || self.window.client.is_some() {
            return None;
        }
        let decided = self.slices.iter().map(|slice| f64::from(slice.would_shed));
        quotient(decided.sum(), self.pages.len() as f64)
    }

    /// Calls of these pages; where pages do not know theirs, those of the same time. `None` if then
    /// only some pages are meant.
    fn sum(
        &self,
        of_page: impl Fn(&PageEnd) -> u16,
        in_slice: impl Fn(&DownstreamSlice) -> u32,
    ) -> Option<f64> {
        match self.world {
            World::Simulated => Some(self.pages.iter().map(|p| f64::from(of_page(p))).sum()),
            World::Live if self.window.page.is_some() || self.window.client.is_some() => None,
            World::Live => {
                let all = self.slices.iter().flat_map(|slice| &slice.downstreams);
                Some(all.map(|slice| f64::from(in_slice(slice))).sum())
            }
        }
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
}

fn is_shed(page: &PageEnd) -> bool {
    page.outcome == PageOutcome::Shed
}

fn quotient(dividend: f64, divisor: f64) -> Option<f64> {
    (divisor > 0.0).then(|| dividend / divisor)
}
