//! Writes down what happens, and checks meanwhile what must always hold.
//!
//! Every page that is asked for is an [`Asked`], every call a [`Calling`]; each ends exactly once,
//! by being told how or by being dropped. The invariants are those of a sound gateway, whatever the
//! scenario: they are noted when broken, never asserted, so that a broken gateway can be shown.

use std::sync::Arc;
use std::time::Duration;

use gateway::config::{DownstreamId, PageId};
use gateway::page::admission::{AdmissionView, BulkheadView};
use gateway::page::downstream::{Cause, Reply};
use gateway::page::fan_out::PartEnd;
use gateway::page::{Answer, Pages};
use gateway::telemetry::names::{CallOutcome, PageOutcome};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::downstream::Modelled;
use crate::clock::now;
use crate::record::{DownstreamSlice, Events, PageEnd, Record, Slice};
use crate::scenario::Scenario;

/// Broken invariants that are described; one defect breaks the same one many times.
const MOST_BROKEN: usize = 10;

/// What is written down of one run.
pub(super) struct Recorder {
    start: Instant,
    downstreams: Vec<Known>,
    pages: Vec<KnownPage>,
    state: Mutex<State>,
}

/// A downstream's limit.
struct Known {
    name: String,
    permits: Option<u32>,
}

/// A page's limits.
struct KnownPage {
    deadline: Option<Duration>,
    required: Vec<bool>,
}

#[derive(Default)]
struct State {
    pages: Vec<Open>,
    in_flight: u32,
    /// Calls the gateway made, those that then found no permit of their own included.
    made: u64,
    running: Vec<u32>,
    slice: Slice,
    slices: Vec<Slice>,
    broken: Vec<String>,
    events: Events,
}

/// A page as far as it has come.
struct Open {
    end: PageEnd,
    running: u16,
    answered: bool,
}

impl Recorder {
    pub(super) fn new(scenario: &Scenario, start: Instant, keep_events: bool) -> Self {
        let config = &scenario.config;
        let known = |d: &gateway::config::Downstream| Known {
            name: d.name.to_string(),
            permits: d.permits.map(std::num::NonZeroU32::get),
        };
        let known_page = |page: &gateway::config::Page| KnownPage {
            deadline: page.deadline,
            required: page.parts.iter().map(|part| part.required).collect(),
        };
        let mut state = State {
            running: vec![0; config.downstreams.len()],
            ..State::default()
        };
        state.events.text = keep_events.then(String::new);
        state.slice = state.next_slice();
        Self {
            start,
            downstreams: config.downstreams.iter().map(known).collect(),
            pages: config.pages.iter().map(known_page).collect(),
            state: Mutex::new(state),
        }
    }

    fn elapsed(&self) -> Duration {
        now() - self.start
    }

    /// A page is asked for.
    pub(super) fn asked(self: &Arc<Self>, load: usize, page: PageId, retry: bool) -> Asked {
        let at = self.elapsed();
        let state = &mut *self.state.lock();
        let number = state.pages.len() as u64;
        let end = PageEnd {
            at,
            took: Duration::ZERO,
            page,
            load,
            retry,
            outcome: PageOutcome::Cancelled,
            reason: None,
            calls: 0,
            aborted: 0,
            wasted: 0,
        };
        state.pages.push(Open {
            end,
            running: 0,
            answered: false,
        });
        state.in_flight += 1;
        state.slice.in_flight = state.slice.in_flight.max(state.in_flight);
        state.note(at, number, format_args!("asked"));
        Asked {
            recorder: Arc::clone(self),
            number,
        }
    }

    /// The gateway makes a call, which is yet to reach its downstream.
    pub(super) fn made(&self) {
        self.state.lock().made += 1;
    }

    /// A call starts.
    pub(super) fn calling(
        self: &Arc<Self>,
        page: u64,
        downstream: DownstreamId,
        goes_on: bool,
    ) -> Calling {
        let at = self.elapsed();
        let known = &self.downstreams[downstream.0];
        let state = &mut *self.state.lock();
        state.running[downstream.0] += 1;
        let running = state.running[downstream.0];
        let slice = &mut state.slice.downstreams[downstream.0];
        slice.started += 1;
        slice.running = slice.running.max(running);
        state.note(at, page, format_args!("call {}", known.name));
        if known.permits.is_some_and(|permits| running > permits) {
            state.broken(
                at,
                page,
                format_args!(
                    "{running} calls run at {}, more than its permits",
                    known.name
                ),
            );
        }
        match state.pages.get_mut(page as usize) {
            Some(open) => {
                open.end.calls += 1;
                open.running += 1;
                let deadline = self.pages[open.end.page.0].deadline;
                let late = deadline.is_some_and(|deadline| at >= open.end.at + deadline);
                let answered = open.answered;
                if late || answered {
                    state.broken(
                        at,
                        page,
                        format_args!("a call starts after its page's deadline or end"),
                    );
                }
            }
            None => state.broken(at, page, format_args!("a call of no page")),
        }
        Calling {
            recorder: Arc::clone(self),
            page,
            downstream,
            goes_on,
            ended: false,
        }
    }

