//! A page as the flight recorder has it: while it is in flight, and when it has ended.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use gateway::config::{ClientKey, PageId};
use gateway::outcome::PartStatus;
use gateway::page::deadline::now;
use gateway::telemetry::names::configured::Configured;
use gateway::telemetry::recent::Recent;
use gateway::telemetry::record::{ConnectionUse, PageRecord};

use crate::told::{ENDPOINT, record};

/// A recorder, and pages for it.
pub(crate) struct Kept {
    recent: Recent,
    /// What their calls took, so that not every one is the slowest.
    parts: usize,
    like: Arc<PageRecord>,
}

impl Kept {
    /// Pages of `parts` calls; records of at most `bytes`, or none.
    pub(crate) fn new(bytes: Option<usize>, names: &Arc<Configured>, parts: usize) -> Self {
        Self {
            recent: Recent::new(bytes.and_then(NonZeroUsize::new)),
            parts,
            like: Arc::new(record(PageId(0), Arc::clone(names), parts)),
        }
    }

    /// Makes a record, lets it be kept, and drops it: what is kept is freed long after, when another
    /// comes. Of a recorder that keeps nothing it is what there was before there was one.
    pub(crate) fn keep(&self) {
        let origin = Arc::new((*self.like.origin).clone());
        let made = PageRecord {
            origin,
            ..(*self.like).clone()
        };
        self.recent.keep(&Arc::new(made));
    }

    /// What a page does in its place among those in flight, from its begin to its last byte.
    pub(crate) fn fly(&self) {
        let began = now();
        let like = &self.like;
        let in_flight = self.recent.in_flight();
        let page = in_flight.open(like.page, &like.names, &like.origin);
        page.known(ClientKey(1), Some(began));
        page.admitted(self.like.admission, self.parts);
        for part in 0..self.parts {
            let call = page.call(part);
            call.begins(began, 1, None);
            call.attempts(&ENDPOINT, began, Some(ConnectionUse::default()));
        }
        for part in 0..self.parts {
            page.call(part).ended(PartStatus::Ok, Duration::ZERO);
        }
        page.assembling();
        page.writing(&self.like);
    }

    /// Bytes that a record is counted as, on average, of all that are kept.
    pub(crate) fn bytes_each(&self) -> usize {
        let held = self.recent.holdings();
        let pages: usize = held.iter().map(|one| one.pages).sum();
        let bytes: usize = held.iter().map(|one| one.bytes).sum();
        bytes / pages.max(1)
    }
}
