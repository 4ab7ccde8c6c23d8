//! What clients pay for and are told, and what they were owed: in virtual time, to the page.

use super::*;
use crate::page::retry_after::{LONGEST, REFUSING};

/// Someone else's page, which never ends and holds the only ticket.
async fn full(keys: &str) -> (Arc<Pages<Only<Simulated>>>, tokio::task::JoinSet<()>) {
    let keys = format!("admission.max_in_flight = 1\n{keys}");
    let mut config = config_with(&[("a", true)], &keys);
    config.pages[0].deadline = None;
    let pages = pages(&config, &Simulated::new([Answers::never()]));
    let mut holds = tokio::task::JoinSet::new();
    let other = Arc::clone(&pages);
    holds.spawn(async move {
        let _ = other.serve(by(9, false)).await;
    });
    tokio::time::sleep(MS).await;
    (pages, holds)
}

fn by(key: u128, held: bool) -> PageRequest {
    PageRequest {
        client: Client {
            held,
            ..client(key)
        },
        ..request()
    }
}

async fn ends(pages: &Pages<Only<Simulated>>, request: PageRequest) -> Option<Refusal> {
    pages.serve(request).await.result.err()
}

async fn is_over_quota(pages: &Pages<Only<Simulated>>) -> bool {
    matches!(ends(pages, request()).await, Some(Refusal::ClientQuota(_)))
}

