//! When pages were good again: the first stretch of good pages that lasts.
//!
//! Not the end of the last bad slice: where one page in a hundred fails, any slice may be the last
//! with two of them, without an incident; and where nothing recovers, the last slice is the end.

use crate::verdict::{RECOVERED, RECOVERY_LASTS, RECOVERY_PAGES};
use std::time::Duration;

use super::Figures;

/// Recovery is judged in slices of this: 50 pages at 200 per second.
const RECOVERY_SLICE: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, Default)]
struct RecoverySlice {
    pages: u32,
    good: u32,
}

impl RecoverySlice {
    fn is_good(self) -> bool {
        f64::from(self.good) >= RECOVERED * f64::from(self.pages)
    }

    fn with(self, other: Self) -> Self {
        Self {
            pages: self.pages + other.pages,
            good: self.good + other.good,
        }
    }
}

impl Figures<'_> {
    /// From the start of the window to the first stretch that lasts: [`RECOVERY_LASTS`], or half of
    /// a window that is shorter than twice that, and longer until it has [`RECOVERY_PAGES`]. The
    /// share of good pages is [`RECOVERED`] in all of it, and in each slice but for one page.
    pub(super) fn recovery(&self) -> Option<f64> {
        let slices = self.recovery_slices();
        let lasts = RECOVERY_LASTS.min((self.window.until - self.window.from) / 2);
        let least = lasts.as_nanos().div_ceil(RECOVERY_SLICE.as_nanos()) as usize;
        let lasts = |from: usize| {
            let mut all = RecoverySlice::default();
            for (n, slice) in slices[from..].iter().enumerate() {
                if !slice.is_good() && slice.pages - slice.good > 1 {
                    return false;
                }
                all = all.with(*slice);
                if n + 1 >= least && all.pages as usize >= RECOVERY_PAGES {
                    return all.is_good();
                }
            }
            false
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
