//! Rights that are released when they are dropped: tickets, permits, the permits of a page.
//!
//! Release is `Drop` and nothing else, so a future that is dropped at any await
//! leaves nothing behind.

use std::mem;
use std::sync::Arc;

use super::core::{BulkheadId, NeedSet, Parts};
use super::gate::Gate;
use super::observer::InShadow;
use super::shadow::End;

/// The right to be one of the pages in flight. Released when dropped.
#[must_use = "a ticket that is dropped is a page that has ended"]
#[derive(Debug)]
pub struct Ticket {
    gate: Arc<Gate>,
    answered: bool,
    /// Its page beside limits that are only watched.
    shadow: Option<InShadow>,
}

impl Ticket {
    pub(super) fn new(gate: &Arc<Gate>) -> Self {
        Self {
            gate: Arc::clone(gate),
            answered: false,
            shadow: None,
        }
    }

    /// Its end is that of this page.
    pub(in crate::page) fn with_shadow(&mut self, shadow: InShadow) {
        self.shadow = Some(shadow);
    }

    /// The page has its answer, and the client is taking it.
    pub(in crate::page) fn answered(mut self) -> Self {
        if !self.answered {
            self.gate.answer_ticket();
            tell(self.shadow.as_ref(), End::Answered);
        }
        self.answered = true;
        self
    }
}

/// The right to one concurrent call to one downstream. Released when dropped.
#[must_use = "a permit that is dropped is a call that has ended"]
#[derive(Debug)]
pub struct Permit {
    pub(super) gate: Arc<Gate>,
    pub(super) bulkhead: BulkheadId,
    /// The part it is for, of a page beside limits that are only watched.
    pub(super) shadow: Option<(InShadow, usize)>,
}

/// What a page was granted: a permit for every required part, and for each optional one whose
/// bulkhead had room. Those that nobody took are released when this is dropped.
#[must_use = "permits that are dropped are a page that has ended"]
#[derive(Debug)]
pub struct Permits {
    gate: Arc<Gate>,
    needs: NeedSet,
    /// The parts whose permits are here.
    parts: Parts,
    shadow: Option<InShadow>,
}

impl Permits {
    pub(super) fn new(gate: &Arc<Gate>, needs: NeedSet, parts: Parts) -> Self {
        let gate = Arc::clone(gate);
        Self {
            gate,
            needs,
            parts,
            shadow: None,
        }
    }

    /// Their page starts now.
    pub(in crate::page) fn with_shadow(mut self, shadow: Option<&InShadow>) -> Self {
        self.shadow = shadow.cloned();
        if let Some(shadow) = &self.shadow {
            shadow.started(self.parts);
        }
        self
    }

    /// The permit of a part, once; `None` for an optional part that has none.
    pub fn take(&mut self, part: usize) -> Option<Permit> {
        let bit = 1 << part;
        let here = self.parts & bit != 0;
        self.parts &= !bit;
        here.then(|| Permit {
            gate: Arc::clone(&self.gate),
            bulkhead: self.needs.parts()[part].bulkhead,
            shadow: self.shadow.clone().map(|shadow| (shadow, part)),
        })
    }

    /// Takes over the only permit of `one` as that of a part.
    pub(super) fn add(&mut self, part: usize, mut one: Self) {
        self.parts |= mem::take(&mut one.parts) << part;
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        let here = |part: &usize| self.parts & (1 << part) != 0;
        for part in (0..self.needs.parts().len()).filter(here) {
            self.gate.release(self.needs.parts()[part].bulkhead);
            tell(self.shadow.as_ref(), End::Call(part));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.release(self.bulkhead);
        if let Some((shadow, part)) = &self.shadow {
            shadow.ended(End::Call(*part));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.gate.release_ticket(self.answered);
        tell(self.shadow.as_ref(), End::Page);
    }
}

fn tell(shadow: Option<&InShadow>, end: End) {
    if let Some(shadow) = shadow {
        shadow.ended(end);
    }
}
