//! How often each thing happened. The sums of pages and calls equal arrivals.
//!
//! The one set of counters: `/limits` reads them, and [`Meters`](super::meters::Meters)
//! passes them on to those who collect metrics. An event costs one atomic addition.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::{DownstreamId, Kept, PageId};
use crate::outcome::{CallOutcome, PageOutcome, Scope, ShedBy, Standing};
use crate::telemetry::family::Family;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::names::metrics::{self, Metric};
use crate::telemetry::names::{BadContext, Dropped, ReloadOutcome, TraceDecision, Unreadable};

/// A number that only grows, and what of it an agent has been told.
#[derive(Debug, Default)]
pub(super) struct Counter {
    count: AtomicU64,
    told: AtomicU64,
}

/// A counter for each series of each counted metric, of the names of one configuration. A name
/// that goes on in the next one keeps its counters.
#[derive(Debug)]
pub struct Counts {
    pages: Family<Counter>,
    owed: Family<Counter>,
    good: Family<Counter>,
    abandoned: Family<Counter>,
    answered_late: Family<Counter>,
    /// Of the limits that are no downstream's.
    shed_by_gateway: Family<Counter>,
    /// By downstream.
    shed: Family<Counter>,
    parts_shed: Family<Counter>,
    /// As `shed_by_gateway` and `shed`.
    would_shed_by_gateway: Family<Counter>,
    would_shed: Family<Counter>,
    parts_would_shed: Family<Counter>,
    calls: Family<Counter>,
    retries: Family<Counter>,
    traces: Family<Counter>,
    dropped: Family<Counter>,
    bad_context: Family<Counter>,
    unreadable: Family<Counter>,
    connections_refused: Family<Counter>,
    reloads: Family<Counter>,
}

