//! The shelf in virtual time, with connections that are only numbers.

use std::future::{pending, ready};
use std::io;
use std::sync::atomic::AtomicU32;

use futures_util::future::{join, join_all};
use hyper::rt::ReadBufCursor;
use tokio::time::{advance, sleep, timeout};

use super::*;

const LIMIT: Duration = Duration::from_millis(110);
const OPENING: Duration = Duration::from_millis(60);
const PAGE: Duration = Duration::from_millis(20);

/// A connection: which one, and whether its server has closed it.
#[derive(Debug)]
struct Line {
    number: u32,
    closed: bool,
    looked_at: Arc<AtomicU32>,
}

impl Read for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.looked_at.fetch_add(1, Ordering::Relaxed);
        if self.closed {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

fn line(number: u32) -> Line {
    Line {
        number,
        closed: false,
        looked_at: Arc::default(),
    }
}

type Opened = Result<Line, io::Error>;

/// Takes [`OPENING`] to open line `number`.
async fn opens(number: u32) -> Opened {
    sleep(OPENING).await;
    Ok(line(number))
}

async fn fails() -> Opened {
    sleep(OPENING).await;
    Err(io::Error::other("refused"))
}

fn shelf() -> Arc<Shelf<Line>> {
    Shelf::new(LIMIT, true)
}

/// A call that goes away before its connection is open.
async fn cancelled(
    shelf: &Arc<Shelf<Line>>,
    connect: impl Future<Output = Opened> + Send + 'static,
) {
    let call = timeout(PAGE, Arc::clone(shelf).connection(connect));
    assert!(call.await.is_err());
}

async fn number(
    shelf: &Arc<Shelf<Line>>,
    connect: impl Future<Output = Opened> + Send + 'static,
) -> u32 {
    Arc::clone(shelf).connection(connect).await.unwrap().number
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_call_went_away_is_finished_and_used_by_the_next() {
    let shelf = shelf();
    let began = now();
    cancelled(&shelf, opens(1)).await;
    assert_eq!(shelf.spares(), 1);
    assert_eq!(number(&shelf, opens(2)).await, 1);
    assert_eq!(now() - began, OPENING);
    assert_eq!(shelf.spares(), 0);
    assert_eq!(number(&shelf, opens(3)).await, 3);
}

#[tokio::test(start_paused = true)]
async fn calls_shorter_than_opening_takes_get_through_in_the_end() {
    let shelf = shelf();
    let mut lost = 0;
    while timeout(PAGE, Arc::clone(&shelf).connection(opens(lost)))
        .await
        .is_err()
    {
        lost += 1;
        assert!(lost < 10);
    }
    assert!(lost >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_spare_that_is_still_opening_goes_back_when_its_second_call_leaves_too() {
    let shelf = shelf();
    cancelled(&shelf, opens(1)).await;
    cancelled(&shelf, opens(2)).await;
    assert_eq!(shelf.spares(), 1);
    assert_eq!(number(&shelf, pending()).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_takes_no_longer_than_its_limit_with_or_without_a_call() {
    let shelf = shelf();
    let began = now();
    let end = Arc::clone(&shelf).connection(pending::<Opened>()).await;
    assert!(matches!(end, Err(OpenError::TimedOut(LIMIT))));
    assert_eq!(now() - began, LIMIT);

    let (alive, ended) = oneshot::channel::<()>();
    let connect = async move {
        let _alive = alive;
        pending().await
    };
    cancelled(&shelf, connect).await;
    let _ = ended.await;
    assert_eq!(now() - began, 2 * LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_spare_that_failed_makes_the_next_call_open_its_own() {
    let shelf = shelf();
    cancelled(&shelf, fails()).await;
    assert_eq!(number(&shelf, opens(2)).await, 2);
    let end = Arc::clone(&shelf).connection(fails()).await;
    assert_eq!(end.unwrap_err().to_string(), "refused");
}

#[tokio::test(start_paused = true)]
async fn a_spare_that_its_server_closed_is_not_used() {
    let shelf = shelf();
    cancelled(&shelf, opens(1)).await;
    let closed = async {
        sleep(OPENING).await;
        Ok::<_, io::Error>(Line {
            closed: true,
            ..line(2)
        })
    };
    let other = Arc::clone(&shelf).open(closed);
    shelf.put(other);
    sleep(OPENING + PAGE).await;
    // Of those that are open, the newest is tried first.
    assert_eq!(number(&shelf, opens(3)).await, 1);
    assert_eq!(shelf.spares(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_none_is_open_the_spare_that_began_first_is_taken() {
    let shelf = shelf();
    let both =
        [opens(1), opens(2)].map(|connect| timeout(PAGE, Arc::clone(&shelf).connection(connect)));
    assert!(join_all(both).await.iter().all(Result::is_err));
    sleep(PAGE).await;
    cancelled(&shelf, opens(3)).await;
    assert_eq!(number(&shelf, pending()).await, 2);
}

#[tokio::test(start_paused = true)]
async fn where_the_server_may_speak_first_nobody_looks_and_a_spare_lives_shorter() {
    let shelf = Shelf::new(LIMIT, false);
    let looked_at = Arc::new(AtomicU32::new(0));
    let spoken = Line {
        closed: true,
        looked_at: Arc::clone(&looked_at),
        ..line(1)
    };
    cancelled(&shelf, async {
        sleep(OPENING).await;
        Ok(spoken)
    })
    .await;
    assert_eq!(number(&shelf, opens(2)).await, 1);
    assert_eq!(looked_at.load(Ordering::Relaxed), 0);

    cancelled(&shelf, opens(3)).await;
    advance(UNSEEN_LIFE).await;
    assert_eq!(number(&shelf, opens(4)).await, 4);
}

#[tokio::test(start_paused = true)]
async fn spares_are_dropped_when_their_life_is_over_also_if_nobody_asks() {
    let shelf = shelf();
    for round in 0..3 {
        cancelled(&shelf, opens(round)).await;
        sleep(SHELF_LIFE - PAGE).await;
        assert_eq!(shelf.spares(), 1);
        sleep(2 * PAGE).await;
        assert_eq!(shelf.spares(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shelf_holds_no_more_than_its_room() {
    let shelf = shelf();
    let calls = (0..SHELF_ROOM as u32 + 10).map(|number| cancelled(&shelf, opens(number)));
    join_all(calls).await;
    assert_eq!(shelf.spares(), SHELF_ROOM);
    // The oldest had to go.
    sleep(OPENING).await;
    let mut left = Vec::new();
    while shelf.spares() > 0 {
        left.push(number(&shelf, pending()).await);
    }
    left.sort_unstable();
    assert_eq!(left, (10..SHELF_ROOM as u32 + 10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn while_held_a_shelf_gives_out_nothing_and_keeps_what_is_opened() {
    let shelf = shelf();
    shelf.hold(true);
    join(
        cancelled(&shelf, ready(Ok(line(1)))),
        cancelled(&shelf, opens(2)),
    )
    .await;
    shelf.hold(false);
    let began = now();
    shelf.settled().await.unwrap();
    assert_eq!(now() - began, OPENING - PAGE);
    assert_eq!(
        number(&shelf, pending()).await + number(&shelf, pending()).await,
        3
    );
}

#[tokio::test(start_paused = true)]
async fn settling_says_what_failed_and_keeps_what_did_not() {
    let shelf = shelf();
    cancelled(&shelf, opens(1)).await;
    let failing = Arc::clone(&shelf).open(fails());
    shelf.put(failing);
    assert_eq!(shelf.settled().await.unwrap_err().to_string(), "refused");
    assert_eq!(shelf.spares(), 1);
}
