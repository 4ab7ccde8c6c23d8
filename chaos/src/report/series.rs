//! What a plot shows of a record: pages and slices in steps of time.
//!
//! Pages are counted at the instant they were asked for, as all figures do; what was asked for after
//! the last load ended, a retry, is in no step.

use std::time::Duration;

use gateway::config::PageId;
use gateway::outcome::PageOutcome;
use plots::steps::Steps;

use crate::record::{PageEnd, Record, SLICE, Slice};
use crate::scenario::Scenario;

/// How a page ended, as whoever looks at a plot wants to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    Partial,
    TooSlow,
    Shed,
    Quota,
    Late,
    Failed,
    Rejected,
    Cancelled,
}

impl Ending {
    /// From the bottom of a stack to its top: the good ones first.
    pub(super) const ALL: [Self; 9] = [
        Self::Complete,
        Self::Partial,
        Self::TooSlow,
        Self::Late,
        Self::Failed,
        Self::Shed,
        Self::Quota,
        Self::Rejected,
        Self::Cancelled,
    ];

    pub(super) fn of(scenario: &Scenario, page: &PageEnd) -> Self {
        match page.outcome {
            PageOutcome::Complete | PageOutcome::Partial if !page.is_good(scenario) => {
                Self::TooSlow
            }
            PageOutcome::Complete => Self::Complete,
            PageOutcome::Partial => Self::Partial,
            PageOutcome::Shed => Self::Shed,
            PageOutcome::Quota => Self::Quota,
            PageOutcome::Late => Self::Late,
            PageOutcome::Failed => Self::Failed,
            PageOutcome::NotFound | PageOutcome::Denied | PageOutcome::BadRequest => Self::Rejected,
            PageOutcome::ClientBudget | PageOutcome::Cancelled => Self::Cancelled,
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial: without an optional part",
            Self::TooSlow => "served, but too late to be good",
            Self::Shed => "refused: load, or drain",
            Self::Quota => "refused: client over its quota",
            Self::Late => "lost: out of time",
            Self::Failed => "lost: a part failed",
            Self::Rejected => "not found, not allowed or not valid",
            Self::Cancelled => "client left or gave too little time, or cut off",
        }
    }
}

/// The run in at most so many steps of whole slices.
pub(super) fn steps(length: Duration, most: u32) -> Steps {
    Steps::new(length, SLICE, most)
}

/// The pages of each step, if `wanted` by their page.
pub(super) fn pages<'a>(
    steps: &Steps,
    record: &'a Record,
    wanted: Option<PageId>,
) -> Vec<Vec<&'a PageEnd>> {
    let mut all = vec![Vec::new(); steps.count()];
    for page in &record.pages {
        let step = (page.at.as_nanos() / steps.width.as_nanos()) as usize;
        let here = page.at < steps.length && wanted.is_none_or(|id| id == page.page);
        if let Some(step) = all.get_mut(step).filter(|_| here) {
            step.push(page);
        }
    }
    all
}

/// The most of something in each step; nothing where the run was over.
pub(super) fn most(steps: &Steps, record: &Record, of: impl Fn(&Slice) -> f64) -> Vec<Option<f64>> {
    let each = (steps.width.as_nanos() / SLICE.as_nanos()) as usize;
    let step = |n: usize| {
        let slices = record.slices.iter().skip(n * each).take(each);
        slices.map(&of).reduce(f64::max)
    };
    (0..steps.count()).map(step).collect()
}

/// Pages per second of each ending, step by step; in the order of [`Ending::ALL`].
pub(super) fn rates(scenario: &Scenario, steps: &Steps, pages: &[Vec<&PageEnd>]) -> Vec<Vec<f64>> {
    let mut rates = vec![vec![0.0; pages.len()]; Ending::ALL.len()];
    for (step, pages) in pages.iter().enumerate() {
        let (from, until) = steps.span(step);
        for page in pages {
            let ending = Ending::of(scenario, page);
            if let Some(at) = Ending::ALL.iter().position(|each| *each == ending) {
                rates[at][step] += 1.0 / (until - from);
            }
        }
    }
    rates
}

/// Share of good pages of each step; nothing where no page was requested.
pub(super) fn good(scenario: &Scenario, pages: &[Vec<&PageEnd>]) -> Vec<Option<f64>> {
    let share = |pages: &Vec<&PageEnd>| {
        let good = pages.iter().filter(|page| page.is_good(scenario)).count();
        (!pages.is_empty()).then(|| good as f64 / pages.len() as f64)
    };
    pages.iter().map(share).collect()
}

/// The time in seconds that this share of the wanted pages of each step did not exceed.
pub(super) fn quantile(
    pages: &[Vec<&PageEnd>],
    share: f64,
    wanted: impl Fn(&PageEnd) -> bool,
) -> Vec<Option<f64>> {
    let of = |pages: &Vec<&PageEnd>| {
        let wanted = pages.iter().filter(|page| wanted(page));
        let mut times: Vec<Duration> = wanted.map(|page| page.took).collect();
        times.sort_unstable();
        let at = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1);
        times.get(at).map(Duration::as_secs_f64)
    };
    pages.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_a_round_width_and_cover_the_run() {
        let in_steps = |ms, most| steps(Duration::from_millis(ms), most);
        assert_eq!(in_steps(40_000, 100).width, Duration::from_millis(500));
        assert_eq!(in_steps(600_000, 120).width, Duration::from_secs(5));
        assert_eq!(in_steps(1_000, 100).count(), 10);
        let odd = in_steps(1_250, 5);
        assert_eq!((odd.count(), odd.span(2)), (3, (1.0, 1.25)));
        assert_eq!(in_steps(3_600_000, 60).count(), 60);
    }

    #[test]
    fn the_most_of_a_step_is_that_of_its_slices_and_nothing_after_the_last_one() {
        let slice = |in_flight| Slice {
            in_flight,
            ..Slice::default()
        };
        let record = Record {
            slices: [1, 7, 3].map(slice).to_vec(),
            ..Record::default()
        };
        let steps = steps(Duration::from_millis(600), 3);
        let most = most(&steps, &record, |slice| f64::from(slice.in_flight));
        assert_eq!(most, [Some(7.0), Some(3.0), None]);
    }
}
