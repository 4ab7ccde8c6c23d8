//! Records of kept pages, on their way out. Never more than [`MOST_WAITING`] bytes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::telemetry::counts::Counts;
use crate::telemetry::names::Dropped;
use crate::telemetry::record::{Origin, PageRecord, PartRecord};
use crate::telemetry::sampling::KeptReason;

/// Bytes of records that may wait, those on their way included: some 8000 pages of five parts.
pub const MOST_WAITING: usize = 8 * 1024 * 1024;

/// Where records of kept pages are left.
#[derive(Clone, Debug)]
pub struct Queue {
    sender: UnboundedSender<Item>,
    waiting: Arc<AtomicUsize>,
    counts: Arc<Counts>,
}

/// A record that waits; dropped, it gives its room back.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) record: Arc<PageRecord>,
    pub(super) reason: KeptReason,
    weight: usize,
    waiting: Arc<AtomicUsize>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

impl Queue {
    pub(super) fn new(counts: Arc<Counts>) -> (Self, UnboundedReceiver<Item>) {
        // Bounded by weight, below.
        let (sender, receiver) = mpsc::unbounded_channel();
        let queue = Self {
            sender,
            waiting: Arc::default(),
            counts,
        };
        (queue, receiver)
    }

    /// Leaves a record to be sent; without room for it, it is dropped and counted.
    pub fn offer(&self, record: Arc<PageRecord>, reason: KeptReason) {
        let weight = weight(&record);
        let before = self.waiting.fetch_add(weight, Ordering::Relaxed);
        let item = Item {
            record,
            reason,
            weight,
            waiting: Arc::clone(&self.waiting),
        };
        if before + weight > MOST_WAITING {
            self.counts.dropped(Dropped::TraceQueueFull, 1);
        } else if self.sender.send(item).is_err() {
            self.counts.dropped(Dropped::TraceAtShutdown, 1);
        }
    }
}

/// What a record holds on to, in bytes.
fn weight(record: &PageRecord) -> usize {
    let origin = &record.origin;
    let headers = [
        &origin.request_id,
        &origin.trace.origin,
        &origin.trace.tracestate,
    ];
    let headers = headers.into_iter().flatten().map(HeaderValue::len);
    let words = record
        .parts
        .iter()
        .filter_map(|part| part.call.as_ref()?.failure.as_ref())
        .map(|(_, words)| words.capacity());
    size_of::<Item>()
        + size_of::<PageRecord>()
        + size_of::<Origin>()
        + record.parts.capacity() * size_of::<PartRecord>()
        + headers.chain(words).sum::<usize>()
        + origin.trace.tags.capacity()
}
