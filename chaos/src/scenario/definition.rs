//! One scenario: what was written, checked and bound to its config.

use std::time::Duration;

use fixtures::Behaviour;
use gateway::config::{Config, DownstreamId, PageId};
use gateway::outcome::Promise;
use settings::report::Report;

use super::costs::Costs;
use super::expectation::Expectation;
use super::fault::Fault;
use super::load::Load;

/// One scenario, ready to be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// One line: what happens.
    pub title: String,
    /// Prose: what is to be learnt from it.
    pub about: String,
    /// Of every random choice.
    pub seed: u64,
    /// From the first arrival to the last. What is under way then is waited for.
    pub length: Duration,
    /// A page is good if it was served within this; `None`: within its own deadline.
    pub good_within: Option<Duration>,
    /// Which admission the gateway has.
    pub admission: Arm,
    /// When the gateway is told to stop, as SIGTERM does.
    pub drain_at: Option<Duration>,
    /// Who asks for what; in the order of the file.
    pub loads: Vec<Load>,
    /// What the gateway itself costs in simulated time.
    pub costs: Costs,
    /// How each downstream behaves at first; by [`DownstreamId`].
    pub behaviours: Vec<Behaviour>,
    /// What goes wrong; later ones go on top of earlier ones.
    pub faults: Vec<Fault>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
    /// The gateway's config, the scenario's overrides included.
    pub config: Config,
    /// That config as text.
    pub config_text: String,
    /// That config in effect: every key with its value, defaults included, without secrets.
    pub effective: serde_json::Value,
    /// What the config's reader thinks was not meant.
    pub warnings: Report,
}

/// Which admission a scenario is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// The gateway's own: all permits of a page or none.
    WholePage,
    /// For comparison: no bulkheads in front of the page; each call waits for a permit of its own,
    /// with the same queue and wait, as a bulkhead in a client library does.
    PartByPart,
}

impl Scenario {
    /// The same with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// When new pages are refused because the gateway drains: `drain_delay` after it was told.
    #[must_use]
    pub fn refuses_from(&self) -> Option<Duration> {
        self.drain_at
            .map(|told| told + self.config.server.drain_delay)
    }

    /// What counts as in time for a page; `None` if anything does.
    #[must_use]
    pub fn in_time(&self, page: PageId) -> Option<Duration> {
        self.promise(page).deadline
    }

    /// What the endings of a page are judged by: the gateway's own, or the scenario's time.
    #[must_use]
    pub fn promise(&self, page: PageId) -> Promise {
        let promise = gateway::page::plan::promise(&self.config.pages[page.0]);
        Promise {
            deadline: self.good_within.or(promise.deadline),
            ..promise
        }
    }

    /// Every change of a downstream's behaviour, in order of time.
    #[must_use]
    pub fn changes(&self) -> Vec<(Duration, DownstreamId, Behaviour)> {
        let mut instants: Vec<(Duration, DownstreamId)> = Vec::new();
        for fault in &self.faults {
            instants.extend(fault.edges().map(|at| (at, fault.downstream)));
        }
        instants.sort();
        instants.dedup();
        let behaviour = |at, downstream: DownstreamId| {
            let here = |fault: &&Fault| fault.downstream == downstream && fault.is_on(at);
            let faults = self.faults.iter().filter(here);
            faults.fold(self.behaviours[downstream.0].clone(), |before, fault| {
                fault.change.apply(before)
            })
        };
        let changes = instants.into_iter();
        changes
            .map(|(at, downstream)| (at, downstream, behaviour(at, downstream)))
            .collect()
    }
}
