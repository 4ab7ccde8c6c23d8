//! Limits that are watched and not enforced, and readiness that follows what is refused.

use std::time::Duration;

use fixtures::{Behaviour, Fakes, Options, Service};
use futures_util::future::join_all;
use gateway::telemetry::names::ReloadOutcome;
use serde_json::Value;

use super::common::client::{Client, get};
use super::common::gateway::{Gateway, PAGE, shop, shop_changes};
use super::common::reloading::Reloading;
use super::common::until;

/// Of a page: longer than ten clients take to ask on a busy machine, so all of them meet.
const TAKES: Duration = Duration::from_secs(2);

/// Limits of one page at once, and one a minute for a client.
const ONE: &[(&str, &str)] = &[
    ("permits = 64", "permits = 1"),
    ("queue = 64", "queue = 0"),
    ("max_in_flight = 1024", "max_in_flight = 1"),
    ("rate = \"500/s\"", "rate = \"1/min\""),
    ("burst = 1000", "burst = 1"),
];

fn one(observe: bool) -> String {
    let mut text = gateway::config::default_text().to_owned();
    for (from, to) in ONE {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text.replace("observe = false", &format!("observe = {observe}"))
}

/// What `/metrics` says in all of one metric.
async fn sum(gateway: &Gateway, metric: &str) -> f64 {
    let text = String::from_utf8(gateway.look("/metrics").await.body).unwrap();
    let of_metric = |line: &&str| {
        let rest = line.strip_prefix(metric);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    let values = text.lines().filter(of_metric);
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    values.filter_map(value).sum()
}

async fn ten_at_once(gateway: &Gateway) -> Vec<u16> {
    let pages = join_all((0..10).map(|_| gateway.page(PAGE))).await;
    pages.into_iter().map(|page| page.status).collect()
}

#[tokio::test]
async fn limits_are_watched_live_refuse_nothing_then_and_refuse_again_when_they_are_enforced() {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let slow = Behaviour::fixed(TAKES);
    fakes.set(Service::Pricing, slow).unwrap();
    let world = Reloading::start(&one(false), &shop_changes(&fakes, &[])).await;
    let gateway = &world.gateway;
    let served = |answers: Vec<u16>| answers.iter().filter(|status| **status == 200).count();
    assert_eq!(served(ten_at_once(gateway).await), 1);
    let refused = sum(gateway, "gateway_shed_total").await;
    assert_eq!(refused, 9.0);

    assert_eq!(world.write(&one(true)).await, ReloadOutcome::Applied);
    assert_eq!(served(ten_at_once(gateway).await), 10);
    assert_eq!(sum(gateway, "gateway_shed_total").await, refused);
    // The quota of one a minute is used up, so it would have refused every one of them.
    assert_eq!(sum(gateway, "gateway_would_shed_total").await, 10.0);
    let limits = gateway.limits().await;
    let clients = &limits["clients"]["observed"];
    assert_eq!(
        (&clients["refused"], &clients["of"]),
        (&10.into(), &10.into())
    );
    assert_eq!(clients["would_refuse"], 1.0);
    assert_eq!(limits["gateway"]["max_in_flight"], 1, "as it is written");
    assert_eq!(limits["downstreams"]["pricing"]["permits"], 1);

    let without_quota = one(true).replace("rate = \"1/min\"", "rate = \"none\"");
    assert_eq!(world.write(&without_quota).await, ReloadOutcome::Applied);
    assert_eq!(served(ten_at_once(gateway).await), 10);
    let limits = gateway.limits().await;
    let tickets = &limits["gateway"]["observed"];
    assert_eq!(
        (&tickets["refused"], &tickets["of"]),
        (&9.into(), &10.into())
    );
    assert_eq!(sum(gateway, "gateway_would_shed_total").await, 19.0);

    let enforced = without_quota.replace("observe = true", "observe = false");
    assert_eq!(world.write(&enforced).await, ReloadOutcome::Applied);
    assert_eq!(served(ten_at_once(gateway).await), 1);
    assert_eq!(gateway.limits().await["gateway"]["observed"], Value::Null);
}

#[tokio::test]
async fn each_bulkhead_and_queue_that_is_watched_shows_its_own_share() {
    let (gateway, fakes) = shop(&[
        "downstream.pricing.permits=2",
        "downstream.pricing.observe=true",
        "page.product-page.queue=0",
        "page.product-page.observe=true",
    ])
    .await;
    let slow = Behaviour::fixed(TAKES);
    fakes.set(Service::Pricing, slow).unwrap();
    assert!(
        ten_at_once(&gateway)
            .await
            .iter()
            .all(|status| *status == 200)
    );
    let limits = gateway.limits().await;
    let seen = |limit: &Value| (limit["refused"].clone(), limit["of"].clone());
    assert_eq!(
        seen(&limits["downstreams"]["pricing"]["observed"]),
        (8.into(), 10.into())
    );
    assert_eq!(
        seen(&limits["pages"]["product-page"]["observed"]),
        (8.into(), 10.into())
    );
    assert_eq!(limits["downstreams"]["product"]["observed"], Value::Null);
    assert_eq!(limits["gateway"]["would_shed"], 8);
}

#[tokio::test]
async fn a_gateway_that_refuses_most_pages_for_ten_seconds_is_not_ready_if_it_is_to_follow() {
    let changes = [
        "admin.unready_when_shedding=true",
        "admission.max_in_flight=1",
    ];
    let (gateway, fakes) = shop(&changes).await;
    let slow = Behaviour::fixed(Duration::from_secs(19));
    fakes.set(Service::Pricing, slow).unwrap();
    let mut first = Client::connect(gateway.public).await;
    first.send(get(PAGE, "")).await;
    gateway.until_in_flight(1).await;
    until("not ready", async || {
        gateway
            .page(PAGE)
            .await
            .assert_refused(429, "gateway_full", Some("gateway"));
        gateway.look("/readyz").await.status == 503
    })
    .await;
    assert_eq!(gateway.look("/readyz").await.body, b"shedding\n");
    assert_eq!(gateway.look("/livez").await.status, 200);
    fakes
        .set(Service::Pricing, Behaviour::fixed(Duration::ZERO))
        .unwrap();
    drop(first);
    until("pages are served on", async || {
        gateway.page(PAGE).await.status == 200
    })
    .await;
}
