//! What always holds in a sound gateway, whatever the scenario.
//!
//! A broken invariant is described, never asserted, so that a broken gateway can be shown.

use std::time::Duration;

use gateway::config::{Downstream, DownstreamId, Name, Page, PageId};
use gateway::outcome::{CallOutcome, PageOutcome, Promise, Standing};
use gateway::page::Answer;
use gateway::page::admission::{AdmissionView, BulkheadView};
use gateway::page::plan::promise;
use gateway::telemetry::counts::Counts;

use super::body;
use super::state::Open;
use crate::scenario::Scenario;

/// The limits of a config.
pub(super) struct Limits {
    /// By downstream.
    permits: Vec<Option<u32>>,
    /// By page.
    pages: Vec<PageLimits>,
    /// Whether reading and writing take the gateway no time, so that it sees the times of clients.
    costs_nothing: bool,
}

struct PageLimits {
    deadline: Option<Duration>,
    reserve: Duration,
    required: Vec<Name>,
    promise: Promise,
    /// Permits that its required parts take, by downstream.
    needs: Vec<u32>,
}

/// What was seen from outside of the gateway.
pub(super) struct Seen<'a> {
    pub(super) pages: &'a [Open],
    pub(super) calls: u64,
    pub(super) running: u32,
}

impl Limits {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let config = &scenario.config;
        let permits = config.downstreams.iter().map(Downstream::enforced_permits);
        let page = |page| PageLimits::of(page, config.downstreams.len());
        Self {
            permits: permits.collect(),
            pages: config.pages.iter().map(page).collect(),
            costs_nothing: scenario.costs.are_none(),
        }
    }

    /// From a page's arrival to the instant at which its answer is there and no call runs, if its
    /// client gives it so long.
    pub(super) fn budget(&self, page: PageId, client: Option<Duration>) -> Option<Duration> {
        let PageLimits {
            deadline, reserve, ..
        } = self.pages[page.0];
        let least = deadline.into_iter().chain(client).min()?;
        Some(whole(least.saturating_sub(reserve)))
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
        if page.too_soon {
            return Some("a call for a client that is back before its time".to_owned());
        }
        let too_late = page
            .budget
            .is_some_and(|budget| at >= page.began() + budget);
        (too_late || page.answered)
            .then(|| "a call starts after the deadline or the end of its page".to_owned())
    }

    /// No call outlives its page, and no page its deadline less its reserve.
    pub(super) fn at_the_end_of(&self, at: Duration, page: &Open) -> Option<String> {
        // One that was never read is none yet.
        let (began, _) = page.read?;
        let budget = page.budget;
        let (running, took) = (page.running, at - began);
        if running > 0 {
            return Some(format!("{running} calls outlive their page"));
        }
        budget.filter(|budget| took > *budget).map(|budget| {
            format!("it ends after {took:?}, its deadline less reserve is {budget:?}")
        })
    }

    /// A page without a required part is never served.
    pub(super) fn of_an_answer(&self, answer: &Answer) -> Option<String> {
        let page = answer.result.as_ref().ok()?;
        let complete = [Some(page.complete), answer.record.complete()];
        body::wrong(
            &page.body,
            complete,
            &self.pages[answer.record.page.0].required,
        )
    }

    /// With nothing left to run at an instant: no queue is too long, and nobody waits for what is
    /// free.
    pub(super) fn of_the_waiting(&self, view: &AdmissionView) -> Option<String> {
        let is_free = |(index, needed): (usize, &u32)| {
            let limit = self.permits[index];
            *needed == 0 || limit.is_none_or(|limit| view.bulkheads[index].in_use + needed <= limit)
        };
        let mut queues = view.queues.iter().zip(&self.pages);
        let wrong = queues.any(|(queue, page)| {
            let eligible = || page.needs.iter().enumerate().all(is_free);
            queue.depth > queue.limit || queue.depth > 0 && eligible()
        });
        wrong.then(|| format!("a page waits for what is free, or beyond its queue: {view:?}"))
    }

    /// Everything is at rest, and the gateway has counted what was seen.
    pub(super) fn when_all_is_over(
        &self,
        view: &AdmissionView,
        counts: &Counts,
        seen: &Seen<'_>,
    ) -> Option<String> {
        let held: u32 = view.bulkheads.iter().map(|b| b.in_use).sum();
        let waiting: usize = view.queues.iter().map(|queue| queue.depth).sum();
        if view.in_flight > 0 || held > 0 || waiting > 0 || seen.running > 0 {
            return Some(format!("something is left at the end: {view:?}"));
        }
        self.miscounted(counts, seen)
    }

    fn miscounted(&self, counts: &Counts, seen: &Seen<'_>) -> Option<String> {
        for (page, limits) in self.pages.iter().enumerate() {
            let misjudged = limits.misjudged(PageId(page), counts, seen);
            if let Some(broken) = misjudged.filter(|_| self.costs_nothing) {
                return Some(broken);
            }
            for outcome in PageOutcome::ALL {
                let ended = |open: &&Open| {
                    let end = &open.end;
                    // One whose client left before it was read never came to the gateway.
                    end.page.0 == page && end.outcome == outcome && open.read.is_some()
                };
                let there_were = seen.pages.iter().filter(ended).count() as u64;
                let counted = counts.pages(PageId(page), outcome);
                if counted != there_were {
                    let outcome = outcome.as_str();
                    return Some(format!(
                        "page {page}: the gateway counts {counted} {outcome}, there were {there_were}"
                    ));
                }
            }
        }
        let of_downstream = |downstream| {
            let outcomes = CallOutcome::ALL.iter();
            outcomes.map(|o| counts.calls(downstream, *o)).sum::<u64>()
        };
        let calls: u64 = (0..self.permits.len())
            .map(DownstreamId)
            .map(of_downstream)
            .sum();
        let made = seen.calls;
        (calls != made).then(|| format!("the gateway counts {calls} calls, there were {made}"))
    }
}

impl PageLimits {
    /// The gateway has counted as owed, good, abandoned and late what was.
    fn misjudged(&self, page: PageId, counts: &Counts, seen: &Seen<'_>) -> Option<String> {
        let mut there_were = [0; 4];
        let read = seen.pages.iter().filter(|open| open.end.page == page);
        for open in read.filter(|open| open.read.is_some()) {
            let standing = self.promise.standing(open.end.outcome, open.end.took);
            let Standing {
                owed,
                good,
                abandoned,
                answered_late,
            } = standing;
            for (n, counts) in [owed, good, abandoned, answered_late]
                .into_iter()
                .enumerate()
            {
                there_were[n] += u64::from(counts);
            }
        }
        let counted = counts.standings(page);
        (counted != there_were).then(|| {
            format!("page {}: owed, good, abandoned, late are {there_were:?}, the gateway counts {counted:?}", page.0)
        })
    }

    fn of(page: &Page, downstreams: usize) -> Self {
        let required = || page.parts.iter().filter(|part| part.required);
        let needs = |index| required().filter(|part| part.downstream.0 == index).count();
        Self {
            deadline: page.deadline,
            reserve: page.reserve,
            required: required().map(|part| part.name.clone()).collect(),
            promise: promise(page),
            needs: (0..downstreams).map(|index| needs(index) as u32).collect(),
        }
    }
}

/// Rounded up to a millisecond, as timers are.
fn whole(time: Duration) -> Duration {
    Duration::from_millis(time.as_nanos().div_ceil(1_000_000) as u64)
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
