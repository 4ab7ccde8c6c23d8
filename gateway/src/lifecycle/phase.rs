//! Where in its life the gateway is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// The phases, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Connections are being warmed; no page is taken yet.
    Starting,
    /// Pages are taken.
    Ready,
    /// Pages are taken, and whoever sends them is told to send the next ones elsewhere.
    LameDuck,
    /// No new page is taken; those in flight finish.
    Draining,
}

/// The phase as it is now; clones show the same one. Only [`crate::lifecycle`] changes it.
#[derive(Clone, Debug, Default)]
pub struct CurrentPhase(Arc<Current>);

#[derive(Debug, Default)]
struct Current {
    phase: AtomicU8,
    /// Whether a gateway that is ready is not to be sent pages for now: see [`super::shedding`].
    sheds: AtomicBool,
}

impl CurrentPhase {
    /// The phase now.
    pub fn get(&self) -> Phase {
        match self.0.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            2 => Phase::LameDuck,
            _ => Phase::Draining,
        }
    }

    /// Whether it refuses so much that others should be sent the pages.
    pub fn is_shedding(&self) -> bool {
        self.0.sheds.load(Ordering::Acquire)
    }

    /// Whether pages are to be sent here, and the word for it.
    pub fn readiness(&self) -> (bool, &'static str) {
        match self.get() {
            Phase::Starting => (false, "starting"),
            Phase::Ready if self.is_shedding() => (false, "shedding"),
            Phase::Ready => (true, "ready"),
            Phase::LameDuck | Phase::Draining => (false, "draining"),
        }
    }

    pub(super) fn sheds(&self, sheds: bool) {
        self.0.sheds.store(sheds, Ordering::Release);
    }

    /// Whether clients are told to turn away.
    pub fn turns_away(&self) -> bool {
        self.get() >= Phase::LameDuck
    }

    /// Goes forward to `phase`, never back.
    pub(super) fn enter(&self, phase: Phase) {
        self.0.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }
}
