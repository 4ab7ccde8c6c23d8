//! Connections to one endpoint that nobody uses at the moment, and who waits for one.
//!
//! Idle connections lie on a stack, the newest on top: the fewest stay warm, and the rest reach
//! their end unused. A call that finds none waits in a line, and while more calls wait than
//! connections are being opened, another one is opened, up to a bound. Whatever comes first, a
//! connection that another call returns or one that has been opened, goes to the call that has
//! waited longest.
//!
//! What always holds: an opening outlives the call that caused it (so that connecting that
//! takes longer than pages wait succeeds in the end) and fails only calls for which no opening
//! is left; a connection is given to one call, and only while it is live; a waiting call that is
//! dropped leaves nothing behind, and a connection that it had been given goes to the next.
//!
//! Not here: how a connection is opened, what is said on it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::page::deadline::now;

/// Something that can carry an exchange.
pub(super) trait Pooled: Send + 'static {
    /// Whether it can carry one at this moment. Called when it is taken, put back and swept.
    fn is_usable(&mut self, now: Instant) -> bool;
    /// It is about to be given to a call.
    fn take(&mut self);
    /// It was given to a call that did nothing with it.
    fn release(&mut self, now: Instant);
    /// When it has been idle for too long, or is too old to be used again.
    fn expires(&self) -> Instant;
}

/// How large a pool may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections kept idle at most.
    pub(super) idle: usize,
    /// Connections being opened at once at most: a burst must not take the CPU from pages.
    pub(super) openings: usize,
    /// Calls that have waited so long for their turn to open one fail with the next that fails.
    pub(super) patience: Duration,
}

/// The state; without tasks or clocks of its own.
#[derive(Debug)]
pub(super) struct Pool<C, E> {
    state: Mutex<State<C, E>>,
}

#[derive(Debug)]
struct State<C, E> {
    limits: Limits,
    /// The newest at the end.
    idle: Vec<C>,
    /// The longest waiting at the front.
    waiting: VecDeque<Waiter<C, E>>,
    next: u64,
    openings: usize,
    /// Calls that one opened connection can serve, as far as is known.
    per_opening: usize,
}

/// A call in the line.
#[derive(Debug)]
struct Waiter<C, E> {
    id: u64,
    /// A connection that has carried an exchange will not do.
    only_new: bool,
    since: Instant,
    sender: oneshot::Sender<Result<C, E>>,
}

/// What a call got.
#[derive(Debug)]
pub(super) enum Taken<C: Pooled, E: Clone> {
    /// An idle connection.
    Now(C),
    /// A place in the line; the caller has to begin as many openings as it says.
    Later(Waiting<C, E>),
}

/// A place in the line; resolves to a connection, or why there is none.
#[derive(Debug)]
pub(super) struct Waiting<C: Pooled, E: Clone> {
    pool: Arc<Pool<C, E>>,
    id: u64,
    receiver: oneshot::Receiver<Result<C, E>>,
    /// Openings that the caller has to begin now.
    pub(super) open: usize,
}

/// An opening under way; to be ended by [`Opening::succeeded`] or [`Opening::failed`]. Dropped
/// before that, it counts as failed with nothing to say, and leaves its waiter to the next.
#[derive(Debug)]
pub(super) struct Opening<C: Pooled, E: Clone> {
    pool: Arc<Pool<C, E>>,
    ended: bool,
}

impl<C: Pooled, E: Clone> Pool<C, E> {
    /// An empty pool.
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                limits,
                idle: Vec::new(),
                waiting: VecDeque::new(),
                next: 0,
                openings: 0,
                per_opening: 1,
            }),
        })
    }

    /// The newest idle connection that is usable, or a place in the line.
    pub(super) fn take(self: &Arc<Self>, now: Instant) -> Taken<C, E> {
        let mut state = self.state.lock();
        match state.pop(now) {
            Some(connection) => Taken::Now(connection),
            None => Taken::Later(self.wait(&mut state, now, false)),
        }
    }

    /// An idle connection, or `None`. Never waits.
    pub(super) fn try_take(&self, now: Instant) -> Option<C> {
        self.state.lock().pop(now)
    }

    /// A place in the line for a connection that is opened now: idle ones are left alone.
    pub(super) fn take_new(self: &Arc<Self>, now: Instant) -> Waiting<C, E> {
        let mut state = self.state.lock();
        self.wait(&mut state, now, true)
    }

    fn wait(
        self: &Arc<Self>,
        state: &mut State<C, E>,
        since: Instant,
        only_new: bool,
    ) -> Waiting<C, E> {
        let id = state.next;
        state.next += 1;
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(Waiter {
            id,
            only_new,
            since,
            sender,
        });
        Waiting {
            pool: Arc::clone(self),
            id,
            receiver,
            open: state.begin_openings(),
        }
    }

    /// One more opening, whether anybody waits or not, unless there are too many: for warming.
    pub(super) fn open_ahead(self: &Arc<Self>) -> Option<Opening<C, E>> {
        let mut state = self.state.lock();
        if state.openings >= state.limits.openings {
            return None;
        }
        state.openings += 1;
        drop(state);
        Some(self.opening())
    }

    /// The guard of an opening that [`Waiting::open`] asked for.
    pub(super) fn opening(self: &Arc<Self>) -> Opening<C, E> {
        Opening {
            pool: Arc::clone(self),
            ended: false,
        }
    }

    /// Takes a connection back after an exchange.
    pub(super) fn put(&self, connection: C, now: Instant) {
        let unwanted = self.state.lock().put(connection, false, now);
        // Closed after the lock.
        drop(unwanted);
    }

    /// Drops what is idle and no longer usable, or has been idle for too long.
    pub(super) fn sweep(&self, now: Instant) {
        let mut swept = Vec::new();
        let mut state = self.state.lock();
        let mut at = 0;
        while at < state.idle.len() {
            let connection = &mut state.idle[at];
            match connection.expires() > now && connection.is_usable(now) {
                true => at += 1,
                false => swept.push(state.idle.remove(at)),
            }
        }
        drop(state);
    }

    /// It may become as large as this from now on; of what is idle beyond it, the oldest go.
    pub(super) fn resize(&self, limits: Limits) {
        let mut state = self.state.lock();
        state.limits = limits;
        let surplus = state.idle.len().saturating_sub(limits.idle);
        let surplus: Vec<_> = state.idle.drain(..surplus).collect();
        drop(state);
        // Closed after the lock.
        drop(surplus);
    }

    /// Nothing is kept idle any longer: the endpoint is no longer to be used.
    pub(super) fn close(&self) {
        let limits = self.state.lock().limits;
        self.resize(Limits { idle: 0, ..limits });
    }
}