impl Counter {
    fn add(&self, how_many: u64) {
        self.count.fetch_add(how_many, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// What was added since this was asked last. One asks at a time.
    pub(super) fn untold(&self) -> u64 {
        let now = self.get();
        now - self.told.swap(now, Ordering::Relaxed)
    }
}

impl Counts {
    /// All zero.
    pub fn new(names: &Configured) -> Self {
        Self::carried(None, &names.nothing_kept())
    }

    /// Those of the next configuration.
    pub(super) fn carried(before: Option<&Self>, kept: &Kept) -> Self {
        let gateway = |of: fn(&Self) -> &Family<Counter>, series| {
            Family::of_gateway(before.map(of), series, Counter::default)
        };
        let pages = |of: fn(&Self) -> &Family<Counter>, series| {
            Family::of_pages(kept, before.map(of), series, Counter::default)
        };
        let downstreams = |of: fn(&Self) -> &Family<Counter>, series| {
            Family::of_downstreams(kept, before.map(of), series, Counter::default)
        };
        Self {
            pages: pages(|b| &b.pages, PageOutcome::ALL.len()),
            owed: pages(|b| &b.owed, 1),
            good: pages(|b| &b.good, 1),
            abandoned: pages(|b| &b.abandoned, 1),
            answered_late: pages(|b| &b.answered_late, 1),
            shed_by_gateway: gateway(|b| &b.shed_by_gateway, ShedBy::all(0).count()),
            shed: downstreams(|b| &b.shed, ShedBy::PER_DOWNSTREAM),
            parts_shed: downstreams(|b| &b.parts_shed, 1),
            would_shed_by_gateway: gateway(|b| &b.would_shed_by_gateway, ShedBy::all(0).count()),
            would_shed: downstreams(|b| &b.would_shed, ShedBy::PER_DOWNSTREAM),
            parts_would_shed: downstreams(|b| &b.parts_would_shed, 1),
            calls: downstreams(|b| &b.calls, CallOutcome::ALL.len()),
            retries: downstreams(|b| &b.retries, 1),
            traces: gateway(|b| &b.traces, TraceDecision::ALL.len()),
            dropped: gateway(|b| &b.dropped, Dropped::ALL.len()),
            bad_context: gateway(|b| &b.bad_context, BadContext::ALL.len()),
            unreadable: gateway(|b| &b.unreadable, Unreadable::ALL.len()),
            connections_refused: gateway(|b| &b.connections_refused, 1),
            reloads: gateway(|b| &b.reloads, ReloadOutcome::ALL.len()),
        }
    }

    /// Every metric that is counted, with the counters of its series.
    pub(super) fn all(&self) -> [(&'static Metric, Vec<&Counter>); 17] {
        fn all(family: &Family<Counter>) -> Vec<&Counter> {
            family.all().collect()
        }
        let shed = self.shed_by_gateway.all().chain(self.shed.all());
        let would_shed = self.would_shed_by_gateway.all();
        let would_shed = would_shed.chain(self.would_shed.all());
        [
            (&metrics::PAGES, all(&self.pages)),
            (&metrics::PAGES_OWED, all(&self.owed)),
            (&metrics::PAGES_GOOD, all(&self.good)),
            (&metrics::PAGES_ABANDONED, all(&self.abandoned)),
            (&metrics::ANSWERS_LATE, all(&self.answered_late)),
            (&metrics::SHED, shed.collect()),
            (&metrics::PARTS_SHED, all(&self.parts_shed)),
            (&metrics::WOULD_SHED, would_shed.collect()),
            (&metrics::PARTS_WOULD_SHED, all(&self.parts_would_shed)),
            (&metrics::CALLS, all(&self.calls)),
            (&metrics::RETRIES, all(&self.retries)),
            (&metrics::TELEMETRY_TRACES, all(&self.traces)),
            (&metrics::TELEMETRY_DROPPED, all(&self.dropped)),
            (&metrics::TELEMETRY_BAD_CONTEXT, all(&self.bad_context)),
            (&metrics::CONNECTIONS_UNREADABLE, all(&self.unreadable)),
            (
                &metrics::CONNECTIONS_REFUSED,
                all(&self.connections_refused),
            ),
            (&metrics::RELOADS, all(&self.reloads)),
        ]
    }

    /// One more page ended so.
    pub fn page(&self, page: PageId, outcome: PageOutcome) {
        self.pages.of(page.0)[outcome as usize].add(1);
    }

    /// One more page counts so. What is good is counted after what is owed, and so never
    /// more than that to whoever reads it first.
    pub fn standing(&self, page: PageId, standing: Standing) {
        let flags = [
            (standing.owed, &self.owed),
            (standing.good, &self.good),
            (standing.abandoned, &self.abandoned),
            (standing.answered_late, &self.answered_late),
        ];
        for (_, counter) in flags.into_iter().filter(|(counts, _)| *counts) {
            counter.of(page.0)[0].add(1);
        }
    }

    /// One more call ended so.
    pub fn call(&self, downstream: DownstreamId, outcome: CallOutcome) {
        self.calls.of(downstream.0)[outcome as usize].add(1);
    }

    /// One more page was shed.
    pub fn shed(&self, by: ShedBy) {
        of_limit(&self.shed_by_gateway, &self.shed, by).add(1);
    }

    /// One more page would have been shed by a limit that is only watched.
    pub fn would_shed(&self, by: ShedBy) {
        of_limit(&self.would_shed_by_gateway, &self.would_shed, by).add(1);
    }

    /// One more optional part would have been left out for want of a permit.
    pub fn part_would_shed(&self, downstream: DownstreamId) {
        self.parts_would_shed.of(downstream.0)[0].add(1);
    }

    /// One more optional part was left out for want of a permit.
    pub fn part_shed(&self, downstream: DownstreamId) {
        self.parts_shed.of(downstream.0)[0].add(1);
    }

    /// One more call was asked for again, as it had never been sent.
    pub fn retry(&self, downstream: DownstreamId) {
        self.retries.of(downstream.0)[0].add(1);
    }

    /// One more page's trace was decided on.
    pub fn trace(&self, decision: TraceDecision) {
        self.traces.of(0)[decision as usize].add(1);
    }

    /// So many more traces or log lines were lost.
    pub fn dropped(&self, what: Dropped, how_many: u64) {
        self.dropped.of(0)[what as usize].add(how_many);
    }

    /// One more trace header could not be read.
    pub fn bad_context(&self, header: BadContext) {
        self.bad_context.of(0)[header as usize].add(1);
    }

    /// One more connection ended with bytes that are no request.
    pub fn unreadable(&self, what: Unreadable) {
        self.unreadable.of(0)[what as usize].add(1);
    }

    /// One more connection was closed, as its client had as many as it may.
    pub fn connection_refused(&self) {
        self.connections_refused.of(0)[0].add(1);
    }

    /// The configuration was read again, with this outcome.
    pub fn reload(&self, outcome: ReloadOutcome) {
        self.reloads.of(0)[outcome as usize].add(1);
    }

    /// How often it was, with this outcome.
    pub fn reloads(&self, outcome: ReloadOutcome) -> u64 {
        self.reloads.of(0)[outcome as usize].get()
    }

    /// Pages that ended so.
    pub fn pages(&self, page: PageId, outcome: PageOutcome) -> u64 {
        self.pages.of(page.0)[outcome as usize].get()
    }

    /// How many pages were owed, good, abandoned and answered late.
    pub fn standings(&self, page: PageId) -> [u64; 4] {
        let all = [&self.owed, &self.good, &self.abandoned, &self.answered_late];
        all.map(|counters| counters.of(page.0)[0].get())
    }

    /// Optional parts left out for want of a permit.
    pub fn parts_shed(&self, downstream: DownstreamId) -> u64 {
        self.parts_shed.of(downstream.0)[0].get()
    }

    /// Pages that were shed so.
    pub fn pages_shed(&self, by: ShedBy) -> u64 {
        of_limit(&self.shed_by_gateway, &self.shed, by).get()
    }

    /// Pages that would have been shed so.
    pub fn pages_would_shed(&self, by: ShedBy) -> u64 {
        of_limit(&self.would_shed_by_gateway, &self.would_shed, by).get()
    }

    /// Pages that would have been shed, whatever by.
    pub fn all_would_shed(&self) -> u64 {
        let all = self.would_shed_by_gateway.all();
        all.chain(self.would_shed.all()).map(Counter::get).sum()
    }

    /// Calls that were asked for again.
    pub fn retries(&self, downstream: DownstreamId) -> u64 {
        self.retries.of(downstream.0)[0].get()
    }

    /// Calls that ended so.
    pub fn calls(&self, downstream: DownstreamId, outcome: CallOutcome) -> u64 {
        self.calls.of(downstream.0)[outcome as usize].get()
    }

    /// Pages' traces that were decided on so.
    pub fn traces(&self, decision: TraceDecision) -> u64 {
        self.traces.of(0)[decision as usize].get()
    }

    /// Traces or log lines lost so.
    pub fn lost(&self, what: Dropped) -> u64 {
        self.dropped.of(0)[what as usize].get()
    }

    /// Trace headers that could not be read.
    pub fn bad_contexts(&self, header: BadContext) -> u64 {
        self.bad_context.of(0)[header as usize].get()
    }
}

/// The counter of a reason and its limit: of those that are no downstream's, or of one's.
fn of_limit<'a>(
    gateway: &'a Family<Counter>,
    downstreams: &'a Family<Counter>,
    by: ShedBy,
) -> &'a Counter {
    let of_name = match by.scope() {
        Scope::Client | Scope::Gateway => gateway.of(0),
        Scope::Downstream(id) => downstreams.of(id.0),
    };
    &of_name[by.within_name()]
}
