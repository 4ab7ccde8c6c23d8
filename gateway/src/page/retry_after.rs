//! When a client that was refused for load is told to come back.
//!
//! Whole seconds, drawn evenly from 1 to k. Clients that were refused in the same tenth of a
//! second come back in the same tenth of later ones, k of them. So k follows from what was
//! refused beside what was admitted in that tenth: as many tenths as it takes to serve them.
//! Where k is too small a burst comes back as a burst, and is refused again, for many times
//! its length.
//!
//! What always holds: 1 <= k <= [`LONGEST`]; k grows with the refused share of the last
//! [`WINDOW`] and with nothing else; memory is fixed. The law is [`spread`], a pure function;
//! counting costs a page that is admitted one atomic operation.
//!
//! Not here: who was told what ([`quota`](crate::page::quota)).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::{Kept, PageId};
use crate::page::deadline::now;

/// Longest that a client is told to stay away, in seconds: who was refused should not find
/// that the trouble had been over for a minute.
pub const LONGEST: u32 = 15;

/// What is looked back on for k, this slice of it and the one before. Longer, and what was
/// admitted before a burst would hide how much of the burst was refused.
pub const WINDOW: Duration = SLICE.saturating_mul(SLICES as u32);

/// A page is being refused for so long after it was last refused to anybody.
pub const REFUSING: Duration = Duration::from_secs(2);

/// Pages are counted in slices of time of this length.
const SLICE: Duration = Duration::from_millis(50);

/// As many of them are summed.
const SLICES: usize = 2;

/// Clients that come back are to be a quarter of what is admitted, so that those who ask for the
/// first time are not the next to be refused.
const RETURNS: u64 = 4;

/// The k of a page that admitted and refused so many in the last [`WINDOW`].
///
/// Never more than four times what was refused: so few need not be kept apart.
#[must_use]
pub fn spread(admitted: u64, refused: u64) -> u32 {
    let seconds = (refused * RETURNS).div_ceil(admitted + 1);
    u32::try_from(seconds).map_or(LONGEST, |seconds| seconds.clamp(1, LONGEST))
}

/// What became of the pages of each definition lately.
#[derive(Debug)]
pub struct Refusals {
    epoch: Instant,
    /// By [`PageId`].
    pages: Vec<Arc<Recent>>,
    random: Mutex<fastrand::Rng>,
}

#[derive(Debug, Default)]
struct Recent {
    admitted: Sliding,
    refused: Sliding,
    /// The first slice in which it is not being refused any more.
    refusing_until: AtomicU32,
}

/// How many in the last [`WINDOW`]: each slot is the number of its slice and a count.
#[derive(Debug, Default)]
struct Sliding([AtomicU64; SLICES]);

impl Refusals {
    /// Nothing happened yet.
    pub fn new(pages: usize) -> Self {
        Self {
            epoch: now(),
            pages: (0..pages).map(|_| Arc::default()).collect(),
            random: Mutex::new(fastrand::Rng::new()),
        }
    }

    /// Of another configuration's pages: what happened to those that are kept happened.
    pub fn carried(&self, kept: &Kept) -> Self {
        Self {
            epoch: self.epoch,
            pages: kept.pages(&self.pages, |_| Arc::default()),
            random: Mutex::new(self.random.lock().fork()),
        }
    }

    /// A page got its permits.
    pub fn admitted(&self, page: PageId) {
        self.pages[page.0].admitted.add(self.slice());
    }

    /// A page was refused for want of tickets or permits.
    pub fn refused(&self, page: PageId) {
        let (recent, slice) = (&self.pages[page.0], self.slice());
        recent.refused.add(slice);
        let until = slice + (REFUSING.as_millis() / SLICE.as_millis()) as u32;
        recent.refusing_until.fetch_max(until, Ordering::Relaxed);
    }

    /// Whether the page was refused to anybody in the last [`REFUSING`].
    pub fn is_refusing(&self, page: PageId) -> bool {
        let until = &self.pages[page.0].refusing_until;
        self.slice() < until.load(Ordering::Relaxed)
    }

