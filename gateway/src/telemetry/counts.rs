//! How many pages and calls ended how. Their sums equal arrivals.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::names::{CallOutcome, PageOutcome};

/// Counters by page and by downstream; in the order of the config.
#[derive(Debug)]
pub struct Counts {
    pages: Vec<(String, [AtomicU64; PageOutcome::ALL.len()])>,
    calls: Vec<(String, [AtomicU64; CallOutcome::ALL.len()])>,
}

impl Counts {
    /// All zero.
    pub fn new(
        pages: impl Iterator<Item = String>,
        downstreams: impl Iterator<Item = String>,
    ) -> Self {
        Self {
            pages: pages.map(|name| (name, Default::default())).collect(),
            calls: downstreams.map(|name| (name, Default::default())).collect(),
        }
    }

    /// The page's name.
    pub fn page_name(&self, page: usize) -> &str {
        &self.pages[page].0
    }

    /// The downstream's name.
    pub fn downstream_name(&self, downstream: usize) -> &str {
        &self.calls[downstream].0
    }

    /// One more page ended so.
    pub fn page(&self, page: usize, outcome: PageOutcome) {
        self.pages[page].1[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// One more call ended so.
    pub fn call(&self, downstream: usize, outcome: CallOutcome) {
        self.calls[downstream].1[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Pages that ended so.
    pub fn pages(&self, page: usize, outcome: PageOutcome) -> u64 {
        self.pages[page].1[outcome as usize].load(Ordering::Relaxed)
    }

    /// Calls that ended so.
    pub fn calls(&self, downstream: usize, outcome: CallOutcome) -> u64 {
        self.calls[downstream].1[outcome as usize].load(Ordering::Relaxed)
    }
}
