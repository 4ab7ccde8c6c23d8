//! Every row of the table of refusals, as a client meets it.

use fixtures::{Behaviour, Fakes, Fault, Service};

use crate::common::client::{Client, ask, get};
use crate::common::gateway::{Gateway, PAGE, shop};
use crate::common::until;

/// Pricing takes longer than any of these tests.
fn slow_pricing(fakes: &Fakes) {
    fakes
        .set(Service::Pricing, Behaviour::failing(Fault::Hang))
        .unwrap();
}

/// A client whose page is asked for.
async fn asking(gateway: &Gateway) -> Client {
    let mut client = Client::connect(gateway.public).await;
    client.send(get(PAGE, "")).await;
    client
}

async fn until_queued(gateway: &Gateway, pages: u64) {
    until("pages in the queue", async || {
        gateway.limits().await["pages"]["product-page"]["queued"] == pages
    })
    .await;
}

#[tokio::test]
async fn an_id_the_pattern_does_not_allow_is_a_bad_request() {
    let (gateway, _fakes) = shop(&[]).await;
    for id in ["a.b", "a%20b", "caf%C3%A9", &"a".repeat(65)] {
        let answer = gateway.page(&format!("/product-page/{id}")).await;
        answer.assert_refused(400, "bad_request", None);
    }
}

#[tokio::test]
async fn a_budget_that_is_not_a_number_is_a_bad_request_and_one_too_small_is_refused() {
    let (gateway, fakes) = shop(&[]).await;
    let with = |value: &str| get(PAGE, &format!("X-Request-Timeout-Ms: {value}\r\n"));
    for garbage in [
        "soon",
        "",
        "-1",
        "1.5",
        "+5",
        "0x10",
        "1 2",
        "99999999999999999999999",
    ] {
        let answer = ask(gateway.public, with(garbage)).await;
        answer.assert_refused(400, "bad_request", None);
    }
    for small in ["0", "1", "5"] {
        let answer = ask(gateway.public, with(small)).await;
        answer.assert_refused(504, "client_budget", Some("client"));
    }
    for service in Service::ALL {
        assert_eq!(fakes.stats(service).received, 0);
    }
}

