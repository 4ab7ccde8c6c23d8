//! Beside admission: what limits that are only watched would have decided.
//!
//! The rules live in [`Shadow`], a pure state machine. Here it is given the time, told of pages
//! by those who hold their rights, and its decisions are counted. It refuses nothing, and while
//! nothing is watched it is not there: that costs a page a look at a flag.
//!
//! Not here: how much of a client's rate is used ([`quota`](crate::page::quota) decides that,
//! and tells), and what is enforced.

pub mod share;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use self::share::{Seen, Share};
use super::Admission;
use super::core::{BulkheadId, GiveUp, NeedSet, PageSeq, Parts, QueueId, Shed, Time};
use super::gate::Gate;
use super::shadow::{Decided, End, Shadow, Wanted};
use crate::config::{Config, PageId, ShedStatus};
use crate::outcome::{Reason, Scope, ShedBy};
use crate::page::deadline::{Deadline, now};
use crate::page::refusal::Refusal;
use crate::telemetry::Telemetry;

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

/// Whose a page is: the configuration it runs by, and who counts for that.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    page: PageId,
    queue: QueueId,
    limits: Arc<Limits>,
    telemetry: Arc<Telemetry>,
}

/// What of one configuration is watched, and all its limits as they are written.
#[derive(Debug)]
pub(super) struct Limits {
    clients: bool,
    /// Tickets, or only their shrinking with lag.
    tickets: bool,
    /// Tickets there are.
    most: u32,
    /// By [`DownstreamId`].
    bulkheads: Vec<(BulkheadId, Option<u32>, bool)>,
    /// By [`PageId`].
    queues: Vec<(QueueId, usize, bool)>,
    /// By [`PageId`].
    max_wait: Vec<Duration>,
}

/// A page in the shadow. Whoever has one tells what ends.
#[derive(Clone, Debug)]
pub struct InShadow {
    gate: Arc<Gate>,
    page: PageSeq,
}

/// What the watched limits decided in the last minute; `None` of those that are enforced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedView {
    /// The quotas of clients.
    pub clients: Option<Seen>,
    /// Tickets, or only their shrinking with lag.
    pub tickets: Option<Seen>,
    /// By [`DownstreamId`].
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
    pub(super) fn new(config: &Config, bulkheads: &[BulkheadId], queues: &[QueueId]) -> Self {
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
    fn of_admission(&self) -> bool {
        let bulkheads = self.bulkheads.iter().any(|(_, _, observed)| *observed);
        let queues = self.queues.iter().any(|(_, _, observed)| *observed);
        self.tickets || bulkheads || queues
    }

    /// Whether lag takes no ticket away that is in force.
    pub(super) fn tickets(&self) -> bool {
        self.tickets
    }

    /// The refusal, if it is one by a limit that is only watched.
    fn counts(&self, page: PageId, shed: Shed) -> Option<ShedBy> {
        let (_, _, bulkhead) = self.bulkheads[shed.downstream.0];
        let (_, _, queue) = self.queues[page.0];
        let row = Refusal::from(shed).row(ShedStatus::TooManyRequests);
        let by = || ShedBy::of(row.reason, row.scope?);
        (bulkhead || queue).then(by).flatten()
    }
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
        for Decided {
            of, needs, verdict, ..
        } in shadow.decided()
        {
            let by = verdict
                .err()
                .and_then(|shed| of.limits.counts(of.page, shed));
            if let Some(by) = by {
                of.telemetry.counts().would_shed(by);
            }
            if let Some(Some(queue)) = self.queues.get_mut(of.queue.0) {
                queue.count(at, by.is_some());
            }
            for required in needs.required() {
                let scope = Scope::Downstream(required.downstream);
                let refused = by.is_some_and(|by| by.scope() == scope);
                if let Some(Some(bulkhead)) = self.bulkheads.get_mut(required.bulkhead.0) {
                    bulkhead.pages.count(at, refused);
                }
            }
            let Ok(parts) = verdict else { continue };
            for (part, need) in needs.parts().iter().enumerate() {
                let refused = parts & (1 << part) == 0;
                if let Some(Some(bulkhead)) = self.bulkheads.get_mut(need.bulkhead.0)
                    && !need.required
                {
                    bulkhead.parts.count(at, refused);
                    if refused {
                        of.telemetry.counts().part_would_shed(need.downstream);
                    }
                }
            }
        }
    }
}

impl Admission {
    /// The limits of this configuration that are only watched are so from now on.
    pub(super) fn observe_as_configured(&self) {
        let at = self.gate.time(now());
        self.gate.observer.take_effect(at, &self.observed);
    }

    /// A client was charged for a page, or is `over` its quota, which is only watched: then what
    /// it would have been refused by.
    pub fn observe_quota(&self, over: bool, telemetry: &Telemetry) -> Option<ShedBy> {
        if !self.observed.clients {
            return None;
        }
        let at = self.gate.time(now());
        if let Some(clients) = &mut self.gate.observer.state.lock().clients {
            clients.count(at, over);
        }
        let by = ShedBy::of(Reason::ClientQuota, Scope::Client).filter(|_| over)?;
        telemetry.counts().would_shed(by);
        Some(by)
    }

