//! No call outlives its page, and no cancelled call harms the next one.

use std::time::Duration;

use fixtures::{Behaviour, Fakes, Fault, Service};

use crate::common::client::{Client, get};
use crate::common::gateway::{Gateway, PAGE, shop};
use crate::common::until;

/// The shop, its downstreams over HTTP/1.1 or HTTP/2.
async fn shop_over(http2: bool, changes: &[&str]) -> (Gateway, Fakes) {
    let switches = Service::ALL.map(|service| format!("downstream.{service}.http2={http2}"));
    let all: Vec<&str> = switches
        .iter()
        .map(String::as_str)
        .chain(changes.iter().copied())
        .collect();
    shop(&all).await
}

/// Everything answers after `latency`, much later than any test waits.
fn slow(fakes: &Fakes) {
    for service in Service::ALL {
        fakes.set(service, Behaviour::failing(Fault::Hang)).unwrap();
    }
}

async fn until_all_received(fakes: &Fakes, calls: u64) {
    until("the calls to arrive", async || {
        Service::ALL
            .iter()
            .all(|&service| fakes.stats(service).received == calls)
    })
    .await;
}

/// That every fake but these saw all its calls go away, and nothing is held.
async fn assert_aborted(gateway: &Gateway, fakes: &Fakes, but: &[Service], calls: u64) {
    until("the calls to be aborted", async || {
        Service::ALL
            .iter()
            .filter(|service| !but.contains(service))
            .all(|&service| {
                let stats = fakes.stats(service);
                stats.aborted_by_caller == calls && stats.in_flight == 0
            })
    })
    .await;
    gateway.at_rest().await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_all_its_calls_along() {
    for http2 in [false, true] {
        let (gateway, fakes) = shop_over(http2, &["page.product-page.deadline=60s"]).await;
        slow(&fakes);
        let mut client = Client::connect(gateway.public).await;
        client.send(get(PAGE, "")).await;
        until_all_received(&fakes, 1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(client);
        assert_aborted(&gateway, &fakes, &[], 1).await;
        let outcomes = gateway.limits().await["pages"]["product-page"]["outcomes"].clone();
        assert_eq!(outcomes["cancelled"], 1, "{outcomes}");
    }
}

#[tokio::test]
async fn a_required_part_that_fails_ends_its_siblings_at_once() {
    for http2 in [false, true] {
        let (gateway, fakes) = shop_over(http2, &["page.product-page.deadline=60s"]).await;
        slow(&fakes);
        // Late enough that the others are under way.
        let failing = Behaviour {
            errors: Behaviour::failing(Fault::Status(500)).errors,
            ..Behaviour::fixed(Duration::from_millis(500))
        };
        fakes.set(Service::Product, failing).unwrap();
        let answer = gateway.page(PAGE).await;
        answer.assert_refused(502, "downstream_failed", Some("downstream:product"));
        let timing = answer.header("server-timing").unwrap();
        assert_eq!(timing.matches("desc=\"cancelled\"").count(), 4, "{timing}");
        assert_aborted(&gateway, &fakes, &[Service::Product], 1).await;
    }
}

#[tokio::test]
async fn the_deadline_ends_all_calls() {
    for http2 in [false, true] {
        let (gateway, fakes) = shop_over(http2, &["page.product-page.deadline=700ms"]).await;
        slow(&fakes);
        let answer = gateway.page(PAGE).await;
        assert_eq!(answer.status, 504, "{answer:?}");
        assert_aborted(&gateway, &fakes, &[], 1).await;
    }
}

#[tokio::test]
async fn after_many_cancelled_calls_the_next_page_is_served() {
    for http2 in [false, true] {
        let (gateway, fakes) = shop_over(http2, &["page.product-page.deadline=60s"]).await;
        slow(&fakes);
        let mut clients = Vec::new();
        for _ in 0..20 {
            let mut client = Client::connect(gateway.public).await;
            client.send(get(PAGE, "")).await;
            clients.push(client);
        }
        until_all_received(&fakes, 20).await;
        drop(clients);
        assert_aborted(&gateway, &fakes, &[], 20).await;
        fakes.heal();
        for _ in 0..5 {
            assert_eq!(gateway.page(PAGE).await.status, 200);
        }
        if http2 {
            // A cancelled call costs a stream, not the connection.
            assert_eq!(fakes.stats(Service::Pricing).connections_total, 1);
        }
    }
}

#[tokio::test]
async fn clients_that_leave_one_after_the_other_never_use_up_the_permits() {
    for http2 in [false, true] {
        let changes = [
            "downstream.pricing.permits=2",
            "page.product-page.max_wait=15s",
        ];
        let (gateway, fakes) = shop_over(http2, &changes).await;
        slow(&fakes);
        for page in 1..=10 {
            let mut client = Client::connect(gateway.public).await;
            client.send(get(PAGE, "")).await;
            until_all_received(&fakes, page).await;
        }
        assert_aborted(&gateway, &fakes, &[], 10).await;
        fakes.heal();
        assert_eq!(gateway.page(PAGE).await.status, 200);
    }
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_starts_no_call() {
    let changes = [
        "downstream.pricing.permits=1",
        "page.product-page.max_wait=15s",
    ];
    let (gateway, fakes) = shop_over(false, &changes).await;
    slow(&fakes);
    let mut first = Client::connect(gateway.public).await;
    first.send(get(PAGE, "")).await;
    until_all_received(&fakes, 1).await;
    let mut second = Client::connect(gateway.public).await;
    second.send(get(PAGE, "")).await;
    gateway.until_in_flight(2).await;
    drop(second);
    gateway.until_in_flight(1).await;
    assert_eq!(
        gateway.limits().await["downstreams"]["pricing"]["queued"],
        0
    );
    fakes.heal();
    assert_eq!(first.answer().await.status, 200);
    gateway.at_rest().await;
    for service in Service::ALL {
        assert_eq!(fakes.stats(service).received, 1, "{service}");
    }
}
