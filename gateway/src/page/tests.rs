//! The life of a page in virtual time: every instant exact.

use std::fmt::Write as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::admission::core::NegativeControl;
use super::simulated::{Answers, Simulated};
use super::*;
use crate::config;
use crate::outcome::{CallOutcome, PageOutcome};
use crate::telemetry::context::TraceContext;

const MS: Duration = Duration::from_millis(1);

/// One page with these parts, `(name, required)`, each from a downstream of its name.
fn config_with(parts: &[(&str, bool)], keys: &str) -> Config {
    let mut toml = format!("{keys}\n[page.p]\npath = \"/p/{{id}}\"\nqueue = 2\n");
    for (name, required) in parts {
        let _ = write!(
            toml,
            "[page.p.part.{name}]\ndownstream = \"{name}\"\npath = \"/{name}/{{id}}\"\n\
             required = {required}\n[downstream.{name}]\nurl = \"http://127.0.0.1:1\"\npermits = 2\n"
        );
    }
    let loaded = config::load_text("test", &toml, &[]);
    loaded.unwrap_or_else(|report| panic!("{report}")).config
}

fn two_required_one_optional() -> Config {
    config_with(&[("a", true), ("b", true), ("c", false)], "")
}

fn pages(config: &Config, simulated: &Simulated) -> Arc<Pages<Simulated>> {
    Arc::new(Pages::new(config, simulated.clone(), told(config)))
}

fn told(config: &Config) -> Arc<Telemetry> {
    Arc::new(Telemetry::new(config))
}

fn admission(config: &Config, control: Option<NegativeControl>) -> Arc<Admission> {
    match control {
        Some(control) => Admission::broken(config, control),
        None => Admission::new(config),
    }
}

fn request() -> PageRequest {
    PageRequest {
        page: PageId(0),
        params: vec!["x".into()],
        client: ClientKey(1),
        timeout_ms: None,
        headers: HeaderMap::new(),
        origin: Arc::new(Origin {
            arrived: now(),
            method: "GET",
            request_id: None,
            trace: TraceContext::new(),
        }),
    }
}

fn body(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.result.as_ref().unwrap().body).unwrap()
}

fn at_rest(pages: &Pages<Simulated>, simulated: &Simulated) -> bool {
    let view = pages.admission().view();
    view.in_flight == 0
        && view
            .bulkheads
            .iter()
            .all(|b| b.in_use == 0 && b.queued == 0)
        && simulated.running() == 0
}