    fn call_over(&self, calling: &Calling, how: &str) {
        let at = self.elapsed();
        let state = &mut *self.state.lock();
        let index = calling.downstream.0;
        state.running[index] -= 1;
        let (aborted, wasted) = (!calling.ended, !calling.ended && calling.goes_on);
        let slice = &mut state.slice.downstreams[index];
        slice.ended += u32::from(!aborted);
        slice.aborted += u32::from(aborted);
        slice.wasted += u32::from(wasted);
        let name = &self.downstreams[index].name;
        state.note(at, calling.page, format_args!("{name} {how}"));
        if let Some(open) = state.pages.get_mut(calling.page as usize) {
            open.running -= 1;
            open.end.aborted += u16::from(aborted);
            open.end.wasted += u16::from(wasted);
        }
    }

    fn page_over(&self, number: u64, outcome: PageOutcome, reason: Option<&'static str>) {
        let at = self.elapsed();
        let state = &mut *self.state.lock();
        let open = &mut state.pages[number as usize];
        open.answered = true;
        open.end.took = at - open.end.at;
        open.end.outcome = outcome;
        open.end.reason = reason;
        let (took, running) = (open.end.took, open.running);
        let deadline = self.pages[open.end.page.0].deadline;
        state.note(
            at,
            number,
            format_args!("{} {}", outcome.as_str(), reason.unwrap_or("")),
        );
        if running > 0 {
            state.broken(
                at,
                number,
                format_args!("{running} calls outlive their page"),
            );
        }
        if deadline.is_some_and(|deadline| took > deadline) {
            state.broken(
                at,
                number,
                format_args!("answered after {took:?}, later than its deadline"),
            );
        }
    }

    /// A downstream behaves differently from now on.
    pub(super) fn changed(&self, downstream: DownstreamId) {
        let name = &self.downstreams[downstream.0].name;
        let at = self.elapsed();
        self.state
            .lock()
            .events
            .push(format_args!("{} - {name} changes", at.as_millis()));
    }

    /// A slice of the run ends, with nothing left to run at this instant. Where calls have bulkheads of their own, `calls` is how these stand.
    pub(super) fn slice(&self, view: &AdmissionView, calls: Option<AdmissionView>) {
        let at = self.elapsed();
        let state = &mut *self.state.lock();
        let bulkheads = &calls.as_ref().unwrap_or(view).bulkheads;
        for (slice, bulkhead) in state.slice.downstreams.iter_mut().zip(bulkheads) {
            slice.permits = bulkhead.in_use;
            slice.queued = bulkhead.queued;
        }
        let exceeds =
            |bulkhead: &BulkheadView| bulkhead.limit.is_some_and(|limit| bulkhead.in_use > limit);
        if view.in_flight > view.max_in_flight || bulkheads.iter().any(exceeds) {
            state.broken(
                at,
                0,
                format_args!("more tickets or permits are out than there are: {view:?}"),
            );
        }
        let running = state.running.iter().zip(bulkheads);
        let limited = running.filter(|(_, bulkhead)| bulkhead.limit.is_some());
        if limited
            .clone()
            .any(|(running, bulkhead)| *running != bulkhead.in_use)
        {
            let held: Vec<_> = limited.map(|(running, b)| (b.in_use, *running)).collect();
            state.broken(
                at,
                0,
                format_args!("permits are out without a call (permits, calls): {held:?}"),
            );
        }
        let next = state.next_slice();
        let ended = std::mem::replace(&mut state.slice, next);
        state.slices.push(ended);
    }