#[tokio::test(start_paused = true)]
async fn a_client_within_its_quota_is_never_over_it_while_the_gateway_refuses() {
    let (pages, _holds) = full("clients = { rate = \"50/s\", burst = 50 }").await;
    for _ in 0..40 * 60 {
        tokio::time::sleep(25 * MS).await;
        assert_eq!(ends(&pages, request()).await, Some(Refusal::GatewayFull));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_gateway_refused_is_there_when_it_does_not_any_more() {
    let (pages, mut holds) = full("clients = { rate = \"1/h\", burst = 2, attempts = 50 }").await;
    for _ in 0..60 {
        assert_eq!(ends(&pages, request()).await, Some(Refusal::GatewayFull));
    }
    holds.shutdown().await;
    let charged = || async {
        tokio::time::timeout(MS, pages.serve(request()))
            .await
            .is_err()
    };
    assert!(charged().await && charged().await);
    // A client that left its pages keeps what they cost.
    assert!(is_over_quota(&pages).await);
}

#[tokio::test(start_paused = true)]
async fn asking_beyond_a_multiple_of_the_rate_is_the_clients_doing_whatever_the_gateways_state() {
    let (pages, _holds) = full("clients = { rate = \"10/s\", burst = 1, attempts = 3 }").await;
    for _ in 0..3 {
        assert_eq!(ends(&pages, request()).await, Some(Refusal::GatewayFull));
    }
    assert!(is_over_quota(&pages).await);
    let mut refused = 0;
    for _ in 0..1_000 {
        tokio::time::sleep(10 * MS).await;
        refused += usize::from(!is_over_quota(&pages).await);
    }
    // Thirty a second, for ten seconds.
    assert_eq!(refused, 300);
}

#[tokio::test(start_paused = true)]
async fn pages_that_wait_are_charged_until_they_are_refused() {
    let config = config_with(
        &[("a", true)],
        "clients = { rate = \"1/h\", burst = 2, attempts = 50 }",
    );
    let pages = pages(&config, &Simulated::new([Answers::never()]));
    // Both permits are out, and both pages of the client wait.
    let others = [by(8, false), by(9, false)].map(|request| pages.serve(request));
    let mut under_way = futures_util::future::join_all(others);
    let polled = std::pin::Pin::new(&mut under_way).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    let waiting = || pages.serve(request());
    let (first, second, third) = tokio::join!(waiting(), waiting(), waiting());
    for refused in [first, second] {
        assert_eq!(refused.result, Err(Refusal::BulkheadFull(DownstreamId(0))));
    }
    assert!(matches!(third.result, Err(Refusal::ClientQuota(_))));
    assert_eq!(
        ends(&pages, request()).await,
        Some(Refusal::BulkheadFull(DownstreamId(0)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_clients_own_mistakes_are_charged_and_named_also_beyond_its_quota() {
    let config = config_with(&[("a", true)], "clients = { rate = \"1/h\", burst = 2 }");
    let pages = pages(&config, &Simulated::new([Answers::ok(0)]));
    let mistaken = || PageRequest {
        params: vec!["a%".into()],
        query: None,
        ..request()
    };
    for _ in 0..4 {
        let refusal = ends(&pages, mistaken()).await;
        assert!(
            matches!(refusal, Some(Refusal::BadRequest(_))),
            "{refusal:?}"
        );
    }
    assert!(is_over_quota(&pages).await);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_edge_refuses_is_charged_too() {
    let config = config_with(&[("a", true)], "clients = { rate = \"1/h\", burst = 2 }");
    let pages = pages(&config, &Simulated::new([Answers::ok(0)]));
    let origin = request().origin;
    pages.refused_at_edge(None, client(1), &origin, &Refusal::NoRoute);
    pages.refused_at_edge(Some(PageId(0)), client(1), &origin, &Refusal::Method);
    assert!(is_over_quota(&pages).await);
    let counts = pages.telemetry().counts();
    assert_eq!(counts.pages(PageId(0), PageOutcome::BadRequest), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_back_before_its_time_is_refused_first_and_told_what_is_left_of_it() {
    let config = config_with(&[("a", true)], "");
    let simulated = Simulated::new([Answers::ok(200)]);
    let pages = pages(&config, &simulated);
    // Both permits are out for 200 ms.
    let mut others = tokio::task::JoinSet::new();
    for key in [8, 9] {
        let pages = Arc::clone(&pages);
        others.spawn(async move { drop(pages.serve(by(key, false)).await) });
    }
    tokio::time::sleep(MS).await;
    let refused = pages.serve(by(1, true)).await;
    assert_eq!(refused.result, Err(Refusal::BulkheadFull(DownstreamId(0))));
    let told = refused.retry_after.unwrap();
    assert!((1..=LONGEST).contains(&told));
    let over = now() + Duration::from_secs(told.into());
    tokio::time::sleep(300 * MS).await;
    // There is room, and who asks for the first time gets it.
    assert_eq!(ends(&pages, by(2, true)).await, None);
    let early = pages.serve(by(1, true)).await;
    assert_eq!(early.result, Err(Refusal::Early(Some(DownstreamId(0)))));
    assert_eq!(early.record.total(), Duration::ZERO);
    assert_eq!(early.retry_after, Some(told));
    tokio::time::sleep_until(over - MS).await;
    if told == 1 {
        let early = pages.serve(by(1, true)).await;
        assert_eq!((early.result.is_err(), early.retry_after), (true, Some(1)));
    }
    tokio::time::sleep(MS).await;
    assert_eq!(ends(&pages, by(1, true)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_may_be_many_is_not_held_to_what_one_of_them_was_told() {
    let (pages, mut holds) = full("").await;
    assert_eq!(ends(&pages, by(1, false)).await, Some(Refusal::GatewayFull));
    holds.shutdown().await;
    let serving = tokio::time::timeout(MS, pages.serve(by(1, false)));
    assert!(serving.await.is_err(), "it is refused");
}

#[tokio::test(start_paused = true)]
async fn when_nobody_else_is_refused_any_more_it_does_not_matter_who_is_early() {
    let (pages, mut holds) = full("").await;
    // One of many who are refused, so that it is told to stay away for long.
    let mut key = 100;
    while pages.serve(by(key, true)).await.retry_after.unwrap() < 4 {
        key += 1;
    }
    holds.shutdown().await;
    // Those who are early do not keep the page being refused by themselves.
    let asks = REFUSING.as_millis() / 100;
    for _ in 0..asks {
        let early = ends(&pages, by(key, true)).await;
        assert_eq!(early, Some(Refusal::Early(None)));
        tokio::time::sleep(100 * MS).await;
    }
    let serving = tokio::time::timeout(MS, pages.serve(by(key, true)));
    assert!(serving.await.is_err(), "it is refused");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_let_in_all_the_time_is_many_and_not_held_to_what_one_was_told() {
    let config = config_with(&[("a", true)], "");
    let pages = pages(&config, &Simulated::new([Answers::ok(10)]));
    // Eight at a time for two permits and two places in the queue.
    let mut ended = [0, 0, 0];
    for _ in 0..100 {
        let all = (0..8).map(|_| ends(&pages, by(1, true)));
        for refusal in futures_util::future::join_all(all).await {
            match refusal {
                None => ended[0] += 1,
                Some(Refusal::Early(_)) => ended[1] += 1,
                Some(_) => ended[2] += 1,
            }
        }
    }
    assert_eq!(ended[1], 0, "{ended:?}");
    assert!(ended[0] >= 200 && ended[2] >= 200, "{ended:?}");
}

/// Owed, good, abandoned, answered late.
async fn standings_of_a_client_that_leaves_after(patience: Duration) -> [u64; 4] {
    let config = config_with(&[("a", true)], "");
    let pages = pages(&config, &Simulated::new([Answers::never()]));
    let left = tokio::time::timeout(patience, pages.serve(request())).await;
    assert!(left.is_err());
    let counts = pages.telemetry().counts();
    assert_eq!(counts.pages(PageId(0), PageOutcome::Cancelled), 1);
    counts.standings(PageId(0))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_after_half_of_the_deadline_was_owed_a_page() {
    assert_eq!(
        standings_of_a_client_that_leaves_after(150 * MS).await,
        [0; 4]
    );
    let abandoned = standings_of_a_client_that_leaves_after(151 * MS).await;
    assert_eq!(abandoned, [1, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_leaves_after_its_pages_deadline_is_counted_and_one_at_it_is_not() {
    let config = config_with(&[("a", true)], "");
    let pages = pages(&config, &Simulated::new([Answers::ok(100)]));
    let arrived = |before: Duration| PageRequest {
        origin: Arc::new(Origin {
            arrived: now() - before,
            ..(*request().origin).clone()
        }),
        ..request()
    };
    tokio::time::sleep(400 * MS).await;
    let standings = || pages.telemetry().counts().standings(PageId(0));
    assert_eq!(ends(&pages, arrived(150 * MS)).await, None);
    assert_eq!(standings(), [1, 1, 0, 0]);
    assert_eq!(
        ends(&pages, arrived(300 * MS)).await,
        Some(Refusal::DeadlineUnreachable(None))
    );
    assert_eq!(standings(), [2, 1, 0, 0]);
    assert!(ends(&pages, arrived(301 * MS)).await.is_some());
    assert_eq!(standings(), [3, 1, 0, 1]);
}
