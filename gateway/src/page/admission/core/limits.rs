//! The two kinds of limits: how large, and how much of it is in use.

use std::sync::Arc;

/// The permits of one downstream.
#[derive(Debug)]
pub(super) struct Bulkhead {
    pub(super) name: Arc<str>,
    /// `None` is no bulkhead.
    pub(super) limit: Option<u32>,
    pub(super) in_use: u32,
    /// How many refer to it.
    pub(super) users: u32,
}

impl Bulkhead {
    pub(super) fn new(name: &str, limit: Option<u32>) -> Self {
        Self {
            name: name.into(),
            limit,
            in_use: 0,
            users: 0,
        }
    }

    /// Whether nobody refers to it and nothing of it is out: its place is another's to take.
    pub(super) fn is_vacant(&self) -> bool {
        self.users == 0 && self.in_use == 0
    }

    /// Whether so many more are free.
    pub(super) fn fits(&self, count: u32) -> bool {
        self.limit.is_none_or(|limit| self.in_use + count <= limit)
    }

    /// How many more there are; without a limit more than anything.
    pub(super) fn free(&self) -> u32 {
        self.limit
            .map_or(u32::MAX, |limit| limit.saturating_sub(self.in_use))
    }

    /// Whether so many would not be free if nothing were in use.
    pub(super) fn is_too_small(&self, count: u32) -> bool {
        self.limit.is_some_and(|limit| count > limit)
    }

    pub(super) fn take(&mut self, count: u32) {
        debug_assert!(self.fits(count), "only what is free is taken");
        self.in_use += count;
    }

    pub(super) fn release(&mut self) {
        debug_assert!(self.in_use > 0, "what is released was taken before");
        self.in_use = self.in_use.saturating_sub(1);
    }
}

/// The right to be in flight. Nobody waits for it, so its number changes without a decision.
#[derive(Debug)]
pub(super) struct Tickets {
    /// As configured.
    pub(super) most: u32,
    /// How many may be out now for pages under way, at most `most`.
    pub(super) limit: u32,
    pub(super) in_use: u32,
    /// Of those in use, how many are of pages whose clients are taking their answers.
    answered: u32,
}

impl Tickets {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most,
            limit: most,
            in_use: 0,
            answered: 0,
        }
    }

    pub(super) fn under_way(&self) -> u32 {
        self.in_use - self.answered
    }

    pub(super) fn take(&mut self) -> bool {
        let free = self.is_free();
        self.in_use += u32::from(free);
        free
    }

    /// Whether there is one to be taken.
    pub(super) fn is_free(&self) -> bool {
        self.in_use < self.most && self.under_way() < self.limit
    }

    /// A page has its answer, which its client has yet to take: it costs the gateway no more.
    pub(super) fn answer(&mut self) {
        debug_assert!(self.under_way() > 0, "an answered page was under way");
        self.answered += 1;
    }

    /// Returns how many are still out.
    pub(super) fn release(&mut self, answered: bool) -> u32 {
        debug_assert!(self.in_use > 0, "what is released was taken before");
        self.in_use = self.in_use.saturating_sub(1);
        self.answered = self.answered.saturating_sub(u32::from(answered));
        self.in_use
    }

    pub(super) fn resize(&mut self, limit: u32) {
        self.limit = limit.min(self.most);
    }

    /// There are so many from now on. Fewer than all only if that was so before.
    pub(super) fn configure(&mut self, most: u32) {
        let all = self.limit == self.most;
        self.most = most;
        self.limit = if all { most } else { self.limit.min(most) };
    }
}
