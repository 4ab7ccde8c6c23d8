//! Pages that wait for permits, and how decisions reach them.
//!
//! Decisions are made under the lock and delivered after it, since a verdict that
//! nobody receives any more is dropped, and its permits are released under the
//! same lock. Not here: who waits, which the core knows.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::MutexGuard;
use tokio::sync::oneshot;

use super::Permits;
use super::core::{Action, Arrival, Core, Event, PageSeq, Shed, Time};
use super::gate::Gate;
use crate::page::deadline::{Deadline, now};

pub(super) type Verdict = Result<Permits, Shed>;

/// What became of an arrival.
pub(super) enum Arrived {
    Decided(Verdict),
    Parked(Waiting),
}

/// The core, and the pages that wait for it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) core: Core,
    /// The other ends of waiting pages' verdicts.
    pub(super) parked: HashMap<PageSeq, oneshot::Sender<Verdict>>,
    /// The number of the next arrival.
    next: u64,
    /// Kept between events so that an uncontended one allocates nothing.
    actions: Vec<Action>,
}

impl State {
    pub(super) fn new(core: Core) -> Self {
        Self {
            core,
            parked: HashMap::new(),
            next: 0,
            actions: Vec::new(),
        }
    }
}

impl Gate {
    /// Gives an arrival its number and asks the core about it.
    pub(super) fn arrive<'n>(
        self: &Arc<Self>,
        at: Time,
        arrival: impl FnOnce(PageSeq) -> Arrival<'n>,
    ) -> Arrived {
        let mut state = self.state.lock();
        let State {
            core,
            parked,
            next,
            actions,
        } = &mut *state;
        let own = PageSeq(*next);
        *next += 1;
        core.on_event(at, Event::Arrive(arrival(own)), actions);
        let mut arrived = None;
        let mut evicted = None;
        for action in actions.drain(..) {
            match action {
                Action::Park { page } => {
                    let (sender, verdict) = oneshot::channel();
                    parked.insert(page, sender);
                    arrived = Some(Arrived::Parked(Waiting {
                        gate: Arc::clone(self),
                        page,
                        verdict,
                        over: false,
                    }));
                }
                Action::Grant { needs, parts, .. } => {
                    arrived = Some(Arrived::Decided(Ok(Permits::new(self, needs, parts))));
                }
                Action::Refuse { page, shed } if page == own => {
                    arrived = Some(Arrived::Decided(Err(shed)));
                }
                Action::Refuse { page, shed } => {
                    evicted = parked.remove(&page).map(|sender| (sender, shed));
                }
            }
        }
        drop(state);
        if let Some((sender, shed)) = evicted {
            // A receiver that is gone has left by itself.
            let _ = sender.send(Err(shed));
        }
        #[expect(
            clippy::expect_used,
            reason = "the core decides on every arrival, or parks it"
        )]
        arrived.expect("an arrival is granted, parked or refused")
    }

    /// Feeds one event to the core and delivers the verdicts that follow from it.
    pub(super) fn on_event(self: &Arc<Self>, event: Event<'_>) {
        let mut state = self.state.lock();
        let State {
            core,
            parked,
            actions,
            ..
        } = &mut *state;
        // Time is over only for those who wait; otherwise the clock need not be read.
        let at = if core.is_anyone_waiting() {
            self.time(now())
        } else {
            Time::ZERO
        };
        core.on_event(at, event, actions);
        if let Event::Leave { page } = event {
            parked.remove(&page);
        }
        if !actions.is_empty() {
            self.deliver(state);
        }
    }

    fn deliver(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let State {
            parked, actions, ..
        } = &mut *state;
        let mut verdicts = Vec::with_capacity(actions.len());
        for action in actions.drain(..) {
            let (page, verdict) = match action {
                Action::Grant { page, needs, parts } => {
                    (page, Ok(Permits::new(self, needs, parts)))
                }
                Action::Refuse { page, shed } => (page, Err(shed)),
                Action::Park { .. } => continue,
            };
            verdicts.push((parked.remove(&page), verdict));
        }
        drop(state);
        // After the lock: a verdict that nobody receives any more drops its permits here,
        // and they are released through `on_event` again.
        for (sender, verdict) in verdicts {
            if let Some(sender) = sender {
                let _ = sender.send(verdict);
            }
        }
    }
}

/// A page in a queue. Dropped before its verdict, it leaves the queue; dropped
/// after, the permits in the verdict are released by their own `Drop`.
pub(super) struct Waiting {
    gate: Arc<Gate>,
    page: PageSeq,
    verdict: oneshot::Receiver<Verdict>,
    over: bool,
}

impl Waiting {
    /// The verdict, at `give_up` at the latest.
    pub(super) async fn until(mut self, give_up: Deadline) -> Verdict {
        if let Ok(verdict) = give_up.limit(self.verdict()).await {
            return verdict;
        }
        let page = self.page;
        self.gate.on_event(Event::Expire { page });
        // Expired just now, or granted a moment before: either way the verdict is on its way.
        self.verdict().await
    }

    async fn verdict(&mut self) -> Verdict {
        let verdict = (&mut self.verdict).await;
        self.over = true;
        #[expect(
            clippy::expect_used,
            reason = "a parked sender is removed only to send, or by Leave"
        )]
        verdict.expect("a parked page receives a verdict or leaves by itself")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.over {
            self.gate.on_event(Event::Leave { page: self.page });
        }
    }
}