    /// A page that has its ticket is about to ask for its permits. `None` if no limit is watched
    /// that this concerns.
    ///
    /// # Errors
    /// What would have refused it its ticket, if that is only watched.
    pub fn observe(
        &self,
        page: PageId,
        needs: &NeedSet,
        deadline: Deadline,
        telemetry: &Arc<Telemetry>,
    ) -> Result<Option<InShadow>, ShedBy> {
        if !self.gate.observer.is_on() {
            return Ok(None);
        }
        let state = &mut *self.gate.observer.state.lock();
        let at = self.gate.time(now());
        let Some(shadow) = &mut state.shadow else {
            return Ok(None);
        };
        let (queue, _, _) = self.observed.queues[page.0];
        let origin = Origin {
            page,
            queue,
            limits: Arc::clone(&self.observed),
            telemetry: Arc::clone(telemetry),
        };
        let wanted = self.wanted(at, page, needs, deadline);
        let page = shadow.arrive(at, &wanted, origin);
        if let Some(tickets) = &mut state.tickets {
            tickets.count(at, page.is_none());
        }
        state.settle(at);
        let Some(page) = page else {
            let by = ShedBy::of(Reason::GatewayFull, Scope::Gateway);
            return by.filter(|_| self.observed.tickets).map_or(Ok(None), |by| {
                telemetry.counts().would_shed(by);
                Err(by)
            });
        };
        let gate = Arc::clone(&self.gate);
        Ok(Some(InShadow { gate, page }))
    }

    fn wanted<'n>(
        &self,
        at: Time,
        page: PageId,
        needs: &'n NeedSet,
        deadline: Deadline,
    ) -> Wanted<'n> {
        let (queue, _, _) = self.observed.queues[page.0];
        let deadline = deadline.instant();
        let deadline = deadline.map_or(Time::MAX, |at| self.gate.time(at));
        let max_wait = at.saturating_add(self.observed.max_wait[page.0]);
        let (give_up, reason) = match max_wait <= deadline {
            true => (max_wait, GiveUp::MaxWait),
            false => (deadline, GiveUp::Deadline),
        };
        Wanted {
            queue,
            needs,
            give_up,
            reason,
            deadline,
        }
    }

    /// So many tickets are left by lag, of those that are only watched as well.
    pub(super) fn observe_tickets(&self, limit: u32) {
        if !self.gate.observer.is_on() {
            return;
        }
        if let Some(shadow) = &mut self.gate.observer.state.lock().shadow {
            shadow.resize_tickets(limit);
        }
    }

    /// Tickets out whose pages have no answer yet, as far as they count for how many there may
    /// be: of those that are only watched, the ones that would be out.
    pub fn tickets_that_count(&self) -> u32 {
        let observed = match self.observed.tickets {
            true => self.gate.observer.state.lock().under_way(),
            false => None,
        };
        observed.unwrap_or_else(|| self.tickets_under_way())
    }

    /// Counts what limits that are only watched have decided by now: they decide by themselves
    /// about those who would have waited.
    pub fn advance_observed(&self) {
        if self.gate.observer.is_on() {
            let at = self.gate.time(now());
            self.gate.observer.state.lock().advance(at);
        }
    }

    /// What the limits that are only watched decided in the last minute.
    pub fn observed(&self) -> ObservedView {
        let state = &mut *self.gate.observer.state.lock();
        let at = self.gate.time(now());
        state.advance(at);
        let seen = |share: &mut Option<Box<Share>>| share.as_mut().map(|share| share.seen(at));
        let downstreams = self.observed.bulkheads.iter().map(|&(id, limit, _)| {
            let bulkhead = state.bulkheads.get_mut(id.0)?.as_mut()?;
            Some(ObservedBulkhead {
                limit,
                pages: bulkhead.pages.seen(at),
                parts: bulkhead.parts.seen(at),
            })
        });
        let downstreams = downstreams.collect();
        let pages = self.observed.queues.iter().map(|&(id, limit, _)| {
            let seen = state.queues.get_mut(id.0).and_then(seen)?;
            Some(ObservedQueue { limit, seen })
        });
        ObservedView {
            pages: pages.collect(),
            clients: seen(&mut state.clients),
            tickets: seen(&mut state.tickets),
            downstreams,
        }
    }
}

impl InShadow {
    /// The page really starts, with permits for these of its parts.
    pub(super) fn started(&self, parts: Parts) {
        self.tell(|shadow, at, page| shadow.started(at, page, parts));
    }

    /// Something of it really ends.
    pub(super) fn ended(&self, end: End) {
        self.tell(|shadow, at, page| shadow.ended(at, page, end));
    }

    /// Its client left.
    pub(in crate::page) fn left(&self) {
        self.tell(Shadow::left);
    }

    /// What it would have been refused its permits by, as far as that is known by now.
    pub(in crate::page) fn would_shed(&self) -> Option<ShedBy> {
        let state = &mut *self.gate.observer.state.lock();
        let at = self.gate.time(now());
        let shadow = state.shadow.as_mut()?;
        shadow.advance(at);
        let (of, shed) = shadow.refused(self.page)?;
        let by = of.limits.counts(of.page, shed);
        state.settle(at);
        by
    }

    fn tell(&self, tell: impl FnOnce(&mut Shadow<Origin>, Time, PageSeq)) {
        let state = &mut *self.gate.observer.state.lock();
        // A shadow that ended meanwhile, or began anew, does not know the page.
        if let Some(shadow) = &mut state.shadow {
            let at = self.gate.time(now());
            tell(shadow, at, self.page);
            state.settle(at);
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
