//! Who may start, who waits, who is refused: a pure state machine.
//!
//! Owns the limits and counts of tickets and permits, and the queues of waiting
//! pages. It has no clock, no locks, no futures: what may move pages is an
//! [`Event`] with its time, and what is to be done comes out as [`Action`]s; what
//! moves none is a method and answers at once.
//!
//! After every event:
//! - permits in use of a downstream never exceed its limit, but for those that were
//!   out when it shrank: until they are released nothing is granted;
//! - a waiting page holds no permit;
//! - no waiting page could start: capacity never stands beside an eligible waiter;
//! - a page that needs more than a limit has been refused, not parked.
//!
//! Among waiting pages the newest starts first, across all queues. Under overload
//! a first-in-first-out queue serves only pages that are nearly out of time;
//! newest first keeps most of them fresh and lets the oldest go (adaptive LIFO:
//! Maurer, "Fail at Scale", ACM Queue 13(8), 2015).

mod event;
mod limits;
mod names;
mod needs;
mod queue;
mod view;

pub use self::event::{
    Action, Arrival, BulkheadId, Event, GiveUp, PageSeq, QueueId, Shed, ShedWhy, Time,
};
pub use self::needs::{Need, NeedSet, Parts, Required};
pub use self::queue::Order;
pub use self::view::{AdmissionView, BulkheadView, QueueView};

use self::limits::{Bulkhead, Tickets};
use self::queue::{Queue, Waiter};
use crate::config::DownstreamId;

/// The state machine. See the module's head for what always holds.
#[derive(Debug)]
pub struct Core {
    order: Order,
    /// By [`BulkheadId`].
    bulkheads: Vec<Bulkhead>,
    /// By [`QueueId`].
    queues: Vec<Queue>,
    /// Pages in all queues.
    waiting: usize,
    tickets: Tickets,
}

impl Core {
    /// Nothing in use, nobody waiting, no bulkhead and no queue. `tickets` pages may be in flight.
    pub fn new(order: Order, tickets: u32) -> Self {
        Self {
            order,
            bulkheads: Vec::new(),
            queues: Vec::new(),
            waiting: 0,
            tickets: Tickets::new(tickets),
        }
    }

    /// Takes a ticket, unless all are out, or as many pages are under way as may be.
    pub fn take_ticket(&mut self) -> bool {
        self.tickets.take()
    }

    /// Whether there is a ticket to be taken.
    pub fn has_ticket(&self) -> bool {
        self.tickets.is_free()
    }

    /// The page of a ticket has its answer, which its client has yet to take.
    pub fn answer_ticket(&mut self) {
        self.tickets.answer();
    }

    /// A ticket was released, whose page was `answered` or not. Returns how many are still out.
    pub fn release_ticket(&mut self, answered: bool) -> u32 {
        self.tickets.release(answered)
    }

    /// As many pages may be under way from now on as this, or as configured if that is fewer.
    /// Tickets that are out stay out. What a client takes its time to read is under way no more:
    /// it costs the gateway nothing.
    pub fn resize_tickets(&mut self, limit: u32) {
        self.tickets.resize(limit);
    }

    /// As many tickets are configured from now on as this. Those that are out stay out.
    pub fn configure_tickets(&mut self, most: u32) {
        self.tickets.configure(most);
    }

    /// Tickets out.
    pub fn tickets_in_use(&self) -> u32 {
        self.tickets.in_use
    }

    /// Tickets out whose pages have no answer yet.
    pub fn tickets_under_way(&self) -> u32 {
        self.tickets.under_way()
    }

    /// Takes one permit beside those that pages start with, if one is free. It
    /// does not wait, and it passes no page by: what is free is what no waiting page can use.
    pub fn try_one(&mut self, bulkhead: BulkheadId) -> bool {
        let bulkhead = &mut self.bulkheads[bulkhead.0];
        let free = bulkhead.fits(1);
        if free {
            bulkhead.take(1);
        }
        free
    }

    /// Whether a page waits for permits.
    pub fn is_anyone_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Takes in one event at `now` and appends what is to be done to `actions`.
    pub fn on_event(&mut self, now: Time, event: Event<'_>, actions: &mut Vec<Action>) {
        match event {
            Event::Arrive(arrival) => self.arrive(now, &arrival, actions),
            Event::Release { bulkhead } => {
                self.bulkheads[bulkhead.0].release();
                self.start_waiting(now, actions);
            }
            Event::Resize { bulkhead, limit } => {
                self.bulkheads[bulkhead.0].limit = limit;
                self.refuse_hopeless(actions);
                self.start_waiting(now, actions);
            }
            Event::ResizeQueue { queue, limit } => {
                self.queues[queue.0].limit = limit;
                while let Some(surplus) = self.queues[queue.0].evict_surplus() {
                    self.evicted(&surplus, actions);
                }
            }
            Event::Expire { page } => {
                if let Some(waiter) = self.remove(page) {
                    actions.push(self.expired(waiter.page, waiter.reason, &waiter.needs));
                }
            }
            Event::Leave { page } => {
                self.remove(page);
            }
        }
    }

