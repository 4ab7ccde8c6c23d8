//! Tickets and permits: the right to be a page in flight, and to make a call.
//!
//! The rules live in [`core`], a pure state machine. Here is its async face: it
//! numbers arrivals, tells the machine the time, parks the futures of waiting
//! pages and hands out [`Ticket`]s and [`Permit`]s, whose `Drop` is the only way
//! back. A future dropped at any await leaves nothing behind.
//!
//! Not here: tokio's semaphore. It serves first in, first out, and gives out one
//! resource at a time; a page needs several at once or none.

#[cfg(any(test, feature = "negative-controls"))]
mod broken;
pub mod core;
pub mod limit;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::mem;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::core::{Action, Class, Core, Event, GiveUp, Moment, PageSeq, PartNeed, Shed};
use crate::config::{Config, DownstreamId, PageId, Part};
use crate::page::deadline::{Deadline, now};

/// Tickets, permits and queues of one gateway.
#[derive(Debug)]
pub struct Admission {
    epoch: Instant,
    max_wait: Vec<Duration>,
    parts: Vec<Vec<PartNeed>>,
    limits: Limits,
    state: Mutex<State>,
    empty: Notify,
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

/// The configured limits, for views beside what is in use.
#[derive(Clone, Debug)]
struct Limits {
    tickets: u32,
    permits: Vec<Option<u32>>,
    queues: Vec<usize>,
}

/// The right to be one of the pages in flight. Comes home when dropped.
#[must_use = "a ticket that is dropped is a page that has ended"]
#[derive(Debug)]
pub struct Ticket {
    admission: Arc<Admission>,
}

/// The right to one concurrent call to one downstream. Comes home when dropped.
#[must_use = "a permit that is dropped is a call that has ended"]
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    downstream: usize,
}

/// What a page was granted: one entry per part in the page's order, `None` for an
/// optional part whose bulkhead had no room.
pub type Permits = Vec<Option<Permit>>;

/// How one bulkhead stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadView {
    /// Its size; `None` is no bulkhead.
    pub limit: Option<u32>,
    /// Permits out.
    pub in_use: u32,
    /// Pages waiting that need one.
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
    /// Tickets there are.
    pub max_in_flight: u32,
    /// By [`DownstreamId`].
    pub bulkheads: Vec<BulkheadView>,
    /// By [`PageId`].
    pub queues: Vec<QueueView>,
}

impl Admission {
    /// Nothing in use, nobody waiting.
    pub fn new(config: &Config) -> Arc<Self> {
        let max_wait = config.pages.iter().map(|page| page.max_wait).collect();
        Arc::new(Self::build(config, classes(config), max_wait))
    }

    fn build(config: &Config, classes: Vec<Class>, max_wait: Vec<Duration>) -> Self {
        let limits = Limits {
            tickets: config.admission.max_in_flight.get(),
            permits: config
                .downstreams
                .iter()
                .map(|d| d.permits.map(NonZeroU32::get))
                .collect(),
            queues: config.pages.iter().map(|page| page.queue).collect(),
        };
        let state = State {
            core: Core::new(limits.tickets, &limits.permits, &classes),
            parked: HashMap::new(),
            next: 0,
            actions: Vec::new(),
        };
        Self {
            epoch: now(),
            max_wait,
            parts: classes.into_iter().map(|class| class.parts).collect(),
            limits,
            state: Mutex::new(state),
            empty: Notify::new(),
        }
    }

    /// Takes a ticket, or `None` when all are out. Never waits.
    pub fn ticket(self: &Arc<Self>) -> Option<Ticket> {
        self.state.lock().core.take_ticket().then(|| Ticket {
            admission: Arc::clone(self),
        })
    }

    /// From now on there are so many tickets.
    pub fn resize_tickets(&self, tickets: u32) {
        self.state.lock().core.resize_tickets(tickets);
    }

