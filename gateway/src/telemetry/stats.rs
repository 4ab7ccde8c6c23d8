//! What Datadog's service pages say: hits, errors and latencies of all pages and calls.
//!
//! The agent computes these from the traces it receives, which are the kept ones: with a
//! small `sample` mostly those that went wrong. So the gateway computes them itself, of
//! every page's record, says so on the traces it sends, and sends them every ten seconds.
//! Names and errors are those of the spans, from the same tables
//! ([`names::spans`](crate::telemetry::names::spans), [`record`](crate::telemetry::record)).
//!
//! A page costs one lock, held for some additions, and no memory once what occurs has
//! occurred before. Nothing waits for the agent: what it does not take is dropped and
//! counted, and what waits is bounded (`concentrator`).
//!
//! Not here: the gateway's own metrics, which need no agent that knows of traces.

pub mod agent;
mod bucket;
mod concentrator;
mod payload;
mod resources;
mod sketch;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use self::agent::{Agent, Receiver};
use self::bucket::{Bucket, Hit, Key};
use self::concentrator::{BUCKET, Concentrator};
use self::payload::Sender;
use self::resources::Resources;
use crate::config::{self, Exporter};
use crate::telemetry::counts::Counts;
use crate::telemetry::events;
use crate::telemetry::names::Dropped;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::record::PageRecord;

/// How long one request may take.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// What comes a little late still finds its bucket.
const LATE: Duration = Duration::from_millis(100);

/// Adds up what the pages of one configuration did.
#[derive(Debug)]
pub struct Stats {
    resources: Resources,
    concentrator: Mutex<Concentrator>,
}

/// Those of the configuration in force, and of those before that still have pages or something
/// to send.
type All = Arc<Mutex<Vec<Arc<Stats>>>>;

/// Gives each configuration its own.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    own: Arc<Stats>,
    all: All,
}

/// Lets statistics leave, as long as it runs.
#[must_use = "statistics leave only while it runs"]
#[derive(Debug)]
pub struct StatsExport<R = Agent> {
    all: All,
    sender: Sender,
    receiver: R,
    counts: Arc<Counts>,
    /// Buckets lost since the last one that was received.
    missed: u64,
}

/// What adds up and what sends, if traces leave for a Datadog agent, and can.
pub(super) fn export(
    config: &config::Telemetry,
    names: &Arc<Configured>,
    counts: Arc<Counts>,
) -> Option<(Statistics, StatsExport)> {
    let (Exporter::Datadog, Some(agent)) = (config.exporter, &config.datadog_agent) else {
        return None;
    };
    // Where there is no way to the agent, traces say why.
    let agent = Agent::new(agent).ok()?;
    Some(export_to(agent, names, counts))
}

fn export_to<R>(
    receiver: R,
    names: &Arc<Configured>,
    counts: Arc<Counts>,
) -> (Statistics, StatsExport<R>) {
    let all = All::default();
    let export = StatsExport {
        all: Arc::clone(&all),
        sender: Sender::new(Arc::clone(names)),
        receiver,
        counts,
        missed: 0,
    };
    (Statistics::of(all, names), export)
}

impl Statistics {
    fn of(all: All, names: &Configured) -> Self {
        let own = Arc::new(Stats::new(names));
        all.lock().push(Arc::clone(&own));
        Self { own, all }
    }

    /// Those of the next configuration, which leave as these do.
    pub(super) fn carried(&self, names: &Configured) -> Self {
        Self::of(Arc::clone(&self.all), names)
    }

    /// A page ended, and with it all of its calls.
    pub(super) fn page(&self, record: &PageRecord) {
        self.own.page(record);
    }
}

impl Stats {
    fn new(names: &Configured) -> Self {
        let resources = Resources::new(names);
        Self {
            concentrator: Mutex::new(Concentrator::new(resources.all.len())),
            resources,
        }
    }

    /// A page ended, and with it all of its calls.
    fn page(&self, record: &PageRecord) {
        let hits = std::iter::once(self.of_page(record)).chain(self.of_calls(record));
        self.concentrator.lock().add(record.ended_at, hits);
    }

    fn of_page(&self, record: &PageRecord) -> Hit {
        let origin = &record.origin;
        Hit {
            resource: self.resources.page(record.page, origin.method),
            key: Key {
                status: record.status.unwrap_or_default(),
                root: origin.trace.parent_id.is_none(),
                synthetic: origin.trace.is_synthetic(),
            },
            took: record.total(),
            error: record.is_error(),
        }
    }

