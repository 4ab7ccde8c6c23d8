//! The pages in flight: what each is doing now.
//!
//! A page opens an [`InFlightPage`] and writes into it as it goes; dropped, at whatever await,
//! the page is gone from the list. What always holds: every open page is listed exactly once, and
//! nobody who looks makes a page wait for longer than it takes to copy one.
//!
//! A page's place is used again by the next, so that opening one allocates nothing once as many
//! have been in flight at once.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::{ClientKey, DownstreamId, PageId};
use crate::outcome::PartStatus;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::record::{
    AttemptRecord, CallRecord, ConnectionUse, Origin, PageRecord, PartRecord, TimeSpan,
};

/// With one, pages of different cores would wait for each other to come and go.
const SHARDS: usize = 8;

/// All pages in flight.
#[derive(Debug)]
pub struct InFlight {
    shards: [Arc<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    all: Vec<Arc<Place>>,
    free: Vec<Arc<Place>>,
}

/// Where one page at a time writes down what it does.
#[derive(Debug)]
struct Place {
    shard: Weak<Shard>,
    now: Mutex<Doing>,
}

/// Which page of which configuration, and the request.
type Named = (PageId, Arc<Configured>, Arc<Origin>);

/// What a page is doing.
#[derive(Debug, Default)]
struct Doing {
    /// `None` while no page is here.
    page: Option<Named>,
    client: Option<ClientKey>,
    deadline: Option<Instant>,
    stage: Stage,
    /// When it began to wait for permits, and for whose.
    waits: Option<(Instant, DownstreamId)>,
    admitted: Option<TimeSpan>,
    parts: Vec<Part>,
    /// Once it has ended, and its client takes the answer.
    record: Option<Arc<PageRecord>>,
}

/// How far a page is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Deadline, quota and ticket, which are decided at once; or it waits for permits.
    #[default]
    Admission,
    /// At least one call runs.
    Calls,
    /// Its answer is being written down.
    Assembling,
    /// Its client is taking the answer.
    Writing,
}

impl Stage {
    /// For views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Calls => "calls",
            Self::Assembling => "assembling",
            Self::Writing => "writing",
        }
    }
}

#[derive(Debug, Default)]
struct Part {
    call: Option<Call>,
    /// How it ended; `None` while it runs.
    ended: Option<(PartStatus, Duration)>,
}

#[derive(Debug)]
struct Call {
    began: Instant,
    span_id: u64,
    budget_left: Option<Duration>,
    /// The last attempt: which endpoint, since when, on which connection if it has one.
    attempt: Option<(Arc<str>, Instant, Option<ConnectionUse>)>,
}

/// A page in flight, as it is seen from outside.
#[derive(Clone, Debug)]
pub struct PageInFlight {
    /// What it did so far. Parts that are [`PageInFlight::running`] have no ending yet.
    pub record: Arc<PageRecord>,
    /// How far it is.
    pub stage: Stage,
    /// When it began to wait for permits, and for whose, while it does.
    pub waits: Option<(Instant, DownstreamId)>,
    /// By part, whether its call runs.
    pub running: Vec<bool>,
    /// By part, whether its call has a connection.
    pub connected: Vec<bool>,
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Arc::default()),
        }
    }
}

impl InFlight {
    /// A page begins.
    pub fn open(
        &self,
        page: PageId,
        names: &Arc<Configured>,
        origin: &Arc<Origin>,
    ) -> InFlightPage {
        // Span ids are random, so this spreads pages evenly.
        let shard = &self.shards[origin.trace.span_id as usize % SHARDS];
        let free = shard.places.lock().free.pop();
        let place = free.unwrap_or_else(|| shard.grow());
        place.now.lock().page = Some((page, Arc::clone(names), Arc::clone(origin)));
        InFlightPage { place }
    }

    /// All of them, the oldest first, as they are at `now`.
    pub fn list(&self, now: Instant) -> Vec<PageInFlight> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let places = shard.places.lock().all.clone();
            found.extend(places.iter().filter_map(|place| place.now.lock().seen(now)));
        }
        found.sort_by_key(|page| page.record.origin.arrived);
        found
    }
}

impl Shard {
    fn grow(self: &Arc<Self>) -> Arc<Place> {
        let place = Arc::new(Place {
            shard: Arc::downgrade(self),
            now: Mutex::default(),
        });
        self.places.lock().all.push(Arc::clone(&place));
        place
    }
}

/// A page's own hold on its place. Dropped, the page is in flight no more.
#[must_use = "a page is in flight for as long as this is held"]
#[derive(Debug)]
pub struct InFlightPage {
    place: Arc<Place>,
}

impl InFlightPage {
    /// Who asks, and by when calls must have ended.
    pub fn known(&self, client: ClientKey, deadline: Option<Instant>) {
        let mut doing = self.place.now.lock();
        (doing.client, doing.deadline) = (Some(client), deadline);
    }

    /// It waits for permits of this downstream.
    pub fn waits(&self, since: Instant, downstream: DownstreamId) {
        self.place.now.lock().waits = Some((since, downstream));
    }

    /// It has its permits, after this wait, and makes calls for so many parts.
    pub fn admitted(&self, wait: Option<TimeSpan>, parts: usize) {
        let mut doing = self.place.now.lock();
        (doing.stage, doing.admitted) = (Stage::Calls, wait);
        doing.parts.resize_with(parts, Part::default);
    }