    /// Tickets out.
    pub fn tickets_in_use(&self) -> u32 {
        self.state.lock().core.tickets_in_use()
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

    /// A permit for every required part of the page, and for each optional part
    /// whose bulkhead has room: all at once, waiting until `deadline` or the
    /// page's `max_wait` at the longest.
    ///
    /// # Errors
    /// [`Shed`] when the page is refused. It has held nothing meanwhile.
    pub async fn permits(self: &Arc<Self>, page: PageId, deadline: Deadline) -> Verdict {
        #[cfg(any(test, feature = "negative-controls"))]
        if let Some(control) = self.control() {
            return self.permits_broken(control, page, deadline).await;
        }
        self.permits_of_class(page.0, deadline).await
    }

    async fn permits_of_class(self: &Arc<Self>, class: usize, deadline: Deadline) -> Verdict {
        let arrived = now();
        let max_wait = Deadline::after(arrived, self.max_wait[class]);
        let give_up = max_wait.min(deadline);
        let because = if give_up == max_wait {
            GiveUp::MaxWait
        } else {
            GiveUp::Deadline
        };
        let mut waiting = match self.arrive(class, arrived, give_up, because) {
            Arrival::Decided(verdict) => return verdict,
            Arrival::Parked(waiting) => waiting,
        };
        if let Ok(verdict) = give_up.limit(&mut waiting.verdict).await {
            return waiting.ended(verdict);
        }
        self.on_event(Event::Expire { page: waiting.page });
        // Expired just now, or granted a moment before: either way the verdict is on its way.
        let verdict = (&mut waiting.verdict).await;
        waiting.ended(verdict)
    }

    fn arrive(
        self: &Arc<Self>,
        class: usize,
        arrived: Instant,
        give_up: Deadline,
        because: GiveUp,
    ) -> Arrival {
        let mut state = self.state.lock();
        let id = PageSeq(state.next);
        state.next += 1;
        let give_up = give_up.instant().map_or(Moment::MAX, |at| self.moment(at));
        let event = Event::Arrive {
            page: id,
            class,
            give_up,
            because,
        };
        let mut actions = mem::take(&mut state.actions);
        let at = self.moment(arrived);
        state.core.on_event(at, event, &mut actions);
        let mut arrival = None;
        let mut evicted = None;
        for action in actions.drain(..) {
            match action {
                Action::Park { .. } => {
                    let (sender, verdict) = oneshot::channel();
                    state.parked.insert(id, sender);
                    let admission = Arc::clone(self);
                    let waiting = Waiting {
                        admission,
                        page: id,
                        verdict,
                        ended: false,
                    };
                    arrival = Some(Arrival::Parked(waiting));
                }
                Action::Grant { class, parts, .. } => {
                    arrival = Some(Arrival::Decided(Ok(self.permits_of(class, parts))));
                }
                Action::Refuse { page, shed } if page == id => {
                    arrival = Some(Arrival::Decided(Err(shed)));
                }
                Action::Refuse { page, shed } => {
                    evicted = state.parked.remove(&page).map(|sender| (sender, shed));
                }
            }
        }
        state.actions = actions;
        drop(state);
        if let Some((sender, shed)) = evicted {
            // A receiver that is gone has left by itself.
            let _ = sender.send(Err(shed));
        }
        #[expect(
            clippy::expect_used,
            reason = "the core decides on every arrival, or parks it"
        )]
        arrival.expect("an arrival is granted, parked or refused")
    }

    /// Feeds one event to the core and delivers the verdicts that follow from it.
    fn on_event(self: &Arc<Self>, event: Event) {
        let mut state = self.state.lock();
        let mut actions = mem::take(&mut state.actions);
        state.core.on_event(self.moment(now()), event, &mut actions);
        if let Event::Leave { page } = event {
            state.parked.remove(&page);
        }
        let mut verdicts = Vec::new();
        for action in actions.drain(..) {
            let (page, verdict) = match action {
                Action::Grant { page, class, parts } => (page, Ok(self.permits_of(class, parts))),
                Action::Refuse { page, shed } => (page, Err(shed)),
                Action::Park { .. } => continue,
            };
            verdicts.push((state.parked.remove(&page), verdict));
        }
        state.actions = actions;
        drop(state);
        // After the lock: a verdict nobody hears any more drops its permits here, and
        // they come home through this same function.
        for (sender, verdict) in verdicts {
            let unheard = match sender {
                Some(sender) => sender.send(verdict).err(),
                None => Some(verdict),
            };
            #[cfg(any(test, feature = "negative-controls"))]
            let unheard = self.unless_leaking(unheard);
            drop(unheard);
        }
    }

    fn permits_of(self: &Arc<Self>, class: usize, parts: u64) -> Permits {
        let permit = |(index, need): (usize, &PartNeed)| {
            let granted = parts & (1 << index) != 0;
            let downstream = need.downstream;
            granted.then(|| Permit {
                admission: Arc::clone(self),
                downstream,
            })
        };
        self.parts[class].iter().enumerate().map(permit).collect()
    }

    fn moment(&self, at: Instant) -> Moment {
        at.saturating_duration_since(self.epoch)
    }

    /// How admission stands now.
    pub fn view(&self) -> AdmissionView {
        let core = &self.state.lock().core;
        let bulkhead = |(index, &limit): (usize, &Option<u32>)| BulkheadView {
            limit,
            in_use: core.in_use(index),
            queued: core.queued_for(index),
        };
        let queue = |(index, &limit): (usize, &usize)| QueueView {
            limit,
            depth: core.queued(index),
        };
        AdmissionView {
            in_flight: core.tickets_in_use(),
            max_in_flight: self.limits.tickets,
            bulkheads: self
                .limits
                .permits
                .iter()
                .enumerate()
                .map(bulkhead)
                .collect(),
            queues: self.limits.queues.iter().enumerate().map(queue).collect(),
        }
    }
}

/// What every page needs of the bulkheads, by [`PageId`].
fn classes(config: &Config) -> Vec<Class> {
    let need = |part: &Part| PartNeed {
        downstream: part.downstream.0,
        required: part.required,
    };
    config
        .pages
        .iter()
        .map(|page| Class {
            parts: page.parts.iter().map(need).collect(),
            queue_limit: page.queue,
        })
        .collect()
}

enum Arrival {
    Decided(Verdict),
    Parked(Waiting),
}

/// A page in a queue. Dropped before its verdict, it leaves the queue; dropped
/// after, the permits in the verdict go home by their own `Drop`.
struct Waiting {
    admission: Arc<Admission>,
    page: PageSeq,
    verdict: oneshot::Receiver<Verdict>,
    ended: bool,
}

impl Waiting {
    fn ended(mut self, verdict: Result<Verdict, oneshot::error::RecvError>) -> Verdict {
        self.ended = true;
        #[expect(
            clippy::expect_used,
            reason = "a parked sender is removed only to send, or by Leave"
        )]
        verdict.expect("a parked page hears a verdict or leaves by itself")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        #[cfg(any(test, feature = "negative-controls"))]
        if self.admission.leaks_on_cancel() {
            mem::forget(self.verdict.try_recv());
            return;
        }
        self.admission.on_event(Event::Leave { page: self.page });
    }
}

impl Permit {
    /// Whose permit it is.
    pub fn downstream(&self) -> DownstreamId {
        DownstreamId(self.downstream)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.on_event(Event::Release {
            downstream: self.downstream,
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.admission.state.lock().core.return_ticket() == 0 {
            self.admission.empty.notify_waiters();
        }
    }
}
