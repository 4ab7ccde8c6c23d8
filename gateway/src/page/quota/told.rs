//! The `Retry-After` that a client was told last: a pure law, with the time given.
//!
//! A client is early while it asks for the page that it was refused before the time it was told
//! has passed. Whether that matters is decided elsewhere: only while that page is being refused.
//!
//! One that was let in within the last [`MANY`] is never early: it does not stand and wait, so
//! it speaks for many, of whom most were not told anything.

use std::time::Duration;

use super::law::{Nanos, nanos};
use super::marks::Mark;

/// A client that was let in so shortly before it was refused is taken for many.
pub(super) const MANY: Duration = Duration::from_secs(1);

/// The last refusal for load that a client was told. All zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    until: Nanos,
    page: Mark,
    limit: Mark,
}

/// A client that is back before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Early {
    /// What refused it.
    pub(super) limit: Mark,
    /// What is left of the time it was told, in whole seconds, rounded up.
    pub(super) left: u32,
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
    pub(super) fn new(page: Mark, limit: Mark, until: Nanos) -> Self {
        Self { until, page, limit }
    }

    /// What refused it, if it is back for the same page before the time it was told.
    pub(super) fn is_early(self, page: Mark, now: Nanos) -> Option<Early> {
        let left = self.until.checked_sub(now).filter(|left| *left > 0)?;
        let seconds = left.div_ceil(nanos(Duration::from_secs(1)));
        (self.page == page).then(|| Early {
            limit: self.limit,
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

    #[test]
    fn a_client_is_early_for_the_page_it_was_refused_until_the_time_it_was_told() {
        let until = nanos(Duration::from_secs(3));
        let told = Told::new(Mark(2), Mark(3), until);
        let left = |now| told.is_early(Mark(2), now).map(|early| early.left);
        assert_eq!(told.is_early(Mark(2), 0).unwrap().limit, Mark(3));
        assert_eq!([0, 1, until - 1].map(left), [Some(3), Some(3), Some(1)]);
        assert_eq!(left(until), None);
        assert_eq!(told.is_early(Mark(1), 0), None);
        assert!(!told.is_over(until - 1) && told.is_over(until));
    }

    #[test]
    fn a_client_that_was_never_refused_is_never_early() {
        assert_eq!(Told::default().is_early(Mark(0), 0), None);
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
