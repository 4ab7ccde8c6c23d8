//! Writes down what happens, and checks meanwhile what must always hold.
//!
//! Every page that is asked for is an [`Asked`], every call a [`Calling`]; each ends exactly once,
//! by being told how or by being dropped. What must hold is in `invariants`. The gateway is not known
//! here: its admission and its counts are shown as views.

mod body;
mod clients;
mod handles;
mod invariants;
mod state;
mod waiting;

use std::time::Duration;

use gateway::config::{DownstreamId, PageId};
use gateway::outcome::PageOutcome;
use gateway::page::admission::AdmissionView;
use gateway::page::quota::ClientKey;
use gateway::telemetry::counts::Counts;
use parking_lot::Mutex;
use tokio::time::Instant;

pub(super) use self::handles::{Asked, Calling};

use self::clients::Clients;
use self::invariants::{Limits, Seen};
use self::state::{CallEnding, Open, State};
use self::waiting::Waiting;
use crate::clock::now;
use crate::record::{PageEnd, Record};
use crate::scenario::{Arm, Scenario};
use crate::verdict::World;

/// What is written down of one run.
pub(super) struct Recorder {
    start: Instant,
    downstreams: Vec<String>,
    limits: Limits,
    state: Mutex<State>,
}

impl Recorder {
    pub(super) fn new(scenario: &Scenario, start: Instant, keep_events: bool) -> Self {
        let config = &scenario.config;
        let names = config.downstreams.iter().map(|d| d.name.to_string());
        let mut state = State {
            running: vec![0; config.downstreams.len()],
            clients: Clients::new(scenario),
            ..State::default()
        };
        if scenario.admission == Arm::WholePage {
            state.waiting = Waiting::new(config.pages.len());
        }
        state.events.text = keep_events.then(String::new);
        state.slice = state.next_slice();
        Self {
            start,
            downstreams: names.collect(),
            limits: Limits::of(scenario),
            state: Mutex::new(state),
        }
    }

    /// From the start to now.
    pub(super) fn elapsed(&self) -> Duration {
        now() - self.start
    }

    /// A page is asked for by this client, who gives it so long. Its number, counted from 0.
    fn page_asked(
        &self,
        asked: (usize, PageId, bool),
        by: ClientKey,
        gives: Option<Duration>,
    ) -> u64 {
        let (at, (load, page, retry)) = (self.elapsed(), asked);
        let budget = self.limits.budget(page, gives);
        let state = &mut *self.state.lock();
        let number = state.pages.len() as u64;
        state.pages.push(Open {
            budget,
            ..Open::new(PageEnd::asked(at, page, load, retry), by)
        });
        state.in_flight += 1;
        state.slice.in_flight = state.slice.in_flight.max(state.in_flight);
        state.note(at, number, format_args!("asked"));
        number
    }

    /// Which page was asked for under this number.
    pub(super) fn page_of(&self, number: u64) -> PageId {
        let state = self.state.lock();
        let open = state.pages.get(number as usize);
        open.map_or(PageId(0), |open| open.end.page)
    }

    /// The gateway reads the head of a page.
    fn page_read(&self, number: u64) {
        let at = self.elapsed();
        let state = &mut *self.state.lock();
        let open = &mut state.pages[number as usize];
        let order = state.read;
        state.read += 1;
        open.read = Some((at, order));
        state.waiting.asked(open.end.page, order, at);
        open.too_soon = state.clients.asks(open.end.page, open.client, at);
    }

    /// The client of a page has its answer.
    fn page_received(&self, number: u64) {
        let at = self.elapsed();
        let open = &mut self.state.lock().pages[number as usize];
        open.end.took = at - open.end.at;
    }

    fn page_over(&self, number: u64, outcome: PageOutcome, reason: Option<&'static str>) {
        let at = self.elapsed();
        let state = &mut *self.state.lock();
        let open = &mut state.pages[number as usize];
        open.answered = true;
        open.end.took = at - open.end.at;
        open.end.outcome = outcome;
        open.end.reason = reason;
        let broken = self.limits.at_the_end_of(at, open);
        let waited = |(_, order)| state.waiting.ends(open.end.page, order, at);
        let broken = broken.or_else(|| open.read.and_then(waited));
        let (page, client, ending) = (open.end.page, open.client, (outcome, reason));
        let charged = open
            .read
            .and_then(|_| state.clients.ends(page, client, at, ending));
        let broken = broken.or(charged);
        let why = reason.unwrap_or_default();
        state.note(at, number, format_args!("{} {why}", outcome.as_str()));
        state.broken(at, number, broken);
    }

    /// The client of a page that was refused is told to come back after so many seconds.
    fn page_told(&self, number: u64, seconds: u32) {
        let at = self.elapsed();
        let state = &mut *self.state.lock();
        let open = &state.pages[number as usize];
        if open.end.outcome == PageOutcome::Shed {
            let broken = state.clients.told(open.end.page, open.client, at, seconds);
            state.broken(at, number, broken);
        }
    }

