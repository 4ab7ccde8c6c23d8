//! What pages tell of themselves beside limits that are only watched.

use std::sync::Arc;

use super::limits::{ObservedBulkhead, ObservedQueue, ObservedView, Origin};
use super::share::Share;
use crate::config::PageId;
use crate::outcome::{Reason, Scope, ShedBy};
use crate::page::admission::Admission;
use crate::page::admission::core::{GiveUp, NeedSet, PageSeq, Parts, Time};
use crate::page::admission::gate::Gate;
use crate::page::admission::shadow::{End, Shadow, Wanted};
use crate::page::deadline::{Deadline, now};
use crate::telemetry::Telemetry;

/// A page in the shadow. Whoever has one tells what ends.
#[derive(Clone, Debug)]
pub struct InShadow {
    gate: Arc<Gate>,
    page: PageSeq,
}

impl Admission {
    /// The limits of this configuration that are only watched are so from now on.
    pub(in crate::page::admission) fn observe_as_configured(&self) {
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
    pub(in crate::page::admission) fn observe_tickets(&self, limit: u32) {
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
    pub(in crate::page::admission) fn started(&self, parts: Parts) {
        self.tell(|shadow, at, page| shadow.started(at, page, parts));
    }

    /// Something of it really ends.
    pub(in crate::page::admission) fn ended(&self, end: End) {
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