    /// One of its calls.
    pub fn call(&self, part: usize) -> InFlightCall<'_> {
        InFlightCall {
            place: &self.place,
            part,
        }
    }

    /// Its calls have ended.
    pub fn assembling(&self) {
        self.place.now.lock().stage = Stage::Assembling;
    }

    /// It has ended so, and its client takes the answer.
    pub fn writing(&self, record: &Arc<PageRecord>) {
        let mut doing = self.place.now.lock();
        doing.stage = Stage::Writing;
        doing.record = Some(Arc::clone(record));
    }
}

impl Drop for InFlightPage {
    fn drop(&mut self) {
        let before = self.place.now.lock().clear();
        // Records are freed outside the lock.
        drop(before);
        if let Some(shard) = self.place.shard.upgrade() {
            shard.places.lock().free.push(Arc::clone(&self.place));
        }
    }
}

/// One call of a page in flight.
#[derive(Clone, Copy, Debug)]
pub struct InFlightCall<'a> {
    place: &'a Place,
    part: usize,
}

impl InFlightCall<'_> {
    /// It begins; `budget_left` as in [`CallRecord`].
    pub fn begins(self, began: Instant, span_id: u64, budget_left: Option<Duration>) {
        self.with(|part| {
            part.call = Some(Call {
                began,
                span_id,
                budget_left,
                attempt: None,
            });
        });
    }

    /// An attempt at this endpoint wants a connection, or has this one.
    pub fn attempts(self, endpoint: &Arc<str>, began: Instant, connection: Option<ConnectionUse>) {
        self.with(|part| {
            if let Some(call) = &mut part.call {
                call.attempt = Some((Arc::clone(endpoint), began, connection));
            }
        });
    }

    /// It has ended.
    pub fn ended(self, status: PartStatus, took: Duration) {
        self.with(|part| part.ended = Some((status, took)));
    }

    fn with(self, write: impl FnOnce(&mut Part)) {
        if let Some(part) = self.place.now.lock().parts.get_mut(self.part) {
            write(part);
        }
    }
}

impl Doing {
    /// Makes room for the next page; what the last one shared with others is the caller's to drop.
    fn clear(&mut self) -> (Option<Named>, Option<Arc<PageRecord>>) {
        self.parts.clear();
        let parts = std::mem::take(&mut self.parts);
        let before = std::mem::replace(
            self,
            Self {
                parts,
                ..Self::default()
            },
        );
        (before.page, before.record)
    }

    fn seen(&self, now: Instant) -> Option<PageInFlight> {
        let named = self.page.as_ref()?;
        let running = self.parts.iter().map(Part::is_running);
        let connected = self.parts.iter().map(Part::is_connected);
        Some(PageInFlight {
            record: match &self.record {
                Some(record) => Arc::clone(record),
                None => Arc::new(self.so_far(named, now)),
            },
            stage: self.stage,
            waits: self.waits.filter(|_| self.stage == Stage::Admission),
            running: running.collect(),
            connected: connected.collect(),
        })
    }

    fn so_far(&self, (page, names, origin): &Named, now: Instant) -> PageRecord {
        let waiting = self.waits.map(|(began, _)| TimeSpan {
            began,
            took: now.saturating_duration_since(began),
        });
        PageRecord {
            client: self.client,
            deadline: self.deadline,
            admission: self.admitted.or(waiting),
            waited_for: self.waits.map(|(_, downstream)| downstream),
            parts: self.parts.iter().map(|part| part.so_far(now)).collect(),
            ended: now,
            ..PageRecord::open(*page, Arc::clone(names), Arc::clone(origin))
        }
    }
}

impl Part {
    fn is_running(&self) -> bool {
        self.call.is_some() && self.ended.is_none()
    }

    fn is_connected(&self) -> bool {
        let attempt = self.call.as_ref().and_then(|call| call.attempt.as_ref());
        attempt.is_some_and(|(.., connection)| connection.is_some())
    }

    fn so_far(&self, now: Instant) -> PartRecord {
        let Some(call) = &self.call else {
            // Calls begin all at once: one that has not has no permit.
            return PartRecord {
                status: PartStatus::Shed,
                call: None,
            };
        };
        let since = |began: Instant| TimeSpan {
            began,
            took: now.saturating_duration_since(began),
        };
        let (status, span) = match self.ended {
            None => (PartStatus::default(), since(call.began)),
            Some((status, took)) => (
                status,
                TimeSpan {
                    began: call.began,
                    took,
                },
            ),
        };
        let attempt = call.attempt.as_ref();
        let attempt = attempt.map(|(endpoint, began, connection)| AttemptRecord {
            endpoint: Arc::clone(endpoint),
            span: TimeSpan {
                began: *began,
                took: span.end().saturating_duration_since(*began),
            },
            connection: connection.unwrap_or_default(),
            failure: None,
        });
        PartRecord {
            status,
            call: Some(CallRecord {
                span,
                budget_left: call.budget_left,
                attempts: attempt.into_iter().collect(),
                ..CallRecord::begun(call.span_id, call.began)
            }),
        }
    }
}