    /// Nobody holds anything of the page any more.
    fn page_gone(&self, number: u64) {
        let answered = {
            let state = &mut *self.state.lock();
            state.in_flight -= 1;
            state.pages[number as usize].answered
        };
        if !answered {
            self.page_over(number, PageOutcome::Cancelled, None);
        }
    }

    /// The gateway makes a call, which is yet to reach its downstream.
    pub(super) fn made(&self) {
        self.state.lock().made += 1;
    }

    /// A call starts.
    fn call_starts(&self, page: u64, downstream: DownstreamId) {
        let at = self.elapsed();
        let state = &mut *self.state.lock();
        state.running[downstream.0] += 1;
        let running = state.running[downstream.0];
        let slice = &mut state.slice.downstreams[downstream.0];
        slice.started += 1;
        slice.running = slice.running.max(running);
        state.note(
            at,
            page,
            format_args!("call {}", self.downstreams[downstream.0]),
        );
        let open = state.pages.get_mut(page as usize);
        let broken = self
            .limits
            .at_a_call(at, open.as_deref(), downstream, running);
        let mut passed = None;
        if let Some(open) = open {
            if open.end.calls == 0 {
                state.clients.admitted(open.end.page, at);
            }
            open.end.calls += 1;
            open.running += 1;
            let order = open.read.map_or(u64::MAX, |(_, order)| order);
            passed = state.waiting.calls(open.end.page, order, at);
        }
        state.broken(at, page, broken.or(passed));
    }

    fn call_over(&self, page: u64, downstream: DownstreamId, ending: &CallEnding) {
        let at = self.elapsed();
        let state = &mut *self.state.lock();
        let index = downstream.0;
        let (aborted, wasted, how) = match *ending {
            CallEnding::Ended(how) => (false, false, how),
            CallEnding::Aborted { goes_on } => (true, goes_on, "aborted"),
        };
        state.running[index] -= 1;
        let slice = &mut state.slice.downstreams[index];
        slice.ended += u32::from(!aborted);
        slice.aborted += u32::from(aborted);
        slice.wasted += u32::from(wasted);
        state.note(at, page, format_args!("{} {how}", self.downstreams[index]));
        if let Some(open) = state.pages.get_mut(page as usize) {
            open.running -= 1;
            open.end.aborted += u16::from(aborted);
            open.end.wasted += u16::from(wasted);
        }
    }

    /// Something was found wrong, or not.
    pub(super) fn found(&self, broken: Option<String>) {
        let at = self.elapsed();
        self.state.lock().broken(at, 0, broken);
    }

    /// A downstream behaves differently from now on.
    pub(super) fn changed(&self, downstream: DownstreamId) {
        let (at, name) = (self.elapsed(), &self.downstreams[downstream.0]);
        let events = &mut self.state.lock().events;
        events.push(format_args!("{} - {name} changes", at.as_millis()));
    }

    /// A slice of the run ends, with nothing left to run at this instant. Where calls have
    /// bulkheads of their own, `calls` is how these stand.
    pub(super) fn slice(
        &self,
        pages: &AdmissionView,
        calls: Option<&AdmissionView>,
        would_shed: u64,
    ) {
        let at = self.elapsed();
        let state = &mut *self.state.lock();
        let bulkheads = &calls.unwrap_or(pages).bulkheads;
        for (slice, bulkhead) in state.slice.downstreams.iter_mut().zip(bulkheads) {
            slice.permits = bulkhead.in_use;
            slice.queued = bulkhead.queued;
        }
        let broken = invariants::when_settled(pages, bulkheads, &state.running);
        state.broken(at, 0, broken.or_else(|| self.limits.of_the_waiting(pages)));
        state.slice.would_shed = (would_shed - state.would_shed) as u32;
        state.would_shed = would_shed;
        let next = state.next_slice();
        let ended = std::mem::replace(&mut state.slice, next);
        state.slices.push(ended);
    }

    /// The run is over: how its admission stands, and what the gateway has counted.
    pub(super) fn finish(&self, seed: u64, left: &AdmissionView, counts: &Counts) -> Record {
        let (at, mut state) = (self.elapsed(), self.state.lock());
        let seen = Seen {
            pages: &state.pages,
            calls: state.made,
            running: state.running.iter().sum(),
        };
        let broken = self.limits.when_all_is_over(left, counts, &seen);
        state.broken(at, 0, broken);
        let state = std::mem::take(&mut *state);
        Record {
            seed,
            world: World::Simulated,
            lag: Duration::ZERO,
            pages: state.pages.into_iter().map(|page| page.end).collect(),
            slices: state.slices,
            broken: state.broken,
            events: state.events,
        }
    }
}
