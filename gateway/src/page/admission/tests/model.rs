//! The rules of admission, said once more without queues, counters or cleverness.

use std::collections::HashMap;

use super::super::core::*;
use super::{LIMITS, QUEUES, needs};

/// One thing that both are told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Arrive(PageSeq, Wait),
    Release(BulkheadId),
    Expire(PageSeq),
    Leave(PageSeq),
    TryOne(BulkheadId),
    Resize(BulkheadId, Option<u32>),
    ResizeQueue(QueueId, usize),
}

/// What an arrival brings with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) needs: usize,
    pub(super) queue: usize,
    pub(super) give_up: Time,
    pub(super) reason: GiveUp,
}

/// What becomes of a page, or of whoever tried for one permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Granted(Parts),
    Parked,
    Refused(ShedWhy),
}

/// `None` is whoever tried for one permit.
pub(super) type Decision = (Option<PageSeq>, Ending);

/// The rules, said once more without queues, counters or cleverness.
pub(super) struct Model {
    pub(super) needs: Vec<NeedSet>,
    pub(super) limits: Vec<Option<u32>>,
    pub(super) queues: Vec<usize>,
    /// Every permit out: of which bulkhead.
    pub(super) held: Vec<BulkheadId>,
    /// In order of arrival.
    pub(super) waiting: Vec<(PageSeq, Wait)>,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            needs: needs(),
            limits: LIMITS.to_vec(),
            queues: QUEUES.to_vec(),
            held: Vec::new(),
            waiting: Vec::new(),
        }
    }

    pub(super) fn used(&self, bulkhead: BulkheadId) -> u32 {
        self.held.iter().filter(|held| **held == bulkhead).count() as u32
    }

    fn parts(&self, wait: Wait) -> Vec<(usize, BulkheadId, bool)> {
        let parts = self.needs[wait.needs].parts().iter().enumerate();
        parts
            .map(|(part, need)| (part, need.bulkhead, need.required))
            .collect()
    }

    fn required(&self, wait: Wait) -> HashMap<BulkheadId, u32> {
        let mut required = HashMap::new();
        for (_, id, _) in self.parts(wait).into_iter().filter(|part| part.2) {
            *required.entry(id).or_default() += 1;
        }
        required
    }

    pub(super) fn has_room(&self, wait: Wait) -> bool {
        let free =
            |(id, n): (BulkheadId, u32)| self.limits[id.0].is_none_or(|l| self.used(id) + n <= l);
        self.required(wait).into_iter().all(free)
    }

    pub(super) fn can_ever(&self, wait: Wait) -> bool {
        let enough = |(id, n): (BulkheadId, u32)| self.limits[id.0].is_none_or(|l| n <= l);
        self.required(wait).into_iter().all(enough)
    }

    fn start(&mut self, wait: Wait) -> Ending {
        let mut granted = 0;
        for now in [true, false] {
            for (part, id, required) in self.parts(wait) {
                let free = self.limits[id.0].is_none_or(|limit| self.used(id) < limit);
                if required == now && (required || free) {
                    self.held.push(id);
                    granted |= 1 << part;
                }
            }
        }
        Ending::Granted(granted)
    }

    /// What happens to which page.
    pub(super) fn step(&mut self, now: Time, step: Step) -> Vec<Decision> {
        match step {
            Step::Arrive(page, wait) => self.arrive(now, page, wait),
            Step::Release(downstream) => {
                let at = self.held.iter().position(|held| *held == downstream);
                self.held.remove(at.unwrap());
                self.start_waiting(now)
            }
            Step::Expire(page) => {
                let at = self.waiting.iter().position(|waiting| waiting.0 == page);
                let ended = at.map(|at| expired(self.waiting.remove(at)));
                ended.into_iter().collect()
            }
            Step::Leave(page) => {
                self.waiting.retain(|waiting| waiting.0 != page);
                Vec::new()
            }
            Step::TryOne(id) if self.limits[id.0].is_none_or(|limit| self.used(id) < limit) => {
                self.held.push(id);
                vec![(None, Ending::Granted(1))]
            }
            Step::TryOne(_) => Vec::new(),
            Step::Resize(id, limit) => {
                self.limits[id.0] = limit;
                let hopeless = |waiting: &(PageSeq, Wait)| !self.can_ever(waiting.1);
                let (refused, left) = self.waiting.iter().partition(|w| hopeless(w));
                self.waiting = left;
                let refused: Vec<(PageSeq, Wait)> = refused;
                let refused = refused
                    .into_iter()
                    .map(|(page, _)| (Some(page), Ending::Refused(ShedWhy::BulkheadFull)));
                refused.chain(self.start_waiting(now)).collect()
            }
            Step::ResizeQueue(queue, limit) => {
                self.queues[queue.0] = limit;
                let mut out = Vec::new();
                while self.depth(queue.0) > limit {
                    out.extend(self.evict_oldest(queue.0));
                }
                out
            }
        }
    }

    fn arrive(&mut self, now: Time, page: PageSeq, wait: Wait) -> Vec<Decision> {
        let over = wait.give_up <= now;
        let full = Ending::Refused(ShedWhy::BulkheadFull);
        if over && wait.reason == GiveUp::Deadline {
            return vec![expired((page, wait))];
        }
        if self.has_room(wait) {
            return vec![(Some(page), self.start(wait))];
        }
        if over || !self.can_ever(wait) || self.queues[wait.queue] == 0 {
            return vec![(Some(page), full)];
        }
        let mut out = Vec::new();
        if self.depth(wait.queue) == self.queues[wait.queue] {
            out.extend(self.evict_oldest(wait.queue));
        }
        self.waiting.push((page, wait));
        out.push((Some(page), Ending::Parked));
        out
    }

    pub(super) fn depth(&self, queue: usize) -> usize {
        self.waiting.iter().filter(|w| w.1.queue == queue).count()
    }

    fn evict_oldest(&mut self, queue: usize) -> Option<Decision> {
        let oldest = self.waiting.iter().position(|w| w.1.queue == queue)?;
        let evicted = self.waiting.remove(oldest).0;
        Some((Some(evicted), Ending::Refused(ShedWhy::QueueEvicted)))
    }

    fn start_waiting(&mut self, now: Time) -> Vec<Decision> {
        let mut out = Vec::new();
        while let Some(at) = self.waiting.iter().rposition(|w| self.has_room(w.1)) {
            let (page, wait) = self.waiting.remove(at);
            out.push(if wait.give_up <= now {
                expired((page, wait))
            } else {
                (Some(page), self.start(wait))
            });
        }
        out
    }
}

fn expired((page, wait): (PageSeq, Wait)) -> Decision {
    let why = match wait.reason {
        GiveUp::MaxWait => ShedWhy::BulkheadFull,
        GiveUp::Deadline => ShedWhy::DeadlineUnreachable,
    };
    (Some(page), Ending::Refused(why))
}