    /// Whole seconds after which a client is to come back for the page, `least` at the soonest.
    pub fn draw(&self, page: PageId, least: Duration) -> u32 {
        let (recent, slice) = (&self.pages[page.0], self.slice());
        let most = spread(recent.admitted.sum(slice), recent.refused.sum(slice));
        let least = u32::try_from(least.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        least.max(1).saturating_add(self.random.lock().u32(..most))
    }

    fn slice(&self) -> u32 {
        ((now() - self.epoch).as_millis() / SLICE.as_millis()) as u32
    }
}

impl Sliding {
    fn add(&self, slice: u32) {
        let slot = &self.0[slice as usize % SLICES];
        let one_more = |packed: u64| match unpack(packed) {
            (of, count) if of == slice => Some(pack(slice, count.saturating_add(1))),
            _ => Some(pack(slice, 1)),
        };
        // Always succeeds: there is always a next value.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
    }

    fn sum(&self, slice: u32) -> u64 {
        let slots = self
            .0
            .iter()
            .map(|slot| unpack(slot.load(Ordering::Relaxed)));
        let recent = slots.filter(|(of, _)| slice.wrapping_sub(*of) < SLICES as u32);
        recent.map(|(_, count)| u64::from(count)).sum()
    }
}

fn pack(slice: u32, count: u32) -> u64 {
    u64::from(slice) << 32 | u64::from(count)
}

fn unpack(packed: u64) -> (u32, u32) {
    ((packed >> 32) as u32, packed as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: PageId = PageId(1);

    fn refusals() -> Refusals {
        Refusals::new(2)
    }

    #[test]
    fn the_spread_grows_with_the_refused_share_and_has_both_bounds() {
        let all: Vec<u32> = (0..=100).map(|share| spread(100 - share, share)).collect();
        assert!(all.is_sorted(), "{all:?}");
        assert_eq!((all[0], all[50], all[100]), (1, 4, LONGEST));
        assert_eq!(spread(u64::MAX - 1, 1), 1);
    }

    #[test]
    fn the_spread_of_many_pages_depends_on_the_share_and_not_on_the_rate() {
        for share in 0..=90 {
            let at = |rate: u64| spread(rate * (100 - share), rate * share);
            assert!(at(10).abs_diff(at(1_000)) <= 1, "{share}");
        }
    }

    #[test]
    fn a_few_that_were_refused_alone_are_not_sent_away_for_long() {
        assert_eq!([0, 1, 2].map(|refused| spread(0, refused)), [1, 4, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_the_window_is_forgotten_and_pages_do_not_share_it() {
        let refusals = refusals();
        for _ in 0..10 {
            refusals.refused(PAGE);
        }
        let most = |page| {
            (0..1_000)
                .map(|_| refusals.draw(page, Duration::ZERO))
                .max()
        };
        assert_eq!((most(PAGE), most(PageId(0))), (Some(LONGEST), Some(1)));
        tokio::time::advance(WINDOW - Duration::from_millis(1)).await;
        assert_eq!(most(PAGE), Some(LONGEST));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(most(PAGE), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_being_refused_until_nobody_was_for_two_seconds() {
        let refusals = refusals();
        assert!(!refusals.is_refusing(PAGE));
        refusals.refused(PAGE);
        tokio::time::advance(REFUSING - Duration::from_millis(1)).await;
        assert!(refusals.is_refusing(PAGE) && !refusals.is_refusing(PageId(0)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!refusals.is_refusing(PAGE));
    }

    #[tokio::test(start_paused = true)]
    async fn every_whole_second_up_to_the_spread_is_drawn_as_often() {
        let refusals = refusals();
        for _ in 0..299 {
            refusals.admitted(PAGE);
        }
        for _ in 0..600 {
            refusals.refused(PAGE);
        }
        let mut drawn = [0; 8];
        for _ in 0..80_000 {
            drawn[refusals.draw(PAGE, Duration::from_secs(1)) as usize - 1] += 1;
        }
        // Ten standard deviations of a fair draw.
        assert!(
            drawn.iter().all(|n| (9_000..11_000).contains(n)),
            "{drawn:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_told_to_come_back_before_the_least_there_is() {
        let refusals = refusals();
        let least = |millis| refusals.draw(PAGE, Duration::from_millis(millis));
        assert_eq!(
            [least(0), least(1), least(1_000), least(1_001)],
            [1, 1, 1, 2]
        );
        assert_eq!(refusals.draw(PAGE, Duration::MAX), u32::MAX);
    }
}
