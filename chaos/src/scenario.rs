//! A scenario: hardship as data, checked once and bound to the config it is run with.
//!
//! What always holds: every page and downstream named here is one of the config; behaviours make
//! sense; windows lie inside the length; each expectation bounds a figure in that figure's unit.
//! The shape of the file is in `file`; how it is run is not here: the same scenario is played in
//! simulated time and on sockets.

mod behaviour;
mod bound;
mod costs;
mod fault;
mod file;
mod load;
mod overrides;
mod services;
mod shipped;

use std::time::Duration;

use fixtures::Behaviour;
use gateway::config::{Config, DownstreamId, PageId, Report};
use gateway::outcome::Promise;

pub use behaviour::Change;
pub use bound::{Bound, Comparison, Metric, RECOVERED, RECOVERY_LASTS, RECOVERY_PAGES, Unit};
pub use costs::Costs;
pub use fault::Fault;
pub use load::{Backoff, Client, Demand, Load, Retries};
pub(crate) use load::{RetryBudget, Visit};
pub(crate) use services::services;
pub use shipped::SHIPPED;

use crate::record::World;

/// A text and what to call it in messages.
#[derive(Clone, Debug)]
pub struct Text {
    /// Usually its path.
    pub name: String,
    /// All of it.
    pub text: String,
}

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

/// Bounds that must hold for the pages that arrive in a window.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The window.
    pub window: Window,
    /// Another window, which bounds such as `"<= 1.5x"` refer to.
    pub compared_to: Option<Window>,
    /// What must hold.
    pub bounds: Vec<(Metric, Bound)>,
    /// What must hold on sockets instead, where that is not the same: a machine adds its own noise to
    /// what is exact in simulated time. `None`: nothing, the figure cannot be judged there.
    pub live: Vec<(Metric, Option<Bound>)>,
}

impl Expectation {
    /// What must hold in this world, in the order in which figures are shown.
    #[must_use]
    pub fn bounds_in(&self, world: World) -> Vec<(Metric, Bound)> {
        let find = |metric: Metric| self.bounds.iter().find(|(m, _)| *m == metric);
        let find_live = |metric: Metric| self.live.iter().find(|(m, _)| *m == metric);
        let bound = |&metric: &Metric| {
            let instead = find_live(metric).filter(|_| world == World::Live);
            let bound = match instead {
                Some((_, instead)) => *instead,
                None => find(metric).map(|(_, bound)| *bound),
            };
            Some((metric, bound?))
        };
        Metric::ALL.iter().filter_map(bound).collect()
    }
}

/// A stretch of a run, and which of its pages.
#[derive(Clone, Debug)]
pub struct Window {
    /// The first instant.
    pub from: Duration,
    /// The first instant after it.
    pub until: Duration,
    /// Only this page.
    pub page: Option<PageId>,
    /// Only pages of this client.
    pub client: Option<String>,
}

impl Window {
    /// Whether pages of this load may be among those meant: arrivals, or retries of earlier ones.
    fn may_have_pages_of(&self, load: &Load) -> bool {
        let client = load.client.as_ref().map(|client| &client.name);
        let is_meant = self.page.is_none_or(|page| page == load.page)
            && self.client.as_ref().is_none_or(|name| client == Some(name));
        let ends_before = load.until <= self.from && load.retries.most == 0;
        is_meant && load.from < self.until && !ends_before
    }
}

impl Scenario {
    /// Reads a scenario, to be run with the config `base` and the scenario's overrides on top.
    ///
    /// # Errors
    /// All that is wrong with the config, or else all that is wrong with the scenario.
    pub fn load(scenario: &Text, base: &Text) -> Result<Self, Report> {
        let (config, text) = overrides::apply(scenario, base)?;
        file::read(scenario, config, text)
    }

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
