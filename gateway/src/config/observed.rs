//! Limits that are watched and not enforced (`observe = true`): what then is in force in their
//! place, and which they are.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Admission, Config, Downstream, Page};

impl Admission {
    /// Tickets there are in force.
    #[must_use]
    pub fn enforced_tickets(&self) -> u32 {
        match self.observe {
            true => u32::MAX,
            false => self.max_in_flight.get(),
        }
    }

    /// Pages in flight at most: a connection has one at a time, if nothing else bounds them.
    fn most_in_flight(&self, connections: usize) -> u32 {
        match self.observe {
            true => u32::try_from(connections).unwrap_or(u32::MAX),
            false => self.max_in_flight.get(),
        }
    }

    /// Whether lag takes no ticket away that is in force.
    #[must_use]
    pub fn observes_lag(&self) -> bool {
        self.observe || self.observe_lag
    }
}

impl Downstream {
    /// Permits in force; `None` is no bulkhead.
    #[must_use]
    pub fn enforced_permits(&self) -> Option<u32> {
        let enforced = self.permits.filter(|_| !self.observe);
        enforced.map(NonZeroU32::get)
    }
}

impl Page {
    /// Pages that may really wait at once.
    #[must_use]
    pub fn enforced_queue(&self) -> usize {
        match self.observe {
            true => usize::MAX,
            false => self.queue,
        }
    }

    /// The longest that they really do, inside the deadline.
    #[must_use]
    pub fn enforced_max_wait(&self) -> Duration {
        match self.observe {
            true => Duration::MAX,
            false => self.max_wait,
        }
    }
}

impl Config {
    /// Pages in flight at most.
    #[must_use]
    pub fn most_in_flight(&self) -> u32 {
        let connections = self.server.max_connections.get();
        self.admission.most_in_flight(connections)
    }

    /// The limits that are only watched, by the section that says so.
    #[must_use]
    pub fn observed(&self) -> Vec<String> {
        let own = [
            ("clients", self.clients.observe),
            ("admission", self.admission.observe),
            (
                "admission (lag)",
                self.admission.observe_lag && !self.admission.observe,
            ),
        ];
        let own = own.into_iter().filter(|(_, observed)| *observed);
        let downstreams = self.downstreams.iter().filter(|d| d.observe);
        let pages = self.pages.iter().filter(|page| page.observe);
        own.map(|(name, _)| name.to_owned())
            .chain(downstreams.map(|d| format!("downstream.{}", d.name)))
            .chain(pages.map(|page| format!("page.{}", page.name)))
            .collect()
    }
}
