//! Writes down what clients and operators see of a run.
//!
//! Every page that is asked for is an [`Asked`]; it ends exactly once, by being told how or by being
//! dropped, which is a client that was cut off.

use std::sync::Arc;
use std::time::Duration;

use gateway::config::PageId;
use gateway::outcome::PageOutcome;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::outcome::Outcome;
use crate::clock::now;
use crate::load::Latencies;
use crate::record::{PageEnd, Record, Slice};
use crate::verdict::World;

/// What is written down of one run.
pub(super) struct Recorder {
    start: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pages: Vec<PageEnd>,
    lags: Vec<Duration>,
    in_flight: u32,
    /// Most in flight at once since the slice began.
    most: u32,
    slices: Vec<Slice>,
    broken: Vec<String>,
}

/// One page that a client has asked for and is not done with.
#[must_use]
pub(super) struct Asked {
    recorder: Arc<Recorder>,
    number: usize,
    answered: bool,
}

impl Recorder {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            state: Mutex::default(),
        }
    }

    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// From the start to now.
    pub(super) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.start)
    }

    /// A page is asked for that was due `at` this instant.
    pub(super) fn asked(
        self: &Arc<Self>,
        at: Duration,
        page: PageId,
        load: usize,
        retry: bool,
    ) -> Asked {
        let lag = self.elapsed().saturating_sub(at);
        let state = &mut *self.state.lock();
        state.pages.push(PageEnd::asked(at, page, load, retry));
        state.lags.push(lag);
        state.in_flight += 1;
        state.most = state.most.max(state.in_flight);
        Asked {
            recorder: Arc::clone(self),
            number: state.pages.len() - 1,
            answered: false,
        }
    }

    /// Most pages in flight at once since this was asked last.
    pub(super) fn most_in_flight(&self) -> u32 {
        let state = &mut *self.state.lock();
        std::mem::replace(&mut state.most, state.in_flight)
    }

    /// A slice of the run has ended.
    pub(super) fn slice(&self, slice: Slice) {
        self.state.lock().slices.push(slice);
    }

    /// Something that must hold does not.
    pub(super) fn broken(&self, what: String) {
        /// One defect shows many times; the first are enough.
        const MOST: usize = 10;
        let broken = &mut self.state.lock().broken;
        if broken.len() < MOST {
            broken.push(what);
        }
    }

    /// How many pages `wanted` picks.
    pub(super) fn count(&self, wanted: impl Fn(&PageEnd) -> bool) -> u64 {
        let state = self.state.lock();
        state.pages.iter().filter(|page| wanted(page)).count() as u64
    }

    /// The run is over.
    pub(super) fn finish(&self, seed: u64) -> Record {
        let mut state = std::mem::take(&mut *self.state.lock());
        // Clients whose turn came late were written down late.
        state.pages.sort_by_key(|page| page.at);
        let lags: Latencies = state.lags.into_iter().collect();
        Record {
            seed,
            world: World::Live,
            lag: lags.p99().unwrap_or_default(),
            pages: state.pages,
            slices: state.slices,
            broken: state.broken,
            ..Record::default()
        }
    }
}

impl Asked {
    /// The client knows how its page ended; it may go on reading it.
    pub(super) fn answered(&mut self, (outcome, reason): Outcome) {
        let elapsed = self.recorder.elapsed();
        let page = &mut self.recorder.state.lock().pages[self.number];
        page.took = elapsed.saturating_sub(page.at);
        (page.outcome, page.reason) = (outcome, reason);
        self.answered = true;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.answered {
            self.answered((PageOutcome::Cancelled, None));
        }
        self.recorder.state.lock().in_flight -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn time_counts_from_when_a_page_was_due_and_pages_stand_in_that_order() {
        let recorder = Arc::new(Recorder::new(now() - 500 * MS));
        let mut late = recorder.asked(300 * MS, PageId(0), 0, false);
        let mut later = recorder.asked(100 * MS, PageId(0), 0, false);
        later.answered((PageOutcome::Complete, None));
        late.answered((PageOutcome::Complete, None));
        drop((late, later));
        let record = recorder.finish(1);
        assert_eq!(record.pages[0].at, 100 * MS);
        assert!(record.pages[0].took >= 400 * MS);
        assert!(record.lag >= 399 * MS, "{:?}", record.lag);
    }

    #[tokio::test]
    async fn a_page_is_in_flight_until_its_client_is_done_with_it() {
        let recorder = Arc::new(Recorder::new(now()));
        let mut first = recorder.asked(Duration::ZERO, PageId(0), 0, false);
        let second = recorder.asked(Duration::ZERO, PageId(0), 0, false);
        first.answered((PageOutcome::Complete, None));
        assert_eq!(recorder.most_in_flight(), 2);
        drop(second);
        assert_eq!(recorder.most_in_flight(), 2);
        assert_eq!(recorder.most_in_flight(), 1);
        drop(first);
        let record = recorder.finish(1);
        assert_eq!(record.pages[1].outcome, PageOutcome::Cancelled);
    }
}
