//! What the core is told, and what it decides.

use std::time::Duration;

use super::needs::{NeedSet, Parts};
use crate::config::DownstreamId;

/// Time since an epoch of the caller's choice; only differences and order matter.
pub type Time = Duration;

/// An arrival. The caller numbers arrivals upwards; a greater number is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageSeq(pub u64);

/// The permits of one downstream, for the core: of the same name as long as anybody refers to
/// it or holds one of them, whatever configurations come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BulkheadId(pub usize);

/// The queue of one page, likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub usize);

/// Something that wants its permits, all at once.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its number; greater than every number before.
    pub page: PageSeq,
    /// Whose queue it waits in if it has to.
    pub queue: QueueId,
    /// The permits it starts with.
    pub needs: &'a NeedSet,
    /// When it stops waiting; it never starts at or after this time.
    pub give_up: Time,
    /// What ends the wait at `give_up`.
    pub reason: GiveUp,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A page wants its permits.
    Arrive(Arrival<'a>),
    /// One permit was released. While nobody waits, the time does not matter.
    Release {
        /// Of which bulkhead.
        bulkhead: BulkheadId,
    },
    /// There are as many permits as this from now on; `None` is no bulkhead. Permits that
    /// are out stay out: after a shrink nothing is granted until enough were released.
    Resize {
        /// Of which bulkhead.
        bulkhead: BulkheadId,
        /// How many.
        limit: Option<u32>,
    },
    /// As many pages may wait in a queue as this from now on. Of more the oldest are evicted.
    ResizeQueue {
        /// Which.
        queue: QueueId,
        /// How many.
        limit: usize,
    },
    /// A waiting page reached the end of its wait. Of no effect on one that is not waiting.
    Expire {
        /// Which.
        page: PageSeq,
    },
    /// A waiting page's client went away. Of no effect on one that is not waiting.
    Leave {
        /// Which.
        page: PageSeq,
    },
}

/// What ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// The page's `max_wait`.
    MaxWait,
    /// The page's deadline, which comes before `max_wait` is over.
    Deadline,
}

/// What is to be done about a page.
#[derive(Clone, Debug)]
pub enum Action {
    /// It starts.
    Grant {
        /// Which.
        page: PageSeq,
        /// What it asked for.
        needs: NeedSet,
        /// The parts it holds a permit for; every required one is among them.
        parts: Parts,
    },
    /// It waits in its queue.
    Park {
        /// Which.
        page: PageSeq,
    },
    /// It is refused, having started nothing.
    Refuse {
        /// Which.
        page: PageSeq,
        /// Why.
        shed: Shed,
    },
}

/// Why a page was refused its permits, and which bulkhead stood in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    /// The rule that refused it.
    pub why: ShedWhy,
    /// Whose bulkhead had no room for it, the first of them; as its [`NeedSet`] numbers downstreams.
    pub downstream: DownstreamId,
}

/// The rule that refused a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedWhy {
    /// No room, and none came within `max_wait`.
    BulkheadFull,
    /// A newer page took its place in the full queue.
    QueueEvicted,
    /// Its deadline came before room did.
    DeadlineUnreachable,
}
