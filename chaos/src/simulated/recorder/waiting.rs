//! Newest first, seen from outside: a page that starts leaves no newer one of its kind behind.
//!
//! Pages of one kind need the same permits, so whatever an older page starts with, a newer one that
//! waited could have had. Those that end or start at the same instant are not held against it:
//! within an instant only the gateway knows the order.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway::config::PageId;

/// Pages that were asked for and have neither started nor ended, by kind and number. By default of
/// no kind: nobody is watched.
#[derive(Default)]
pub(super) struct Waiting(Vec<BTreeMap<u64, Waiter>>);

struct Waiter {
    since: Duration,
    /// When an older page started instead, and which.
    passed: Option<(Duration, u64)>,
}

impl Waiting {
    pub(super) fn new(pages: usize) -> Self {
        Self((0..pages).map(|_| BTreeMap::new()).collect())
    }

    /// A page is asked for. Numbers grow.
    pub(super) fn asked(&mut self, page: PageId, number: u64, at: Duration) {
        if let Some(waiters) = self.0.get_mut(page.0) {
            let (since, passed) = (at, None);
            waiters.insert(number, Waiter { since, passed });
        }
    }

    /// A page makes a call: with the first it has started.
    pub(super) fn calls(&mut self, page: PageId, number: u64, at: Duration) -> Option<String> {
        let waiters = self.0.get_mut(page.0)?;
        let waiter = waiters.remove(&number)?;
        // The next is enough: if it starts too, it leaves those behind that are newer still.
        let newer = waiters.range_mut(number..).next();
        if let Some((_, newer)) = newer.filter(|(_, newer)| newer.since < at) {
            newer.passed.get_or_insert((at, number));
        }
        waiter.verdict(at)
    }

    /// A page is over.
    pub(super) fn ends(&mut self, page: PageId, number: u64, at: Duration) -> Option<String> {
        self.0.get_mut(page.0)?.remove(&number)?.verdict(at)
    }
}

impl Waiter {
    fn verdict(&self, at: Duration) -> Option<String> {
        let (when, older) = self.passed.filter(|(when, _)| *when < at)?;
        Some(format!(
            "it went on waiting when the older page {older} started at {when:?}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: PageId = PageId(0);

    fn two_waiting() -> Waiting {
        let mut waiting = Waiting::new(1);
        waiting.asked(PAGE, 0, at(0));
        waiting.asked(PAGE, 1, at(1));
        waiting
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_older_page_that_starts_first_is_told_of_when_the_newer_one_starts_or_ends() {
        let mut waiting = two_waiting();
        assert_eq!(waiting.calls(PAGE, 0, at(5)), None);
        assert!(waiting.calls(PAGE, 1, at(6)).is_some());
        let mut waiting = two_waiting();
        assert_eq!(waiting.calls(PAGE, 0, at(5)), None);
        assert!(waiting.ends(PAGE, 1, at(6)).is_some());
    }

    #[test]
    fn the_newer_first_or_both_at_one_instant_is_as_it_should_be() {
        let mut waiting = two_waiting();
        assert_eq!(waiting.calls(PAGE, 1, at(5)), None);
        assert_eq!(waiting.calls(PAGE, 0, at(6)), None);
        let mut waiting = two_waiting();
        assert_eq!(waiting.calls(PAGE, 0, at(5)), None);
        assert_eq!(waiting.calls(PAGE, 1, at(5)), None);
    }

    #[test]
    fn a_page_that_was_asked_for_at_the_instant_was_not_left_behind() {
        let mut waiting = two_waiting();
        assert_eq!(waiting.calls(PAGE, 0, at(1)), None);
        assert_eq!(waiting.calls(PAGE, 1, at(9)), None);
    }
}
