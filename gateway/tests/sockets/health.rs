//! A path at which clients' listener says whether pages are to be sent there.

use std::time::Duration;

use fixtures::{Behaviour, Service};
use serde_json::Value;

use crate::common::client::{Client, ask, get};
use crate::common::gateway::{PAGE, shop};
use crate::common::until;

const AT: &str = "server.health_path=/healthz";

#[tokio::test]
async fn without_the_key_there_is_no_such_path_and_with_it_exactly_one() {
    let (gateway, _fakes) = shop(&[]).await;
    let nowhere = gateway.page("/healthz").await;
    nowhere.assert_refused(404, "no_route", None);

    let (gateway, _fakes) = shop(&[AT]).await;
    let healthy = gateway.page("/healthz").await;
    assert_eq!(
        (healthy.status, healthy.body.as_slice()),
        (200, &b"ready\n"[..])
    );
    assert_eq!(healthy.header("cache-control"), Some("no-store"));
    assert_eq!(gateway.page("/healthz?deep=1").await.status, 200);
    let mut client = Client::connect(gateway.public).await;
    client
        .send(get("/healthz", "").replacen("GET", "HEAD", 1))
        .await;
    let head = client.answer_to_head().await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("6"))
    );
    for other in ["/healthz/", "/healthz/x", "/health", "//healthz"] {
        assert_eq!(gateway.page(other).await.status, 404, "{other}");
    }
    let mut client = Client::connect(gateway.public).await;
    let by = |method: &str| get("/healthz", "").replacen("GET", method, 1);
    client.send(by("OPTIONS")).await;
    assert_eq!(client.answer_to_head().await.status, 204);
    let deleted = ask(gateway.public, by("DELETE")).await;
    deleted.assert_refused(405, "method", None);
    assert_eq!(gateway.page(PAGE).await.status, 200);
}

#[tokio::test]
async fn asking_costs_neither_quota_nor_ticket_and_counts_as_no_page() {
    let limits = [
        "clients.rate=1/h",
        "clients.burst=2",
        "clients.attempts=1",
        "admission.max_in_flight=1",
    ];
    let (gateway, fakes) = shop(&[&[AT], &limits[..]].concat()).await;
    let slow = Behaviour::fixed(Duration::from_secs(15));
    fakes.set(Service::Pricing, slow).unwrap();
    let mut first = Client::connect(gateway.public).await;
    first.send(get(PAGE, "")).await;
    gateway.until_in_flight(1).await;
    let outcomes = |limits: &Value| limits["pages"]["product-page"]["outcomes"].clone();
    let before = outcomes(&gateway.limits().await);
    for _ in 0..10 {
        assert_eq!(gateway.page("/healthz").await.status, 200);
    }
    assert_eq!(outcomes(&gateway.limits().await), before);
    // The one ticket is out, and the quota has one page left.
    let full = gateway.page(PAGE).await;
    full.assert_refused(429, "gateway_full", Some("gateway"));
}

#[tokio::test]
async fn a_gateway_that_drains_says_so_there_as_it_does_to_operators() {
    let (mut gateway, _fakes) = shop(&[AT, "server.drain_delay=2s"]).await;
    let mut balancer = Client::connect(gateway.public).await;
    balancer.send(get("/healthz", "")).await;
    assert_eq!(balancer.answer().await.status, 200);
    gateway.stop();
    until("the operators' listener to say so", async || {
        gateway.look("/readyz").await.status == 503
    })
    .await;
    balancer.send(get("/healthz", "")).await;
    let draining = balancer.answer().await;
    assert_eq!(
        (draining.status, draining.body.as_slice()),
        (503, &b"draining\n"[..])
    );
    assert_eq!(draining.header("connection"), Some("close"));
    gateway.ended().await;
}
