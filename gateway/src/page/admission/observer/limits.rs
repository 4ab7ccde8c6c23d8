//! What of one configuration is only watched, and what became of that in the last minute.

use std::sync::Arc;
use std::time::Duration;

use super::share::Seen;
use crate::config::{Config, PageId, ShedStatus};
use crate::outcome::ShedBy;
use crate::page::admission::core::{BulkheadId, QueueId, Shed};
use crate::page::refusal::Refusal;
use crate::telemetry::Telemetry;

/// Whose a page is: the configuration it runs by, and who counts for that.
#[derive(Clone, Debug)]
pub(in crate::page::admission) struct Origin {
    pub(super) page: PageId,
    pub(super) queue: QueueId,
    pub(super) limits: Arc<Limits>,
    pub(super) telemetry: Arc<Telemetry>,
}

/// What of one configuration is watched, and all its limits as they are written.
#[derive(Debug)]
pub(in crate::page::admission) struct Limits {
    pub(super) clients: bool,
    /// Tickets, or only their shrinking with lag.
    pub(super) tickets: bool,
    /// Tickets there are.
    pub(super) most: u32,
    /// By downstream.
    pub(super) bulkheads: Vec<(BulkheadId, Option<u32>, bool)>,
    /// By [`PageId`].
    pub(super) queues: Vec<(QueueId, usize, bool)>,
    /// By [`PageId`].
    pub(super) max_wait: Vec<Duration>,
}

/// What the watched limits decided in the last minute; `None` of those that are enforced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedView {
    /// The quotas of clients.
    pub clients: Option<Seen>,
    /// Tickets, or only their shrinking with lag.
    pub tickets: Option<Seen>,
    /// By downstream.
    pub downstreams: Vec<Option<ObservedBulkhead>>,
    /// By [`PageId`].
    pub pages: Vec<Option<ObservedQueue>>,
}

/// A bulkhead that is only watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservedBulkhead {
    /// As it is written.
    pub limit: Option<u32>,
    /// Of pages that require it.
    pub pages: Seen,
    /// Of parts that pages do without.
    pub parts: Seen,
}

/// A queue that is only watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservedQueue {
    /// As it is written.
    pub limit: usize,
    /// Of pages of this definition.
    pub seen: Seen,
}

impl Limits {
    pub(in crate::page::admission) fn new(
        config: &Config,
        bulkheads: &[BulkheadId],
        queues: &[QueueId],
    ) -> Self {
        let permits = config.downstreams.iter().zip(bulkheads);
        let places = config.pages.iter().zip(queues);
        Self {
            clients: config.clients.observe,
            tickets: config.admission.observes_lag(),
            most: config.admission.max_in_flight.get(),
            bulkheads: permits
                .map(|(d, id)| (*id, d.permits.map(Into::into), d.observe))
                .collect(),
            queues: places.map(|(p, id)| (*id, p.queue, p.observe)).collect(),
            max_wait: config.pages.iter().map(|page| page.max_wait).collect(),
        }
    }

    /// Whether a limit of admission is watched.
    pub(super) fn of_admission(&self) -> bool {
        let bulkheads = self.bulkheads.iter().any(|(_, _, observed)| *observed);
        let queues = self.queues.iter().any(|(_, _, observed)| *observed);
        self.tickets || bulkheads || queues
    }

    /// Whether lag takes no ticket away that is in force.
    pub(in crate::page::admission) fn tickets(&self) -> bool {
        self.tickets
    }

    /// The refusal, if it is one by a limit that is only watched.
    pub(super) fn counts(&self, page: PageId, shed: Shed) -> Option<ShedBy> {
        let (_, _, bulkhead) = self.bulkheads[shed.downstream.0];
        let (_, _, queue) = self.queues[page.0];
        let row = Refusal::from(shed).row(ShedStatus::TooManyRequests);
        let by = || ShedBy::of(row.reason, row.scope?);
        (bulkhead || queue).then(by).flatten()
    }
}
