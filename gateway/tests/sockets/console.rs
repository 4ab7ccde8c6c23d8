//! What those see who look at the console, and what it costs when nobody does.

use gateway::admin::console::snapshot::{Snapshot, State};
use gateway::admin::console::{EVERY, MOST_VIEWERS, web};
use gateway::page::deadline::now;
use tokio::time::sleep;

use crate::common::client::{Client, get};
use crate::common::gateway::{Gateway, PAGE, shop};
use crate::common::until;

/// One who looks.
struct Viewer {
    client: Client,
}

impl Viewer {
    async fn of(gateway: &Gateway) -> Self {
        let mut client = Client::connect(gateway.admin).await;
        client
            .send(get("/events", "Accept-Encoding: gzip\r\n"))
            .await;
        let head = client.answer_to_head().await;
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("content-encoding"), None);
        Self { client }
    }

    async fn next(&mut self) -> Snapshot {
        loop {
            let chunk = self.client.chunk().await.unwrap();
            let text = String::from_utf8(chunk).unwrap();
            let Some((fields, data)) = text.split_once("data: ") else {
                assert_eq!(text, "retry: 2000\n\n");
                continue;
            };
            let snapshot: Snapshot = serde_json::from_str(data.trim_end()).unwrap();
            let expected = format!("id: {}\nevent: snapshot\n", snapshot.number);
            assert_eq!(fields, expected);
            return snapshot;
        }
    }
}

