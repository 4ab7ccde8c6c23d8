//! Whatever is dropped, at whatever moment, leaves nothing behind.

use std::pin::{Pin, pin};

use super::*;
use crate::outcome::PageOutcome;

/// Polls `future` at most `polls` times, then drops it. `None` when it was dropped.
async fn drop_after<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Drops a page at every poll, beside others that hold and want the same permits.
#[tokio::test(start_paused = true)]
async fn a_page_dropped_at_any_await_leaves_nothing_behind() {
    let config = two_required_one_optional();
    for polls in 0.. {
        let simulated = Simulated::new([Answers::ok(20), Answers::ok(30), Answers::ok(40)]);
        let pages = pages(&config, &simulated);
        let others = [(); 4].map(|()| pages.serve(request()));
        let dropped = drop_after(pages.serve(request()), polls);
        let (others, dropped) = tokio::join!(futures_util::future::join_all(others), dropped);
        drop(others);
        let survived = dropped.is_some();
        drop(dropped);
        assert!(
            at_rest(&pages, &simulated),
            "dropped after {polls} polls: {:?}",
            pages.admission().view()
        );
        // A future that was never polled has never been a page.
        let arrived = if polls == 0 { 4 } else { 5 };
        assert_eq!(ended(&pages), arrived, "dropped after {polls} polls");
        if survived {
            break;
        }
    }
}

/// How many pages the gateway has counted.
pub(super) fn ended(pages: &Pages<Only<Simulated>>) -> u64 {
    let counts = pages.telemetry().counts();
    PageOutcome::ALL
        .map(|outcome| counts.pages(PageId(0), outcome))
        .iter()
        .sum()
}

type Waiting = Pin<Box<dyn Future<Output = ()>>>;

/// A page waits, is granted its permits, and before it learns of them `end` ends it.
/// Returns how many permits are still out then.
async fn granted_too_late(end: fn(Waiting)) -> u32 {
    let mut config = config_with(&[("a", true), ("b", true)], "");
    config.downstreams[0].permits = std::num::NonZeroU32::new(1);
    let admission = Admission::new(&config);
    let needs = needs(&config);
    let page = {
        let (admission, needs) = (Arc::clone(&admission), needs.clone());
        async move {
            drop(admission.permits(PageId(0), &needs, Deadline::NEVER).await);
        }
    };
    let held = admission
        .permits(PageId(0), &needs, Deadline::NEVER)
        .await
        .unwrap();
    let mut waiting: Waiting = Box::pin(page);
    assert!(poll_once(waiting.as_mut()).is_pending());
    assert_eq!(admission.view().queues[0].depth, 1);
    drop(held);
    assert_eq!(
        admission.view().bulkheads[0].in_use,
        1,
        "granted to the waiter"
    );
    end(waiting);
    let view = admission.view();
    view.bulkheads.iter().map(|b| b.in_use).sum()
}

#[tokio::test(start_paused = true)]
async fn permits_granted_to_a_page_that_is_just_gone_are_released() {
    assert_eq!(granted_too_late(drop).await, 0);
    assert!(
        granted_too_late(std::mem::forget).await > 0,
        "a leaked permit goes unnoticed"
    );
}
