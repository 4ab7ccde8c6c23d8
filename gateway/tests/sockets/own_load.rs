//! A gateway that cannot run what it could: this test takes its thread away. That it is itself
//! again after is tested in virtual time, as beside other tests it never is for sure.

use std::thread;
use std::time::Duration;

use fixtures::{Behaviour, Service};
use serde_json::Value;
use tokio::task::yield_now;

use crate::common::client::{Client, get};
use crate::common::gateway::{Gateway, PAGE, shop};
use crate::common::until;

/// Takes the one thread of gateway and test for so long.
#[expect(clippy::disallowed_methods, reason = "it is what is tested")]
fn stall(time: Duration) {
    thread::sleep(time);
}

async fn tickets(gateway: &Gateway) -> (u64, String) {
    let now: Value = gateway.limits().await["gateway"].clone();
    let because = now["tickets_because"].as_str().unwrap().to_owned();
    (now["tickets"].as_u64().unwrap(), because)
}

#[tokio::test]
async fn it_admits_fewer_pages_and_says_so_everywhere() {
    // Beside other tests it is late by itself, but not by so much.
    let (gateway, fakes) = shop(&["admission.max_lag=80ms"]).await;
    let slow = Behaviour::fixed(Duration::from_secs(19));
    fakes.set(Service::Pricing, slow).unwrap();
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = Client::connect(gateway.public).await;
        client.send(get(PAGE, "")).await;
        clients.push(client);
    }
    gateway.until_in_flight(40).await;
    until("fewer tickets", async || {
        stall(Duration::from_millis(300));
        yield_now().await;
        tickets(&gateway).await == (20, "lag".to_owned())
    })
    .await;
    gateway
        .page(PAGE)
        .await
        .assert_refused(429, "gateway_full", Some("gateway"));
    let text = String::from_utf8(gateway.look("/metrics").await.body.to_vec()).unwrap();
    let effective = text
        .lines()
        .find_map(|line| line.strip_prefix("gateway_tickets_effective "))
        .and_then(|tickets| tickets.parse::<u64>().ok());
    assert!(
        effective.is_some_and(|tickets| tickets <= 40),
        "{effective:?}"
    );
    let seen = |edge: &str| {
        let line = format!("gateway_lag_seconds_bucket{{le=\"{edge}\"}} ");
        let count = text.lines().find_map(|l| l.strip_prefix(line.as_str()));
        count.and_then(|count| count.parse::<u64>().ok()).unwrap()
    };
    assert!(seen("+Inf") > seen("0.2"), "{text}");
}
