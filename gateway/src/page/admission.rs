//! Tickets and permits: the right to be a page in flight, and to make a call.
//!
//! The rules live in [`core`], a pure state machine. Here is its async face: it
//! gives the machine the time, lets the futures of pages wait for its decisions
//! and hands out [`Ticket`]s and [`Permits`], whose `Drop` is the only way
//! back. A future dropped at any await leaves nothing behind.
//!
//! Not here: tokio's semaphore. It serves first in, first out, and gives out one
//! resource at a time; a page needs several at once or none.

pub mod core;
mod gate;
pub mod limit;
pub mod observer;
mod permit;
pub mod shadow;
#[cfg(test)]
mod tests;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

pub use self::core::{AdmissionView, BulkheadView, QueueView};
pub use self::observer::InShadow;
pub use self::permit::{Permit, Permits, Ticket};

use self::core::{
    Arrival, BulkheadId, Core, Event, GiveUp, Need, NeedSet, Order, QueueId, Shed, Time,
};
use self::gate::Gate;
use self::observer::Limits;
use self::waiting::{Arrived, Verdict};
use crate::config::{Config, DownstreamId, PageId};
use crate::page::deadline::{Deadline, now};
use crate::telemetry::record::Occupancy;

/// Tickets, permits and queues of one gateway, as one configuration numbers and sizes them.
///
/// What is in use and who waits is shared by all of a gateway: see [`Admission::carried`].
#[derive(Debug)]
pub struct Admission {
    gate: Arc<Gate>,
    grant: Grant,
    tickets: u32,
    /// By [`DownstreamId`].
    bulkheads: Vec<Bulkhead>,
    /// By [`PageId`].
    queues: Vec<Queue>,
    /// What of it is only watched.
    observed: Arc<Limits>,
}

#[derive(Debug)]
struct Bulkhead {
    id: BulkheadId,
    permits: Option<u32>,
}

#[derive(Debug)]
struct Queue {
    id: QueueId,
    limit: usize,
    max_wait: Duration,
}

/// How pages are admitted. The default is what the gateway does; everything else is there to be
/// compared with it, and for suites to show that they would notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Who starts first of those who wait.
    pub order: Order,
    /// What a page may hold while it waits.
    pub grant: Grant,
}

/// What a page may hold while it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grant {
    /// Nothing: it gets all its permits at once.
    #[default]
    WholePage,
    /// The permits it already has: it asks for one part after the other.
    PartByPart,
}

impl Admission {
    /// Nothing in use, nobody waiting.
    pub fn new(config: &Config) -> Arc<Self> {
        Self::with_rules(config, Rules::default())
    }

    /// The same, by other rules than the gateway's.
    pub fn with_rules(config: &Config, rules: Rules) -> Arc<Self> {
        let core = Core::new(rules.order, config.admission.enforced_tickets());
        let admission = Self::at(Gate::new(core), rules.grant, config);
        admission.observe_as_configured();
        admission
    }

    /// The same gateway by another configuration: what is in use stays in use, and who waits
    /// waits, under the same names. Nothing changes for anybody before
    /// [`take_effect`](Self::take_effect).
    pub fn carried(&self, config: &Config) -> Arc<Self> {
        Self::at(Arc::clone(&self.gate), self.grant, config)
    }

    fn at(gate: Arc<Gate>, grant: Grant, config: &Config) -> Arc<Self> {
        let mut state = gate.state.lock();
        let core = &mut state.core;
        let bulkheads = config.downstreams.iter().map(|downstream| {
            let permits = downstream.enforced_permits();
            let id = core.enter_bulkhead(downstream.name.as_str(), permits);
            Bulkhead { id, permits }
        });
        let bulkheads: Vec<Bulkhead> = bulkheads.collect();
        let queues = config.pages.iter().map(|page| Queue {
            id: core.enter_queue(page.name.as_str(), page.enforced_queue()),
            limit: page.enforced_queue(),
            max_wait: page.enforced_max_wait(),
        });
        let queues: Vec<Queue> = queues.collect();
        drop(state);
        let bulkhead_ids: Vec<_> = bulkheads.iter().map(|bulkhead| bulkhead.id).collect();
        let queue_ids: Vec<_> = queues.iter().map(|queue| queue.id).collect();
        let observed = Arc::new(Limits::new(config, &bulkhead_ids, &queue_ids));
        Arc::new(Self {
            gate,
            grant,
            tickets: config.admission.enforced_tickets(),
            bulkheads,
            queues,
            observed,
        })
    }

    /// From now on there are as many tickets, permits and places in queues as this configuration
    /// says. Nothing is taken back; who waits for what can never be again, or has no place in
    /// the queue any more, is refused.
    pub fn take_effect(&self) {
        self.gate.state.lock().core.configure_tickets(self.tickets);
        for bulkhead in &self.bulkheads {
            self.gate.on_event(Event::Resize {
                bulkhead: bulkhead.id,
                limit: bulkhead.permits,
            });
        }
        for queue in &self.queues {
            self.gate.on_event(Event::ResizeQueue {
                queue: queue.id,
                limit: queue.limit,
            });
        }
        if self.observed.tickets() {
            self.gate.state.lock().core.resize_tickets(u32::MAX);
        }
        self.observe_as_configured();
    }

