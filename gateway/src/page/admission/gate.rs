//! What all configurations of a gateway share: the core, the time it is told, and who waits for it.
//!
//! Not here: names and sizes, which a configuration has ([`super::Admission`]).

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::core::{BulkheadId, Core, Event, Time};
use super::observer::Observer;
use super::waiting::State;
use crate::page::deadline::now;

/// The core behind its lock.
#[derive(Debug)]
pub(super) struct Gate {
    epoch: Instant,
    pub(super) state: Mutex<State>,
    empty: Notify,
    pub(super) observer: Observer,
}

impl Gate {
    pub(super) fn new(core: Core) -> Arc<Self> {
        Arc::new(Self {
            epoch: now(),
            state: Mutex::new(State::new(core)),
            empty: Notify::new(),
            observer: Observer::default(),
        })
    }

    pub(super) async fn until_empty(&self) {
        loop {
            let notified = self.empty.notified();
            if self.state.lock().core.tickets_in_use() == 0 {
                return;
            }
            notified.await;
        }
    }

    pub(super) fn release(self: &Arc<Self>, bulkhead: BulkheadId) {
        self.on_event(Event::Release { bulkhead });
    }

    pub(super) fn answer_ticket(&self) {
        self.state.lock().core.answer_ticket();
    }

    pub(super) fn release_ticket(&self, answered: bool) {
        if self.state.lock().core.release_ticket(answered) == 0 {
            self.empty.notify_waiters();
        }
    }

    pub(super) fn time(&self, at: Instant) -> Time {
        at.saturating_duration_since(self.epoch)
    }
}
