//! Sums of pages over all definitions, for those who watch a gateway from outside.

use super::Pages;
use super::downstream::Transport;
use crate::config::PageId;
use crate::outcome::PageOutcome;

impl<T: Transport> Pages<T> {
    /// Pages so far that were owed, and of those the ones that were refused for load.
    pub fn owed_and_shed(&self) -> (u64, u64) {
        let counts = self.telemetry.counts();
        let of_page = |page: PageId| {
            let [owed, ..] = counts.standings(page);
            (owed, counts.pages(page, PageOutcome::Shed))
        };
        let pages = (0..self.plans.len()).map(|index| of_page(PageId(index)));
        pages.fold((0, 0), |(owed, shed), of_one| {
            (owed + of_one.0, shed + of_one.1)
        })
    }

    /// Pages that limits which are only watched would have refused so far.
    pub fn would_shed(&self) -> u64 {
        self.admission.advance_observed();
        self.telemetry.counts().all_would_shed()
    }
}
