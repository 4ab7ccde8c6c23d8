//! The life of a page in virtual time: every instant exact.

use std::fmt::Write as _;
use std::task::{Context, Poll, Waker};

use super::admission::core::{NeedSet, Order, Shed};
use super::admission::{Permits, Rules};
use super::deadline::now;
use super::downstream::only::Only;
use super::quota::ClientKey;
use super::simulated::{Answers, Simulated};
use super::*;
use crate::config::{self, DownstreamId, PassedStatus};
use crate::outcome::{CallOutcome, PageOutcome, PartStatus, Reason};
use crate::telemetry::context::TraceContext;
use crate::telemetry::recent::in_flight::PageInFlight;

mod broken;
mod client_budget;
mod clients;
mod dropped;
mod in_flight;
mod observed;
mod own_load;
mod reloads;

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

fn pages(config: &Config, simulated: &Simulated) -> Arc<Pages<Only<Simulated>>> {
    Arc::new(Pages::new(config, simulated.transport(), telemetry(config)))
}

fn telemetry(config: &Config) -> Arc<Telemetry> {
    Arc::new(Telemetry::new(config))
}

/// The permits a page of the config takes.
fn needs(config: &Config) -> NeedSet {
    let admission = Admission::new(config);
    Plan::compile(config, &admission).swap_remove(0).needs
}

/// The permits of two pages, held by none.
async fn for_two_pages(admission: &Admission, config: &Config) -> [Result<Permits, Shed>; 2] {
    let needs = needs(config);
    let permits = || admission.permits(PageId(0), &needs, Deadline::NEVER);
    [permits().await, permits().await]
}

fn client(key: u128) -> Client {
    Client {
        key: ClientKey(key),
        held: false,
    }
}

fn request() -> PageRequest {
    PageRequest {
        page: PageId(0),
        params: vec!["x".into()],
        query: None,
        client: client(1),
        budget: None,
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

fn at_rest(pages: &Pages<Only<Simulated>>, simulated: &Simulated) -> bool {
    let view = pages.admission().view();
    view.in_flight == 0
        && view
            .bulkheads
            .iter()
            .all(|b| b.in_use == 0 && b.queued == 0)
        && simulated.running() == 0
        && in_flight(pages).is_empty()
}

fn in_flight(pages: &Pages<Only<Simulated>>) -> Vec<PageInFlight> {
    pages.telemetry().recent().in_flight().list(now())
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
        answer.record.parts[1].call.as_ref().unwrap().span.took,
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
    // Before the answer is even looked at, nothing runs and every permit is released.
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
        Err(Refusal::Passed(
            DownstreamId(0),
            PassedStatus::NotFound,
            None
        ))
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
async fn crowd(pages: &Arc<Pages<Only<Simulated>>>) -> Vec<(Option<&'static str>, Duration)> {
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
async fn order_of_two_waiters(order: Order) -> Vec<bool> {
    let mut config = config_with(&[("a", true)], "");
    config.downstreams[0].permits = std::num::NonZeroU32::new(1);
    let simulated = Simulated::new([Answers::ok(40)]);
    let rules = Rules {
        order,
        ..Rules::default()
    };
    let admission = Admission::with_rules(&config, rules);
    let pages = Pages::with_admission(
        &config,
        simulated.transport(),
        telemetry(&config),
        admission,
    );
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
async fn of_two_waiters_the_newer_starts_and_a_queue_that_serves_the_oldest_first_is_seen() {
    // At 40 ms the permit is released; whoever does not get it has waited 50 ms before 80 ms.
    let newest_first = order_of_two_waiters(Order::default()).await;
    assert_eq!(newest_first, [true, false, true]);
    let oldest_first = order_of_two_waiters(Order::OldestFirst).await;
    assert_eq!(oldest_first, [true, true, false]);
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
        client: client(2),
        ..request()
    };
    assert!(pages.serve(other).await.result.is_ok());
    tokio::time::advance(100 * MS).await;
    assert!(pages.serve(request()).await.result.is_ok());
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

/// Polls once, by hand.
fn poll_once<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn no_call_starts_after_the_deadline_even_if_permits_came_before_it() {
    let config = config_with(&[("a", true)], "");
    let simulated = Simulated::new([Answers::ok(1)]);
    let pages = pages(&config, &simulated);
    let held = for_two_pages(pages.admission(), &config).await;
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
