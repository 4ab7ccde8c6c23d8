//! What operators see of pages in flight and of recent ones, and what `gateway why` says while it
//! happens.

use std::time::Duration;

use fixtures::{Behaviour, Service};
use serde_json::Value;

use crate::common::binary::Binary;
use crate::common::client::{Client, get};
use crate::common::gateway::{Gateway, PAGE, shop};
use crate::common::until;

/// Long enough to look at both pages, and well within their deadline.
const SLOW: Duration = Duration::from_secs(7);

/// What a command says, and whether that was a success.
async fn command(arguments: &[&str], gateway: &Gateway) -> (String, bool) {
    let admin = gateway.admin.to_string();
    let all = [arguments, &["--admin", &admin]].concat();
    let mut command = Binary::start(&all, &[]);
    let status = command.ended().await;
    (command.said(), status.success())
}

async fn in_flight(gateway: &Gateway) -> Vec<Value> {
    let seen = gateway.look("/pages/in-flight").await.json();
    seen["pages"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_flight_is_seen_with_what_it_waits_for_and_found_by_its_id() {
    let changes = [
        "downstream.pricing.permits=1",
        "page.product-page.max_wait=15s",
    ];
    let (gateway, fakes) = shop(&changes).await;
    fakes.set(Service::Pricing, Behaviour::fixed(SLOW)).unwrap();
    let mut calls = Client::connect(gateway.public).await;
    calls.send(get(PAGE, "X-Request-Id: calls\r\n")).await;
    until("the call to be at pricing", async || {
        fakes.stats(Service::Pricing).in_flight == 1
    })
    .await;
    let mut waits = Client::connect(gateway.public).await;
    waits.send(get(PAGE, "X-Request-Id: waits\r\n")).await;
    until("both pages to be seen as they are", async || {
        let seen = in_flight(&gateway).await;
        let waits_for = |page: &Value| page["waits_for"][0]["what"].clone();
        seen.len() == 2 && waits_for(&seen[0]) == "answer" && waits_for(&seen[1]) == "permits"
    })
    .await;

    let [calling, waiting] = ["calls", "waits"];
    let found = gateway.look(&format!("/pages/{calling}")).await.json();
    let page = &found["pages"][0];
    assert_eq!(
        (&page["in_flight"], &page["stage"]),
        (&true.into(), &"calls".into())
    );
    let answer = &page["waits_for"][0];
    let endpoint = fakes.addr(Service::Pricing).to_string();
    assert_eq!(answer["part"], "pricing");
    assert_eq!(answer["endpoint"], endpoint.as_str());
    let left = page["budget_left_ms"].as_f64().unwrap();
    assert!((1.0..20_000.0).contains(&left), "{page:#}");
    assert!(page["outcome"].is_null(), "{page:#}");

    let (said, success) = command(&["why", waiting], &gateway).await;
    assert!(success && said.contains("admission"), "{said}");
    fakes.heal();
    assert_eq!(calls.answer().await.status, 200);
    assert_eq!(waits.answer().await.status, 200);
    gateway.at_rest().await;
    assert!(in_flight(&gateway).await.is_empty());
    let ended = gateway.look(&format!("/pages/{waiting}")).await.json();
    assert_eq!(ended["pages"][0]["admission"]["waited_for"], "pricing");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_incident_one_command_says_what_is_slow_since_when_whose_fault_and_which_key() {
    let (gateway, fakes) = shop(&["page.product-page.deadline=300ms"]).await;
    for _ in 0..5 {
        gateway.page(PAGE).await;
    }
    let slow = Behaviour::fixed(Duration::from_millis(1500));
    fakes.set(Service::Pricing, slow).unwrap();
    for _ in 0..4 {
        assert_eq!(gateway.page(PAGE).await.status, 504);
    }
    let (said, success) = command(&["why"], &gateway).await;
    assert!(success, "{said}");
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "pricing is slow since ",
        "4 of its calls had no answer when they were ended",
        "It costs: 4 of product-page late.",
        "Whose fault: the service pricing",
        "Key: page.product-page.part.pricing.required: false",
        "[runbook: error-rate]",
    ] {
        assert!(words.contains(expected), "{expected:?} is not in\n{said}");
    }
    let seen = gateway.look("/incident?last=1m").await.json();
    let finding = &seen["findings"][0];
    assert_eq!(finding["fault"], "slow_service");
    assert_eq!(finding["downstream"], "pricing");
    let (said, success) = command(&["outliers"], &gateway).await;
    assert!(success && said.contains("4 pages were late"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recent_pages_are_found_by_what_they_are_and_bad_questions_are_named() {
    let (gateway, _fakes) = shop(&["clients.identify_by=header:x-api-key"]).await;
    let keyed = get(PAGE, "X-Api-Key: secret\r\nX-Request-Id: one\r\n");
    let mut client = Client::connect(gateway.public).await;
    client.send(keyed).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(gateway.page("/product-page/p-unknown").await.status, 404);

    let found = async |query: &str| {
        let answer = gateway.look(&format!("/pages?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer.json()
    };
    let one = found("outcome=complete").await;
    assert_eq!(one["found"], 1);
    let page = &one["pages"][0];
    assert_eq!(page["request_id"], "one");
    // It may be among the four of a hundred that are drawn.
    let kept_as = page["kept_as"].as_str().unwrap();
    assert!(["whole", "sample"].contains(&kept_as), "{kept_as}");
    assert!(!one.to_string().contains("secret"), "{one:#}");
    let tag = page["client"].as_str().unwrap();
    assert_eq!(found(&format!("client={tag}")).await["found"], 1);
    assert_eq!(found("slower_than=1h").await["found"], 0);
    let both = found("page=product-page&downstream=pricing&slower_than=1ns").await;
    assert_eq!(both["found"], 2);
    assert_eq!(found("limit=1").await["pages"].as_array().unwrap().len(), 1);

    for (query, named) in [
        ("outcome=gone", "one of complete, partial"),
        ("slower_than=fast", "a duration, such as 250ms"),
        ("downstream=x", "one of "),
        ("page=x", "one of product-page"),
        ("client=me", "a tag of 8 hex digits"),
        ("limit=0", "a number from 1 to 1000"),
        ("limit=1&limit=2", "to be given once"),
        ("color=red", "there are outcome, slower_than"),
    ] {
        let answer = gateway.look(&format!("/pages?{query}")).await;
        let said = String::from_utf8(answer.body.to_vec()).unwrap();
        let (name, _) = query.split_once('=').unwrap();
        assert_eq!(answer.status, 400, "{query}: {said}");
        assert!(
            said.contains(named) && said.contains(name),
            "{query}: {said}"
        );
    }
    for path in ["/incident?last=0s", "/outliers?since=1m"] {
        assert_eq!(gateway.look(path).await.status, 400, "{path}");
    }
    let (said, success) = command(&["why", "nobody"], &gateway).await;
    assert!(!success && said.contains("no page with the id"), "{said}");
}
