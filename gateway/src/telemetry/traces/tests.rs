//! The way out of traces, in virtual time, with a receiver that the test directs.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::exporter::Receiver;
use super::queue::{MOST_WAITING, Queue};
use super::spans::{Dialect, Spans};
use super::*;
use crate::config::{self, Config, PageId};
use crate::outcome::PageOutcome;
use crate::page::deadline::now;
use crate::telemetry::context::TraceContext;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::record::{Origin, PageRecord};
use crate::telemetry::sampling::KeptReason;

/// How the receiver behaves.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Fine,
    Refusing,
    Hanging,
}

#[derive(Clone, Debug)]
struct Directed {
    mood: Arc<Mutex<Mood>>,
    /// Traces in each request that was received.
    received: Arc<Mutex<Vec<usize>>>,
}

impl Receiver for Directed {
    fn address(&self) -> &str {
        "a receiver for this test"
    }

    async fn receive(&self, spans: Vec<SpanData>) -> Result<(), String> {
        let mood = *self.mood.lock();
        match mood {
            Mood::Fine => {
                self.received.lock().push(spans.len());
                Ok(())
            }
            Mood::Refusing => Err("refused, for this test".into()),
            Mood::Hanging => std::future::pending().await,
        }
    }
}

/// As long as the app gives it.
const LAST: Duration = Duration::from_millis(1_800);

struct World {
    queue: Queue,
    counts: Arc<Counts>,
    receiver: Directed,
    end: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

static NAMES: LazyLock<Arc<Configured>> = LazyLock::new(|| Arc::new(Configured::new(&config())));

fn config() -> Config {
    let loaded = config::load_text("test", config::default_text(), &[]);
    loaded.unwrap().config
}

impl World {
    fn new(mood: Mood) -> Self {
        let config = config();
        let receiver = Directed {
            mood: Arc::new(Mutex::new(mood)),
            received: Arc::default(),
        };
        let counts = Arc::new(Counts::new(&Configured::new(&config)));
        let spans = Spans::new(Dialect::Otlp);
        let (queue, export_of) = export_of(spans, receiver.clone(), Arc::clone(&counts));
        let (end, ended) = oneshot::channel();
        #[expect(clippy::disallowed_methods, reason = "a test ends its own task")]
        let running = tokio::spawn(export_of.run(async {
            let _ = ended.await;
        }));
        Self {
            queue,
            counts,
            receiver,
            end,
            running,
        }
    }

    /// Pages without calls: one span each.
    fn offer(&self, pages: usize) {
        for _ in 0..pages {
            self.queue.offer(record(), KeptReason::Sampled);
        }
    }

    fn received(&self) -> usize {
        self.receiver.received.lock().iter().sum()
    }

    fn lost(&self) -> [u64; 3] {
        [
            Dropped::TraceQueueFull,
            Dropped::TraceNotReceived,
            Dropped::TraceAtShutdown,
        ]
        .map(|what| self.counts.lost(what))
    }

