//! Open files: every connection is one, and a process may have only so many.
//!
//! [`Budget`] divides them once, at the start, so that clients can never take those by
//! which operators look in, nor those by which the clients' own pages are fetched.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Config, Downstream, Http2};
use crate::telemetry::events;

/// Files a process has open besides connections of clients, operators and services:
/// standard streams, what the runtime waits with, listeners, connections to agents, and
/// those that a lookup of a name opens for a moment.
const OTHERS: usize = 24;

/// Connections of operators at once, where there are files enough.
const MOST_ADMIN: usize = 64;

/// One operator's `curl` in time of need, a scraper and two probes.
const LEAST_ADMIN: usize = 4;

/// Connections to a downstream that speaks HTTP/2, each carrying many calls.
const HTTP2_CONNECTIONS: u32 = 8;

/// Raises the number of files this process may open as far as it may by itself. Most
/// systems start processes with 1024, for the sake of programs that call `select`; this
/// is none of them.
pub fn raise_limit() {
    let now = getrlimit(Resource::Nofile);
    // Whoever refuses it leaves the limit as it is.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: now.maximum,
            maximum: now.maximum,
        },
    );
}

/// How many connections of each kind may be open at once, so that all of them fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of clients. Never more than `server.max_connections`.
    pub public: usize,
    /// To services, of all downstreams together, idle ones included.
    pub calls: usize,
    /// Of operators.
    pub admin: usize,
}

impl Budget {
    /// Divides the files that this process may open now, and says so if the configuration
    /// may need more of them.
    pub fn of_process(config: &Config) -> Self {
        let may_open = getrlimit(Resource::Nofile).current;
        let wanted = Self::wanted(config);
        let Some(may_open) = may_open.and_then(|files| usize::try_from(files).ok()) else {
            return wanted;
        };
        let budget = Self::within(may_open, config);
        if budget != wanted {
            events::few_files(may_open, wanted.files(), budget.public, budget.calls);
        }
        budget
    }

    /// What the configuration allows, where files are no limit.
    pub fn wanted(config: &Config) -> Self {
        let in_flight = config.most_in_flight();
        Self {
            public: config.server.max_connections.get(),
            calls: config
                .downstreams
                .iter()
                .map(|downstream| connections(downstream, in_flight) as usize)
                .sum(),
            admin: MOST_ADMIN,
        }
    }

    /// The most of that for which `may_open` files suffice. Of what is left for pages, one
    /// part is for a client and as many as a page has parts for its calls. Nothing is left
    /// without anything, however few they are.
    pub fn within(may_open: usize, config: &Config) -> Self {
        let wanted = Self::wanted(config);
        let admin = (may_open / 16).clamp(LEAST_ADMIN, MOST_ADMIN);
        let left = may_open.saturating_sub(OTHERS + admin);
        let parts = config.pages.iter().map(|page| page.parts.len()).max();
        let parts = parts.unwrap_or(1);
        let calls = wanted.calls.min(left - left / (parts + 1));
        let public = wanted.public.min(left - calls);
        Self {
            public: public.max(1),
            calls: wanted.calls.min(left - public).max(parts),
            admin,
        }
    }

    /// Whether the connections that are opened before the first page leave room for those
    /// that it needs. One endpoint for each address that is configured.
    pub fn suffice_to_warm(self, config: &Config) -> bool {
        let warm = |downstream: &Downstream| downstream.warm as usize * downstream.urls.len();
        config.downstreams.iter().map(warm).sum::<usize>() <= self.calls
    }

    /// The files that all of it takes.
    fn files(self) -> usize {
        OTHERS
            .saturating_add(self.admin)
            .saturating_add(self.public)
            .saturating_add(self.calls)
    }
}

/// The most connections that calls to a downstream may need; `in_flight` pages at once.
fn connections(downstream: &Downstream, in_flight: u32) -> u32 {
    let calls = downstream.enforced_permits().unwrap_or(in_flight);
    match downstream.http2 {
        Http2::Always => calls.min(HTTP2_CONNECTIONS),
        Http2::Never | Http2::Auto => calls,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config;

    /// The shipped configuration: 10000 clients, five downstreams of 64 permits.
    fn shipped() -> Config {
        let loaded = config::load_text("test.toml", config::default_text(), &[]);
        loaded.unwrap().config
    }

    fn budget(public: usize, calls: usize, admin: usize) -> Budget {
        Budget {
            public,
            calls,
            admin,
        }
    }

    #[test]
    fn with_enough_files_everything_is_as_configured() {
        let config = shipped();
        let all = budget(10_000, 320, 64);
        assert_eq!(Budget::wanted(&config), all);
        assert_eq!(Budget::within(all.files(), &config), all);
        assert_ne!(Budget::within(all.files() - 1, &config), all);
    }

    #[test]
    fn of_few_files_pages_get_as_many_for_their_calls_as_they_have_parts() {
        let config = shipped();
        assert_eq!(Budget::within(64, &config), budget(6, 30, 4));
        assert_eq!(Budget::within(128, &config), budget(16, 80, 8));
        assert_eq!(Budget::within(256, &config), budget(36, 180, 16));
        assert_eq!(Budget::within(1024, &config), budget(616, 320, 64));
    }

    #[test]
    fn connections_are_warmed_only_if_they_are_no_more_than_calls_may_have() {
        let config = shipped();
        // Four to each of five.
        assert!(budget(1, 20, 4).suffice_to_warm(&config));
        assert!(!budget(1, 19, 4).suffice_to_warm(&config));
    }

    #[test]
    fn what_few_clients_leave_is_for_calls() {
        let mut config = shipped();
        config.server.max_connections = std::num::NonZeroUsize::MIN;
        assert_eq!(Budget::within(64, &config), budget(1, 35, 4));
    }

    proptest! {
        #[test]
        fn all_of_it_fits_and_nothing_is_without_anything(may_open in 0usize..20_000) {
            let config = shipped();
            let budget = Budget::within(may_open, &config);
            // Four for operators, and a page with its five parts.
            let least = OTHERS + LEAST_ADMIN + 1 + 5;
            prop_assert!(budget.files() <= may_open.max(least), "{budget:?}");
            prop_assert!(budget.public >= 1 && budget.calls >= 5 && budget.admin >= 4);
            let more = Budget::within(may_open + 1, &config);
            prop_assert!(more.public >= budget.public && more.admin >= budget.admin);
        }
    }
}