    /// What a part needs.
    pub fn need(&self, downstream: DownstreamId, required: bool) -> Need {
        Need {
            downstream,
            bulkhead: self.bulkheads[downstream.0].id,
            required,
        }
    }

    /// Takes a ticket, or `None` when all are out. Never waits.
    pub fn ticket(&self) -> Option<Ticket> {
        let free = self.gate.state.lock().core.take_ticket();
        free.then(|| Ticket::new(&self.gate))
    }

    /// Whether all tickets are out, so that every page is refused now.
    pub fn is_full(&self) -> bool {
        !self.gate.state.lock().core.has_ticket()
    }

    /// One permit beside those that pages start with, if one is free. Never waits.
    pub fn try_one(&self, downstream: DownstreamId) -> Option<Permit> {
        let bulkhead = self.bulkheads[downstream.0].id;
        let taken = self.gate.state.lock().core.try_one(bulkhead);
        taken.then(|| Permit {
            gate: Arc::clone(&self.gate),
            bulkhead,
            shadow: None,
        })
    }

    /// A downstream has as many permits as this from now on; `None` is no bulkhead. What is out
    /// stays out. Pages that can start now do; those that never could are refused.
    pub fn resize(&self, downstream: DownstreamId, limit: Option<u32>) {
        let bulkhead = self.bulkheads[downstream.0].id;
        self.gate.on_event(Event::Resize { bulkhead, limit });
    }

    /// As many pages may be under way from now on as this, or as configured if that is fewer.
    /// Those that are go on; those whose clients are taking their answers do not count.
    pub fn resize_tickets(&self, limit: u32) {
        self.observe_tickets(limit);
        if !self.observed.tickets() {
            self.gate.state.lock().core.resize_tickets(limit);
        }
    }

    /// Tickets out whose pages have no answer yet.
    pub fn tickets_under_way(&self) -> u32 {
        self.gate.state.lock().core.tickets_under_way()
    }

    /// Resolves once no ticket is out. A ticket taken meanwhile puts it off.
    pub async fn until_empty(&self) {
        self.gate.until_empty().await;
    }

    /// A permit for every required part of `needs`, and for each optional part whose
    /// bulkhead has room: all at once, waiting in the page's queue until `deadline` or
    /// the page's `max_wait` at the longest.
    ///
    /// # Errors
    /// [`Shed`] when the page is refused. It has held nothing meanwhile.
    pub async fn permits(
        &self,
        page: PageId,
        needs: &NeedSet,
        deadline: Deadline,
    ) -> Result<Permits, Shed> {
        match self.grant {
            Grant::WholePage => self.at_once(page, needs, deadline).await,
            // Boxed, so that pages which never do it are not as large.
            Grant::PartByPart => Box::pin(self.part_by_part(page, needs, deadline)).await,
        }
    }

    async fn at_once(&self, page: PageId, needs: &NeedSet, deadline: Deadline) -> Verdict {
        let queue = &self.queues[page.0];
        let arrived = now();
        let max_wait = Deadline::after(arrived, queue.max_wait);
        let give_up = max_wait.min(deadline);
        let reason = if give_up == max_wait {
            GiveUp::MaxWait
        } else {
            GiveUp::Deadline
        };
        let gate = &self.gate;
        let until = give_up.instant().map_or(Time::MAX, |at| gate.time(at));
        let arrival = |number| Arrival {
            page: number,
            queue: queue.id,
            needs,
            give_up: until,
            reason,
        };
        match gate.arrive(gate.time(arrived), arrival) {
            Arrived::Decided(verdict) => verdict,
            Arrived::Parked(waiting) => waiting.until(give_up).await,
        }
    }

    async fn part_by_part(&self, page: PageId, needs: &NeedSet, deadline: Deadline) -> Verdict {
        let mut held = Permits::new(&self.gate, needs.clone(), 0);
        for (part, &need) in needs.parts().iter().enumerate() {
            let one = NeedSet::new([need]);
            held.add(part, self.at_once(page, &one, deadline).await?);
        }
        Ok(held)
    }

    /// How the limits stand now that a page with these needs meets.
    pub fn occupancy(&self, page: PageId, needs: &NeedSet) -> Occupancy {
        let queue = self.queues[page.0].id;
        self.gate.state.lock().core.occupancy(queue, needs)
    }

    /// How admission stands now.
    pub fn view(&self) -> AdmissionView {
        let all = self.gate.state.lock().core.view();
        let bulkheads = self.bulkheads.iter().map(|b| all.bulkheads[b.id.0]);
        let queues = self.queues.iter().map(|queue| all.queues[queue.id.0]);
        AdmissionView {
            bulkheads: bulkheads.collect(),
            queues: queues.collect(),
            ..all
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        for bulkhead in &self.bulkheads {
            state.core.leave_bulkhead(bulkhead.id);
        }
        for queue in &self.queues {
            state.core.leave_queue(queue.id);
        }
    }
}
