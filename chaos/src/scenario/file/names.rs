//! What a scenario may refer to: the pages and downstreams of its config, and which of these are
//! called by the pages that are asked for.

use fixtures::Behaviour;
use gateway::config::{Config, DownstreamId, Page};

use crate::scenario::{Load, services};

/// The names of a config that a scenario may use.
pub(super) struct Names {
    pub(super) pages: Vec<String>,
    pub(super) downstreams: Vec<String>,
    /// By [`DownstreamId`]: the downstream that stands for its service.
    pub(super) services: Vec<DownstreamId>,
    /// By page: what its parts call.
    calls: Vec<Vec<DownstreamId>>,
}

/// Which downstreams are called at all; by [`DownstreamId`].
pub(super) struct Called(Vec<bool>);

impl Names {
    pub(super) fn of(config: &Config) -> Self {
        let pages = config.pages.iter().map(|page| page.name.to_string());
        let downstreams = config.downstreams.iter();
        Self {
            pages: pages.collect(),
            downstreams: downstreams.map(|d| d.name.to_string()).collect(),
            services: services(config),
            calls: config.pages.iter().map(calls).collect(),
        }
    }

    pub(super) fn healthy(&self) -> Vec<Behaviour> {
        vec![Behaviour::realistic(); self.downstreams.len()]
    }

    /// Those of the pages that are asked for. Where the loads could not be read, or there are none,
    /// nobody is blamed for it: all of them.
    pub(super) fn called(&self, loads: Option<&[Load]>) -> Called {
        let loads = loads.unwrap_or_default();
        let asked = |index| {
            let mut pages = loads.iter().map(|load| &self.calls[load.page.0]);
            let is_it = |called: &DownstreamId| self.services[called.0].0 == index;
            pages.any(|calls| calls.iter().any(is_it))
        };
        let is_called = |index| loads.is_empty() || asked(index);
        Called((0..self.downstreams.len()).map(is_called).collect())
    }
}

fn calls(page: &Page) -> Vec<DownstreamId> {
    page.parts.iter().map(|part| part.downstream).collect()
}

impl Called {
    pub(super) fn is_called(&self, index: usize) -> bool {
        self.0[index]
    }
}
