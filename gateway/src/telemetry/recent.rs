//! The flight recorder: recent pages, and all pages in flight.
//!
//! It keeps the [`PageRecord`]s that log, metrics and traces are made of, as they are: keeping one
//! is a reference counted and a push. [`retention`] says which are kept for how long; what they
//! weigh is bounded by `telemetry.recent`. Names are looked up when somebody looks.
//!
//! Not here: how it is asked for ([`crate::admin`]).

pub mod in_flight;
pub mod incident;
pub mod outliers;
pub mod retention;
pub mod shown;
mod story;

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::time::Instant;

use self::in_flight::InFlight;
use self::retention::{Chooser, Class, Shelf};
use crate::config::ClientKey;
use crate::outcome::PageOutcome;
use crate::telemetry::record::{AttemptRecord, Origin, PageRecord, PartRecord};

/// Recent pages, and those in flight.
#[derive(Debug)]
pub struct Recent {
    in_flight: InFlight,
    /// When the first page that ended had arrived.
    started: OnceLock<Instant>,
    /// Whether anything is kept.
    keeps: AtomicBool,
    /// By [`Class`].
    shelves: [Mutex<Shelf<Arc<PageRecord>>>; Class::ALL.len()],
    chooser: Mutex<Chooser<Arc<PageRecord>>>,
    /// Hides who a client is, and still tells clients apart.
    tags: RandomState,
}

/// A page, and what it is kept as.
pub type Kept = (Class, Arc<PageRecord>);

/// What is kept of one class.
#[derive(Clone, Copy, Debug)]
pub struct Holding {
    /// Which.
    pub class: Class,
    /// How many pages.
    pub pages: usize,
    /// What they weigh, in bytes.
    pub bytes: usize,
    /// What they may weigh.
    pub most: usize,
    /// All that ended later than this are here; `None`: all there were.
    pub forgotten: Option<Instant>,
}

impl Recent {
    /// Nothing yet; records of at most `bytes`, or none.
    pub fn new(bytes: Option<NonZeroUsize>) -> Self {
        let shelf = |class| Mutex::new(Shelf::new(class, bytes.map_or(0, NonZeroUsize::get)));
        Self {
            in_flight: InFlight::default(),
            started: OnceLock::new(),
            keeps: AtomicBool::new(bytes.is_some()),
            shelves: Class::ALL.map(shelf),
            chooser: Mutex::new(Chooser::new(fastrand::Rng::new())),
            tags: RandomState::new(),
        }
    }

    /// From now on records of at most so many `bytes`, or none.
    pub fn resize(&self, bytes: Option<NonZeroUsize>) {
        self.keeps.store(bytes.is_some(), Ordering::Relaxed);
        for (class, shelf) in Class::ALL.iter().zip(&self.shelves) {
            let mut gone = Vec::new();
            let bytes = bytes.map_or(0, NonZeroUsize::get);
            let ended = |page: &Arc<PageRecord>| page.ended;
            shelf
                .lock()
                .resize(*class, bytes, ended, |page| gone.push(page));
            drop(gone);
        }
    }

    /// The pages in flight.
    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// When pages began to come; `None` before one has ended.
    pub fn started(&self) -> Option<Instant> {
        self.started.get().copied()
    }

    /// Keeps a page that has ended.
    pub fn keep(&self, record: &Arc<PageRecord>) {
        if !self.keeps.load(Ordering::Relaxed) {
            return;
        }
        self.started.get_or_init(|| record.origin.arrived);
        let (class, bytes) = (class(record), weight(record));
        self.push(class, record, bytes);
        if class != Class::Whole {
            return;
        }
        let (drawn, slowest) = self.chooser.lock().look(record, record.total());
        if drawn {
            self.push(Class::Sample, record, bytes);
        }
        if let Some(slowest) = slowest {
            self.push(Class::Slow, &slowest, weight(&slowest));
        }
    }

    /// Everything that is kept, each page once, the last to end first.
    pub fn all(&self) -> Vec<Kept> {
        let mut all: Vec<_> = Class::ALL
            .iter()
            .flat_map(|&class| self.of(class).into_iter().map(move |page| (class, page)))
            .collect();
        // Chosen pages may be there as whole ones too: they are shown as what they were chosen for.
        all.sort_by_key(|(class, page)| {
            (
                std::cmp::Reverse(page.ended),
                Arc::as_ptr(page) as usize,
                *class as usize,
            )
        });
        all.dedup_by(|(_, one), (_, other)| Arc::ptr_eq(one, other));
        all
    }

