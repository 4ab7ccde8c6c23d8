//! When pages were good again: the first stretch of good pages that lasts.
//!
//! Not the end of the last bad slice: where one page in a hundred fails, any slice may be the last
//! with two of them, without an incident; and where nothing recovers, the last slice is the end.

use std::time::Duration;

use super::Figures;
use crate::scenario::{RECOVERED, RECOVERY_LASTS, RECOVERY_PAGES};

/// Recovery is judged in slices of this: 50 pages at 200 per second.
const RECOVERY_SLICE: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, Default)]
struct RecoverySlice {
    pages: u32,
    good: u32,
}

impl Figures<'_> {
    /// From the start of the window to the first stretch of slices that are all good, as long as
    /// [`RECOVERY_LASTS`], or half of a shorter window than twice that, and with [`RECOVERY_PAGES`]
    /// at least. Slices without pages are neither.
    pub(super) fn recovery(&self) -> Option<f64> {
        let slices = self.recovery_slices();
        let lasts = RECOVERY_LASTS.min((self.window.until - self.window.from) / 2);
        let least = lasts.as_nanos().div_ceil(RECOVERY_SLICE.as_nanos()) as usize;
        let is_good =
            |slice: &RecoverySlice| f64::from(slice.good) >= RECOVERED * f64::from(slice.pages);
        let lasts = |from: usize| {
            let mut pages = 0;
            let stretch = slices[from..].iter().take_while(|slice| is_good(slice));
            let mut enough = stretch.enumerate().map(|(n, slice)| {
                pages += slice.pages as usize;
                n + 1 >= least && pages >= RECOVERY_PAGES
            });
            enough.any(|enough| enough)
        };
        let first = (0..slices.len()).find(|from| lasts(*from));
        let at = first.map_or(f64::INFINITY, |n| n as f64 * RECOVERY_SLICE.as_secs_f64());
        (!self.pages.is_empty()).then_some(at)
    }

    /// The window in whole slices.
    fn recovery_slices(&self) -> Vec<RecoverySlice> {
        let at = |instant: Duration| {
            let since = instant.saturating_sub(self.window.from);
            (since.as_millis() / RECOVERY_SLICE.as_millis()) as usize
        };
        let mut slices = vec![RecoverySlice::default(); at(self.window.until)];
        for page in &self.pages {
            if let Some(slice) = slices.get_mut(at(page.at)) {
                slice.pages += 1;
                slice.good += u32::from(self.is_good(page));
            }
        }
        slices
    }
}
