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
pub mod limit;
mod permit;
pub mod shadow;
#[cfg(test)]
mod tests;
mod waiting;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::core::{AdmissionView, BulkheadView, QueueView};
pub use self::permit::{Permit, Permits, Ticket};

use self::core::{Arrival, Core, Event, GiveUp, Need, NeedSet, Order, Shed, Time};
use self::waiting::{Arrived, State, Verdict};
use crate::config::{Config, DownstreamId, PageId};
use crate::page::deadline::{Deadline, now};

/// Tickets, permits and queues of one gateway.
#[derive(Debug)]
pub struct Admission {
    epoch: Instant,
    grant: Grant,
    /// By [`PageId`].
    max_wait: Vec<Duration>,
    state: Mutex<State>,
    empty: Notify,
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
        let permits = config.downstreams.iter().map(|d| d.permits);
        let core = Core::new(
            rules.order,
            config.admission.max_in_flight.get(),
            permits.map(|permits| permits.map(NonZeroU32::get)),
            config.pages.iter().map(|page| page.queue),
        );
        Arc::new(Self {
            epoch: now(),
            grant: rules.grant,
            max_wait: config.pages.iter().map(|page| page.max_wait).collect(),
            state: Mutex::new(State::new(core)),
            empty: Notify::new(),
        })
    }

    /// Takes a ticket, or `None` when all are out. Never waits.
    pub fn ticket(self: &Arc<Self>) -> Option<Ticket> {
        let free = self.state.lock().core.take_ticket();
        free.then(|| Ticket::new(self))
    }

    /// One permit beside those that pages start with, if one is free. Never waits.
    pub fn try_one(self: &Arc<Self>, downstream: DownstreamId) -> Option<Permit> {
        self.state.lock().core.try_one(downstream).then(|| Permit {
            admission: Arc::clone(self),
            downstream,
        })
    }

    /// A downstream has as many permits as this from now on; `None` is no bulkhead. What is out
    /// stays out. Pages that can start now do; those that never could are refused.
    pub fn resize(self: &Arc<Self>, downstream: DownstreamId, limit: Option<u32>) {
        self.on_event(Event::Resize { downstream, limit });
    }

    /// As many pages may be under way from now on as this, or as configured if that is fewer.
    /// Those that are go on; those whose clients are taking their answers do not count.
    pub fn resize_tickets(&self, limit: u32) {
        self.state.lock().core.resize_tickets(limit);
    }

    /// Tickets out whose pages have no answer yet.
    pub fn tickets_under_way(&self) -> u32 {
        self.state.lock().core.tickets_under_way()
    }

    /// Resolves once no ticket is out. A ticket taken meanwhile puts it off.
    pub async fn until_empty(&self) {
        loop {
            let notified = self.empty.notified();
            if self.state.lock().core.tickets_in_use() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// A permit for every required part of `needs`, and for each optional part whose
    /// bulkhead has room: all at once, waiting in the page's queue until `deadline` or
    /// the page's `max_wait` at the longest.
    ///
    /// # Errors
    /// [`Shed`] when the page is refused. It has held nothing meanwhile.
    pub async fn permits(
        self: &Arc<Self>,
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

    async fn at_once(
        self: &Arc<Self>,
        page: PageId,
        needs: &NeedSet,
        deadline: Deadline,
    ) -> Verdict {
        let arrived = now();
        let max_wait = Deadline::after(arrived, self.max_wait[page.0]);
        let give_up = max_wait.min(deadline);
        let reason = if give_up == max_wait {
            GiveUp::MaxWait
        } else {
            GiveUp::Deadline
        };
        let until = give_up.instant().map_or(Time::MAX, |at| self.time(at));
        let arrival = |number| Arrival {
            page: number,
            queue: page,
            needs,
            give_up: until,
            reason,
        };
        match self.arrive(self.time(arrived), arrival) {
            Arrived::Decided(verdict) => verdict,
            Arrived::Parked(waiting) => waiting.until(give_up).await,
        }
    }

    async fn part_by_part(
        self: &Arc<Self>,
        page: PageId,
        needs: &NeedSet,
        deadline: Deadline,
    ) -> Verdict {
        let mut held = Permits::new(self, needs.clone(), 0);
        for (part, &downstream) in needs.downstreams().iter().enumerate() {
            let required = needs.is_required(part);
            let one = NeedSet::new([Need {
                downstream,
                required,
            }]);
            held.add(part, self.at_once(page, &one, deadline).await?);
        }
        Ok(held)
    }

    fn release(self: &Arc<Self>, downstream: DownstreamId) {
        self.on_event(Event::Release { downstream });
    }

    fn answer_ticket(&self) {
        self.state.lock().core.answer_ticket();
    }

    fn release_ticket(&self, answered: bool) {
        if self.state.lock().core.release_ticket(answered) == 0 {
            self.empty.notify_waiters();
        }
    }

    fn time(&self, at: Instant) -> Time {
        at.saturating_duration_since(self.epoch)
    }

    /// How admission stands now.
    pub fn view(&self) -> AdmissionView {
        self.state.lock().core.view()
    }
}