#[tokio::test]
async fn what_a_required_part_does_not_know_does_not_exist() {
    let (gateway, _fakes) = shop(&[]).await;
    let answer = gateway.page("/product-page/p-unknown").await;
    let scope = answer.json()["scope"].as_str().unwrap().to_owned();
    let required = [
        "downstream:product",
        "downstream:pricing",
        "downstream:inventory",
    ];
    assert!(required.contains(&scope.as_str()), "{scope}");
    answer.assert_refused(404, "not_found", Some(&scope));
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_allowed() {
    let (gateway, fakes) = shop(&[]).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let request = get(PAGE, "").replacen("GET", method, 1);
        let answer = ask(gateway.public, request).await;
        answer.assert_refused(405, "method", None);
        assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    let mut client = Client::connect(gateway.public).await;
    client
        .send(get(PAGE, "Content-Length: 2\r\n").replacen("GET", "POST", 1) + "{}")
        .await;
    client.answer().await.assert_refused(405, "method", None);
    assert!(client.is_closed().await);
    assert_eq!(fakes.stats(Service::Product).received, 0);
}

#[tokio::test]
async fn the_id_of_a_request_is_echoed_on_refusals_too() {
    let (gateway, _fakes) = shop(&[]).await;
    for path in ["/none", "/product-page/a.b", "/product-page/p-unknown"] {
        let answer = ask(gateway.public, get(path, "X-Request-Id: my.id_1-2\r\n")).await;
        assert_eq!(answer.header("x-request-id"), Some("my.id_1-2"));
        assert_eq!(answer.json()["request_id"], "my.id_1-2");
    }
}

#[tokio::test]
async fn a_required_part_that_is_late_ends_the_page_at_its_deadline() {
    let (gateway, fakes) = shop(&["page.product-page.deadline=300ms"]).await;
    slow_pricing(&fakes);
    let answer = gateway.page(PAGE).await;
    answer.assert_refused(504, "deadline", Some("downstream:pricing"));
    let timing = answer.header("server-timing").unwrap();
    assert!(
        timing.contains("pricing;dur=") && timing.contains("desc=\"late\""),
        "{timing}"
    );
}

#[tokio::test]
async fn a_client_over_its_quota_is_told_when_to_come_again() {
    let (gateway, fakes) = shop(&["clients.rate=1/h", "clients.burst=2"]).await;
    for _ in 0..2 {
        assert_eq!(gateway.page(PAGE).await.status, 200);
    }
    let answer = gateway.page(PAGE).await;
    answer.assert_refused(429, "client_quota", Some("client"));
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((3000..=3603).contains(&seconds), "{seconds}");
    assert_eq!(fakes.stats(Service::Product).received, 2);
}

#[tokio::test]
async fn of_sixty_requests_that_the_gateway_refuses_none_is_called_the_clients_fault() {
    let changes = [
        "admission.max_in_flight=1",
        "clients.rate=1/h",
        "clients.burst=2",
        "clients.attempts=31",
    ];
    let (gateway, fakes) = shop(&changes).await;
    let in_flight = gateway.hanging_page(&fakes).await;
    for _ in 0..60 {
        let answer = gateway.page(PAGE).await;
        answer.assert_refused(429, "gateway_full", Some("gateway"));
    }
    drop(in_flight);
    gateway.at_rest().await;
    fakes.heal();
    assert_eq!(gateway.page(PAGE).await.status, 200);
    // With that the attempts are used up, and so are the pages.
    gateway
        .page(PAGE)
        .await
        .assert_refused(429, "client_quota", Some("client"));
}

#[tokio::test]
async fn requests_that_the_edge_refuses_are_charged() {
    let (gateway, _fakes) = shop(&["clients.rate=1/h", "clients.burst=2"]).await;
    let post = get(PAGE, "").replacen("GET", "POST", 1);
    for _ in 0..3 {
        let answer = ask(gateway.public, post.clone()).await;
        answer.assert_refused(405, "method", None);
    }
    gateway
        .page(PAGE)
        .await
        .assert_refused(429, "client_quota", Some("client"));
}

#[tokio::test]
async fn a_client_known_by_a_header_that_is_back_too_early_is_refused_first() {
    let changes = [
        "admission.max_in_flight=1",
        "clients.identify_by=header:x-api-key",
    ];
    let (gateway, fakes) = shop(&changes).await;
    let in_flight = gateway.hanging_page(&fakes).await;
    let with = |key: &str| get(PAGE, &format!("X-Api-Key: {key}\r\n"));
    // Whoever asks again at once is early, unless this machine takes a second for it.
    until("a refusal for being early", async || {
        let refused = ask(gateway.public, with("early")).await;
        refused.assert_refused(429, "gateway_full", Some("gateway"));
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        detail.contains("Retry-After")
    })
    .await;
    drop(in_flight);
    gateway.at_rest().await;
    fakes.heal();
    assert_eq!(ask(gateway.public, with("other")).await.status, 200);
    assert_eq!(gateway.page(PAGE).await.status, 200);
}

#[tokio::test]
async fn clients_known_by_a_header_have_a_quota_each() {
    let identify = "clients.identify_by=header:x-api-key";
    let (gateway, _fakes) = shop(&["clients.rate=1/h", "clients.burst=1", identify]).await;
    let with = |key: &str| get(PAGE, &format!("X-Api-Key: {key}\r\n"));
    for key in ["a", "b"] {
        assert_eq!(ask(gateway.public, with(key)).await.status, 200);
        let again = ask(gateway.public, with(key)).await;
        again.assert_refused(429, "client_quota", Some("client"));
    }
    // Without the header the address counts.
    assert_eq!(gateway.page(PAGE).await.status, 200);
    gateway
        .page(PAGE)
        .await
        .assert_refused(429, "client_quota", Some("client"));
}

#[tokio::test]
async fn when_all_tickets_are_out_the_gateway_is_full() {
    let (gateway, fakes) = shop(&["admission.max_in_flight=2"]).await;
    slow_pricing(&fakes);
    let _in_flight = [asking(&gateway).await, asking(&gateway).await];
    gateway.until_in_flight(2).await;
    gateway
        .page(PAGE)
        .await
        .assert_refused(429, "gateway_full", Some("gateway"));
    assert_eq!(gateway.in_flight().await, 2);
}

#[tokio::test]
async fn a_page_that_gets_no_permit_in_time_is_refused_and_starts_no_call() {
    let changes = [
        "downstream.pricing.permits=1",
        "page.product-page.max_wait=100ms",
    ];
    let (gateway, fakes) = shop(&changes).await;
    slow_pricing(&fakes);
    let _first = asking(&gateway).await;
    until("the first at pricing", async || {
        fakes.stats(Service::Pricing).received == 1
    })
    .await;
    let answer = gateway.page(PAGE).await;
    answer.assert_refused(429, "bulkhead_full", Some("downstream:pricing"));
    until("the first everywhere", async || {
        Service::ALL
            .iter()
            .all(|&service| fakes.stats(service).received == 1)
    })
    .await;
}

#[tokio::test]
async fn in_a_full_queue_the_oldest_gives_way() {
    let changes = [
        "downstream.pricing.permits=1",
        "page.product-page.max_wait=15s",
        "page.product-page.queue=1",
    ];
    let (gateway, fakes) = shop(&changes).await;
    slow_pricing(&fakes);
    let mut first = asking(&gateway).await;
    until("the first at pricing", async || {
        fakes.stats(Service::Pricing).received == 1
    })
    .await;
    let mut second = asking(&gateway).await;
    until_queued(&gateway, 1).await;
    let mut third = asking(&gateway).await;
    second
        .answer()
        .await
        .assert_refused(429, "queue_evicted", Some("downstream:pricing"));
    fakes.heal();
    assert_eq!(first.answer().await.status, 200);
    assert_eq!(third.answer().await.status, 200);
}

#[tokio::test]
async fn a_page_whose_clients_time_ends_in_the_queue_is_its_clients() {
    let changes = [
        "downstream.pricing.permits=1",
        "page.product-page.max_wait=15s",
    ];
    let (gateway, fakes) = shop(&changes).await;
    slow_pricing(&fakes);
    let _first = asking(&gateway).await;
    until("the first at pricing", async || {
        fakes.stats(Service::Pricing).received == 1
    })
    .await;
    let answer = ask(gateway.public, get(PAGE, "X-Request-Timeout-Ms: 200\r\n")).await;
    answer.assert_refused(504, "client_budget", Some("client"));
}

#[tokio::test]
async fn load_is_refused_with_the_configured_status_and_the_quota_still_with_429() {
    let changes = [
        "shed.status=503",
        "admission.max_in_flight=1",
        "clients.burst=2",
        "clients.attempts=1",
        "clients.rate=1/h",
    ];
    let (gateway, fakes) = shop(&changes).await;
    slow_pricing(&fakes);
    let _first = asking(&gateway).await;
    gateway.until_in_flight(1).await;
    let answer = gateway.page(PAGE).await;
    answer.assert_refused(503, "gateway_full", Some("gateway"));
    // Full is no reason to send clients away for good.
    assert_eq!(answer.header("connection"), None);
    gateway
        .page(PAGE)
        .await
        .assert_refused(429, "client_quota", Some("client"));
}

#[tokio::test]
async fn every_page_asked_for_is_counted_under_one_outcome() {
    let (gateway, fakes) = shop(&["page.product-page.deadline=400ms"]).await;
    gateway.page(PAGE).await;
    gateway.page("/product-page/a.b").await;
    gateway.page("/product-page/p-unknown").await;
    slow_pricing(&fakes);
    gateway.page(PAGE).await;
    let leaves = asking(&gateway).await;
    gateway.until_in_flight(1).await;
    drop(leaves);
    gateway.at_rest().await;
    // Never a page, but asked for as one; and one that nobody serves.
    ask(gateway.public, get(PAGE, "").replacen("GET", "POST", 1)).await;
    ask(gateway.public, get(PAGE, "Host: again\r\n")).await;
    gateway.page("/none").await;
    let outcomes = gateway.limits().await["pages"]["product-page"]["outcomes"].clone();
    let sum: u64 = outcomes
        .as_object()
        .unwrap()
        .values()
        .filter_map(|n| n.as_u64())
        .sum();
    assert_eq!(sum, 7, "{outcomes}");
    assert_eq!(outcomes["bad_request"], 3, "{outcomes}");
    for outcome in ["complete", "not_found", "late", "cancelled"] {
        assert_eq!(outcomes[outcome], 1, "{outcomes}");
    }
}
