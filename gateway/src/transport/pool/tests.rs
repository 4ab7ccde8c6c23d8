//! Who gets which connection, and what becomes of those that nobody wants; on a paused clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{advance, sleep, timeout};

use super::*;

const IDLE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_millis(10);

/// A connection that is dead when the test says so.
#[derive(Debug)]
struct Line {
    number: u32,
    dead: Arc<AtomicBool>,
    idle_until: Instant,
}

impl Pooled for Line {
    fn is_usable(&mut self, _: Instant) -> bool {
        !self.dead.load(Ordering::Relaxed)
    }

    fn take(&mut self) {}

    fn release(&mut self, _: Instant) {}

    fn expires(&self) -> Instant {
        self.idle_until
    }
}

fn line(number: u32) -> Line {
    Line {
        number,
        dead: Arc::default(),
        idle_until: now() + IDLE,
    }
}

type Lines = Pool<Line, &'static str>;

fn pool(openings: usize) -> Arc<Lines> {
    Pool::new(Limits {
        idle: 3,
        openings,
        patience: PATIENCE,
    })
}

fn wait(pool: &Arc<Lines>) -> Waiting<Line, &'static str> {
    match pool.take(now()) {
        Taken::Later(waiting) => waiting,
        Taken::Now(line) => panic!("there is {line:?}"),
    }
}

fn idle(pool: &Arc<Lines>) -> Option<u32> {
    pool.try_take(now()).map(|line| line.number)
}

