//! Rights that are released when they are dropped: tickets, permits, the permits of a page.
//!
//! Release is `Drop` and nothing else, so a future that is dropped at any await
//! leaves nothing behind.

use std::mem;
use std::sync::Arc;

use super::Admission;
use super::core::{NeedSet, Parts};
use crate::config::DownstreamId;

/// The right to be one of the pages in flight. Released when dropped.
#[must_use = "a ticket that is dropped is a page that has ended"]
#[derive(Debug)]
pub struct Ticket {
    admission: Arc<Admission>,
    answered: bool,
}

impl Ticket {
    pub(super) fn new(admission: &Arc<Admission>) -> Self {
        Self {
            admission: Arc::clone(admission),
            answered: false,
        }
    }

    /// The page has its answer, and the client is taking it.
    pub(in crate::page) fn answered(mut self) -> Self {
        if !self.answered {
            self.admission.answer_ticket();
        }
        self.answered = true;
        self
    }
}

/// The right to one concurrent call to one downstream. Released when dropped.
#[must_use = "a permit that is dropped is a call that has ended"]
#[derive(Debug)]
pub struct Permit {
    pub(super) admission: Arc<Admission>,
    pub(super) downstream: DownstreamId,
}

/// What a page was granted: a permit for every required part, and for each optional one whose
/// bulkhead had room. Those that nobody took are released when this is dropped.
#[must_use = "permits that are dropped are a page that has ended"]
#[derive(Debug)]
pub struct Permits {
    admission: Arc<Admission>,
    needs: NeedSet,
    /// The parts whose permits are here.
    parts: Parts,
}

impl Permits {
    pub(super) fn new(admission: &Arc<Admission>, needs: NeedSet, parts: Parts) -> Self {
        let admission = Arc::clone(admission);
        Self {
            admission,
            needs,
            parts,
        }
    }

    /// The permit of a part, once; `None` for an optional part that has none.
    pub fn take(&mut self, part: usize) -> Option<Permit> {
        let bit = 1 << part;
        let here = self.parts & bit != 0;
        self.parts &= !bit;
        here.then(|| Permit {
            admission: Arc::clone(&self.admission),
            downstream: self.needs.downstreams()[part],
        })
    }

    /// Takes over the only permit of `one` as that of a part.
    pub(super) fn add(&mut self, part: usize, mut one: Self) {
        self.parts |= mem::take(&mut one.parts) << part;
    }
}

impl Permit {
    /// Whose permit it is.
    pub fn downstream(&self) -> DownstreamId {
        self.downstream
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        let here = |part: &usize| self.parts & (1 << part) != 0;
        for part in (0..self.needs.downstreams().len()).filter(here) {
            self.admission.release(self.needs.downstreams()[part]);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.release(self.downstream);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.admission.release_ticket(self.answered);
    }
}