    /// As the app ends it; returns how long that took.
    async fn end(self) -> (Duration, Arc<Counts>) {
        let began = now();
        drop(self.end);
        let mut running = self.running;
        if tokio::time::timeout(LAST, &mut running).await.is_err() {
            running.abort();
            let _ = running.await;
        }
        (now() - began, self.counts)
    }
}

fn record() -> Arc<PageRecord> {
    let origin = Origin {
        arrived: now(),
        method: "GET",
        request_id: None,
        trace: TraceContext::new(),
    };
    Arc::new(PageRecord {
        ended: now(),
        ended_at: std::time::SystemTime::now(),
        outcome: PageOutcome::Complete,
        status: Some(200),
        ..PageRecord::open(PageId(0), Arc::clone(&NAMES), Arc::new(origin))
    })
}

#[tokio::test(start_paused = true)]
async fn traces_gather_and_leave_together() {
    let world = World::new(Mood::Fine);
    world.offer(3);
    tokio::time::sleep(GATHER + Duration::from_millis(1)).await;
    assert_eq!(*world.receiver.received.lock(), [3]);
    assert_eq!(world.lost(), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn many_leave_in_requests_of_bounded_size() {
    let world = World::new(Mood::Fine);
    world.offer(2 * SPANS_AT_ONCE + 1);
    tokio::time::sleep(GATHER + Duration::from_millis(1)).await;
    assert_eq!(
        *world.receiver.received.lock(),
        [SPANS_AT_ONCE, SPANS_AT_ONCE, 1]
    );
}

#[tokio::test(start_paused = true)]
async fn while_nobody_receives_a_bounded_number_waits_and_the_rest_is_counted() {
    let world = World::new(Mood::Hanging);
    let (mut offered, mut rounds) = (0, 0);
    while world.lost()[0] == 0 {
        world.offer(1_000);
        offered += 1_000;
        rounds += 1;
        assert!(rounds < 1_000, "nothing is ever dropped");
    }
    let fit = offered - world.lost()[0];
    assert!(fit as usize * size_of::<PageRecord>() <= MOST_WAITING);
    // Everything that waited leaves as soon as somebody receives, but what was in the
    // request that hung.
    *world.receiver.mood.lock() = Mood::Fine;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let [full, not_received, _] = world.lost();
    assert_eq!(world.received() as u64 + full + not_received, offered);
    world.offer(10);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.lost(), [full, not_received, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_refuses_is_asked_once_a_second() {
    let world = World::new(Mood::Refusing);
    for _ in 0..10 {
        world.offer(1);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    *world.receiver.mood.lock() = Mood::Fine;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let [full, not_received, shutdown] = world.lost();
    assert_eq!((full, shutdown), (0, 0));
    assert_eq!(world.received() as u64 + not_received, 10);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_waits_still_leaves() {
    let world = World::new(Mood::Fine);
    world.offer(SPANS_AT_ONCE + 5);
    let receiver = world.receiver.clone();
    let (took, counts) = world.end().await;
    assert_eq!(took, Duration::ZERO);
    assert_eq!(
        receiver.received.lock().iter().sum::<usize>(),
        SPANS_AT_ONCE + 5
    );
    assert_eq!(counts.lost(Dropped::TraceAtShutdown), 0);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_does_not_hold_up_the_end() {
    let world = World::new(Mood::Hanging);
    world.offer(SPANS_AT_ONCE + 5);
    tokio::time::sleep(GATHER + Duration::from_millis(1)).await;
    world.offer(3);
    let (took, counts) = world.end().await;
    assert_eq!(took, LAST);
    let lost = counts.lost(Dropped::TraceAtShutdown) + counts.lost(Dropped::TraceNotReceived);
    assert_eq!(lost, SPANS_AT_ONCE as u64 + 8);
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_end_is_counted() {
    let world = World::new(Mood::Fine);
    let queue = world.queue.clone();
    let (_, counts) = world.end().await;
    queue.offer(record(), KeptReason::Sampled);
    assert_eq!(counts.lost(Dropped::TraceAtShutdown), 1);
}

#[test]
fn a_spell_of_losses_is_over_when_traces_have_been_received_for_a_while_and_not_before() {
    let counts = Arc::new(Counts::new(&Configured::new(&config())));
    let mut losses = Losses::new(Arc::clone(&counts));
    losses.tell("x", &Ok(5));
    assert!(losses.spell.is_none());
    counts.dropped(Dropped::TraceNotReceived, 1);
    losses.tell("x", &Err("away, for this test".into()));
    assert!(losses.spell.is_some());
    for _ in 0..10 * QUIET_ROUNDS {
        losses.tell("x", &Ok(0));
    }
    assert!(losses.spell.is_some(), "nothing has been received since");
    for _ in 1..QUIET_ROUNDS {
        losses.tell("x", &Ok(1));
    }
    counts.dropped(Dropped::TraceQueueFull, 1);
    losses.tell("x", &Ok(1));
    for _ in 1..QUIET_ROUNDS {
        losses.tell("x", &Ok(0));
    }
    assert!(losses.spell.is_some(), "one was lost in between");
    losses.tell("x", &Ok(0));
    assert!(losses.spell.is_none());
}
