//! How traces leave the process.
//!
//! A kept page's record goes into a bounded [`queue`]; one task, the [`TraceExport`],
//! takes records from it, makes [`spans`] of them and hands whole traces to an
//! [`exporter`]. No page waits for any of it: what finds no room, or nobody to receive
//! it, is dropped and counted, and the log says when that begins and when it is over.

pub mod exporter;
pub mod queue;
pub mod spans;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc::UnboundedReceiver;

use self::exporter::{Exporter, Receiver};
use self::queue::{Item, Queue};
use self::spans::{Dialect, Spans};
use crate::config;
use crate::telemetry::counts::Counts;
use crate::telemetry::events;
use crate::telemetry::names::Dropped;

/// How long traces gather before they leave together.
const GATHER: Duration = Duration::from_millis(200);

/// After a request failed, the next one is made this much later. What comes meanwhile
/// waits, as far as there is room.
const PAUSE: Duration = Duration::from_secs(1);

/// How long one request may take.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// About as many spans leave in one request; a trace is never cut. With more, the memory
/// for spans and payload outgrows caches and is asked of the system anew for each request.
const SPANS_AT_ONCE: usize = 500;

/// Dropping is over when traces have been received again, and so many rounds, of
/// [`GATHER`] at least, have passed without a loss.
const QUIET_ROUNDS: u32 = 25;

/// Takes records from the queue and lets them leave. Dropped, it counts what had not left.
#[must_use = "traces leave only while it runs"]
#[derive(Debug)]
pub struct TraceExport<R = Exporter> {
    waiting: UnboundedReceiver<Item>,
    /// Traces of the request that is on its way.
    in_hand: Vec<Item>,
    spans: Spans,
    receiver: R,
    counts: Arc<Counts>,
    losses: Losses,
}

/// A queue for records and what empties it, if the config has traces leave at all, and they can.
pub(super) fn export(
    config: &config::Telemetry,
    counts: Arc<Counts>,
) -> Option<(Queue, TraceExport)> {
    let exporter = Exporter::new(config).unwrap_or_else(|error| {
        events::traces_cannot_leave(&error);
        None
    })?;
    let spans = Spans::new(Dialect::of(config.exporter));
    Some(export_of(spans, exporter, counts))
}

fn export_of<R>(spans: Spans, receiver: R, counts: Arc<Counts>) -> (Queue, TraceExport<R>) {
    let (queue, waiting) = Queue::new(Arc::clone(&counts));
    let export_of = TraceExport {
        waiting,
        in_hand: Vec::new(),
        spans,
        receiver,
        losses: Losses::new(Arc::clone(&counts)),
        counts,
    };
    (queue, export_of)
}

impl<R: Receiver> TraceExport<R> {
    /// Runs until `end` resolves and what waited by then has left, or was not received.
    /// Whoever ends it gives it as much time as there is, and then drops it.
    pub async fn run(mut self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        let mut pause = GATHER;
        loop {
            let ended = tokio::select! {
                () = &mut end => true,
                () = tokio::time::sleep(pause) => false,
            };
            let sent = self.send_all().await;
            self.losses.tell(self.receiver.address(), &sent);
            if ended {
                return;
            }
            pause = if sent.is_ok() { GATHER } else { PAUSE };
        }
    }

    /// Everything that waits, until a request fails; how many traces were received.
    async fn send_all(&mut self) -> Result<usize, String> {
        let mut sent = 0;
        while let Some(spans) = self.next_batch() {
            let received = tokio::time::timeout(SEND_LIMIT, self.receiver.receive(spans)).await;
            let result = received
                .unwrap_or_else(|_| Err(format!("no answer within {} s", SEND_LIMIT.as_secs())));
            let count = self.in_hand.drain(..).count();
            if let Err(why) = result {
                self.counts.dropped(Dropped::TraceNotReceived, count as u64);
                return Err(why);
            }
            sent += count;
        }
        Ok(sent)
    }

    fn next_batch(&mut self) -> Option<Vec<SpanData>> {
        let mut spans = 0;
        while spans < SPANS_AT_ONCE {
            let Ok(item) = self.waiting.try_recv() else {
                break;
            };
            spans += Spans::of(&item.record);
            self.in_hand.push(item);
        }
        // Exporters sort spans by trace, and move none that are in order.
        self.in_hand
            .sort_unstable_by_key(|item| item.record.origin.trace.trace_id);
        let mut batch = Vec::with_capacity(spans);
        for item in &self.in_hand {
            self.spans.write(&item.record, item.reason, &mut batch);
        }
        (!batch.is_empty()).then_some(batch)
    }
}

impl<R> Drop for TraceExport<R> {
    fn drop(&mut self) {
        self.waiting.close();
        let mut left = self.in_hand.len();
        while self.waiting.try_recv().is_ok() {
            left += 1;
        }
        if left > 0 {
            self.counts.dropped(Dropped::TraceAtShutdown, left as u64);
            events::traces_left_behind(left as u64);
        }
    }
}

/// Says once when traces begin to be lost, and once when that is over.
#[derive(Debug)]
struct Losses {
    counts: Arc<Counts>,
    /// All that had been lost when this was asked last.
    seen: u64,
    /// While traces are being lost.
    spell: Option<Spell>,
}

/// A time in which traces are lost.
#[derive(Debug)]
struct Spell {
    /// What had been lost before it.
    before: u64,
    /// Whether any have been received since the last loss.
    received: bool,
    /// Rounds since then.
    quiet: u32,
}

impl Losses {
    fn new(counts: Arc<Counts>) -> Self {
        Self {
            counts,
            seen: 0,
            spell: None,
        }
    }

    /// To be called once a round, with what came of it.
    fn tell(&mut self, receiver: &str, sent: &Result<usize, String>) {
        let lost =
            self.counts.lost(Dropped::TraceQueueFull) + self.counts.lost(Dropped::TraceNotReceived);
        let before = std::mem::replace(&mut self.seen, lost);
        let received = sent.as_ref().is_ok_and(|&traces| traces > 0);
        if lost > before {
            let why = sent.as_ref().err().map(String::as_str);
            let spell = self.spell.get_or_insert_with(|| {
                events::traces_dropped(receiver, why.unwrap_or("more than can leave"));
                Spell {
                    before,
                    received,
                    quiet: 0,
                }
            });
            (spell.received, spell.quiet) = (received, 0);
        } else if let Some(spell) = &mut self.spell {
            spell.received |= received;
            spell.quiet += u32::from(spell.received);
            if spell.quiet >= QUIET_ROUNDS {
                events::traces_leave_again(receiver, lost - spell.before);
                self.spell = None;
            }
        }
    }
}
