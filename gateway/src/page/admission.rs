//! Tickets and permits: the right to be a page in flight, and to make a call.
//!
//! The rules live in [`core`], a pure state machine. Here is its async face: it
//! numbers arrivals, gives the machine the time, parks the futures of waiting
//! pages and hands out [`Ticket`]s and [`Permits`], whose `Drop` is the only way
//! back. A future dropped at any await leaves nothing behind.
//!
//! Not here: tokio's semaphore. It serves first in, first out, and gives out one
//! resource at a time; a page needs several at once or none.

pub mod core;
mod permit;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

pub use self::core::{AdmissionView, BulkheadView, QueueView};
pub use self::permit::{Permit, Permits, Ticket};

use self::core::{Action, Arrival, Core, Event, GiveUp, Need, NeedSet, Order, PageSeq, Shed, Time};
use self::waiting::Waiting;
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

#[derive(Debug)]
struct State {
    core: Core,
    /// The other ends of waiting pages' verdicts.
    parked: HashMap<PageSeq, oneshot::Sender<Verdict>>,
    next: u64,
    /// Kept between events so that an uncontended one allocates nothing.
    actions: Vec<Action>,
}

type Verdict = Result<Permits, Shed>;

/// What became of an arrival.
enum Arrived {
    Decided(Verdict),
    Parked(Waiting),
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
        let state = State {
            core,
            parked: HashMap::new(),
            next: 0,
            actions: Vec::new(),
        };
        Arc::new(Self {
            epoch: now(),
            grant: rules.grant,
            max_wait: config.pages.iter().map(|page| page.max_wait).collect(),
            state: Mutex::new(state),
            empty: Notify::new(),
        })
    }

    /// Takes a ticket, or `None` when all are out. Never waits.
    pub fn ticket(self: &Arc<Self>) -> Option<Ticket> {
        self.state.lock().core.take_ticket().then(|| Ticket {
            admission: Arc::clone(self),
        })
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

    /// As many pages may be in flight from now on as this, or as configured if that is fewer.
    /// Pages in flight go on.
    pub fn resize_tickets(&self, limit: u32) {
        self.state.lock().core.resize_tickets(limit);
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
            Grant::PartByPart => self.part_by_part(page, needs, deadline).await,
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
        let arrival = Arrival {
            page: PageSeq(0),
            queue: page,
            needs,
            give_up: give_up.instant().map_or(Time::MAX, |at| self.time(at)),
            reason,
        };
        let mut waiting = match self.arrive(self.time(arrived), arrival) {
            Arrived::Decided(verdict) => return verdict,
            Arrived::Parked(waiting) => waiting,
        };
        if let Ok(verdict) = give_up.limit(waiting.verdict()).await {
            return verdict;
        }
        self.on_event(Event::Expire { page: waiting.page });
        // Expired just now, or granted a moment before: either way the verdict is on its way.
        waiting.verdict().await
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

    fn arrive(self: &Arc<Self>, at: Time, mut arrival: Arrival<'_>) -> Arrived {
        let mut state = self.state.lock();
        let own = PageSeq(state.next);
        state.next += 1;
        arrival.page = own;
        let State {
            core,
            parked,
            actions,
            ..
        } = &mut *state;
        core.on_event(at, Event::Arrive(arrival), actions);
        let mut arrived = None;
        let mut evicted = None;
        for action in actions.drain(..) {
            match action {
                Action::Park { page } => {
                    let (sender, verdict) = oneshot::channel();
                    parked.insert(page, sender);
                    arrived = Some(Arrived::Parked(Waiting {
                        admission: Arc::clone(self),
                        page,
                        verdict,
                        over: false,
                    }));
                }
                Action::Grant { needs, parts, .. } => {
                    arrived = Some(Arrived::Decided(Ok(Permits::new(self, needs, parts))));
                }
                Action::Refuse { page, shed } if page == own => {
                    arrived = Some(Arrived::Decided(Err(shed)));
                }
                Action::Refuse { page, shed } => {
                    evicted = parked.remove(&page).map(|sender| (sender, shed));
                }
            }
        }
        drop(state);
        if let Some((sender, shed)) = evicted {
            // A receiver that is gone has left by itself.
            let _ = sender.send(Err(shed));
        }
        #[expect(
            clippy::expect_used,
            reason = "the core decides on every arrival, or parks it"
        )]
        arrived.expect("an arrival is granted, parked or refused")
    }

    /// Feeds one event to the core and delivers the verdicts that follow from it.
    fn on_event(self: &Arc<Self>, event: Event<'_>) {
        let mut state = self.state.lock();
        let State {
            core,
            parked,
            actions,
            ..
        } = &mut *state;
        core.on_event(self.time(now()), event, actions);
        if let Event::Leave { page } = event {
            parked.remove(&page);
        }
        let mut verdicts = Vec::new();
        for action in actions.drain(..) {
            let (page, verdict) = match action {
                Action::Grant { page, needs, parts } => {
                    (page, Ok(Permits::new(self, needs, parts)))
                }
                Action::Refuse { page, shed } => (page, Err(shed)),
                Action::Park { .. } => continue,
            };
            verdicts.push((parked.remove(&page), verdict));
        }
        drop(state);
        // After the lock: a verdict that nobody receives any more drops its permits here,
        // and they are released through this same function.
        for (sender, verdict) in verdicts {
            if let Some(sender) = sender {
                let _ = sender.send(verdict);
            }
        }
    }

    fn release(self: &Arc<Self>, downstream: DownstreamId) {
        self.on_event(Event::Release { downstream });
    }

    fn release_ticket(&self) {
        if self.state.lock().core.release_ticket() == 0 {
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
