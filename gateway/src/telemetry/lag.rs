//! Lag, for those who ask later: how long what could run in the gateway waited to run.
//!
//! A page and a call are told of the worst lag while they were under way, since an answer
//! that lies in its socket is late by as much and nothing else shows it. Kept is what an
//! answer needs: the worst since each instant, in a queue whose lags fall.
//!
//! Not here: what follows from it ([`crate::page::own_load`]).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// For how long a probe is kept, which bounds their number. A page that runs longer is told
/// of its last minute.
const KEPT: Duration = Duration::from_secs(60);

/// What is known of lag.
#[derive(Debug, Default)]
pub struct Lag {
    /// In microseconds.
    usual: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the probe that is out could have run.
    due: Option<Instant>,
    /// When a probe ran and how late; only those that none after it reached.
    worst: VecDeque<(Instant, Duration)>,
}

impl Lag {
    /// A probe can run from `at` on.
    pub fn due(&self, at: Instant) {
        self.state.lock().due = Some(at);
    }

    /// It ran at `ran`, so much later; `usual` is the median of the last ones.
    pub fn probed(&self, ran: Instant, lag: Duration, usual: Duration) {
        self.usual
            .store(usual.as_micros() as u64, Ordering::Relaxed);
        let state = &mut *self.state.lock();
        state.due = None;
        state.keep(ran, lag);
    }

    /// For how long what begins to run has usually been able to, in the last 100 ms.
    pub fn usual(&self) -> Duration {
        Duration::from_micros(self.usual.load(Ordering::Relaxed))
    }

    /// The longest that something waited which ran from `began` to `ended`, which is now: of
    /// the probes that ran, and of one that should have.
    pub fn worst(&self, began: Instant, ended: Instant) -> Duration {
        let state = self.state.lock();
        let at = state.worst.partition_point(|(ran, _)| *ran < began);
        let worst = state.worst.get(at).map_or(Duration::ZERO, |(_, lag)| *lag);
        let overdue = state
            .due
            .map_or(Duration::ZERO, |due| ended.saturating_duration_since(due));
        worst.max(overdue)
    }
}

impl State {
    fn keep(&mut self, ran: Instant, lag: Duration) {
        while self.worst.back().is_some_and(|(_, kept)| *kept <= lag) {
            self.worst.pop_back();
        }
        self.worst.push_back((ran, lag));
        while let Some((at, _)) = self.worst.front()
            && ran.saturating_duration_since(*at) > KEPT
        {
            self.worst.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn probed(lag: &Lag, epoch: Instant, probes: &[(u32, u32)]) {
        for (at, late) in probes {
            lag.probed(epoch + MS * *at, MS * *late, MS);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_worst_is_that_of_the_probes_that_ran_meanwhile() {
        let (lag, epoch) = (Lag::default(), crate::page::deadline::now());
        probed(&lag, epoch, &[(10, 3), (20, 9), (30, 4), (40, 6), (50, 1)]);
        let worst = |from: u32, to: u32| lag.worst(epoch + MS * from, epoch + MS * to);
        assert_eq!(worst(0, 55), 9 * MS);
        assert_eq!(worst(20, 55), 9 * MS);
        assert_eq!(worst(21, 55), 6 * MS);
        assert_eq!(worst(41, 55), MS);
        assert_eq!(worst(51, 55), Duration::ZERO);
        assert_eq!(lag.usual(), MS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_should_have_run_counts_by_how_long_ago() {
        let (lag, epoch) = (Lag::default(), crate::page::deadline::now());
        lag.due(epoch + 10 * MS);
        assert_eq!(lag.worst(epoch, epoch + 9 * MS), Duration::ZERO);
        assert_eq!(lag.worst(epoch, epoch + 32 * MS), 22 * MS);
        probed(&lag, epoch, &[(33, 23)]);
        assert_eq!(lag.worst(epoch + 34 * MS, epoch + 50 * MS), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_a_minute_is_forgotten() {
        let (lag, epoch) = (Lag::default(), crate::page::deadline::now());
        probed(&lag, epoch, &[(0, 50), (30_000, 20), (60_001, 5)]);
        assert_eq!(lag.worst(epoch, epoch + KEPT + MS), 20 * MS);
    }
}
