//! Statistics without an agent: when a bucket is complete, what it holds, what is lost.

use std::sync::LazyLock;

use proptest::prelude::*;
use tokio::time::Instant;

use super::bucket::Group;
use super::concentrator::MOST_COMPLETE;
use super::*;
use crate::config::PageId;
use crate::outcome::{PageOutcome, PartStatus};
use crate::page::deadline::now;
use crate::telemetry::context::TraceContext;
use crate::telemetry::record::{CallRecord, Origin, PartRecord, TimeSpan};

const TOOK: Duration = Duration::from_millis(20);

fn hit(status: u16) -> Hit {
    Hit {
        resource: 0,
        key: Key {
            status,
            root: true,
            synthetic: false,
        },
        took: TOOK,
        error: status >= 500,
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn hits(bucket: &Bucket) -> u64 {
    bucket.groups().map(|(_, group)| group.hits).sum()
}

fn add(concentrator: &mut Concentrator, seconds: u64, status: u16) {
    concentrator.add(at(seconds), std::iter::once(hit(status)));
}

/// Numbers and hits of what is complete, and what is lost.
fn taken(concentrator: &mut Concentrator, now: Option<u64>) -> (Vec<(u64, u64)>, u64) {
    let (buckets, lost) = concentrator.take(now.map(at));
    let seen = buckets.iter().map(|bucket| (bucket.number, hits(bucket)));
    let seen = seen.collect();
    for bucket in buckets {
        concentrator.give_back(bucket);
    }
    (seen, lost)
}

#[test]
fn a_span_counts_in_the_ten_seconds_in_which_its_page_ended() {
    let mut all = Concentrator::new(1);
    for seconds in [1_000, 1_009, 1_010, 1_019, 1_020] {
        add(&mut all, seconds, 200);
    }
    assert_eq!(taken(&mut all, Some(1_029)), (vec![(100, 2), (101, 2)], 0));
    assert_eq!(taken(&mut all, Some(1_029)), (vec![], 0));
    assert_eq!(taken(&mut all, Some(1_030)), (vec![(102, 1)], 0));
    add(&mut all, 1_031, 200);
    assert_eq!(taken(&mut all, None), (vec![(103, 1)], 0));
}

#[test]
fn whoever_is_overtaken_finds_its_bucket_and_a_clock_set_back_begins_a_new_one() {
    let mut all = Concentrator::new(1);
    for seconds in [1_010, 1_009, 900, 901] {
        add(&mut all, seconds, 200);
    }
    // One that was taken is not completed by a reader that is a little slow either.
    assert_eq!(taken(&mut all, Some(899)), (vec![(101, 2)], 0));
    assert_eq!(taken(&mut all, Some(500)), (vec![(90, 2)], 0));
}

#[test]
fn at_most_a_minute_waits_and_what_is_older_is_lost() {
    let mut all = Concentrator::new(1);
    for minute in 0..9 {
        add(&mut all, 1_000 + 10 * minute, 200);
    }
    let (buckets, lost) = taken(&mut all, None);
    let expected: Vec<_> = (103..109).map(|number| (number, 1)).collect();
    assert_eq!((buckets.len(), lost), (MOST_COMPLETE, 3));
    assert_eq!(buckets, expected);
    assert_eq!(taken(&mut all, None), (vec![], 0));
}

#[test]
fn statuses_beyond_a_number_are_counted_without_their_status() {
    let mut all = Concentrator::new(1);
    for status in 200..800 {
        add(&mut all, 1_000, status);
    }
    let (buckets, _) = all.take(None);
    let groups: Vec<&Group> = buckets[0].groups().map(|(_, group)| group).collect();
    assert_eq!(groups.len(), 17);
    assert_eq!(hits(&buckets[0]), 600);
    let rest = groups.iter().find(|group| group.key.status == 0).unwrap();
    assert_eq!((rest.hits, rest.errors), (584, 300));
}

#[test]
fn a_bucket_that_is_used_again_has_no_values_and_forgets_what_no_longer_occurs() {
    let mut bucket = Bucket::new(1);
    bucket.add(hit(200));
    bucket.add(hit(500));
    bucket.clear();
    assert!(bucket.is_empty());
    bucket.add(hit(200));
    let [(0, group)] = bucket.groups().collect::<Vec<_>>()[..] else {
        panic!("{bucket:?}");
    };
    assert_eq!((group.hits, group.errors), (1, 0));
    assert_eq!(group.duration, 20_000_000);
    bucket.clear();
    bucket.clear();
    assert_eq!(format!("{bucket:?}"), format!("{:?}", Bucket::new(1)));
}

proptest! {
    #[test]
    fn whatever_the_clock_does_every_span_is_in_one_bucket_or_in_a_lost_one(
        steps in prop::collection::vec((0_u64..40, any::<bool>()), 1..200),
    ) {
        let mut all = Concentrator::new(1);
        let (mut told, mut lost, mut added) = (0, 0, 0);
        for (seconds, take) in steps {
            add(&mut all, 1_000 + 5 * seconds, 200);
            added += 1;
            if take {
                let (buckets, dropped) = taken(&mut all, Some(1_000 + 5 * seconds));
                told += buckets.iter().map(|(_, hits)| hits).sum::<u64>();
                lost += dropped;
            }
        }
        let (buckets, dropped) = taken(&mut all, None);
        told += buckets.iter().map(|(_, hits)| hits).sum::<u64>();
        lost += dropped;
        if lost == 0 {
            prop_assert_eq!(told, added);
        } else {
            prop_assert!(told < added);
        }
    }
}

/// How an agent behaves.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Fine,
    Refusing,
    Hanging,
}

#[derive(Clone, Debug)]
struct Directed {
    mood: Arc<Mutex<Mood>>,
    received: Arc<Mutex<usize>>,
}

impl Receiver for Directed {
    async fn receive(&self, body: Vec<u8>) -> Result<(), String> {
        assert!(!body.is_empty());
        let mood = *self.mood.lock();
        match mood {
            Mood::Fine => {
                *self.received.lock() += 1;
                Ok(())
            }
            Mood::Refusing => Err("refused, for this test".into()),
            Mood::Hanging => std::future::pending().await,
        }
    }
}

struct World {
    stats: Statistics,
    export: StatsExport<Directed>,
    counts: Arc<Counts>,
    agent: Directed,
}

static NAMES: LazyLock<Arc<Configured>> = LazyLock::new(|| {
    let config = config::load_text("test", config::default_text(), &[]);
    Arc::new(Configured::new(&config.unwrap().config))
});

fn world() -> World {
    let counts = Arc::new(Counts::new(&NAMES));
    let agent = Directed {
        mood: Arc::new(Mutex::new(Mood::Fine)),
        received: Arc::default(),
    };
    let (stats, export) = export_to(agent.clone(), &NAMES, Arc::clone(&counts));
    World {
        stats,
        export,
        counts,
        agent,
    }
}

impl World {
    fn lost(&self) -> [u64; 3] {
        [
            Dropped::StatsQueueFull,
            Dropped::StatsNotReceived,
            Dropped::StatsAtShutdown,
        ]
        .map(|what| self.counts.lost(what))
    }

    fn received(&self) -> usize {
        *self.agent.received.lock()
    }
}

/// A page that ended at this second, with as many calls as it has parts.
fn page(seconds: u64) -> PageRecord {
    let began: Instant = now();
    let call = CallRecord {
        span: TimeSpan { began, took: TOOK },
        http_status: Some(200),
        ..CallRecord::begun(1, began)
    };
    let part = PartRecord {
        status: PartStatus::Ok,
        call: Some(call),
    };
    let origin = Origin {
        arrived: began,
        method: "GET",
        request_id: None,
        trace: TraceContext::new(),
    };
    PageRecord {
        parts: vec![part; 5],
        ended: began + TOOK,
        ended_at: at(seconds),
        outcome: PageOutcome::Complete,
        status: Some(200),
        ..PageRecord::open(PageId(0), Arc::clone(&NAMES), Arc::new(origin))
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_refuses_or_never_answers_is_counted_and_not_sent_again() {
    let mut world = world();
    world.stats.page(&page(1_000));
    *world.agent.mood.lock() = Mood::Refusing;
    world.export.send(Some(at(1_010))).await;
    assert_eq!((world.received(), world.lost()), (0, [0, 1, 0]));
    world.stats.page(&page(1_010));
    *world.agent.mood.lock() = Mood::Hanging;
    let began = now();
    world.export.send(Some(at(1_020))).await;
    assert_eq!(now() - began, SEND_LIMIT);
    assert_eq!((world.received(), world.lost()), (0, [0, 2, 0]));
    *world.agent.mood.lock() = Mood::Fine;
    world.export.send(Some(at(1_030))).await;
    assert_eq!(world.received(), 0, "nothing is left to send");
    world.stats.page(&page(1_030));
    world.export.send(Some(at(1_040))).await;
    assert_eq!((world.received(), world.lost()), (1, [0, 2, 0]));
}

#[tokio::test(start_paused = true)]
async fn the_end_takes_what_is_not_complete_and_what_it_has_no_time_for_is_counted() {
    let World {
        stats,
        export,
        counts,
        agent,
    } = world();
    stats.page(&page(1_000));
    export.run(std::future::ready(())).await;
    assert_eq!(*agent.received.lock(), 1);
    let lost = || counts.lost(Dropped::StatsAtShutdown);
    assert_eq!(lost(), 0);

    let mut world = self::world();
    world.stats.page(&page(1_000));
    *world.agent.mood.lock() = Mood::Hanging;
    let half = tokio::time::timeout(SEND_LIMIT / 2, world.export.send(None));
    half.await.unwrap_err();
    assert_eq!(world.lost(), [0, 0, 1]);
    world.stats.page(&page(1_005));
    let World { export, counts, .. } = world;
    drop(export);
    assert_eq!(counts.lost(Dropped::StatsAtShutdown), 2);
}

#[test]
fn sending_is_due_when_a_bucket_has_just_become_complete() {
    assert_eq!(until_complete(at(1_000)), BUCKET + LATE);
    assert_eq!(until_complete(at(1_009)), Duration::from_secs(1) + LATE);
}

#[test]
fn nothing_is_added_up_where_nobody_would_take_it() {
    let exports = |changes: &[(&str, &str)]| {
        let variable = |(key, value): &(&str, &str)| {
            (format!("GATEWAY__TELEMETRY__{key}"), (*value).to_owned())
        };
        let changes: Vec<_> = changes.iter().map(variable).collect();
        let config = config::load_text("test", config::default_text(), &changes).unwrap();
        let names = Arc::new(Configured::new(&config.config));
        let counts = Arc::new(Counts::new(&names));
        export(&config.config.telemetry, &names, counts).is_some()
    };
    assert!(exports(&[]));
    assert!(!exports(&[("DATADOG_AGENT", "")]));
    assert!(!exports(&[("EXPORTER", "otlp")]));
    assert!(!exports(&[("EXPORTER", "none")]));
}