    /// The run is over: everything must be at rest, and the gateway's own counts must agree.
    pub(super) fn finish(&self, seed: u64, pages: &Pages<Modelled>) -> Record {
        let view = pages.admission().view();
        let (at, mut state) = (self.elapsed(), self.state.lock());
        let held: u32 = view.bulkheads.iter().map(|b| b.in_use).sum();
        let waiting: usize = view.queues.iter().map(|queue| queue.depth).sum();
        if view.in_flight > 0 || held > 0 || waiting > 0 || state.running.iter().any(|n| *n > 0) {
            state.broken(
                at,
                0,
                format_args!("something is left when all pages have ended: {view:?}"),
            );
        }
        let asked = state.pages.len() as u64;
        let made = state.made;
        let (ended, calls_ended) = self.counted(pages);
        if (ended, calls_ended) != (asked, made) {
            state.broken(at, 0, format_args!(
                "the gateway counts {ended} pages and {calls_ended} calls, {asked} and {made} were seen"
            ));
        }
        let state = std::mem::take(&mut *state);
        Record {
            seed,
            pages: state.pages.into_iter().map(|page| page.end).collect(),
            slices: state.slices,
            broken: state.broken,
            events: state.events,
        }
    }

    /// Pages and calls by the gateway's own counts, all outcomes together.
    fn counted(&self, pages: &Pages<Modelled>) -> (u64, u64) {
        let counts = pages.counts();
        let page = |page| {
            PageOutcome::ALL
                .map(|outcome| counts.pages(page, outcome))
                .iter()
                .sum::<u64>()
        };
        let call = |call| {
            CallOutcome::ALL
                .map(|outcome| counts.calls(call, outcome))
                .iter()
                .sum::<u64>()
        };
        (
            (0..self.pages.len()).map(page).sum(),
            (0..self.downstreams.len()).map(call).sum(),
        )
    }
}

impl State {
    /// A slice that begins with what is under way.
    fn next_slice(&self) -> Slice {
        let downstream = |&running: &u32| DownstreamSlice {
            running,
            ..DownstreamSlice::default()
        };
        Slice {
            in_flight: self.in_flight,
            downstreams: self.running.iter().map(downstream).collect(),
        }
    }

    fn note(&mut self, at: Duration, page: u64, what: std::fmt::Arguments<'_>) {
        self.events
            .push(format_args!("{} {page} {what}", at.as_millis()));
    }

    fn broken(&mut self, at: Duration, page: u64, what: std::fmt::Arguments<'_>) {
        if self.broken.len() < MOST_BROKEN {
            self.broken.push(format!("at {at:?}, page {page}: {what}"));
        }
    }
}

/// A page somebody waits for. It is in flight until this is dropped, and cancelled if it was not
/// answered by then.
pub(super) struct Asked {
    recorder: Arc<Recorder>,
    /// Of this page, counted from 0.
    pub(super) number: u64,
}

impl Asked {
    /// The answer is there.
    pub(super) fn answered(&self, answer: &Answer) {
        let (outcome, reason) = match &answer.result {
            Ok(page) if page.complete => (PageOutcome::Complete, None),
            Ok(_) => (PageOutcome::Partial, None),
            Err(refusal) => {
                let row = refusal.row(gateway::config::ShedStatus::TooManyRequests);
                (row.outcome, Some(row.reason))
            }
        };
        self.recorder.page_over(self.number, outcome, reason);
        if answer.result.is_ok() {
            self.check_parts(answer);
        }
    }

    /// A missing required part is never a 200.
    fn check_parts(&self, answer: &Answer) {
        let at = self.recorder.elapsed();
        let state = &mut *self.recorder.state.lock();
        let page = state.pages[self.number as usize].end.page;
        let parts = answer.timing.parts.iter();
        let lost =
            self.recorder.pages[page.0]
                .required
                .iter()
                .zip(parts)
                .any(|(required, part)| {
                    *required
                        && !part
                            .as_ref()
                            .is_some_and(|part| matches!(part.end, PartEnd::Ok(_)))
                });
        if lost {
            state.broken(
                at,
                self.number,
                format_args!("served without a required part"),
            );
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let answered = {
            let state = &mut *self.recorder.state.lock();
            state.in_flight -= 1;
            state.pages[self.number as usize].answered
        };
        if !answered {
            self.recorder
                .page_over(self.number, PageOutcome::Cancelled, None);
        }
    }
}

/// A call under way; aborted if it is dropped before it ended.
pub(super) struct Calling {
    recorder: Arc<Recorder>,
    page: u64,
    downstream: DownstreamId,
    /// Whether the downstream goes on working when the call is dropped.
    goes_on: bool,
    ended: bool,
}

impl Calling {
    /// It ended by itself.
    pub(super) fn ended(mut self, reply: Result<&Reply, &Cause>) {
        self.ended = true;
        let recorder = Arc::clone(&self.recorder);
        match reply {
            Ok(reply) => {
                recorder.call_over(&self, if reply.status == 200 { "ok" } else { "error" })
            }
            Err(_) => recorder.call_over(&self, "broken"),
        }
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if !self.ended {
            self.recorder.call_over(self, "aborted");
        }
    }
}
