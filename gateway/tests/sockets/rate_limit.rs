//! What clients are told of their quota, in structured fields.

use crate::common::client::{Answer, Client, get};
use crate::common::gateway::{Gateway, PAGE, shop};

/// `r` and `t` of an answer that has both fields.
fn told(answer: &Answer) -> (u64, Option<u64>) {
    let policy = answer.header("ratelimit-policy").unwrap();
    // A burst of five comes back in five hours.
    assert_eq!(policy, "\"pages\";q=5;w=18000", "{answer:?}");
    let limit = answer.header("ratelimit").unwrap();
    let mut fields = limit.split(';');
    assert_eq!(fields.next(), Some("\"pages\""));
    let mut number = |name: &str| {
        let value = fields.next()?.strip_prefix(name)?.parse().ok();
        Some(value.unwrap_or_else(|| panic!("{limit}")))
    };
    (number("r=").unwrap(), number("t="))
}

fn is_told(answer: &Answer) -> bool {
    let has = |name| answer.header(name).is_some();
    assert_eq!(has("ratelimit"), has("ratelimit-policy"), "{answer:?}");
    has("ratelimit")
}

async fn five(changes: &[&str]) -> (Gateway, fixtures::Fakes) {
    let quota = ["clients.rate=1/h", "clients.burst=5"];
    shop(&[&quota[..], changes].concat()).await
}

#[tokio::test]
async fn every_answer_says_how_many_pages_are_left_and_the_refusal_that_there_is_none() {
    let (gateway, fakes) = five(&[]).await;
    let page = gateway.page(PAGE).await;
    let (left, more_in) = told(&page);
    assert_eq!((page.status, left), (200, 4));
    assert!((3590..=3600).contains(&more_in.unwrap()), "{more_in:?}");
    // A mistake counts as a page, whether it is seen by the edge or by the page.
    let bad = gateway.page("/product-page/a.b").await;
    assert_eq!((bad.status, told(&bad).0), (400, 3));
    let nowhere = gateway.page("/nowhere").await;
    assert_eq!((nowhere.status, told(&nowhere).0), (404, 2));
    let mut client = Client::connect(gateway.public).await;
    client.send(get(PAGE, "").replacen("GET", "HEAD", 1)).await;
    let head = client.answer_to_head().await;
    assert_eq!((head.status, told(&head).0), (200, 1));
    fakes.fake(fixtures::Service::Pricing).enable(false);
    let failed = gateway.page(PAGE).await;
    assert_eq!((failed.status, told(&failed).0), (502, 0));
    let refused = gateway.page(PAGE).await;
    refused.assert_refused(429, "client_quota", Some("client"));
    let (left, more_in) = told(&refused);
    assert_eq!(left, 0);
    let retry_after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(more_in.unwrap() <= retry_after, "{refused:?}");
}

#[tokio::test]
async fn what_the_gateway_refuses_is_given_back_and_the_answer_says_so() {
    let (gateway, fakes) = five(&["admission.max_in_flight=1"]).await;
    let slow = fixtures::Behaviour::fixed(std::time::Duration::from_secs(15));
    fakes.set(fixtures::Service::Pricing, slow).unwrap();
    let mut first = Client::connect(gateway.public).await;
    first.send(get(PAGE, "")).await;
    gateway.until_in_flight(1).await;
    for _ in 0..2 {
        let full = gateway.page(PAGE).await;
        full.assert_refused(429, "gateway_full", Some("gateway"));
        assert_eq!(told(&full).0, 4);
    }
}

#[tokio::test]
async fn where_attempts_are_fewer_than_pages_they_are_what_is_left() {
    let (gateway, fakes) = five(&["clients.attempts=1", "admission.max_in_flight=1"]).await;
    let slow = fixtures::Behaviour::fixed(std::time::Duration::from_secs(15));
    fakes.set(fixtures::Service::Pricing, slow).unwrap();
    let mut first = Client::connect(gateway.public).await;
    first.send(get(PAGE, "")).await;
    gateway.until_in_flight(1).await;
    let left = [3, 2, 1, 0].map(|left| (429, "gateway_full", left));
    for expected in left.into_iter().chain([(429, "client_quota", 0)]) {
        let refused = gateway.page(PAGE).await;
        let reason = refused.json()["reason"].as_str().unwrap().to_owned();
        assert_eq!(
            (refused.status, reason.as_str(), told(&refused).0),
            expected
        );
    }
}

#[tokio::test]
async fn a_client_that_is_held_to_no_quota_is_told_of_none() {
    for changes in [["clients.rate=none"], ["clients.observe=true"]] {
        let (gateway, _fakes) = five(&changes).await;
        for path in [PAGE, "/nowhere"] {
            assert!(!is_told(&gateway.page(path).await), "{changes:?} {path}");
        }
    }
}

#[tokio::test]
async fn what_a_cache_may_answer_others_with_tells_nothing_of_one_client() {
    let (gateway, fakes) = five(&["page.product-page.cache_control=public, max-age=30"]).await;
    let page = gateway.page(PAGE).await;
    assert_eq!(page.header("x-gateway-complete"), Some("true"));
    assert!(!is_told(&page), "{page:?}");
    // Nobody keeps these.
    assert!(is_told(&gateway.page("/nowhere").await));
    fakes.fake(fixtures::Service::Reviews).enable(false);
    let partial = gateway.page(PAGE).await;
    assert_eq!(partial.header("cache-control"), Some("no-store"));
    assert!(is_told(&partial), "{partial:?}");
}

#[tokio::test]
async fn preflights_methods_and_the_description_are_no_pages_and_say_nothing_of_a_quota() {
    let (gateway, _fakes) = five(&["server.openapi=public"]).await;
    let options = get(PAGE, "").replacen("GET", "OPTIONS", 1);
    let mut client = Client::connect(gateway.public).await;
    client.send(options).await;
    let methods = client.answer_to_head().await;
    assert_eq!((methods.status, is_told(&methods)), (204, false));
    assert!(!is_told(&gateway.page("/openapi.json").await));
}