    /// The pages of one class, the oldest first.
    pub fn of(&self, class: Class) -> Vec<Arc<PageRecord>> {
        self.shelves[class as usize]
            .lock()
            .pages()
            .cloned()
            .collect()
    }

    /// The last of one class to end, later than `since` (`None`: ever) and at most so many, the latest first.
    pub fn latest(
        &self,
        class: Class,
        since: Option<Instant>,
        most: usize,
    ) -> Vec<Arc<PageRecord>> {
        let shelf = self.shelves[class as usize].lock();
        newer(shelf.pages().rev(), since, most)
    }

    /// Like [`Recent::latest`], without those that would be gone before somebody asks for them.
    pub fn lasting(
        &self,
        class: Class,
        since: Option<Instant>,
        most: usize,
    ) -> Vec<Arc<PageRecord>> {
        let shelf = self.shelves[class as usize].lock();
        newer(shelf.lasting(), since, most)
    }

    /// How much of each class is kept.
    pub fn holdings(&self) -> Vec<Holding> {
        let holding = |(&class, shelf): (&Class, &Mutex<Shelf<_>>)| {
            let shelf = shelf.lock();
            Holding {
                class,
                pages: shelf.pages().count(),
                bytes: shelf.bytes(),
                most: shelf.most(),
                forgotten: shelf.forgotten(),
            }
        };
        Class::ALL.iter().zip(&self.shelves).map(holding).collect()
    }

    /// What stands for a client where people look: the same for the same client as long as the
    /// process runs, and no way back to its address or key.
    pub fn client_tag(&self, client: ClientKey) -> String {
        format!("{:08x}", self.tags.hash_one(client) as u32)
    }

    fn push(&self, class: Class, record: &Arc<PageRecord>, bytes: usize) {
        // Usually one is evicted. It is freed outside the lock, since others wait for that.
        let mut gone = None;
        let page = Arc::clone(record);
        self.shelves[class as usize].lock().push(
            page,
            bytes,
            |page| page.ended,
            |page| gone = Some(page),
        );
        drop(gone);
    }
}

/// Of `pages`, the last to end first, those that ended later than `since`; at most so many.
fn newer<'a>(
    pages: impl Iterator<Item = &'a Arc<PageRecord>>,
    since: Option<Instant>,
    most: usize,
) -> Vec<Arc<PageRecord>> {
    let later = |page: &&Arc<PageRecord>| since.is_none_or(|since| page.ended > since);
    pages.take(most).take_while(later).cloned().collect()
}

/// What a page is kept as, before it is known whether it is chosen.
fn class(record: &PageRecord) -> Class {
    if record.standing.abandoned || record.standing.answered_late {
        return Class::Lost;
    }
    match record.outcome {
        PageOutcome::Late | PageOutcome::Failed => Class::Lost,
        PageOutcome::Shed => Class::Refused,
        PageOutcome::Partial => Class::Partial,
        PageOutcome::Complete => Class::Whole,
        PageOutcome::Quota
        | PageOutcome::NotFound
        | PageOutcome::Denied
        | PageOutcome::BadRequest
        | PageOutcome::ClientBudget
        | PageOutcome::Cancelled => Class::Client,
    }
}

/// The two counters of an [`Arc`].
const COUNTERS: usize = 2 * size_of::<usize>();

/// The memory that a record holds, in bytes: its own, and an eighth for the allocator, whose sizes
/// come in steps. Endpoints' addresses are shared with the endpoints.
fn weight(record: &PageRecord) -> usize {
    let origin = &record.origin;
    let value =
        |value: &Option<http::HeaderValue>| value.as_ref().map_or(0, http::HeaderValue::len);
    let calls = record.parts.iter().filter_map(|part| part.call.as_ref());
    let calls = calls.map(|call| {
        let words = call
            .failure
            .as_ref()
            .map_or(0, |(_, words)| words.capacity());
        call.attempts.capacity() * size_of::<AttemptRecord>() + words
    });
    let all = 2 * COUNTERS
        + size_of::<PageRecord>()
        + size_of::<Origin>()
        + record.parts.capacity() * size_of::<PartRecord>()
        + calls.sum::<usize>()
        + value(&origin.request_id)
        + value(&origin.trace.origin)
        + value(&origin.trace.tracestate)
        + origin.trace.tags.capacity();
    all + all / 8
}
