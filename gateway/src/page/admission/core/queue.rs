//! Who waits for permits at one page, in order of arrival.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::{Arrival, GiveUp, PageSeq, Time};
use super::needs::NeedSet;

/// Which of the waiting pages that could start does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest: what the gateway does.
    #[default]
    NewestFirst,
    /// The oldest: what most queues do, to compare with.
    OldestFirst,
}

/// A page that waits. It holds nothing.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) page: PageSeq,
    pub(super) needs: NeedSet,
    pub(super) give_up: Time,
    pub(super) reason: GiveUp,
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: Arc<str>,
    pub(super) limit: usize,
    /// How many refer to it.
    pub(super) users: u32,
    /// Oldest at the front; numbers grow towards the back.
    waiting: VecDeque<Waiter>,
}

impl Queue {
    pub(super) fn new(name: &str, limit: usize) -> Self {
        Self {
            name: name.into(),
            limit,
            users: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Whether nobody refers to it and nobody waits in it: its place is another's to take.
    pub(super) fn is_vacant(&self) -> bool {
        self.users == 0 && self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.waiting.iter()
    }

    /// Puts a page at the back of a queue that is not full.
    pub(super) fn push(&mut self, arrival: &Arrival<'_>) {
        debug_assert!(self.len() < self.limit, "a full queue evicts first");
        self.waiting.push_back(Waiter {
            page: arrival.page,
            needs: arrival.needs.clone(),
            give_up: arrival.give_up,
            reason: arrival.reason,
        });
    }

    /// Makes room in a full queue.
    pub(super) fn evict(&mut self) -> Option<Waiter> {
        let full = self.len() >= self.limit;
        full.then(|| self.waiting.pop_front()).flatten()
    }

    /// The oldest of those who have no place after a shrink.
    pub(super) fn evict_surplus(&mut self) -> Option<Waiter> {
        let surplus = self.len() > self.limit;
        surplus.then(|| self.waiting.pop_front()).flatten()
    }

    /// The first in `order` whose needs fit.
    pub(super) fn first(&self, order: Order, fits: impl Fn(&NeedSet) -> bool) -> Option<PageSeq> {
        match order {
            Order::NewestFirst => first(self.waiting.iter().rev(), fits),
            Order::OldestFirst => first(self.waiting.iter(), fits),
        }
    }

    pub(super) fn remove(&mut self, page: PageSeq) -> Option<Waiter> {
        let at = self
            .waiting
            .binary_search_by_key(&page, |waiter| waiter.page);
        at.ok().and_then(|at| self.waiting.remove(at))
    }
}

fn first<'a>(
    waiting: impl Iterator<Item = &'a Waiter>,
    fits: impl Fn(&NeedSet) -> bool,
) -> Option<PageSeq> {
    // Most pages of a queue share one set of needs: what did not fit is not tried again.
    let mut misfit: Option<&NeedSet> = None;
    for waiter in waiting {
        if misfit.is_some_and(|misfit| misfit.is(&waiter.needs)) {
            continue;
        }
        if fits(&waiter.needs) {
            return Some(waiter.page);
        }
        misfit = Some(&waiter.needs);
    }
    None
}
