//! Connections of one listener, one after the other, as far as there is room for them.
//!
//! What has no room is not accepted: it waits in the system's backlog, where it costs no
//! file and no memory of ours. That it has to is said once, and once when it no longer has
//! to, however often both change in between.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::edge::bound::{Bound, Plain};
use crate::edge::listener::Limits;
use crate::lifecycle::Listener;
use crate::page::deadline::{Deadline, now, until};
use crate::telemetry::events;

/// After the system refused a connection (most often: no file descriptors left), trying
/// again at once would only spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections accepted in one turn of the run queue. With one, new connections wait in the
/// system's backlog for seconds when the gateway is short of CPU, and their pages are served
/// long after they were wanted; without a limit they starve what has begun.
const AT_ONCE: u32 = 16;

/// Accepts connections while there is room.
#[derive(Debug)]
pub(super) struct Acceptor {
    name: Listener,
    listener: Bound,
    limits: Limits,
    room: Arc<Semaphore>,
    /// Places that are to go as soon as connections leave them.
    surplus: usize,
    backpressure: Backpressure,
    /// Connections accepted since others have had their turn.
    at_once: u32,
}

/// A connection, its other end, and its place among those that may be open.
pub(super) type Accepted = (Plain, SocketAddr, Option<OwnedSemaphorePermit>);

impl Acceptor {
    pub(super) fn new(name: Listener, listener: Bound, limits: Limits) -> Self {
        Self {
            name,
            listener,
            room: Arc::new(Semaphore::new(most(&limits))),
            limits,
            surplus: 0,
            backpressure: Backpressure::default(),
            at_once: 0,
        }
    }

    /// Other limits hold from now on. Connections beyond them are not closed: none is accepted
    /// until enough have ended.
    pub(super) fn limit(&mut self, limits: Limits) {
        let before = most(&std::mem::replace(&mut self.limits, limits));
        let now = most(&self.limits);
        if let Some(more) = now.checked_sub(before) {
            let kept = self.surplus.min(more);
            self.surplus -= kept;
            self.room.add_permits(more - kept);
        } else {
            let fewer = before - now;
            self.surplus += fewer - self.room.forget_permits(fewer);
        }
    }

    /// The next connection, once there is room for it. Dropping the future loses none.
    ///
    /// [`AT_ONCE`] for each turn of the run queue. Where there is CPU to spare a turn takes next to no
    /// time; where there is not, what has begun goes before what would begin, and a burst of
    /// connections, which cost more than pages that are refused, does not starve them.
    ///
    /// # Errors
    /// Those after which there will never be one.
    pub(super) async fn next(&mut self) -> io::Result<Accepted> {
        let place = self.place().await;
        if self.at_once >= AT_ONCE {
            self.at_once = 0;
            tokio::task::yield_now().await;
        }
        loop {
            let over = self.backpressure.over_at();
            let accepted = tokio::select! {
                () = until(over), if over.is_some() => {
                    if self.backpressure.is_over(now()) {
                        events::accepts_again(self.name);
                    }
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    self.at_once += 1;
                    return Ok((stream, peer, place));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) if is_of_the_socket(&error) => return Err(error),
                Err(error) => {
                    if self.backpressure.noticed(now()) {
                        events::accept_failed(self.name, &error);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// `None` never: the semaphore is never closed.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        loop {
            let place = self.next_place().await;
            if self.surplus == 0 {
                return place;
            }
            self.surplus -= 1;
            place?.forget();
        }
    }

    async fn next_place(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
            return Some(place);
        }
        if self.backpressure.noticed(now()) {
            let Limits {
                max_connections,
                limited_by,
                ..
            } = self.limits;
            events::accept_waits(self.name, max_connections, limited_by);
        }
        let place = Arc::clone(&self.room).acquire_owned().await.ok();
        self.backpressure.noticed(now());
        place
    }
}

fn most(limits: &Limits) -> usize {
    limits.max_connections.min(Semaphore::MAX_PERMITS)
}

/// Errors of a connection that went away before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// Errors that say that this is no listening socket (any more): waiting changes nothing.
/// All others of accept(2) end with what caused them.
fn is_of_the_socket(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK)
    )
}

/// Whether accepting has had to wait lately: a pure state, with the time given.
#[derive(Debug, Default)]
struct Backpressure(Option<Instant>);

/// How long nothing may have had to wait before it is said that nothing has to any more.
const QUIET: Duration = Duration::from_secs(5);

impl Backpressure {
    /// Something had to wait, until `now` at least. Whether that is news.
    fn noticed(&mut self, now: Instant) -> bool {
        self.0.replace(now).is_none()
    }

    /// When it may be over, if it is not.
    fn over_at(&self) -> Option<Instant> {
        self.0
            .and_then(|last| Deadline::after(last, QUIET).instant())
    }

    /// Whether it is over. True once, until the next time.
    fn is_over(&mut self, now: Instant) -> bool {
        let over = self.over_at().is_some_and(|at| at <= now);
        if over {
            self.0 = None;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backpressure_is_news_once_and_over_once_after_it_has_been_quiet() {
        let began = now();
        let at = |seconds: f64| began + Duration::from_secs_f64(seconds);
        let mut backpressure = Backpressure::default();
        assert_eq!(backpressure.over_at(), None);
        assert!(!backpressure.is_over(at(0.0)));
        assert!(backpressure.noticed(at(1.0)));
        // A hundred more times in four seconds say nothing.
        for hundredth in 0..100 {
            let now = at(1.0 + f64::from(hundredth) / 25.0);
            assert!(!backpressure.noticed(now) && !backpressure.is_over(now));
        }
        assert_eq!(backpressure.over_at(), Some(at(1.0 + 99.0 / 25.0) + QUIET));
        assert!(!backpressure.is_over(at(9.0)));
        assert!(backpressure.is_over(at(10.0)));
        assert!(!backpressure.is_over(at(20.0)));
        assert!(backpressure.noticed(at(30.0)));
    }

    #[test]
    fn an_error_ends_a_listener_only_if_it_is_the_sockets_own() {
        let error = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        for passing in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::NOBUFS,
            Errno::PERM,
        ] {
            assert!(!is_of_the_socket(&error(passing)), "{passing:?}");
            assert!(!is_of_one_connection(&error(passing)), "{passing:?}");
        }
        assert!(is_of_one_connection(&error(Errno::CONNABORTED)));
        for lasting in [Errno::BADF, Errno::INVAL, Errno::NOTSOCK] {
            assert!(is_of_the_socket(&error(lasting)), "{lasting:?}");
        }
    }
}
