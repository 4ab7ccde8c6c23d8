//! What limits would do that are watched and not enforced: a pure state machine.
//!
//! A second [`Core`] with every limit as it is configured is told of the same pages as the one
//! that decides, and of their calls as they end. Time is passed in, and passes here only with what
//! is told: what was due meanwhile happens first, each at its own instant.
//!
//! What always holds:
//! - a page that would have been refused holds nothing here, from that instant on;
//! - a page that would have waited longer than it did holds everything that much longer: its
//!   calls take as long as they took, from the instant at which they would have started, and end
//!   at the page's deadline at the latest;
//! - so where services answer as fast as they would have, the decisions are the very ones that
//!   enforcing would have made; where they are slower because of the load that was let in, more
//!   pages are refused here than would be there;
//! - memory is bounded by the pages in flight and by what may wait and be held here.
//!
//! Not here: quotas, which need no shadow ([`quota`](crate::page::quota)); the clock; and what is
//! made of decisions ([`observer`](super::observer)).

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::mem;

use super::core::{
    Action, AdmissionView, Arrival, BulkheadId, Core, Event, GiveUp, NeedSet, Order, PageSeq,
    Parts, QueueId, Shed, Time,
};

/// The state machine. See the module's head for what always holds. Of each page it keeps an `O`,
/// whose it is, for whoever is told of the decision.
#[derive(Debug)]
pub struct Shadow<O> {
    core: Core,
    open: HashMap<PageSeq, Open<O>>,
    /// What happens by itself, in order.
    due: BTreeSet<(Time, PageSeq, Due)>,
    /// The number of the next arrival.
    next: u64,
    /// Kept between events, so that most allocate nothing.
    actions: Vec<Action>,
    decided: Vec<Decided<O>>,
}

/// A page that has its ticket and wants its permits.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Whose queue it waits in if it has to.
    pub queue: QueueId,
    /// The permits it starts with.
    pub needs: &'a NeedSet,
    /// When it stops waiting.
    pub give_up: Time,
    /// What ends the wait then.
    pub reason: GiveUp,
    /// When its calls must have ended.
    pub deadline: Time,
}

/// What of a page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The call of this part, or its permit was not used.
    Call(usize),
    /// The page is answered; its client has yet to take the answer.
    Answered,
    /// The last byte of the answer has left.
    Page,
}

/// The fate of a page among permits.
#[derive(Clone, Debug)]
pub struct Decided<O> {
    /// Which page.
    pub page: PageSeq,
    /// Whose it is.
    pub of: O,
    /// What it asked for.
    pub needs: NeedSet,
    /// The parts it would have started with, or why it would not have started.
    pub verdict: Result<Parts, Shed>,
}

/// What happens by itself, at an instant that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    End(End),
    Expire,
}

/// A page that has a ticket here, or would have been refused its permits and has not ended.
#[derive(Debug)]
struct Open<O> {
    of: O,
    needs: NeedSet,
    give_up: Time,
    deadline: Time,
    /// When it really started, and with the permits of which parts.
    started: Option<(Time, Parts)>,
    stage: Stage,
    /// What really ended before it would have started: how long after the real start.
    ended: Vec<(End, Time)>,
    /// How long after the real start it was really answered.
    answered_after: Option<Time>,
    /// Whether it would have been answered by now.
    answered: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Waiting,
    Running { since: Time, held: Parts },
    Refused(Shed),
}

impl<O: Clone> Shadow<O> {
    /// Without bulkheads and queues, and with no ticket in use. Pages are numbered from `next` on,
    /// so that those of a shadow before are not taken for its own.
    pub fn new(tickets: u32, next: u64) -> Self {
        Self {
            core: Core::new(Order::default(), tickets),
            open: HashMap::new(),
            due: BTreeSet::new(),
            next,
            actions: Vec::new(),
            decided: Vec::new(),
        }
    }

    /// A page takes a ticket and wants its permits. `None` if there would have been no ticket: it
    /// holds nothing then, and nothing more is to be told of it.
    pub fn arrive(&mut self, now: Time, wanted: &Wanted<'_>, of: O) -> Option<PageSeq> {
        self.advance(now);
        if !self.core.take_ticket() {
            return None;
        }
        let page = PageSeq(self.next);
        self.next += 1;
        let open = Open {
            of,
            needs: wanted.needs.clone(),
            give_up: wanted.give_up,
            deadline: wanted.deadline,
            started: None,
            stage: Stage::Waiting,
            ended: Vec::new(),
            answered_after: None,
            answered: false,
        };
        self.open.insert(page, open);
        let arrival = Arrival {
            page,
            queue: wanted.queue,
            needs: wanted.needs,
            give_up: wanted.give_up,
            reason: wanted.reason,
        };
        self.tell(now, Event::Arrive(arrival));
        self.advance(now);
        Some(page)
    }

