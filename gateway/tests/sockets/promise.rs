//! What clients were owed, as operators read it: in metrics and in the log.

use std::time::Duration;

use fixtures::{Behaviour, Fakes, Service};
use serde_json::Value;

use crate::common::client::{Client, get};
use crate::common::gateway::{Gateway, PAGE, shop};
use crate::common::until;
use crate::process::run;

fn slow(fakes: &Fakes) {
    fakes
        .set(Service::Pricing, Behaviour::fixed(Duration::from_secs(28)))
        .unwrap();
}

/// Of the pages that were asked for: cancelled, owed, good, abandoned.
async fn counted(gateway: &Gateway) -> [f64; 4] {
    let seen = gateway.metrics().await;
    [
        seen.sum("gateway_pages_total", &[("outcome", "cancelled")]),
        seen.sum("gateway_pages_owed_total", &[]),
        seen.sum("gateway_pages_good_total", &[]),
        seen.sum("gateway_pages_abandoned_total", &[]),
    ]
}

/// What is counted of a client that waits for 300 ms and leaves.
async fn left(abandoned_after: &str) -> [f64; 4] {
    let (gateway, fakes) = shop(&[&format!(
        "page.product-page.abandoned_after={abandoned_after}"
    )])
    .await;
    slow(&fakes);
    let mut leaving = Client::connect(gateway.public).await;
    leaving.send(get(PAGE, "")).await;
    gateway.until_in_flight(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(leaving);
    gateway.at_rest().await;
    counted(&gateway).await
}

#[tokio::test]
async fn a_client_that_gave_up_on_a_slow_page_was_owed_it_and_one_that_left_early_was_not() {
    assert_eq!(left("100ms").await, [1.0, 1.0, 0.0, 1.0]);
    assert_eq!(left("18s").await, [1.0, 0.0, 0.0, 0.0]);
}

#[tokio::test]
async fn the_line_of_an_abandoned_page_says_so() {
    let keys = [
        "telemetry.log=json",
        "page.product-page.abandoned_after=100ms",
    ];
    let (mut gateway, fakes, _folder) = run(&keys).await;
    let (public, _) = gateway.serving().await;
    slow(&fakes);
    let mut leaving = Client::connect(public).await;
    leaving.send(get(PAGE, "X-Request-Id: gave-up\r\n")).await;
    until("its call at pricing", async || {
        fakes.stats(Service::Pricing).received == 1
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(leaving);
    until("its call cancelled", async || {
        fakes.stats(Service::Pricing).in_flight == 0
    })
    .await;
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    let said = gateway.said();
    let line = said.lines().find(|line| line.contains("gave-up")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["outcome"], "cancelled");
    assert_eq!(
        (&line["owed"], &line["abandoned"]),
        (&true.into(), &true.into())
    );
}
