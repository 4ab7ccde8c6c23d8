//! Beside admission: what limits that are only watched would have decided.
//!
//! The rules live in [`Shadow`], a pure state machine. Here it is given the time, told of pages
//! by those who hold their rights, and its decisions are counted. It refuses nothing, and while
//! nothing is watched it is not there: that costs a page a look at a flag.
//!
//! Not here: how much of a client's rate is used ([`quota`](crate::page::quota) decides that,
//! and tells), and what is enforced.

mod limits;
mod pages;
pub mod share;

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

pub(super) use self::limits::Limits;
pub use self::limits::{ObservedBulkhead, ObservedQueue, ObservedView};
pub use self::pages::InShadow;

use self::limits::Origin;
use self::share::Share;
use super::core::Time;
use super::shadow::{Decided, Shadow};
use crate::outcome::Scope;

/// The shadow of a gateway, whatever configurations come and go.
#[derive(Debug, Default)]
pub(super) struct Observer {
    /// Whether anything is watched.
    on: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Only while a limit of admission is watched.
    shadow: Option<Shadow<Origin>>,
    /// The number of the first page of the next shadow.
    next: u64,
    clients: Option<Box<Share>>,
    tickets: Option<Box<Share>>,
    /// By [`BulkheadId`].
    bulkheads: Vec<Option<Box<Watched>>>,
    /// By [`QueueId`].
    queues: Vec<Option<Box<Share>>>,
}

/// Decisions of one bulkhead about pages and about parts that pages do without.
#[derive(Debug, Default)]
struct Watched {
    pages: Share,
    parts: Share,
}

impl Observer {
    /// From now on these limits are watched, and nothing else is.
    pub(super) fn take_effect(&self, at: Time, limits: &Limits) {
        let state = &mut *self.state.lock();
        let kept = |watched: bool, share: &mut Option<Box<Share>>| {
            let before = share.take();
            *share = watched.then(|| before.unwrap_or_default());
        };
        kept(limits.clients, &mut state.clients);
        kept(limits.tickets, &mut state.tickets);
        let mut bulkheads = std::mem::take(&mut state.bulkheads);
        for (id, _, _) in limits.bulkheads.iter().filter(|(_, _, observed)| *observed) {
            let before = bulkheads.get_mut(id.0).and_then(Option::take);
            *place(&mut state.bulkheads, id.0) = Some(before.unwrap_or_default());
        }
        let mut queues = std::mem::take(&mut state.queues);
        for (id, _, _) in limits.queues.iter().filter(|(_, _, observed)| *observed) {
            let before = queues.get_mut(id.0).and_then(Option::take);
            *place(&mut state.queues, id.0) = Some(before.unwrap_or_default());
        }
        state.resize(at, limits);
        let on = limits.clients || limits.of_admission();
        self.on.store(on, Ordering::Release);
    }

    fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }
}

impl State {
    /// The shadow has the limits as they are written; there is none if none is watched.
    fn resize(&mut self, at: Time, limits: &Limits) {
        if !limits.of_admission() {
            self.next = self.shadow.take().map_or(self.next, |shadow| shadow.next());
            return;
        }
        let new = || Shadow::new(limits.most, self.next);
        let shadow = self.shadow.get_or_insert_with(new);
        shadow.configure_tickets(limits.most);
        for &(id, limit, _) in &limits.bulkheads {
            shadow.resize(at, id, limit);
        }
        for &(id, limit, _) in &limits.queues {
            shadow.resize_queue(at, id, limit);
        }
        self.settle(at);
    }

    /// Lets everything happen that was due until `at`, and counts it.
    fn advance(&mut self, at: Time) {
        if let Some(shadow) = &mut self.shadow {
            shadow.advance(at);
        }
        self.settle(at);
    }

    /// Tickets that would be out for pages without an answer yet.
    fn under_way(&self) -> Option<u32> {
        self.shadow.as_ref().map(Shadow::tickets_under_way)
    }

    /// Counts what the shadow has decided.
    fn settle(&mut self, at: Time) {
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        let decided: Vec<_> = shadow.decided().collect();
        for decided in decided {
            self.count(at, &decided);
        }
    }

    fn count(&mut self, at: Time, decided: &Decided<Origin>) {
        let Decided { of, needs, .. } = decided;
        let counts = of.telemetry.counts();
        let shed = decided.verdict.err();
        let by = shed.and_then(|shed| of.limits.counts(of.page, shed));
        if let Some(by) = by {
            counts.would_shed(by);
        }
        if let Some(Some(queue)) = self.queues.get_mut(of.queue.0) {
            queue.count(at, by.is_some());
        }
        for required in needs.required() {
            let scope = Scope::Downstream(required.downstream);
            if let Some(Some(bulkhead)) = self.bulkheads.get_mut(required.bulkhead.0) {
                let refused = by.is_some_and(|by| by.scope() == scope);
                bulkhead.pages.count(at, refused);
            }
        }
        let Ok(parts) = decided.verdict else {
            return;
        };
        let optional = needs.parts().iter().enumerate();
        for (part, need) in optional.filter(|(_, need)| !need.required) {
            if let Some(Some(bulkhead)) = self.bulkheads.get_mut(need.bulkhead.0) {
                let refused = parts & (1 << part) == 0;
                bulkhead.parts.count(at, refused);
                if refused {
                    counts.part_would_shed(need.downstream);
                }
            }
        }
    }
}

/// The place of an id, which is there from now on.
fn place<T: Default>(all: &mut Vec<T>, at: usize) -> &mut T {
    if all.len() <= at {
        all.resize_with(at + 1, T::default);
    }
    &mut all[at]
}