#[tokio::test(start_paused = true)]
async fn a_whole_page_takes_as_long_as_its_slowest_part_and_keeps_the_configs_order() {
    let simulated = Simulated::new([Answers::ok(80), Answers::ok(20), Answers::ok(50)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let answer = pages.serve(request()).await;
    assert_eq!(answer.record.total(), 80 * MS);
    assert_eq!(
        body(&answer),
        r#"{"complete":true,"missing":[],"parts":{"a":{"status":"ok","data":{}},"b":{"status":"ok","data":{}},"c":{"status":"ok","data":{}}}}"#
    );
    assert_eq!(simulated.seen(1).paths, ["/b/x"]);
    drop(answer);
    assert!(at_rest(&pages, &simulated));
}

#[tokio::test(start_paused = true)]
async fn an_optional_part_that_hangs_is_late_at_the_deadline_less_the_reserve() {
    let simulated = Simulated::new([Answers::ok(80), Answers::ok(20), Answers::never()]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let answer = pages.serve(request()).await;
    assert_eq!(answer.record.total(), 295 * MS);
    assert!(body(&answer).ends_with(r#""c":{"status":"late","retryable":true}}}"#));
    assert!(body(&answer).starts_with(r#"{"complete":false,"missing":["c"],"#));
    assert_eq!(simulated.seen(2).aborted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_part_with_a_timeout_of_its_own_is_late_then() {
    let config = config_with(&[("a", true), ("c", false)], "");
    let mut config = config;
    config.pages[0].parts[1].timeout = Some(120 * MS);
    let simulated = Simulated::new([Answers::ok(80), Answers::never()]);
    let answer = pages(&config, &simulated).serve(request()).await;
    assert_eq!(answer.record.total(), 120 * MS);
    assert_eq!(
        answer.record.parts[1].call.as_ref().unwrap().stretch.took,
        120 * MS
    );
}

#[tokio::test(start_paused = true)]
async fn a_required_part_that_hangs_ends_the_page_and_its_siblings_at_the_deadline() {
    let simulated = Simulated::new([Answers::never(), Answers::ok(20), Answers::never()]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let answer = pages.serve(request()).await;
    assert_eq!(answer.record.total(), 295 * MS);
    assert_eq!(answer.result, Err(Refusal::Deadline(DownstreamId(0))));
    assert_eq!(
        (simulated.seen(0).aborted, simulated.seen(2).aborted),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_required_part_that_fails_cancels_its_siblings_at_once() {
    let simulated = Simulated::new([Answers::status(5, 500), Answers::ok(200), Answers::ok(200)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let answer = pages.serve(request()).await;
    assert_eq!(answer.record.total(), 5 * MS);
    assert_eq!(
        answer.result,
        Err(Refusal::DownstreamFailed(DownstreamId(0)))
    );
    // Before the answer is even looked at, nothing runs and every permit is home.
    assert_eq!(
        (simulated.seen(1).aborted, simulated.seen(2).aborted),
        (1, 1)
    );
    assert!(
        pages
            .admission()
            .view()
            .bulkheads
            .iter()
            .all(|b| b.in_use == 0)
    );
    let cancelled = |d| {
        pages
            .telemetry()
            .counts()
            .calls(DownstreamId(d), CallOutcome::Cancelled)
    };
    assert_eq!((cancelled(1), cancelled(2)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_required_404_is_a_404_and_an_optional_one_is_an_answer() {
    let simulated = Simulated::new([Answers::ok(5), Answers::ok(5), Answers::status(5, 404)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let answer = pages.serve(request()).await;
    assert!(body(&answer).starts_with(r#"{"complete":true,"missing":[],"#));
    assert!(body(&answer).ends_with(r#""c":{"status":"not_found"}}}"#));
    simulated.set(0, Answers::status(5, 404));
    assert_eq!(
        pages.serve(request()).await.result,
        Err(Refusal::NotFound(DownstreamId(0)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_json_is_a_failed_part() {
    let simulated = Simulated::new([Answers::ok(5), Answers::ok(5), Answers::ok(5)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    for body_of_c in ["", "{", "\u{feff}{}", "{}{}"] {
        simulated.set(
            2,
            Answers {
                body: body_of_c,
                ..Answers::ok(5)
            },
        );
        let answer = pages.serve(request()).await;
        let failed = r#""c":{"status":"failed","retryable":false}}}"#;
        assert!(body(&answer).ends_with(failed), "{body_of_c:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_without_permits_waits_for_max_wait_and_starts_nothing() {
    let simulated = Simulated::new([Answers::ok(200), Answers::ok(200), Answers::ok(200)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let [first, second, third] = [(); 3].map(|()| pages.serve(request()));
    let (_, _, third) = tokio::join!(first, second, third);
    assert_eq!(third.result, Err(Refusal::BulkheadFull(DownstreamId(0))));
    assert_eq!(third.record.total(), 50 * MS);
    assert_eq!(simulated.seen(0).started, 2);
}

#[tokio::test(start_paused = true)]
async fn an_optional_part_without_a_permit_is_shed_and_the_page_goes_on() {
    let simulated = Simulated::new([Answers::ok(10), Answers::ok(10), Answers::ok(200)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let slow = [(); 2].map(|()| pages.serve(request()));
    let third = async {
        tokio::time::sleep(20 * MS).await;
        pages.serve(request()).await
    };
    let (_, third) = tokio::join!(futures_util::future::join_all(slow), third);
    assert!(body(&third).ends_with(r#""c":{"status":"shed","retryable":true}}}"#));
    assert_eq!(third.record.total(), 10 * MS);
}

/// Two pages hold all permits until 30 ms; four more come, one per millisecond. The queue
/// has room for two.
async fn crowd(pages: &Arc<Pages<Simulated>>) -> Vec<(Option<&'static str>, Duration)> {
    let page = |delay: u32| async move {
        tokio::time::sleep(delay * MS).await;
        pages.serve(request()).await
    };
    let answers = futures_util::future::join_all([0, 0, 1, 2, 3, 4].map(page)).await;
    let reason = |answer: &Answer| {
        let refusal = answer.result.as_ref().err()?;
        Some(refusal.row(ShedStatus::TooManyRequests).reason.as_str())
    };
    answers
        .iter()
        .map(|answer| (reason(answer), answer.record.total()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_newest_waits_the_oldest_gives_way() {
    let simulated = Simulated::new([Answers::ok(30), Answers::ok(30), Answers::ok(1)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    assert_eq!(
        crowd(&pages).await,
        [
            (None, 30 * MS),
            (None, 30 * MS),
            (Some("queue_evicted"), 2 * MS),
            (Some("queue_evicted"), 2 * MS),
            (None, 57 * MS),
            (None, 56 * MS),
        ]
    );
}

/// One permit, so that the order of two waiters shows.
async fn order_of_two_waiters(control: Option<NegativeControl>) -> Vec<bool> {
    let mut config = config_with(&[("a", true)], "");
    config.downstreams[0].permits = std::num::NonZeroU32::new(1);
    let simulated = Simulated::new([Answers::ok(40)]);
    let admission = admission(&config, control);
    let pages = Arc::new(Pages::with_admission(
        &config,
        simulated,
        told(&config),
        admission,
    ));
    let page = |delay: u32| {
        let pages = &pages;
        async move {
            tokio::time::sleep(delay * MS).await;
            pages.serve(request()).await.result.is_ok()
        }
    };
    futures_util::future::join_all([0, 10, 20].map(page)).await
}

#[tokio::test(start_paused = true)]
async fn of_two_waiters_the_newer_starts_and_the_broken_queue_is_seen() {
    // At 40 ms the permit comes home; whoever does not get it has waited 50 ms before 80 ms.
    assert_eq!(order_of_two_waiters(None).await, [true, false, true]);
    let broken = order_of_two_waiters(Some(NegativeControl::FirstInFirstOut)).await;
    assert_eq!(broken, [true, true, false]);
}

#[tokio::test(start_paused = true)]
async fn without_a_ticket_a_page_is_refused_at_once() {
    let config = config_with(&[("a", true)], "admission.max_in_flight = 1");
    let simulated = Simulated::new([Answers::ok(80)]);
    let pages = pages(&config, &simulated);
    let (first, second) = tokio::join!(pages.serve(request()), pages.serve(request()));
    assert!(first.result.is_ok());
    assert_eq!(
        (second.result, second.record.total()),
        (Err(Refusal::GatewayFull), Duration::ZERO)
    );
    // The first answer still holds its ticket: its bytes have not left.
    assert_eq!(
        pages.serve(request()).await.result,
        Err(Refusal::GatewayFull)
    );
    drop(first.ticket);
    assert!(pages.serve(request()).await.result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_client_over_its_quota_is_told_when_it_may_come_again() {
    let config = config_with(&[("a", true)], "clients.rate = \"10/s\"\nclients.burst = 2");
    let simulated = Simulated::new([Answers::ok(0)]);
    let pages = pages(&config, &simulated);
    for _ in 0..2 {
        assert!(pages.serve(request()).await.result.is_ok());
    }
    assert_eq!(
        pages.serve(request()).await.result,
        Err(Refusal::ClientQuota(100 * MS))
    );
    let other = PageRequest {
        client: ClientKey(2),
        ..request()
    };
    assert!(pages.serve(other).await.result.is_ok());
    tokio::time::advance(100 * MS).await;
    assert!(pages.serve(request()).await.result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_client_may_lower_its_budget_but_not_raise_it() {
    let simulated = Simulated::new([Answers::never(), Answers::ok(1), Answers::ok(1)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    for (asked, total) in [
        ("100", 95),
        ("300", 295),
        ("60000", 295),
        ("18446744073709551615", 295),
    ] {
        let timeout_ms = Some(HeaderValue::from_static(asked));
        let answer = pages
            .serve(PageRequest {
                timeout_ms,
                ..request()
            })
            .await;
        assert_eq!(answer.record.total(), total * MS, "{asked}");
    }
    for hopeless in ["0", "5"] {
        let timeout_ms = Some(HeaderValue::from_static(hopeless));
        let answer = pages
            .serve(PageRequest {
                timeout_ms,
                ..request()
            })
            .await;
        assert_eq!(
            answer.result,
            Err(Refusal::DeadlineUnreachable(None)),
            "{hopeless}"
        );
    }
    for garbage in [
        "",
        "-1",
        "1.5",
        "1e3",
        "100ms",
        "99999999999999999999",
        "+5",
    ] {
        let timeout_ms = Some(HeaderValue::from_static(garbage));
        let answer = pages
            .serve(PageRequest {
                timeout_ms,
                ..request()
            })
            .await;
        assert!(
            matches!(answer.result, Err(Refusal::BadRequest(_))),
            "{garbage:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_deadline_cuts_short_says_so() {
    let simulated = Simulated::new([Answers::ok(200), Answers::ok(1), Answers::ok(1)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let [first, second] = [(); 2].map(|()| pages.serve(request()));
    let timeout_ms = Some(HeaderValue::from_static("30"));
    let hurried = pages.serve(PageRequest {
        timeout_ms,
        ..request()
    });
    let (_, _, hurried) = tokio::join!(first, second, hurried);
    assert_eq!(
        hurried.result,
        Err(Refusal::DeadlineUnreachable(Some(DownstreamId(0))))
    );
    assert_eq!(hurried.record.total(), 25 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_draining_gateway_finishes_what_it_began_and_takes_nothing_new() {
    let simulated = Simulated::new([Answers::ok(80), Answers::ok(80), Answers::ok(80)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let late_comer = async {
        tokio::time::sleep(10 * MS).await;
        pages.drain();
        pages.serve(request()).await
    };
    let emptied = async {
        tokio::time::sleep(10 * MS).await;
        pages.admission().until_empty().await;
        now()
    };
    let began = now();
    let first = async { drop(pages.serve(request()).await.ticket) };
    let ((), late_comer, emptied) = tokio::join!(first, late_comer, emptied);
    assert_eq!(late_comer.result, Err(Refusal::Draining));
    assert_eq!(emptied - began, 80 * MS);
}

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

/// Drops a page at every poll of its life, beside others that hold and want the same
/// permits. Says what had not come home.
async fn drop_at_every_poll(control: Option<NegativeControl>) -> Result<(), String> {
    let config = two_required_one_optional();
    for polls in 0.. {
        let simulated = Simulated::new([Answers::ok(20), Answers::ok(30), Answers::ok(40)]);
        let admission = admission(&config, control);
        let pages = Arc::new(Pages::with_admission(
            &config,
            simulated.clone(),
            told(&config),
            admission,
        ));
        let others = [(); 4].map(|()| pages.serve(request()));
        let dropped = drop_after(pages.serve(request()), polls);
        let (others, dropped) = tokio::join!(futures_util::future::join_all(others), dropped);
        drop(others);
        let survived = dropped.is_some();
        drop(dropped);
        if !at_rest(&pages, &simulated) {
            return Err(format!(
                "dropped after {polls} polls: {:?}",
                pages.admission().view()
            ));
        }
        let ended: u64 = PageOutcome::ALL
            .map(|outcome| pages.telemetry().counts().pages(PageId(0), outcome))
            .iter()
            .sum();
        // A future that was never polled has never been a page.
        let arrived = if polls == 0 { 4 } else { 5 };
        if ended != arrived {
            return Err(format!(
                "dropped after {polls} polls: {ended} of {arrived} pages ended"
            ));
        }
        if survived {
            return Ok(());
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_page_dropped_at_any_await_leaves_nothing_behind() {
    drop_at_every_poll(None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn permits_that_arrive_for_a_page_that_is_just_gone_come_home() {
    unheard_grant_comes_home(None).await.unwrap();
    let broken = unheard_grant_comes_home(Some(NegativeControl::LeakOnCancel)).await;
    assert!(broken.is_err(), "a leaked permit went unnoticed");
}

/// A page waits, is granted its permits, and is dropped before it hears of them.
async fn unheard_grant_comes_home(control: Option<NegativeControl>) -> Result<(), String> {
    let mut config = config_with(&[("a", true), ("b", true)], "");
    config.downstreams[0].permits = std::num::NonZeroU32::new(1);
    let admission = admission(&config, control);
    let held = admission.permits(PageId(0), Deadline::NEVER).await.unwrap();
    let mut waiting = Box::pin(admission.permits(PageId(0), Deadline::NEVER));
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert_eq!(admission.view().queues[0].depth, 1);
    drop(held);
    assert_eq!(
        admission.view().bulkheads[0].in_use,
        1,
        "granted to the waiter"
    );
    drop(waiting);
    let view = admission.view();
    if view.bulkheads.iter().any(|b| b.in_use > 0) {
        return Err(format!("{view:?}"));
    }
    Ok(())
}

/// Polls once, by hand.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn no_call_starts_after_the_deadline_even_if_permits_came_before_it() {
    let config = config_with(&[("a", true)], "");
    let simulated = Simulated::new([Answers::ok(1)]);
    let pages = pages(&config, &simulated);
    let both = [(); 2].map(|()| pages.admission().permits(PageId(0), Deadline::NEVER));
    let held = futures_util::future::join_all(both).await;
    let mut waiting = Box::pin(pages.serve(request()));
    assert!(poll_once(waiting.as_mut()).is_pending());
    tokio::time::advance(40 * MS).await;
    drop(held);
    // Granted at 40 ms; but the thread that runs the page has other things to do.
    tokio::time::advance(255 * MS).await;
    let Poll::Ready(answer) = poll_once(waiting.as_mut()) else {
        panic!("still waiting")
    };
    assert_eq!(answer.result, Err(Refusal::DeadlineUnreachable(None)));
    assert_eq!(simulated.seen(0).started, 0);
    assert!(
        pages
            .admission()
            .view()
            .bulkheads
            .iter()
            .all(|b| b.in_use == 0)
    );
}

/// Three seconds of three times the load that can be carried, with clients that leave.
/// Says which invariants were broken.
async fn storm(seed: u64, control: Option<NegativeControl>) -> Vec<&'static str> {
    let config = two_required_one_optional();
    let mut random = fastrand::Rng::with_seed(seed);
    let simulated = Simulated::new([Answers::ok(40), Answers::ok(30), Answers::ok(60)]);
    let admission = admission(&config, control);
    let pages = Arc::new(Pages::with_admission(
        &config,
        simulated.clone(),
        told(&config),
        admission,
    ));
    let began = now();
    let (mut clients, mut arrived) = (tokio::task::JoinSet::new(), 0);
    let mut broken = Vec::new();
    while now() - began < 3000 * MS {
        tokio::time::sleep(random.u32(0..14) * MS).await;
        for downstream in 0..3 {
            simulated.set(downstream, Answers::ok(random.u64(5..120)));
        }
        if random.u8(0..8) == 0 {
            let part = random.usize(0..3);
            simulated.set(
                part,
                if random.bool() {
                    Answers::never()
                } else {
                    Answers::status(3, 503)
                },
            );
        }
        let patience = if random.u8(0..5) == 0 {
            random.u32(0..300)
        } else {
            10_000
        };
        let served = Arc::clone(&pages);
        arrived += 1;
        clients.spawn(async move {
            let answered = tokio::time::timeout(patience * MS, served.serve(request())).await;
            answered.map(|answer| answer.record.total())
        });
        // Let everything that is due at this instant happen before it is looked at.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let in_use: u32 = pages
            .admission()
            .view()
            .bulkheads
            .iter()
            .map(|b| b.in_use)
            .sum();
        if in_use as usize > simulated.running() {
            broken.push("a waiting page holds no permit");
        }
    }
    while let Some(total) = clients.join_next().await {
        if total.unwrap().is_ok_and(|total| total > 300 * MS) {
            broken.push("no answer later than the deadline");
        }
    }
    for downstream in 0..3 {
        if simulated.seen(downstream).most_running > 2 {
            broken.push("running permits never exceed the limit");
        }
    }
    if !at_rest(&pages, &simulated) {
        broken.push("every permit comes home");
    }
    let ended: u64 = PageOutcome::ALL
        .map(|outcome| pages.telemetry().counts().pages(PageId(0), outcome))
        .iter()
        .sum();
    if ended != arrived {
        broken.push("arrivals = sum of outcomes");
    }
    broken.sort_unstable();
    broken.dedup();
    broken
}

#[tokio::test(start_paused = true)]
async fn a_storm_breaks_no_invariant_and_each_broken_variant_breaks_its_own() {
    for seed in 0..10 {
        assert_eq!(storm(seed, None).await, [""; 0], "seed {seed}");
    }
    for (control, invariant) in [
        (
            NegativeControl::WaitOutsideDeadline,
            "no answer later than the deadline",
        ),
        (NegativeControl::LeakOnCancel, "every permit comes home"),
        (
            NegativeControl::PartByPart,
            "a waiting page holds no permit",
        ),
    ] {
        let mut seeds = 0..20;
        let caught = loop {
            let Some(seed) = seeds.next() else {
                break false;
            };
            if storm(seed, Some(control)).await.contains(&invariant) {
                break true;
            }
        };
        assert!(caught, "{control:?} went unnoticed");
    }
}
