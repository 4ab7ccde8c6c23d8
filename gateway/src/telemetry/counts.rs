//! How many pages and calls ended how. Their sums equal arrivals.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::Config;
use crate::telemetry::names::{BadContext, CallOutcome, Dropped, PageOutcome, TraceDecision};

/// Counters by page and by downstream; in the order of the config.
#[derive(Debug)]
pub struct Counts {
    pages: Vec<[AtomicU64; PageOutcome::ALL.len()]>,
    calls: Vec<[AtomicU64; CallOutcome::ALL.len()]>,
    traces: [AtomicU64; TraceDecision::ALL.len()],
    dropped: [AtomicU64; Dropped::ALL.len()],
    bad_context: [AtomicU64; BadContext::ALL.len()],
}

impl Counts {
    /// All zero.
    pub fn new(config: &Config) -> Self {
        Self {
            pages: config.pages.iter().map(|_| Default::default()).collect(),
            calls: config
                .downstreams
                .iter()
                .map(|_| Default::default())
                .collect(),
            traces: Default::default(),
            dropped: Default::default(),
            bad_context: Default::default(),
        }
    }

    /// One more page ended so.
    pub fn page(&self, page: usize, outcome: PageOutcome) {
        add(&self.pages[page][outcome as usize], 1);
    }

    /// One more call ended so.
    pub fn call(&self, downstream: usize, outcome: CallOutcome) {
        add(&self.calls[downstream][outcome as usize], 1);
    }

    /// One more trace was decided so.
    pub fn trace(&self, decision: TraceDecision) {
        add(&self.traces[decision as usize], 1);
    }

    /// So many traces or lines were lost.
    pub fn dropped(&self, what: Dropped, count: u64) {
        add(&self.dropped[what as usize], count);
    }

    /// One more trace header could not be read.
    pub fn bad_context(&self, header: BadContext) {
        add(&self.bad_context[header as usize], 1);
    }

    /// Pages that ended so.
    pub fn pages(&self, page: usize, outcome: PageOutcome) -> u64 {
        get(&self.pages[page][outcome as usize])
    }

    /// Calls that ended so.
    pub fn calls(&self, downstream: usize, outcome: CallOutcome) -> u64 {
        get(&self.calls[downstream][outcome as usize])
    }

    /// Traces that were decided so.
    pub fn traces(&self, decision: TraceDecision) -> u64 {
        get(&self.traces[decision as usize])
    }

    /// Traces or lines lost so.
    pub fn lost(&self, what: Dropped) -> u64 {
        get(&self.dropped[what as usize])
    }

    /// Trace headers that could not be read.
    pub fn bad_contexts(&self, header: BadContext) -> u64 {
        get(&self.bad_context[header as usize])
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