    /// The page really started, with permits for these of its parts.
    pub fn started(&mut self, now: Time, page: PageSeq, parts: Parts) {
        self.advance(now);
        if let Some(open) = self.open.get_mut(&page) {
            open.started = Some((now, parts));
            self.drop_unused(now, page);
        }
        self.advance(now);
    }

    /// Something of the page really ended.
    pub fn ended(&mut self, now: Time, page: PageSeq, end: End) {
        self.advance(now);
        let Some(open) = self.open.get_mut(&page) else {
            return;
        };
        let after = open.started.map(|(started, _)| now.saturating_sub(started));
        if end == End::Answered {
            open.answered_after = after;
        }
        match (open.stage, after) {
            (Stage::Waiting, Some(after)) => open.ended.push((end, after)),
            (Stage::Running { since, .. }, Some(after)) => {
                let until = open.until(end, since, after).max(now);
                self.due.insert((until, page, Due::End(end)));
            }
            (Stage::Refused(_), _) if end == End::Page => drop(self.open.remove(&page)),
            (Stage::Refused(_), _) => {}
            // It never started, whatever it was granted here.
            (Stage::Waiting | Stage::Running { .. }, None) => self.left(now, page),
        }
        self.advance(now);
    }

    /// The page is over for another reason than its own end: its client left, or a limit that is
    /// enforced refused it.
    pub fn left(&mut self, now: Time, page: PageSeq) {
        self.advance(now);
        match self.open.get(&page).map(|open| open.stage) {
            Some(Stage::Waiting) => {
                self.tell(now, Event::Leave { page });
                self.no_wait(page);
                self.core.release_ticket(false);
                self.open.remove(&page);
            }
            Some(Stage::Running { .. }) => self.end(now, page, End::Page),
            Some(Stage::Refused(_)) => drop(self.open.remove(&page)),
            None => {}
        }
        self.advance(now);
    }

    /// The number of the next page.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Lets everything happen that was due until `now`.
    pub fn advance(&mut self, now: Time) {
        while let Some(&(at, page, due)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            match due {
                Due::Expire => self.tell(at, Event::Expire { page }),
                Due::End(end) => self.end(at, page, end),
            }
        }
    }