#[tokio::test]
async fn who_looks_sees_what_happened_in_the_last_second() {
    let (gateway, _fakes) = shop(&[]).await;
    let mut viewer = Viewer::of(&gateway).await;
    let first = viewer.next().await;
    assert_eq!((first.number, first.headline.state), (1, State::Idle));
    assert_eq!(first.gateway.viewers, 1);
    for _ in 0..5 {
        assert_eq!(gateway.page(PAGE).await.status, 200);
    }
    // The pages may be of two seconds, whose rates add up to them.
    let (mut good, mut slowest) = (0.0, None);
    while good < 4.5 {
        let next = viewer.next().await;
        let page = &next.pages[0];
        assert_eq!(
            (page.name.as_str(), page.deadline_ms),
            ("product-page", Some(20_000.0))
        );
        assert_eq!(page.good_per_s, page.owed_per_s);
        assert!(
            next.rates_over_ms >= 1000.0 * EVERY.as_secs_f64() * 0.99,
            "{next:?}"
        );
        good += page.good_per_s * next.rates_over_ms / 1e3;
        slowest = page.p99_ms;
    }
    assert!((good - 5.0).abs() < 0.01, "{good}");
    assert!(slowest.is_some_and(|ms| ms > 0.0), "{slowest:?}");
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_limit_and_the_keys_that_would_change_it() {
    let (gateway, fakes) = shop(&[
        "downstream.pricing.permits=1",
        "page.product-page.queue=0",
        "page.product-page.max_wait=1ms",
    ])
    .await;
    let control = fakes.control_url();
    slow_pricing(&control).await;
    let mut viewer = Viewer::of(&gateway).await;
    let mut holds = Client::connect(gateway.public).await;
    holds.send(get(PAGE, "")).await;
    gateway.until_in_flight(1).await;
    assert_eq!(gateway.page(PAGE).await.status, 429);
    let shown = loop {
        let next = viewer.next().await;
        if !next.refusals.is_empty() && !next.in_flight.is_empty() {
            break next;
        }
    };
    let refused = &shown.refusals[0];
    assert_eq!(
        (refused.reason.as_str(), refused.scope.as_str()),
        ("bulkhead_full", "downstream:pricing")
    );
    assert_eq!(refused.keys[0].key, "downstream.pricing.permits");
    let pricing = shown
        .downstreams
        .iter()
        .find(|one| one.name == "pricing")
        .unwrap();
    assert_eq!((pricing.permits, pricing.in_use), (Some(1), 1));
    assert_eq!(shown.in_flight[0].stage, "waits for pricing");
    assert!(
        shown
            .slow
            .iter()
            .any(|page| page.because == "bulkhead_full downstream:pricing"),
        "{:?}",
        shown.slow
    );
    // What is listed can be opened.
    let id = &shown.slow[0].id;
    assert_eq!(gateway.look(&format!("/pages/{id}")).await.status, 200);
}

/// Pricing answers after half a minute.
async fn slow_pricing(control: &str) {
    let toxic = r#"{"name":"slow","type":"latency","attributes":{"latency":30000}}"#;
    let address = control.trim_start_matches("http://").parse().unwrap();
    let request = format!(
        "POST /proxies/pricing/toxics HTTP/1.1\r\nHost: fakes\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{toxic}",
        toxic.len()
    );
    let answer = crate::common::client::ask(address, request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn all_who_look_see_the_same_snapshots_and_who_comes_later_sees_one_at_once() {
    let (gateway, _fakes) = shop(&[]).await;
    let mut one = Viewer::of(&gateway).await;
    let seen = one.next().await;
    let began = now();
    let mut other = Viewer::of(&gateway).await;
    let also = other.next().await;
    assert!(
        also.number == seen.number || now() - began >= EVERY / 2,
        "{also:?}"
    );
    for _ in 0..2 {
        let (mut a, mut b) = (one.next().await, other.next().await);
        while a.number < b.number {
            a = one.next().await;
        }
        while b.number < a.number {
            b = other.next().await;
        }
        assert_eq!(a, b);
        assert_eq!(a.gateway.viewers, 2);
    }
}

#[tokio::test]
async fn no_snapshot_is_made_while_nobody_looks() {
    let (gateway, _fakes) = shop(&[]).await;
    let mut viewer = Viewer::of(&gateway).await;
    let last = viewer.next().await.number;
    drop(viewer);
    sleep(EVERY * 4).await;
    let began = now();
    let next = Viewer::of(&gateway).await.next().await;
    // One more may have been made before the leaving was noticed.
    assert!(next.number <= last + 2, "{} after {last}", next.number);
    // And nothing of the time between is in it.
    let looked = (now() - began).as_secs_f64() * 1e3;
    assert!(
        next.spread_over_ms <= looked,
        "{} of {looked} ms",
        next.spread_over_ms
    );
}

#[tokio::test]
async fn there_are_so_many_viewers_and_no_more_and_one_that_leaves_makes_room() {
    let (gateway, _fakes) = shop(&[]).await;
    let mut viewers = Vec::new();
    for _ in 0..MOST_VIEWERS {
        viewers.push(Viewer::of(&gateway).await);
    }
    let refused = gateway.look("/events").await;
    assert_eq!(refused.status, 503);
    assert!(String::from_utf8_lossy(&refused.body).contains("consoles are open"));
    viewers.pop();
    // A viewer that has left is noticed at once, not with the next snapshot that cannot be sent.
    until("room for one more", async || {
        let mut client = Client::connect(gateway.admin).await;
        client.send(get("/events", "")).await;
        client.answer_to_head().await.status == 200
    })
    .await;
}

#[tokio::test]
async fn one_that_reads_nothing_holds_up_nobody_and_misses_what_it_did_not_read() {
    let (gateway, _fakes) = shop(&[]).await;
    let mut idle = Viewer::of(&gateway).await;
    let first = idle.next().await;
    let mut other = Viewer::of(&gateway).await;
    let mut numbers = vec![other.next().await.number];
    for _ in 0..3 {
        numbers.push(other.next().await.number);
    }
    assert!(numbers.windows(2).all(|two| two[1] > two[0]), "{numbers:?}");
    assert!(numbers[0] >= first.number);
}

#[tokio::test]
async fn the_stream_outlives_the_time_that_idle_connections_have() {
    let (gateway, _fakes) = shop(&["server.keep_alive=1s"]).await;
    let mut viewer = Viewer::of(&gateway).await;
    let numbers = [
        viewer.next().await,
        viewer.next().await,
        viewer.next().await,
        viewer.next().await,
    ];
    assert_eq!(numbers.map(|snapshot| snapshot.number), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_gateway_that_stops_is_seen_to_and_ends_in_time() {
    let (mut gateway, _fakes) = shop(&[]).await;
    let mut viewer = Viewer::of(&gateway).await;
    viewer.next().await;
    gateway.stop();
    let draining = viewer.next().await;
    assert_eq!(draining.headline.state, State::Draining);
    // Its stream has no end of its own.
    gateway.ended().await;
}

#[tokio::test]
async fn the_console_is_served_with_a_policy_that_lets_it_load_nothing_else() {
    let (gateway, _fakes) = shop(&[]).await;
    for file in web::FILES {
        let path = match file.name {
            "index.html" => "/".to_owned(),
            name => format!("/console/{name}"),
        };
        let answer = gateway.look(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(file.kind));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(answer.body, file.text.as_bytes());
    }
    assert_eq!(gateway.look("/console/nothing.js").await.status, 404);
    // A page of a stranger's that a browser shows reads neither.
    for path in ["/", "/events", "/console/main.js"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        assert_eq!(
            crate::common::client::ask(gateway.admin, request)
                .await
                .status,
            421,
            "{path}"
        );
    }
}
