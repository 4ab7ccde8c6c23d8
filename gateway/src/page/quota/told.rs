//! The `Retry-After` that a client was told last: a pure law, with the time given.
//!
//! A client is early while it asks for the page that it was refused before the time it was told
//! has passed. Whether that matters is decided elsewhere: only while that page is being refused.

use super::law::Nanos;
use crate::config::{DownstreamId, PageId};

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

    /// The limit that refused it, if it is back for the same page before the time it was told.
    pub(super) fn is_early(self, page: PageId, now: Nanos) -> Option<LoadLimit> {
        let early = now < self.until && usize::from(self.page) == page.0;
        early.then(|| usize::from(self.limit).checked_sub(1).map(DownstreamId))
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
        let told = Told::new(PageId(2), limit, 1_000);
        assert_eq!(told.is_early(PageId(2), 999), Some(limit));
        assert_eq!(told.is_early(PageId(2), 1_000), None);
        assert_eq!(told.is_early(PageId(1), 999), None);
        assert!(!told.is_over(999) && told.is_over(1_000));
    }

    #[test]
    fn a_client_that_was_never_refused_is_never_early() {
        assert_eq!(Told::default().is_early(PageId(0), 0), None);
    }

    #[test]
    fn every_page_and_limit_of_the_largest_config_is_kept() {
        let (page, last) = (PageId(MAX_PAGES - 1), DownstreamId(MAX_DOWNSTREAMS - 1));
        for limit in [None, Some(DownstreamId(0)), Some(last)] {
            assert_eq!(Told::new(page, limit, 1).is_early(page, 0), Some(limit));
        }
    }
}