    /// What has been decided since this was last asked, in order.
    pub fn decided(&mut self) -> std::vec::Drain<'_, Decided<O>> {
        self.decided.drain(..)
    }

    /// Whose the page is, and why it would have been refused its permits, if that is decided.
    pub fn refused(&self, page: PageSeq) -> Option<(&O, Shed)> {
        let open = self.open.get(&page)?;
        match open.stage {
            Stage::Refused(shed) => Some((&open.of, shed)),
            Stage::Waiting | Stage::Running { .. } => None,
        }
    }

    /// A bulkhead has so many permits from now on.
    pub fn resize(&mut self, now: Time, bulkhead: BulkheadId, limit: Option<u32>) {
        self.advance(now);
        // Names are the business of the core that decides: here are places alone.
        while self.core.places().0 <= bulkhead.0 {
            let name = self.core.places().0.to_string();
            self.core.enter_bulkhead(&name, None);
        }
        self.tell(now, Event::Resize { bulkhead, limit });
        self.advance(now);
    }

    /// As many pages may wait in a queue as this from now on.
    pub fn resize_queue(&mut self, now: Time, queue: QueueId, limit: usize) {
        self.advance(now);
        while self.core.places().1 <= queue.0 {
            let name = self.core.places().1.to_string();
            self.core.enter_queue(&name, limit);
        }
        self.tell(now, Event::ResizeQueue { queue, limit });
        self.advance(now);
    }

    /// There are so many tickets from now on.
    pub fn configure_tickets(&mut self, most: u32) {
        self.core.configure_tickets(most);
    }

    /// There are so many tickets from now on, or as configured if that is fewer.
    pub fn resize_tickets(&mut self, limit: u32) {
        self.core.resize_tickets(limit);
    }

    /// Tickets that would be out for pages without an answer yet.
    pub fn tickets_under_way(&self) -> u32 {
        self.core.tickets_under_way()
    }

    /// How everything would stand.
    pub fn view(&self) -> AdmissionView {
        self.core.view()
    }

    /// Pages and instants that are kept.
    pub fn kept(&self) -> usize {
        self.open.len() + self.due.len()
    }

    fn tell(&mut self, at: Time, event: Event<'_>) {
        let mut actions = mem::take(&mut self.actions);
        self.core.on_event(at, event, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Park { page } => self.parked(page),
                Action::Grant { page, parts, .. } => self.granted(at, page, parts),
                Action::Refuse { page, shed } => self.refuse(page, shed),
            }
        }
        self.actions = actions;
    }

    fn parked(&mut self, page: PageSeq) {
        if let Some(open) = self.open.get(&page) {
            self.due.insert((open.give_up, page, Due::Expire));
        }
    }

    fn granted(&mut self, at: Time, page: PageSeq, held: Parts) {
        self.no_wait(page);
        let Some(open) = self.open.get_mut(&page) else {
            return;
        };
        open.stage = Stage::Running { since: at, held };
        self.decided.push(Decided {
            page,
            of: open.of.clone(),
            needs: open.needs.clone(),
            verdict: Ok(held),
        });
        for (end, after) in mem::take(&mut open.ended) {
            let until = open.until(end, at, after);
            self.due.insert((until, page, Due::End(end)));
        }
        self.drop_unused(at, page);
    }

    fn refuse(&mut self, page: PageSeq, shed: Shed) {
        self.no_wait(page);
        let Some(open) = self.open.get_mut(&page) else {
            return;
        };
        self.core.release_ticket(false);
        open.stage = Stage::Refused(shed);
        self.decided.push(Decided {
            page,
            of: open.of.clone(),
            needs: open.needs.clone(),
            verdict: Err(shed),
        });
        if open.ended.iter().any(|(end, _)| *end == End::Page) {
            self.open.remove(&page);
        }
    }

    fn no_wait(&mut self, page: PageSeq) {
        if let Some(open) = self.open.get(&page) {
            self.due.remove(&(open.give_up, page, Due::Expire));
        }
    }

    /// Permits of parts that really had none, so that no call is made, are released at once.
    fn drop_unused(&mut self, at: Time, page: PageSeq) {
        if let Some(open) = self.open.get(&page)
            && let (Stage::Running { held, .. }, Some((_, parts))) = (open.stage, open.started)
        {
            for part in each(held & !parts) {
                self.due.insert((at, page, Due::End(End::Call(part))));
            }
        }
    }

    /// Something of a page that runs here ends.
    fn end(&mut self, at: Time, page: PageSeq, end: End) {
        let Some(open) = self.open.get_mut(&page) else {
            return;
        };
        let Stage::Running { held, .. } = &mut open.stage else {
            return;
        };
        let released = match end {
            End::Call(part) => *held & (1 << part),
            End::Answered => 0,
            End::Page => *held,
        };
        *held &= !released;
        let needs = open.needs.clone();
        match end {
            End::Call(_) => {}
            End::Answered if open.answered => {}
            End::Answered => {
                open.answered = true;
                self.core.answer_ticket();
            }
            End::Page => {
                self.core.release_ticket(open.answered);
                self.open.remove(&page);
            }
        }
        for part in each(released) {
            let bulkhead = needs.parts()[part].bulkhead;
            self.tell(at, Event::Release { bulkhead });
        }
    }
}

impl<O> Open<O> {
    /// When something ends here that really ended so long `after` the start, if the page starts
    /// at `since`: calls, and with them their page, are cut off at the deadline; from the answer
    /// on, its client takes as long as it took.
    fn until(&self, end: End, since: Time, after: Time) -> Time {
        let cut_off = |after: Time| (since + after).min(self.deadline).max(since);
        match (end, self.answered_after) {
            (End::Call(_) | End::Answered, _) => cut_off(after),
            (End::Page, Some(answered)) => cut_off(answered) + after.saturating_sub(answered),
            (End::Page, None) => since + after,
        }
    }
}

/// The parts of a set.
fn each(parts: Parts) -> impl Iterator<Item = usize> {
    (0..Parts::BITS as usize).filter(move |part| parts & (1 << part) != 0)
}
