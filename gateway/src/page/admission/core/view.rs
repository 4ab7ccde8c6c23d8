//! How admission stands at one instant, for operators, metrics and tests.

use super::limits::Bulkhead;
use super::needs::NeedSet;
use super::queue::Queue;
use super::{Core, QueueId};
use crate::telemetry::record::{Occupancy, Use};

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
    /// How the limits stand that a page with these needs meets.
    pub fn occupancy(&self, queue: QueueId, needs: &NeedSet) -> Occupancy {
        // The first that is full, as a refusal names it; or the one that has the fewest left.
        let nearest = needs.required().iter().min_by_key(|need| {
            let bulkhead = &self.bulkheads[need.bulkhead.0];
            let fits = bulkhead.fits(need.count);
            (fits, if fits { bulkhead.free() } else { 0 })
        });
        let permits = nearest.map(|need| {
            let bulkhead = &self.bulkheads[need.bulkhead.0];
            let used = Use {
                taken: bulkhead.in_use,
                limit: bulkhead.limit,
            };
            (need.downstream, used)
        });
        let queue = &self.queues[queue.0];
        Occupancy {
            tickets: Use {
                taken: self.tickets.under_way(),
                limit: Some(self.tickets.limit),
            },
            queue: Use {
                taken: queue.len() as u32,
                limit: Some(queue.limit as u32),
            },
            permits,
        }
    }

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
