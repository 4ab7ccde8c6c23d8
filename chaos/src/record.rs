//! What happened in a run, as plain data: one entry per page, and the run in slices of time.
//!
//! What always holds: every page that was asked for has one entry; slices follow each other without
//! a gap; every figure is computed from here, so any two agree. Both worlds record the same, but for
//! what cannot be seen on sockets: see [`World::Live`]. Not here: bounds and their verdicts.

mod figures;

pub use self::figures::Measured;

use std::collections::BTreeMap;
use std::time::Duration;

use gateway::config::PageId;
use gateway::outcome::{PageOutcome, Standing};
use serde::{Serialize, Serializer};

use crate::scenario::Scenario;
use crate::verdict::World;

/// Width of a slice.
pub const SLICE: Duration = Duration::from_millis(100);

/// A whole run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    /// The seed it was run with.
    pub seed: u64,
    /// Where it was run.
    pub world: World,
    /// How late the clients themselves were, at p99: part of every live time, zero in simulated time.
    #[serde(serialize_with = "milliseconds")]
    pub lag: Duration,
    /// Every page that was asked for, retries too, in the order of arrival.
    pub pages: Vec<PageEnd>,
    /// The run in slices of [`SLICE`].
    pub slices: Vec<Slice>,
    /// Invariants that did not hold, the first of each; empty in a sound gateway.
    pub broken: Vec<String>,
    /// What happened, in order.
    pub events: Events,
}

/// One page and how it ended.
#[derive(Clone, Debug, Serialize)]
pub struct PageEnd {
    /// When it was asked for, from the start of the run.
    #[serde(serialize_with = "milliseconds")]
    pub at: Duration,
    /// From then to its end.
    #[serde(serialize_with = "milliseconds")]
    pub took: Duration,
    /// Which page.
    #[serde(serialize_with = "page_index")]
    pub page: PageId,
    /// Which `[[load]]` of the scenario asked.
    pub load: usize,
    /// Whether its client had asked before and been refused.
    pub retry: bool,
    /// How it ended.
    #[serde(serialize_with = "outcome_name")]
    pub outcome: PageOutcome,
    /// For a refusal, its reason.
    pub reason: Option<&'static str>,
    /// Calls started for it.
    pub calls: u16,
    /// Those of them that the gateway ended: late, page lost, client gone.
    pub aborted: u16,
    /// Those of the aborted that the downstream went on working on.
    pub wasted: u16,
}

/// One slice of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Slice {
    /// Most pages in flight at once within it.
    pub in_flight: u32,
    /// Pages of which limits that are only watched decided in it that they would have refused them.
    pub would_shed: u32,
    /// By [`DownstreamId`](gateway::config::DownstreamId).
    pub downstreams: Vec<DownstreamSlice>,
}

/// One downstream in one slice.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct DownstreamSlice {
    /// Permits in use at its end.
    pub permits: u32,
    /// Pages that wait for one at its end.
    pub queued: usize,
    /// Most calls running at once within it; live: those at its end.
    pub running: u32,
    /// Calls started.
    pub started: u32,
    /// Calls that came to their end.
    pub ended: u32,
    /// Calls that the gateway ended.
    pub aborted: u32,
    /// Those of the aborted that the downstream went on working on.
    pub wasted: u32,
}

/// The log of everything that happened, or only its fingerprint.
#[derive(Clone, Debug, Serialize)]
pub struct Events {
    /// How many lines.
    pub count: u64,
    /// FNV-1a of all lines, newlines included: the same seed gives the same number.
    pub hash: u64,
    /// The lines, if they were kept: instant in milliseconds, page, what.
    #[serde(skip)]
    pub text: Option<String>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            count: 0,
            hash: 0xcbf2_9ce4_8422_2325,
            text: None,
        }
    }
}

impl Events {
    /// Adds one line.
    pub(crate) fn push(&mut self, line: std::fmt::Arguments<'_>) {
        self.count += 1;
        // Writing to memory cannot fail.
        let _ = std::fmt::Write::write_fmt(self, format_args!("{line}\n"));
    }
}

impl std::fmt::Write for Events {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.hash = text.bytes().fold(self.hash, mix);
        if let Some(all) = &mut self.text {
            all.push_str(text);
        }
        Ok(())
    }
}

impl PageEnd {
    /// A page that is asked for and has not ended: cancelled, unless it comes to an end.
    pub(crate) fn asked(at: Duration, page: PageId, load: usize, retry: bool) -> Self {
        Self {
            at,
            took: Duration::ZERO,
            page,
            load,
            retry,
            outcome: PageOutcome::Cancelled,
            reason: None,
            calls: 0,
            aborted: 0,
            wasted: 0,
        }
    }

    /// Whether it was answered 200.
    #[must_use]
    pub fn is_served(&self) -> bool {
        matches!(self.outcome, PageOutcome::Complete | PageOutcome::Partial)
    }

    /// Whether its client was owed a page, and got it: the gateway's own definition.
    #[must_use]
    pub fn standing(&self, scenario: &Scenario) -> Standing {
        let promise = scenario.promise(self.page);
        promise.standing(self.outcome, self.took)
    }

    /// Whether it was served with every required part, and in time.
    #[must_use]
    pub fn is_good(&self, scenario: &Scenario) -> bool {
        self.standing(scenario).good
    }

    /// Whether it was refused for load, drain or quota.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.outcome, PageOutcome::Shed | PageOutcome::Quota)
    }
}

impl Record {
    /// How many pages ended in which way.
    #[must_use]
    pub fn by_outcome(&self) -> BTreeMap<(&'static str, &'static str), usize> {
        let mut counts = BTreeMap::new();
        for page in &self.pages {
            let key = (page.outcome.as_str(), page.reason.unwrap_or(""));
            *counts.entry(key).or_default() += 1;
        }
        counts
    }
}

fn milliseconds<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(value.as_secs_f64() * 1e3)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn page_index<S: Serializer>(value: &PageId, to: S) -> Result<S::Ok, S::Error> {
    value.0.serialize(to)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn outcome_name<S: Serializer>(value: &PageOutcome, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(value.as_str())
}
