//! Which bucket a page belongs to, and when a bucket is complete. No clock, no lock.
//!
//! A bucket is ten seconds of the wall clock, as the agent has them. A page and its calls
//! count when the page ended. Always holds: what was added is in exactly one bucket, and
//! at most [`MOST_COMPLETE`] of them wait; of more, the oldest is lost.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::bucket::{Bucket, Hit};

/// What the agent's own statistics have.
pub(super) const BUCKET: Duration = Duration::from_secs(10);

/// Complete buckets that wait: a minute.
pub(super) const MOST_COMPLETE: usize = 6;

/// Buckets that are kept to be filled again.
const MOST_SPARE: usize = 2;

/// Adds up what is told in the order of time, roughly.
#[derive(Debug)]
pub(super) struct Concentrator {
    resources: usize,
    open: Bucket,
    complete: VecDeque<Bucket>,
    spare: Vec<Bucket>,
    /// Buckets that found no room since that was asked last.
    lost: u64,
}

impl Concentrator {
    pub(super) fn new(resources: usize) -> Self {
        Self {
            resources,
            open: Bucket::new(resources),
            complete: VecDeque::with_capacity(MOST_COMPLETE),
            spare: Vec::with_capacity(MOST_SPARE),
            lost: 0,
        }
    }

    /// These spans ended at this time.
    pub(super) fn add(&mut self, at: SystemTime, hits: impl Iterator<Item = Hit>) {
        let number = number(at);
        if self.is_over(number) {
            self.complete_open();
            self.open.number = number;
        }
        hits.for_each(|hit| self.open.add(hit));
    }

    /// The buckets that are complete by `now`, or all if nothing more will come, the oldest
    /// first; and how many were lost.
    pub(super) fn take(&mut self, now: Option<SystemTime>) -> (Vec<Bucket>, u64) {
        if now.is_none_or(|now| self.is_over(number(now))) {
            self.complete_open();
        }
        (
            self.complete.drain(..).collect(),
            std::mem::take(&mut self.lost),
        )
    }

    /// Whether nothing was added that has not been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.complete.is_empty()
    }

    /// A bucket that may be filled again.
    pub(super) fn give_back(&mut self, mut bucket: Bucket) {
        if self.spare.len() < MOST_SPARE {
            bucket.clear();
            self.spare.push(bucket);
        }
    }

    /// Whoever comes a little late, since threads overtake each other between reading the
    /// clock and coming here, still finds the bucket before. Everybody else goes by the
    /// clock, also when that is set back.
    fn is_over(&self, number: u64) -> bool {
        number != self.open.number && number + 1 != self.open.number
    }

    fn complete_open(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let fresh = self.spare.pop();
        let fresh = fresh.unwrap_or_else(|| Bucket::new(self.resources));
        let complete = std::mem::replace(&mut self.open, fresh);
        if self.complete.len() == MOST_COMPLETE
            && let Some(oldest) = self.complete.pop_front()
        {
            self.lost += 1;
            self.give_back(oldest);
        }
        self.complete.push_back(complete);
    }
}

fn number(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() / BUCKET.as_secs()
}
