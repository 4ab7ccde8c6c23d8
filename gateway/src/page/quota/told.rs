//! The `Retry-After` that a client was told last: a pure law, with the time given.
//!
//! A client is early while it asks for the page that it was refused before the time it was told
//! has passed. Whether that matters is decided elsewhere: only while that page is being refused.
//!
//! One that was let in within the last [`MANY`] is never early: it does not stand and wait, so
//! it speaks for many, of whom most were not told anything.

use std::time::Duration;

use super::law::{Nanos, nanos};
use crate::config::{DownstreamId, PageId};

/// A client that was let in so shortly before it was refused is taken for many.
pub(super) const MANY: Duration = Duration::from_secs(1);

/// Which limit refused a page: a downstream's permits, or the gateway's tickets.
pub type LoadLimit = Option<DownstreamId>;

/// The last refusal for load that a client was told. All zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    until: Nanos,
    page: u16,
    /// 0 is the gateway, others are a downstream's index and 1.
    limit: u16,
}

/// A client that is back before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Early {
    /// What refused it.
    pub limit: LoadLimit,
    /// What is left of the time it was told, in whole seconds, rounded up.
    pub left: u32,
}

/// When a client was let in last: when it asked, until that is known to be refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LetIn(Option<Nanos>);

impl LetIn {
    /// It asks. Returns what to go back to if it is refused.
    pub(super) fn asks(&mut self, now: Nanos) -> Self {
        std::mem::replace(self, Self(Some(now)))
    }

    /// What it asked for at `asked` is refused. What it asked for since may still be let in.
    pub(super) fn refused(&mut self, asked: Nanos, before: Self) {
        if self.0 == Some(asked) {
            *self = before;
        }
    }

    /// Whether it was let in within the last [`MANY`].
    pub(super) fn is_many(self, now: Nanos) -> bool {
        self.0
            .is_some_and(|at| now.saturating_sub(at) < nanos(MANY))
    }
}

impl Told {
    /// Refused `page` by `limit`, and told not to come back before `until`.
    pub(super) fn new(page: PageId, limit: LoadLimit, until: Nanos) -> Self {
        // A config has fewer pages and downstreams than these hold.
        let limit = limit.map_or(0, |downstream| downstream.0 + 1);
        Self {
            until,
            page: page.0 as u16,
            limit: limit as u16,
        }
    }

    /// What refused it, if it is back for the same page before the time it was told.
    pub(super) fn is_early(self, page: PageId, now: Nanos) -> Option<Early> {
        let left = self.until.checked_sub(now).filter(|left| *left > 0)?;
        let seconds = left.div_ceil(nanos(Duration::from_secs(1)));
        (usize::from(self.page) == page.0).then(|| Early {
            limit: usize::from(self.limit).checked_sub(1).map(DownstreamId),
            left: u32::try_from(seconds).unwrap_or(u32::MAX),
        })
    }

    /// Whether it cannot be told from none.
    pub(super) fn is_over(self, now: Nanos) -> bool {
        self.until <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{MAX_DOWNSTREAMS, MAX_PAGES};

    #[test]
    fn a_client_is_early_for_the_page_it_was_refused_until_the_time_it_was_told() {
        let limit = Some(DownstreamId(3));
        let until = nanos(Duration::from_secs(3));
        let told = Told::new(PageId(2), limit, until);
        let left = |now| told.is_early(PageId(2), now).map(|early| early.left);
        assert_eq!(told.is_early(PageId(2), 0).unwrap().limit, limit);
        assert_eq!([0, 1, until - 1].map(left), [Some(3), Some(3), Some(1)]);
        assert_eq!(left(until), None);
        assert_eq!(told.is_early(PageId(1), 0), None);
        assert!(!told.is_over(until - 1) && told.is_over(until));
    }

    #[test]
    fn a_client_that_was_never_refused_is_never_early() {
        assert_eq!(Told::default().is_early(PageId(0), 0), None);
    }

    #[test]
    fn every_page_and_limit_of_the_largest_config_is_kept() {
        let (page, last) = (PageId(MAX_PAGES - 1), DownstreamId(MAX_DOWNSTREAMS - 1));
        for limit in [None, Some(DownstreamId(0)), Some(last)] {
            let early = Told::new(page, limit, 1).is_early(page, 0).unwrap();
            assert_eq!(early.limit, limit);
        }
    }

    #[test]
    fn who_was_let_in_within_a_second_is_many_and_who_was_only_refused_is_one() {
        let second = nanos(MANY);
        let mut let_in = LetIn::default();
        let before = let_in.asks(10);
        let_in.refused(10, before);
        assert!(!let_in.is_many(10));
        let _admitted = let_in.asks(20);
        let before = let_in.asks(30);
        let_in.refused(30, before);
        assert!(let_in.is_many(20 + second - 1) && !let_in.is_many(20 + second));
    }

    #[test]
    fn who_asks_for_several_pages_at_once_is_many_until_all_of_them_are_refused() {
        let mut let_in = LetIn::default();
        let first = let_in.asks(10);
        let second = let_in.asks(20);
        let_in.refused(10, first);
        assert!(let_in.is_many(20));
        let_in.refused(20, second);
        // The first is not remembered as refused: taken for many a little too long.
        assert!(let_in.is_many(20));
    }
}
