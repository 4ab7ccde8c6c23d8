//! How often each thing happened. The sums of pages and calls equal arrivals.
//!
//! The one set of counters: `/limits` reads them, and [`Meters`](super::meters::Meters)
//! passes them on to those who collect metrics. An event costs one atomic addition.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::{DownstreamId, PageId};
use crate::outcome::{CallOutcome, PageOutcome, ShedBy, Standing};
use crate::telemetry::names::configured::Configured;
use crate::telemetry::names::metrics::{self, Metric};
use crate::telemetry::names::{BadContext, Dropped, TraceDecision, Unreadable};

/// A counter for each series of each counted metric, in the order of its series.
#[derive(Debug)]
pub struct Counts {
    pages: Vec<AtomicU64>,
    owed: Vec<AtomicU64>,
    good: Vec<AtomicU64>,
    abandoned: Vec<AtomicU64>,
    answered_late: Vec<AtomicU64>,
    shed: Vec<AtomicU64>,
    parts_shed: Vec<AtomicU64>,
    would_shed: Vec<AtomicU64>,
    parts_would_shed: Vec<AtomicU64>,
    calls: Vec<AtomicU64>,
    retries: Vec<AtomicU64>,
    traces: Vec<AtomicU64>,
    dropped: Vec<AtomicU64>,
    bad_context: Vec<AtomicU64>,
    unreadable: Vec<AtomicU64>,
}

impl Counts {
    /// All zero.
    pub fn new(names: &Configured) -> Self {
        let zeros = |metric: &Metric| {
            let series = names.series(metric).len();
            (0..series).map(|_| AtomicU64::new(0)).collect()
        };
        Self {
            pages: zeros(&metrics::PAGES),
            owed: zeros(&metrics::PAGES_OWED),
            good: zeros(&metrics::PAGES_GOOD),
            abandoned: zeros(&metrics::PAGES_ABANDONED),
            answered_late: zeros(&metrics::ANSWERS_LATE),
            shed: zeros(&metrics::SHED),
            parts_shed: zeros(&metrics::PARTS_SHED),
            would_shed: zeros(&metrics::WOULD_SHED),
            parts_would_shed: zeros(&metrics::PARTS_WOULD_SHED),
            calls: zeros(&metrics::CALLS),
            retries: zeros(&metrics::RETRIES),
            traces: zeros(&metrics::TELEMETRY_TRACES),
            dropped: zeros(&metrics::TELEMETRY_DROPPED),
            bad_context: zeros(&metrics::TELEMETRY_BAD_CONTEXT),
            unreadable: zeros(&metrics::CONNECTIONS_UNREADABLE),
        }
    }

    /// Every metric that is counted, with the counters of its series.
    pub(super) fn all(&self) -> [(&'static Metric, &[AtomicU64]); 15] {
        [
            (&metrics::PAGES, &self.pages),
            (&metrics::PAGES_OWED, &self.owed),
            (&metrics::PAGES_GOOD, &self.good),
            (&metrics::PAGES_ABANDONED, &self.abandoned),
            (&metrics::ANSWERS_LATE, &self.answered_late),
            (&metrics::SHED, &self.shed),
            (&metrics::PARTS_SHED, &self.parts_shed),
            (&metrics::WOULD_SHED, &self.would_shed),
            (&metrics::PARTS_WOULD_SHED, &self.parts_would_shed),
            (&metrics::CALLS, &self.calls),
            (&metrics::RETRIES, &self.retries),
            (&metrics::TELEMETRY_TRACES, &self.traces),
            (&metrics::TELEMETRY_DROPPED, &self.dropped),
            (&metrics::TELEMETRY_BAD_CONTEXT, &self.bad_context),
            (&metrics::CONNECTIONS_UNREADABLE, &self.unreadable),
        ]
    }

    /// One more page ended so.
    pub fn page(&self, page: PageId, outcome: PageOutcome) {
        add(&self.pages[of_page(page, outcome)], 1);
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
            add(&counter[page.0], 1);
        }
    }

