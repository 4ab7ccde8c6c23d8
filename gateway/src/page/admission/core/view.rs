//! How admission stands at one instant, for operators, metrics and tests.

use super::Core;
use super::limits::Bulkhead;
use super::queue::Queue;

/// How one bulkhead stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadView {
    /// Its size; `None` is no bulkhead.
    pub limit: Option<u32>,
    /// Permits out.
    pub in_use: u32,
    /// Pages waiting that require one.
    pub queued: usize,
}

/// How one page's queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// How many may wait.
    pub limit: usize,
    /// How many wait.
    pub depth: usize,
}

/// How admission stands, at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionView {
    /// Tickets out.
    pub in_flight: u32,
    /// Tickets there are, as configured.
    pub max_in_flight: u32,
    /// Tickets that may be out now for pages without an answer yet, at most `max_in_flight`.
    /// After a shrink more may still be.
    pub effective_tickets: u32,
    /// By [`DownstreamId`](crate::config::DownstreamId); by [`BulkheadId`](super::BulkheadId) where
    /// it is the core's.
    pub bulkheads: Vec<BulkheadView>,
    /// By [`PageId`](crate::config::PageId), or by [`QueueId`](super::QueueId).
    pub queues: Vec<QueueView>,
}

impl Core {
    /// How everything stands.
    pub fn view(&self) -> AdmissionView {
        let bulkhead = |bulkhead: &Bulkhead| BulkheadView {
            limit: bulkhead.limit,
            in_use: bulkhead.in_use,
            queued: 0,
        };
        let queue = |queue: &Queue| QueueView {
            limit: queue.limit,
            depth: queue.len(),
        };
        let mut bulkheads: Vec<_> = self.bulkheads.iter().map(bulkhead).collect();
        for waiter in self.queues.iter().flat_map(Queue::iter) {
            for required in waiter.needs.required() {
                bulkheads[required.bulkhead.0].queued += 1;
            }
        }
        AdmissionView {
            in_flight: self.tickets.in_use,
            max_in_flight: self.tickets.most,
            effective_tickets: self.tickets.limit,
            bulkheads,
            queues: self.queues.iter().map(queue).collect(),
        }
    }
}
