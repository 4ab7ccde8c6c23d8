//! The console: how the gateway does, second by second, for as long as somebody looks.
//!
//! Owns who looks, and the snapshots they see. What always holds: no snapshot is made while nobody looks, and
//! nothing is kept then; all viewers see the same ones, a second apart, however many there are; a viewer that
//! reads slowly misses snapshots, and nothing waits or is kept for it; there are at most [`MOST_VIEWERS`].
//!
//! There is no task: the first of the viewers whose time has come makes the snapshot, and the others find it
//! made. So it ends with the last connection, and a defect in it ends a connection and nothing else.
//!
//! Not here: where the figures come from (`reading`: the counters and histograms that are there anyway), how
//! they look (`web/` and `gateway top`), their history (kept by whoever shows it).

mod compose;
mod headline;
mod pages;
mod reading;
pub mod snapshot;
pub mod web;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use http_body::Frame;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use self::compose::Spans;
use self::reading::{Between, Reading};
use self::snapshot::Change;
use crate::generation::Generations;
use crate::lifecycle::phase::CurrentPhase;
use crate::page::deadline::now;
use crate::page::downstream::Transport;

/// From one snapshot to the next.
pub const EVERY: Duration = Duration::from_secs(1);

/// Percentiles and refusals are of so many snapshots: of one second they would be of few pages.
const SPREAD_OVER: usize = 10;

/// More than this many screens nobody watches, and each costs the gateway some kilobytes a second.
pub const MOST_VIEWERS: usize = 16;

/// How long a browser waits before it connects again.
const BEGIN: &str = "retry: 2000\n\n";

/// See the module's head.
#[derive(Debug)]
pub struct Console<T> {
    phase: CurrentPhase,
    generations: Generations<T>,
    changes: LastChanges,
    shared: Mutex<Shared>,
}

/// Where the last changes of the configuration are asked for, the latest first.
pub struct LastChanges(Box<dyn Fn() -> Vec<Change> + Send + Sync>);

/// What viewers share.
#[derive(Debug, Default)]
struct Shared {
    viewers: usize,
    /// Snapshots ever made.
    made: u64,
    /// The latest last; none while nobody looks.
    readings: VecDeque<Reading>,
    newest: Option<Event>,
}

/// A snapshot as it is sent.
#[derive(Clone, Debug)]
struct Event {
    number: u64,
    text: Bytes,
}

impl<T: Transport> Console<T> {
    /// Nobody looks yet.
    pub fn new(
        phase: CurrentPhase,
        generations: Generations<T>,
        changes: impl Fn() -> Vec<Change> + Send + Sync + 'static,
    ) -> Self {
        Self {
            phase,
            generations,
            changes: LastChanges(Box::new(changes)),
            shared: Mutex::default(),
        }
    }

    /// Server-sent events, a `snapshot` each second, for one more viewer; `None` if there are as many as
    /// there may be. The viewer has left when the stream is dropped.
    /// <https://html.spec.whatwg.org/multipage/server-sent-events.html>
    pub fn events(
        self: &Arc<Self>,
    ) -> Option<impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + use<T>> {
        let viewer = self.join()?;
        let begin = Some(Bytes::from_static(BEGIN.as_bytes()));
        Some(unfold((viewer, begin), |(mut viewer, begin)| async move {
            let event = match begin {
                Some(begin) => begin,
                None => viewer.next().await,
            };
            Some((Ok(Frame::data(event)), (viewer, None)))
        }))
    }

    fn join(self: &Arc<Self>) -> Option<Viewer<T>> {
        let mut shared = self.shared.lock();
        if shared.viewers == MOST_VIEWERS {
            return None;
        }
        if shared.viewers == 0 {
            shared
                .readings
                .push_back(Reading::of(&self.generations.pages(), now()));
        }
        shared.viewers += 1;
        Some(Viewer {
            console: Arc::clone(self),
            // Who comes while others look is sent what they see.
            seen: shared.made - u64::from(shared.newest.is_some()),
        })
    }

    /// The newest snapshot, made if it is time; and when the next one is due.
    fn newest(&self, at: Instant) -> (Option<Event>, Instant) {
        let mut shared = self.shared.lock();
        let last = shared.readings.back().map_or(at, |reading| reading.at);
        if at < last + EVERY {
            return (shared.newest.clone(), last + EVERY);
        }
        shared
            .readings
            .push_back(Reading::of(&self.generations.pages(), at));
        if shared.readings.len() > SPREAD_OVER + 1 {
            shared.readings.pop_front();
        }
        shared.made += 1;
        let event = self.event(&shared);
        shared.newest.clone_from(&event);
        (event, at + EVERY)
    }

    fn event(&self, shared: &Shared) -> Option<Event> {
        let readings = &shared.readings;
        let (first, last) = (readings.front()?, readings.back()?);
        let before = readings.iter().rev().nth(1)?;
        let spans = Spans {
            short: Between(before, last),
            long: Between(first, last),
        };
        let phase = self.phase.get();
        let pages = self.generations.pages();
        let mut snapshot = compose::snapshot(&pages, phase, spans, shared.viewers);
        let number = shared.made;
        snapshot.number = number;
        snapshot.changes = (self.changes.0)();
        // It has neither keys that are no text nor numbers that JSON has not.
        let data = serde_json::to_string(&snapshot).ok()?;
        let text = format!("id: {number}\nevent: snapshot\ndata: {data}\n\n").into();
        Some(Event { number, text })
    }
}

/// Milliseconds since 1970.
pub fn since_1970(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

impl fmt::Debug for LastChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastChanges")
    }
}

/// One who looks.
struct Viewer<T> {
    console: Arc<Console<T>>,
    /// The number of the last snapshot it was sent, or of the last before it came.
    seen: u64,
}

impl<T: Transport> Viewer<T> {
    /// The first snapshot that it has not seen.
    async fn next(&mut self) -> Bytes {
        loop {
            let (newest, due) = self.console.newest(now());
            if let Some(event) = newest.filter(|event| event.number > self.seen) {
                self.seen = event.number;
                return event.text;
            }
            sleep_until(due).await;
        }
    }
}

impl<T> Drop for Viewer<T> {
    fn drop(&mut self) {
        let mut shared = self.console.shared.lock();
        shared.viewers -= 1;
        if shared.viewers == 0 {
            shared.readings = VecDeque::new();
            shared.newest = None;
        }
    }
}