    /// One more call ended so.
    pub fn call(&self, downstream: DownstreamId, outcome: CallOutcome) {
        add(&self.calls[of_call(downstream, outcome)], 1);
    }

    /// One more page was shed.
    pub fn shed(&self, by: ShedBy) {
        add(&self.shed[by.index()], 1);
    }

    /// One more optional part was left out for want of a permit.
    pub fn part_shed(&self, downstream: DownstreamId) {
        add(&self.parts_shed[downstream.0], 1);
    }

    /// One more page would have been shed by a limit that is only watched.
    pub fn would_shed(&self, by: ShedBy) {
        add(&self.would_shed[by.index()], 1);
    }

    /// One more optional part would have been left out for want of a permit.
    pub fn part_would_shed(&self, downstream: DownstreamId) {
        add(&self.parts_would_shed[downstream.0], 1);
    }

    /// One more call was asked for again, as it had never been sent.
    pub fn retry(&self, downstream: DownstreamId) {
        add(&self.retries[downstream.0], 1);
    }

    /// One more page's trace was decided on.
    pub fn trace(&self, decision: TraceDecision) {
        add(&self.traces[decision as usize], 1);
    }

    /// So many more traces or log lines were lost.
    pub fn dropped(&self, what: Dropped, how_many: u64) {
        add(&self.dropped[what as usize], how_many);
    }

    /// One more trace header could not be read.
    pub fn bad_context(&self, header: BadContext) {
        add(&self.bad_context[header as usize], 1);
    }

    /// One more connection ended with bytes that are no request.
    pub fn unreadable(&self, what: Unreadable) {
        add(&self.unreadable[what as usize], 1);
    }

    /// Pages that ended so.
    pub fn pages(&self, page: PageId, outcome: PageOutcome) -> u64 {
        self.pages[of_page(page, outcome)].load(Ordering::Relaxed)
    }

    /// How many pages were owed, good, abandoned and answered late.
    pub fn standings(&self, page: PageId) -> [u64; 4] {
        let all = [&self.owed, &self.good, &self.abandoned, &self.answered_late];
        all.map(|counters| counters[page.0].load(Ordering::Relaxed))
    }

    /// Pages that were shed so.
    pub fn pages_shed(&self, by: ShedBy) -> u64 {
        self.shed[by.index()].load(Ordering::Relaxed)
    }

    /// Pages that would have been shed so.
    pub fn would_have_shed(&self, by: ShedBy) -> u64 {
        self.would_shed[by.index()].load(Ordering::Relaxed)
    }

    /// Calls that were asked for again.
    pub fn retries(&self, downstream: DownstreamId) -> u64 {
        self.retries[downstream.0].load(Ordering::Relaxed)
    }

    /// Calls that ended so.
    pub fn calls(&self, downstream: DownstreamId, outcome: CallOutcome) -> u64 {
        self.calls[of_call(downstream, outcome)].load(Ordering::Relaxed)
    }

    /// Pages' traces that were decided on so.
    pub fn traces(&self, decision: TraceDecision) -> u64 {
        self.traces[decision as usize].load(Ordering::Relaxed)
    }

    /// Traces or log lines lost so.
    pub fn lost(&self, what: Dropped) -> u64 {
        self.dropped[what as usize].load(Ordering::Relaxed)
    }

    /// Trace headers that could not be read.
    pub fn bad_contexts(&self, header: BadContext) -> u64 {
        self.bad_context[header as usize].load(Ordering::Relaxed)
    }
}

fn add(counter: &AtomicU64, how_many: u64) {
    counter.fetch_add(how_many, Ordering::Relaxed);
}

/// The place of a series that is tagged with a page and its outcome.
pub(super) fn of_page(page: PageId, outcome: PageOutcome) -> usize {
    page.0 * PageOutcome::ALL.len() + outcome as usize
}

/// The place of a series that is tagged with a downstream and a call's outcome.
pub(super) fn of_call(downstream: DownstreamId, outcome: CallOutcome) -> usize {
    downstream.0 * CallOutcome::ALL.len() + outcome as usize
}
