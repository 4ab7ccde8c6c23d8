//! What always holds in a sound gateway, whatever the scenario.
//!
//! A broken invariant is described, never asserted, so that a broken gateway can be shown.

use std::num::NonZeroU32;
use std::time::Duration;

use gateway::config::{Config, DownstreamId, Page};
use gateway::page::Pages;
use gateway::page::admission::{AdmissionView, BulkheadView};
use gateway::telemetry::names::{CallOutcome, PageOutcome, PartStatus};
use gateway::telemetry::record::PageRecord;

use super::Open;
use crate::simulated::downstream::Modelled;

/// The limits of a config.
pub(super) struct Limits {
    /// By downstream.
    permits: Vec<Option<u32>>,
    /// By page.
    pages: Vec<PageLimits>,
}

struct PageLimits {
    deadline: Option<Duration>,
    required: Vec<bool>,
}

/// What was seen from outside of the gateway.
pub(super) struct Seen {
    pub(super) pages: u64,
    pub(super) calls: u64,
    pub(super) running: u32,
}

impl Limits {
    pub(super) fn of(config: &Config) -> Self {
        let permits = config.downstreams.iter().map(|d| d.permits);
        let page = |page: &Page| PageLimits {
            deadline: page.deadline,
            required: page.parts.iter().map(|part| part.required).collect(),
        };
        Self {
            permits: permits
                .map(|permits| permits.map(NonZeroU32::get))
                .collect(),
            pages: config.pages.iter().map(page).collect(),
        }
    }

    /// No more calls run than there are permits, and none starts after its page's deadline or end.
    pub(super) fn at_a_call(
        &self,
        at: Duration,
        page: Option<&Open>,
        downstream: DownstreamId,
        running: u32,
    ) -> Option<String> {
        if self.permits[downstream.0].is_some_and(|permits| running > permits) {
            return Some(format!("{running} calls run, more than there are permits"));
        }
        let Some(page) = page else {
            return Some("a call of no page starts".to_owned());
        };
        let deadline = self.pages[page.end.page.0].deadline;
        let too_late = deadline.is_some_and(|deadline| at >= page.end.at + deadline);
        (too_late || page.answered)
            .then(|| "a call starts after the deadline or the end of its page".to_owned())
    }

    /// No call outlives its page, and no page its deadline.
    pub(super) fn at_the_end_of(&self, page: &Open) -> Option<String> {
        let deadline = self.pages[page.end.page.0].deadline;
        let (running, took) = (page.running, page.end.took);
        if running > 0 {
            return Some(format!("{running} calls outlive their page"));
        }
        deadline
            .filter(|deadline| took > *deadline)
            .map(|deadline| format!("it ends after {took:?}, its deadline is {deadline:?}"))
    }

    /// A page without a required part is never served.
    pub(super) fn of_an_answer(&self, record: &PageRecord) -> Option<String> {
        let required = &self.pages[record.page].required;
        let there = |at: usize| {
            let part = record.parts.get(at);
            part.is_some_and(|part| part.status == PartStatus::Ok)
        };
        let lost = required
            .iter()
            .enumerate()
            .any(|(at, required)| *required && !there(at));
        (record.complete().is_some() && lost)
            .then(|| "it is served without a required part".to_owned())
    }

    /// Everything is at rest, and the gateway has counted what was seen.
    pub(super) fn when_all_is_over(&self, pages: &Pages<Modelled>, seen: &Seen) -> Option<String> {
        let view = pages.admission().view();
        let held: u32 = view.bulkheads.iter().map(|b| b.in_use).sum();
        let waiting: usize = view.queues.iter().map(|queue| queue.depth).sum();
        if view.in_flight > 0 || held > 0 || waiting > 0 || seen.running > 0 {
            return Some(format!("something is left at the end: {view:?}"));
        }
        let (of_pages, of_calls) = self.counted(pages);
        ((of_pages, of_calls) != (seen.pages, seen.calls)).then(|| {
            format!(
                "the gateway counts {of_pages} pages and {of_calls} calls, there were {} and {}",
                seen.pages, seen.calls
            )
        })
    }

    /// Pages and calls by the gateway's own counts, all outcomes together.
    fn counted(&self, pages: &Pages<Modelled>) -> (u64, u64) {
        let counts = pages.telemetry().counts();
        let of_page = |page| {
            let outcomes = PageOutcome::ALL.iter();
            outcomes.map(|o| counts.pages(page, *o)).sum::<u64>()
        };
        let of_downstream = |downstream| {
            let outcomes = CallOutcome::ALL.iter();
            outcomes.map(|o| counts.calls(downstream, *o)).sum::<u64>()
        };
        (
            (0..self.pages.len()).map(of_page).sum(),
            (0..self.permits.len()).map(of_downstream).sum(),
        )
    }
}

/// With nothing left to run at an instant: no more tickets and permits are out than there are, and
/// as many permits as calls. So no page holds one while it waits, and none is lost.
pub(super) fn when_settled(
    pages: &AdmissionView,
    bulkheads: &[BulkheadView],
    running: &[u32],
) -> Option<String> {
    let limited = || {
        let all = bulkheads.iter().zip(running);
        all.filter_map(|(bulkhead, running)| Some((bulkhead.limit?, bulkhead.in_use, *running)))
    };
    let too_many = limited().any(|(limit, in_use, _)| in_use > limit);
    if pages.in_flight > pages.max_in_flight || too_many {
        return Some(format!(
            "more tickets or permits are out than there are: {pages:?}"
        ));
    }
    limited()
        .any(|(_, in_use, running)| in_use != running)
        .then(|| {
            let held: Vec<_> = limited()
                .map(|(_, in_use, running)| (in_use, running))
                .collect();
            format!("permits are out without a call; by downstream (permits, calls): {held:?}")
        })
}