impl<C: Pooled, E: Clone> State<C, E> {
    fn pop(&mut self, now: Instant) -> Option<C> {
        while let Some(mut connection) = self.idle.pop() {
            if connection.expires() > now && connection.is_usable(now) {
                connection.take();
                return Some(connection);
            }
        }
        None
    }

    /// Gives it to whoever has waited longest; what comes back is to be dropped.
    fn put(&mut self, connection: C, new: bool, now: Instant) -> Option<C> {
        let mut connection = connection;
        if connection.expires() <= now || !connection.is_usable(now) {
            return Some(connection);
        }
        let suits = |waiter: &Waiter<C, E>| new || !waiter.only_new;
        while let Some(at) = self.waiting.iter().position(suits)
            && let Some(waiter) = self.waiting.remove(at)
        {
            connection.take();
            match waiter.sender.send(Ok(connection)) {
                Ok(()) => return None,
                // The call left at this very moment.
                Err(Ok(back)) => {
                    connection = back;
                    connection.release(now);
                }
                Err(Err(_)) => return None,
            }
        }
        self.idle.push(connection);
        (self.idle.len() > self.limits.idle).then(|| self.idle.remove(0))
    }

    /// How many openings to begin, so that everybody who waits is waiting for one.
    fn begin_openings(&mut self) -> usize {
        let most = self.limits.openings;
        let needed = self.waiting.len().div_ceil(self.per_opening);
        let more = needed.min(most).saturating_sub(self.openings);
        self.openings += more;
        more
    }
}

impl<C: Pooled, E: Clone> Opening<C, E> {
    /// The connection is open and can serve so many calls at once: one for each of these. If none
    /// of them is usable after all, it has failed with `otherwise`.
    /// Returns how many further openings have to begin.
    pub(super) fn succeeded(
        mut self,
        mut connections: Vec<C>,
        now: Instant,
        otherwise: E,
    ) -> usize {
        self.ended = true;
        connections.retain_mut(|connection| connection.is_usable(now));
        if connections.is_empty() {
            // Opening another one at once would go on without end.
            return self.fail(&otherwise, now);
        }
        let mut unwanted = Vec::new();
        let mut state = self.pool.state.lock();
        state.openings -= 1;
        state.per_opening = connections.len();
        for connection in connections {
            unwanted.extend(state.put(connection, true, now));
        }
        let more = state.begin_openings();
        drop(state);
        more
    }

    /// There is no connection, for this reason: calls for which no opening is left fail with
    /// it. Returns how many further openings have to begin, for calls beyond the bound.
    pub(super) fn failed(mut self, error: E, now: Instant) -> usize {
        self.ended = true;
        self.fail(&error, now)
    }

    fn fail(&mut self, error: &E, now: Instant) -> usize {
        let mut state = self.pool.state.lock();
        let bound = state.limits.openings;
        let full = state.openings >= bound;
        state.openings -= 1;
        let covered = state.openings * state.per_opening;
        // Below the bound every call without an opening of its own fails; at the bound others
        // wait for their turn, and only those fail whose turn this was, or that have waited for
        // theirs as long as an opening may take.
        let uncovered = state.waiting.len().saturating_sub(covered);
        let failing = match full {
            false => uncovered,
            true => {
                let patience = state.limits.patience;
                let waited = |waiter: &&Waiter<C, E>| now >= waiter.since + patience;
                let impatient = state.waiting.iter().take_while(waited).count();
                uncovered.min(state.per_opening.max(impatient))
            }
        };
        let failed: Vec<_> = state.waiting.drain(..failing).collect();
        let more = state.begin_openings();
        drop(state);
        for waiter in failed {
            // Whoever left meanwhile needs no answer.
            let _ = waiter.sender.send(Err(error.clone()));
        }
        more
    }
}

impl<C: Pooled, E: Clone> Drop for Opening<C, E> {
    fn drop(&mut self) {
        if !self.ended {
            // The runtime is shutting down: nobody waits any more.
            let mut state = self.pool.state.lock();
            state.openings = state.openings.saturating_sub(1);
        }
    }
}

impl<C: Pooled, E: Clone> Future for Waiting<C, E> {
    /// `None`: the pool is gone, as the runtime shuts down.
    type Output = Option<Result<C, E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(cx).map(Result::ok)
    }
}

impl<C: Pooled, E: Clone> Drop for Waiting<C, E> {
    fn drop(&mut self) {
        // Closed first, so that nothing is sent from here on.
        self.receiver.close();
        if let Ok(Ok(mut connection)) = self.receiver.try_recv() {
            let now = now();
            connection.release(now);
            self.pool.put(connection, now);
            return;
        }
        let mut state = self.pool.state.lock();
        if let Ok(at) = state
            .waiting
            .binary_search_by_key(&self.id, |waiter| waiter.id)
        {
            state.waiting.remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