async fn got(waiting: Waiting<Line, &'static str>) -> Result<u32, &'static str> {
    let got = timeout(SOON, waiting).await.expect("something was sent");
    got.unwrap().map(|line| line.number)
}

#[tokio::test(start_paused = true)]
async fn the_newest_idle_connection_is_used_first() {
    let pool = pool(8);
    (1..=3).for_each(|number| pool.put(line(number), now()));
    assert_eq!(
        [idle(&pool), idle(&pool), idle(&pool)],
        [Some(3), Some(2), Some(1)]
    );
    assert_eq!(idle(&pool), None);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_gives_way_when_there_are_too_many() {
    let pool = pool(8);
    (1..=4).for_each(|number| pool.put(line(number), now()));
    assert_eq!(
        [idle(&pool), idle(&pool), idle(&pool)],
        [Some(4), Some(3), Some(2)]
    );
    assert_eq!(idle(&pool), None);
}

#[tokio::test(start_paused = true)]
async fn what_has_died_or_been_idle_too_long_is_not_used_and_is_swept() {
    let pool = pool(8);
    let dying = line(1);
    let dead = Arc::clone(&dying.dead);
    pool.put(dying, now());
    pool.put(line(2), now());
    dead.store(true, Ordering::Relaxed);
    pool.sweep(now());
    assert_eq!(Arc::strong_count(&dead), 1, "the dead one is dropped");
    advance(IDLE).await;
    assert_eq!(idle(&pool), None);
}

#[tokio::test(start_paused = true)]
async fn one_opening_begins_for_each_call_that_waits_up_to_the_bound() {
    let pool = pool(2);
    let waiting: Vec<_> = (0..4).map(|_| wait(&pool)).collect();
    let begun: Vec<usize> = waiting.iter().map(|waiting| waiting.open).collect();
    assert_eq!(begun, [1, 1, 0, 0]);
    assert_eq!(pool.opening().succeeded(vec![line(1)], now(), "closed"), 1);
    assert_eq!(pool.opening().succeeded(vec![line(2)], now(), "closed"), 1);
    let mut waiting = waiting.into_iter();
    assert_eq!(got(waiting.next().unwrap()).await, Ok(1));
    assert_eq!(got(waiting.next().unwrap()).await, Ok(2));
    assert!(timeout(SOON, waiting.next().unwrap()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_longest_gets_a_returned_connection() {
    let pool = pool(8);
    let (first, second) = (wait(&pool), wait(&pool));
    pool.put(line(1), now());
    assert_eq!(got(first).await, Ok(1));
    pool.put(line(2), now());
    assert_eq!(got(second).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn an_opening_outlives_its_call_and_serves_the_next() {
    let pool = pool(8);
    let gone = wait(&pool);
    drop(gone);
    let next = wait(&pool);
    assert_eq!(next.open, 0, "the opening under way is for it");
    pool.opening().succeeded(vec![line(1)], now(), "closed");
    assert_eq!(got(next).await, Ok(1));
    drop(wait(&pool));
    pool.opening().succeeded(vec![line(2)], now(), "closed");
    assert_eq!(idle(&pool), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_failed_opening_fails_only_calls_without_another() {
    let pool = pool(8);
    let (gone, first) = (wait(&pool), wait(&pool));
    drop(gone);
    // Two openings, one call: it still has one.
    assert_eq!(pool.opening().failed("refused", now()), 0);
    let mut first = std::pin::pin!(first);
    assert!(timeout(SOON, &mut first).await.is_err());
    assert_eq!(pool.opening().failed("refused again", now()), 0);
    assert_eq!(first.await.unwrap().unwrap_err(), "refused again");
}

#[tokio::test(start_paused = true)]
async fn at_the_bound_a_failure_fails_one_call_and_the_rest_have_their_turn() {
    let pool = pool(1);
    let mut waiting: Vec<_> = (0..3).map(|_| wait(&pool)).collect();
    for left in [2, 1, 0] {
        assert_eq!(
            pool.opening().failed("refused", now()),
            usize::from(left > 0)
        );
        assert_eq!(got(waiting.remove(0)).await, Err("refused"));
        assert_eq!(waiting.len(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_have_waited_for_their_turn_as_long_as_an_opening_takes_fail_with_it() {
    let pool = pool(1);
    let early: Vec<_> = (0..3).map(|_| wait(&pool)).collect();
    advance(PATIENCE).await;
    let late = wait(&pool);
    assert_eq!(pool.opening().failed("no answer", now()), 1);
    for waiting in early {
        assert_eq!(got(waiting).await, Err("no answer"));
    }
    pool.opening().succeeded(vec![line(1)], now(), "closed");
    assert_eq!(got(late).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_sent_to_a_call_that_left_goes_to_the_next() {
    let pool = pool(8);
    let (leaving, next) = (wait(&pool), wait(&pool));
    pool.put(line(1), now());
    drop(leaving);
    assert_eq!(got(next).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_for_several_calls_serves_all_who_wait_and_opens_no_more() {
    let pool = pool(8);
    let first = wait(&pool);
    pool.opening()
        .succeeded((1..=3).map(line).collect(), now(), "closed");
    assert_eq!(got(first).await, Ok(1));
    assert_eq!([idle(&pool), idle(&pool)], [Some(3), Some(2)]);
    // It is known now how many one opening serves.
    let opened: Vec<usize> = (0..4).map(|_| wait(&pool).open).collect();
    assert_eq!(opened, [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_as_it_is_opened_has_failed_and_is_not_opened_on_and_on() {
    let pool = pool(8);
    let waiting = wait(&pool);
    let dead = line(1);
    dead.dead.store(true, Ordering::Relaxed);
    assert_eq!(pool.opening().succeeded(vec![dead], now(), "closed"), 0);
    assert_eq!(got(waiting).await, Err("closed"));
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_leaves_idle_ones_alone() {
    let pool = pool(8);
    pool.put(line(1), now());
    let new = pool.take_new(now());
    assert_eq!(new.open, 1);
    // Nor will one do that another call returns.
    pool.put(line(3), now());
    assert_eq!(idle(&pool), Some(3));
    pool.opening().succeeded(vec![line(2)], now(), "closed");
    assert_eq!(got(new).await, Ok(2));
    assert_eq!(idle(&pool), Some(1));
}

#[tokio::test(start_paused = true)]
async fn calls_shorter_than_opening_takes_get_through_in_the_end() {
    let pool = pool(8);
    let mut lost = 0;
    while lost < 10 {
        let waiting = wait(&pool);
        for _ in 0..waiting.open {
            let opening = pool.opening();
            #[expect(clippy::disallowed_methods, reason = "as the endpoint does")]
            tokio::spawn(async move {
                sleep(Duration::from_millis(250)).await;
                opening.succeeded(vec![line(1)], now(), "closed");
            });
        }
        if let Ok(got) = timeout(Duration::from_millis(100), waiting).await {
            assert_eq!(got.unwrap().unwrap().number, 1);
            break;
        }
        lost += 1;
    }
    assert_eq!(lost, 2);
}