    fn arrive(&mut self, now: Time, arrival: &Arrival<'_>, actions: &mut Vec<Action>) {
        let Arrival { page, needs, .. } = *arrival;
        let over = arrival.give_up <= now;
        if over && arrival.reason == GiveUp::Deadline {
            actions.push(self.expired(page, arrival.reason, needs));
            return;
        }
        let Some(full) = self.full(needs) else {
            actions.push(self.grant(page, needs.clone()));
            return;
        };
        let may_wait = !over && self.queues[arrival.queue.0].limit > 0;
        match self.too_small(needs) {
            None if may_wait => self.park(arrival, actions),
            None => actions.push(refuse(page, ShedWhy::BulkheadFull, full)),
            Some(small) => actions.push(refuse(page, ShedWhy::BulkheadFull, small)),
        }
    }

    /// Puts the page in its queue; the oldest one gives way if it is full.
    fn park(&mut self, arrival: &Arrival<'_>, actions: &mut Vec<Action>) {
        let queue = &mut self.queues[arrival.queue.0];
        let evicted = queue.evict();
        queue.push(arrival);
        self.waiting += 1;
        if let Some(oldest) = evicted {
            self.evicted(&oldest, actions);
        }
        actions.push(Action::Park { page: arrival.page });
    }

    fn evicted(&mut self, waiter: &Waiter, actions: &mut Vec<Action>) {
        self.waiting -= 1;
        let blocking = self.blocking(&waiter.needs);
        actions.push(refuse(waiter.page, ShedWhy::QueueEvicted, blocking));
    }

    /// Starts every waiting page that can, in order; those whose time is over are refused instead.
    fn start_waiting(&mut self, now: Time, actions: &mut Vec<Action>) {
        while self.waiting > 0
            && let Some(page) = self.next()
            && let Some(waiter) = self.remove(page)
        {
            actions.push(if waiter.give_up <= now {
                self.expired(page, waiter.reason, &waiter.needs)
            } else {
                self.grant(page, waiter.needs)
            });
        }
    }

    /// Refuses every waiting page whose needs no longer fit an empty bulkhead, oldest first.
    fn refuse_hopeless(&mut self, actions: &mut Vec<Action>) {
        let hopeless = |waiter: &Waiter| {
            let downstream = self.too_small(&waiter.needs)?;
            Some((waiter.page, downstream))
        };
        let waiters = self.queues.iter().flat_map(Queue::iter);
        let mut hopeless: Vec<_> = waiters.filter_map(hopeless).collect();
        hopeless.sort_unstable_by_key(|(page, _)| *page);
        for (page, downstream) in hopeless {
            self.remove(page);
            actions.push(refuse(page, ShedWhy::BulkheadFull, downstream));
        }
    }

    /// Of all waiting pages that could start, the first in order.
    fn next(&self) -> Option<PageSeq> {
        let first = |queue: &Queue| queue.first(self.order, |needs| self.full(needs).is_none());
        let firsts = self.queues.iter().filter_map(first);
        match self.order {
            Order::NewestFirst => firsts.max(),
            Order::OldestFirst => firsts.min(),
        }
    }

    /// The first bulkhead without room for these needs.
    fn full(&self, needs: &NeedSet) -> Option<DownstreamId> {
        let mut required = needs.required().iter();
        let full = required.find(|all| !self.bulkheads[all.bulkhead.0].fits(all.count));
        full.map(|all| all.downstream)
    }

    /// The first bulkhead that is too small for these needs even when it is empty.
    fn too_small(&self, needs: &NeedSet) -> Option<DownstreamId> {
        let mut required = needs.required().iter();
        let small = required.find(|all| self.bulkheads[all.bulkhead.0].is_too_small(all.count));
        small.map(|all| all.downstream)
    }

    /// Takes every required permit and whatever optional ones are free.
    fn grant(&mut self, page: PageSeq, needs: NeedSet) -> Action {
        for required in needs.required() {
            self.bulkheads[required.bulkhead.0].take(required.count);
        }
        let mut parts = needs.required_parts();
        for &(part, id) in needs.optional() {
            let bulkhead = &mut self.bulkheads[id.0];
            if bulkhead.fits(1) {
                bulkhead.take(1);
                parts |= 1 << part;
            }
        }
        Action::Grant { page, needs, parts }
    }

    fn expired(&self, page: PageSeq, reason: GiveUp, needs: &NeedSet) -> Action {
        let why = match reason {
            GiveUp::MaxWait => ShedWhy::BulkheadFull,
            GiveUp::Deadline => ShedWhy::DeadlineUnreachable,
        };
        refuse(page, why, self.blocking(needs))
    }

    /// The bulkhead to name in a refusal: the first without room, or the first of all.
    fn blocking(&self, needs: &NeedSet) -> DownstreamId {
        self.full(needs).unwrap_or_else(|| needs.first())
    }

    fn remove(&mut self, page: PageSeq) -> Option<Waiter> {
        let mut queues = self.queues.iter_mut();
        let removed = queues.find_map(|queue| queue.remove(page));
        self.waiting -= usize::from(removed.is_some());
        removed
    }
}

fn refuse(page: PageSeq, why: ShedWhy, downstream: DownstreamId) -> Action {
    let shed = Shed { why, downstream };
    Action::Refuse { page, shed }
}
