//! Where a scenario is run, and what can be seen there.

use serde::Serialize;

/// Where a scenario is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum World {
    /// In this process, on a paused clock: everything is known.
    #[default]
    Simulated,
    /// On sockets. Calls are counted by the fakes, per slice and not per page: `calls`, `aborted` and
    /// `wasted` of pages are zero. Permits, queues and calls under way are samples at the end of
    /// each slice, not maxima. There is no event log. A page is what its client saw of it.
    Live,
}

impl World {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Live => "live",
        }
    }
}