    fn of_calls<'a>(&self, record: &'a PageRecord) -> impl Iterator<Item = Hit> + use<'a, '_> {
        let synthetic = record.origin.trace.is_synthetic();
        let parts = record.parts.iter().zip(self.resources.calls(record.page));
        parts.filter_map(move |(part, resource)| {
            let call = part.call.as_ref()?;
            Some(Hit {
                resource: *resource,
                key: Key {
                    status: call.http_status.unwrap_or_default(),
                    root: false,
                    synthetic,
                },
                took: call.span.took,
                error: part.error().is_some(),
            })
        })
    }
}

impl<R: Receiver> StatsExport<R> {
    /// Runs until `end` resolves and what there was by then has left, or was not received.
    /// Whoever ends it gives it as much time as there is, and then drops it.
    pub async fn run(mut self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        loop {
            let ended = tokio::select! {
                () = &mut end => true,
                () = tokio::time::sleep(until_complete(SystemTime::now())) => false,
            };
            let until = if ended { None } else { Some(SystemTime::now()) };
            self.send(until).await;
            if ended {
                return;
            }
        }
    }

    /// What is complete by then, or all there is.
    async fn send(&mut self, until: Option<SystemTime>) {
        let mut in_hand = InHand {
            parts: Vec::new(),
            counts: Arc::clone(&self.counts),
        };
        let all = self.all.lock().clone();
        for stats in all {
            let (buckets, lost) = stats.concentrator.lock().take(until);
            self.counts.dropped(Dropped::StatsQueueFull, lost);
            if !buckets.is_empty() {
                in_hand.parts.push((stats, buckets));
            }
        }
        self.forget();
        if in_hand.parts.is_empty() {
            return;
        }
        self.sender.sequence += 1;
        let body = payload::encode(&self.sender, &in_hand.parts);
        let received = tokio::time::timeout(SEND_LIMIT, self.receiver.receive(body)).await;
        let received = received
            .unwrap_or_else(|_| Err(format!("no answer within {} s", SEND_LIMIT.as_secs())));
        match received {
            Ok(()) => {
                in_hand.settle(None);
                if let missed @ 1.. = std::mem::take(&mut self.missed) {
                    events::stats_leave_again(missed);
                }
            }
            Err(why) => {
                if self.missed == 0 {
                    events::stats_dropped(&why);
                }
                self.missed += in_hand.settle(Some(Dropped::StatsNotReceived));
            }
        }
    }
}

impl<R> StatsExport<R> {
    /// Lets go of those to which no page will add any more, and that have nothing left.
    fn forget(&self) {
        let has_more = |stats: &Arc<Stats>| {
            Arc::strong_count(stats) > 1 || !stats.concentrator.lock().is_empty()
        };
        self.all.lock().retain(has_more);
    }
}

impl<R> Drop for StatsExport<R> {
    fn drop(&mut self) {
        let mut left = 0;
        for stats in self.all.lock().iter() {
            let (buckets, lost) = stats.concentrator.lock().take(None);
            self.counts.dropped(Dropped::StatsQueueFull, lost);
            left += buckets.len();
        }
        left_behind(&self.counts, left);
    }
}

/// Buckets of the request that is on its way, with those whose they are; dropped with it, they
/// count as lost.
struct InHand {
    parts: Vec<(Arc<Stats>, Vec<Bucket>)>,
    counts: Arc<Counts>,
}

impl InHand {
    /// What became of them; returns how many they were.
    fn settle(mut self, lost: Option<Dropped>) -> u64 {
        let count = self.buckets() as u64;
        if let Some(lost) = lost {
            self.counts.dropped(lost, count);
        }
        for (stats, buckets) in self.parts.drain(..) {
            let mut concentrator = stats.concentrator.lock();
            buckets
                .into_iter()
                .for_each(|bucket| concentrator.give_back(bucket));
        }
        count
    }

    fn buckets(&self) -> usize {
        self.parts.iter().map(|(_, buckets)| buckets.len()).sum()
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        left_behind(&self.counts, self.buckets());
    }
}

fn left_behind(counts: &Counts, buckets: usize) {
    if buckets > 0 {
        counts.dropped(Dropped::StatsAtShutdown, buckets as u64);
        events::stats_left_behind(buckets as u64);
    }
}

/// From `now` until the bucket at hand is complete.
fn until_complete(now: SystemTime) -> Duration {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let into = since.as_nanos() % BUCKET.as_nanos();
    BUCKET - Duration::from_nanos(into as u64) + LATE
}
