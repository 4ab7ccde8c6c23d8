//! The one home of the clock.
//!
//! A page takes its [`Deadline`] once, on arrival; every later wait is a wait
//! until an instant, never for a duration, so waits cannot add up. Time is
//! tokio's, so a paused clock simulates all of it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The present, on tokio's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one home of the clock"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day: for records that leave the process, never for measuring.
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// Resolves at this instant; never, if there is none.
pub async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// The instant by which something must have ended, or none.
///
/// Ordered by time; [`Deadline::NEVER`] is later than everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

/// Ran out of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl Deadline {
    /// No deadline: what `deadline = "none"` means.
    pub const NEVER: Deadline = Deadline(None);

    /// `budget` after `start`; an unrepresentable instant is never.
    pub fn after(start: Instant, budget: Duration) -> Self {
        Self(start.checked_add(budget))
    }

    /// The earlier of the two.
    pub fn min(self, other: Deadline) -> Deadline {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }

    /// This deadline, less `reserve`. May lie in the past.
    pub fn less(self, reserve: Duration) -> Deadline {
        Self(self.0.map(|at| at.checked_sub(reserve).unwrap_or(at)))
    }

    /// The instant, unless it is never.
    pub fn instant(self) -> Option<Instant> {
        self.0
    }

    /// What is left at `now`; zero once it has passed, `None` for never.
    pub fn left(self, now: Instant) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(now))
    }

    /// Whether nothing is left at `now`.
    pub fn is_past(self, now: Instant) -> bool {
        self.0.is_some_and(|at| at <= now)
    }

    /// Runs `work` until it ends or this instant comes, whichever is first; work
    /// that ends at the very instant counts as ended. The work is dropped before
    /// this returns.
    ///
    /// # Errors
    /// [`Elapsed`] when the instant came first.
    pub async fn limit<F: Future>(self, work: F) -> Result<F::Output, Elapsed> {
        match self.0 {
            Some(at) => tokio::time::timeout_at(at, work).await.map_err(|_| Elapsed),
            None => Ok(work.await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_cut_exactly_at_the_deadline() {
        let start = now();
        let deadline = Deadline::after(start, Duration::from_millis(300));
        let cut = deadline.limit(std::future::pending::<()>()).await;
        assert_eq!(cut, Err(Elapsed));
        assert_eq!(now() - start, Duration::from_millis(300));
    }

    #[tokio::test(start_paused = true)]
    async fn never_is_later_than_every_instant() {
        let soon = Deadline::after(now(), Duration::from_millis(1));
        assert_eq!(Deadline::NEVER.min(soon), soon);
        assert_eq!(soon.min(Deadline::NEVER), soon);
        assert!(!Deadline::NEVER.is_past(now()));
        assert_eq!(Deadline::NEVER.left(now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_beyond_all_time_is_no_deadline() {
        assert_eq!(Deadline::after(now(), Duration::MAX), Deadline::NEVER);
    }
}
