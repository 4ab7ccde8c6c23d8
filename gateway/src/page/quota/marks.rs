//! What pages and limits are called in what is remembered of clients: numbers that outlive the
//! configuration that named them.
//!
//! What always holds: a name keeps its mark from one configuration to the next; a mark is never
//! another name's, also when that comes after it has gone.

use super::LoadLimit;
use super::law::Nanos;
use super::told::Told;
use crate::config::{DownstreamId, Kept, PageId};

/// Of a page, or of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark(pub(super) u32);

/// The limit that is the gateway's own.
const GATEWAY: Mark = Mark(0);

/// The marks of one configuration.
#[derive(Debug)]
pub(super) struct Marks {
    /// By [`PageId`].
    pages: Vec<Mark>,
    /// By [`DownstreamId`].
    downstreams: Vec<Mark>,
    /// The last one that was given.
    last: Mark,
}

impl Marks {
    pub(super) fn new(kept: &Kept, before: Option<&Self>) -> Self {
        let (pages, downstreams): (&[_], &[_]) =
            before.map_or((&[], &[]), |before| (&before.pages, &before.downstreams));
        let mut last = before.map_or(GATEWAY, |before| before.last);
        let mut next = || {
            last.0 += 1;
            last
        };
        let pages = kept.pages(pages, |_| next());
        let downstreams = kept.downstreams(downstreams, |_| next());
        Self {
            pages,
            downstreams,
            last,
        }
    }

    #[cfg(test)]
    pub(super) fn of(pages: u32, downstreams: u32) -> Self {
        Self {
            pages: (1..=pages).map(Mark).collect(),
            downstreams: (pages + 1..=pages + downstreams).map(Mark).collect(),
            last: Mark(pages + downstreams),
        }
    }

    pub(super) fn of_page(&self, page: PageId) -> Mark {
        self.pages[page.0]
    }

    pub(super) fn told(&self, page: PageId, limit: LoadLimit, until: Nanos) -> Told {
        let limit = limit.map_or(GATEWAY, |downstream| self.downstreams[downstream.0]);
        Told::new(self.pages[page.0], limit, until)
    }

    /// Whose it is; where a downstream is gone there is only the gateway left to name.
    pub(super) fn limit(&self, mark: Mark) -> LoadLimit {
        let at = self.downstreams.iter().position(|known| *known == mark);
        at.map(DownstreamId)
    }
}
