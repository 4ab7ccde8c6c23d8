//! What must hold of the pages that arrive in a window.

use std::time::Duration;

use gateway::config::{Config, PageId};
use settings::units::show_duration;

use super::load::Load;
use crate::verdict::{Bound, Metric, World};

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
    pub(super) fn may_have_pages_of(&self, load: &Load) -> bool {
        let client = load.client.as_ref().map(|client| &client.name);
        let is_meant = self.page.is_none_or(|page| page == load.page)
            && self.client.as_ref().is_none_or(|name| client == Some(name));
        let ends_before = load.until <= self.from && load.retries.most == 0;
        is_meant && load.from < self.until && !ends_before
    }
}

impl Window {
    /// `10s..30s` and what else it is restricted to.
    #[must_use]
    pub fn describe(&self, config: &Config) -> String {
        let span = format!(
            "{}..{}",
            show_duration(self.from),
            show_duration(self.until)
        );
        let page = self.page.map(|id| config.pages[id.0].name.as_str());
        [Some(span.as_str()), page, self.client.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    }
}
