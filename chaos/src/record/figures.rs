//! The figures of a window: what [`Metric`]s mean, exactly.

use std::time::Duration;

use gateway::outcome::{PageOutcome, Standing};

use super::{DownstreamSlice, PageEnd, Record, SLICE, Slice, World};
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
            slices: self.slices_in(window),
            world: self.world,
            scenario,
            window,
        };
        figures.of(metric)
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
            Metric::AnyP99 => self.quantile(0.99, |p| p.outcome != PageOutcome::Cancelled),
            Metric::AnyP999 => self.quantile(0.999, |p| p.outcome != PageOutcome::Cancelled),
            Metric::Slowest => self.quantile(1.0, |p| p.outcome != PageOutcome::Cancelled),
            Metric::RefusalP99 => self.quantile(0.99, |p| p.outcome == PageOutcome::Shed),
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

#[cfg(test)]
mod tests {
    use gateway::config::PageId;

    use super::*;
    use crate::scenario::Text;

    const MS: Duration = Duration::from_millis(1);

    fn scenario() -> Scenario {
        let text = "title = \"t\"\nlength = \"10s\"\n[[load]]\nrate = \"1/s\"\nclient = \"a\"\n\
                    [[load]]\nrate = \"1/s\"\nclient = \"b\"\n";
        let text = Text {
            name: "test.toml".to_owned(),
            text: text.to_owned(),
        };
        Scenario::load(&text, &crate::run::default_config()).unwrap()
    }

    fn page(at: u32, took: u32, load: usize, outcome: PageOutcome) -> PageEnd {
        PageEnd {
            at: MS * at,
            took: MS * took,
            page: PageId(0),
            load,
            retry: false,
            outcome,
            reason: None,
            calls: 5,
            aborted: u16::from(outcome == PageOutcome::Late),
            wasted: 0,
        }
    }

    fn figure(pages: &[PageEnd], window: &Window, metric: Metric) -> Option<f64> {
        let record = Record {
            pages: pages.to_vec(),
            ..Record::default()
        };
        record.figure(&scenario(), window, metric)
    }

    fn window(from: u32, until: u32) -> Window {
        Window {
            from: MS * from,
            until: MS * until,
            page: None,
            client: None,
        }
    }

    #[test]
    fn a_window_has_the_pages_that_arrived_in_it_and_those_of_its_client_only() {
        let pages = [
            page(0, 10, 0, PageOutcome::Complete),
            page(100, 10, 0, PageOutcome::Complete),
            page(150, 10, 1, PageOutcome::Late),
            page(200, 10, 0, PageOutcome::Late),
        ];
        let share = |window: &Window| figure(&pages, window, Metric::GoodPages);
        assert_eq!(share(&window(100, 200)), Some(0.5));
        assert_eq!(share(&window(500, 900)), None);
        let of_a = Window {
            client: Some("a".to_owned()),
            ..window(100, 200)
        };
        assert_eq!(share(&of_a), Some(1.0));
    }

    #[test]
    fn a_page_that_was_served_too_late_is_served_and_not_good() {
        let pages = [
            page(0, 301, 0, PageOutcome::Complete),
            page(1, 300, 0, PageOutcome::Partial),
        ];
        let of = |metric| figure(&pages, &window(0, 1000), metric);
        assert_eq!(of(Metric::GoodPages), Some(0.5));
        assert_eq!(of(Metric::P99), Some(0.301));
        assert_eq!(of(Metric::CallsPerGoodPage), Some(10.0));
        assert_eq!(of(Metric::Calls), Some(10.0));
    }

    #[test]
    fn on_sockets_calls_are_those_of_the_time_and_of_all_pages() {
        let downstream = DownstreamSlice {
            started: 10,
            aborted: 1,
            ..DownstreamSlice::default()
        };
        let slice = Slice {
            downstreams: vec![downstream; 2],
            ..Slice::default()
        };
        let record = Record {
            world: World::Live,
            pages: vec![page(0, 10, 0, PageOutcome::Complete); 4],
            slices: vec![slice; 20],
            ..Record::default()
        };
        let of = |window: &Window, metric| record.figure(&scenario(), window, metric);
        let first = window(0, 1000);
        assert_eq!(of(&first, Metric::Calls), Some(200.0));
        assert_eq!(of(&first, Metric::CallsPerGoodPage), Some(50.0));
        assert_eq!(of(&first, Metric::Aborted), Some(0.1));
        let of_one = Window {
            page: Some(PageId(0)),
            ..first
        };
        assert_eq!(of(&of_one, Metric::Calls), None);
    }

    #[test]
    fn what_would_have_been_refused_is_of_all_pages_of_the_time() {
        let slice = Slice {
            would_shed: 1,
            ..Slice::default()
        };
        let record = Record {
            pages: vec![page(0, 10, 0, PageOutcome::Complete); 40],
            slices: vec![slice; 20],
            ..Record::default()
        };
        let of = |window: &Window| record.figure(&scenario(), window, Metric::WouldShed);
        let first = window(0, 1000);
        assert_eq!(of(&first), Some(0.25));
        let of_one = Window {
            page: Some(PageId(0)),
            ..first
        };
        assert_eq!(of(&of_one), None);
    }

    #[test]
    fn recovery_is_the_end_of_the_last_slice_that_was_not_good() {
        let pages: Vec<_> = (0..100)
            .map(|n| match n {
                0..20 => page(n * 10, 300, 0, PageOutcome::Late),
                30 => page(n * 10, 300, 0, PageOutcome::Late),
                _ => page(n * 10, 80, 0, PageOutcome::Complete),
            })
            .collect();
        // One page of 25 is a share of 96 %.
        let of = |from| figure(&pages, &window(from, 1000), Metric::Recovery);
        assert_eq!(of(0), Some(0.25));
        assert_eq!(of(500), Some(0.0));
        assert_eq!(figure(&[], &window(0, 1000), Metric::Recovery), None);
    }
}
