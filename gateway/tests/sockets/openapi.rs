//! Who may read what the pages are, and that pages are answered as it says.

use fixtures::Service;
use serde_json::Value;

use crate::common::client::{Answer, ask, get};
use crate::common::gateway::{Gateway, PAGE, shop};

const PATH: &str = "/openapi.json";

async fn where_it_is(gateway: &Gateway) -> [u16; 2] {
    let (public, admin) = (gateway.page(PATH).await, gateway.look(PATH).await);
    for answer in [&public, &admin] {
        if answer.status == 200 {
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.json()["openapi"], "3.1.0");
        }
    }
    [public.status, admin.status]
}

#[tokio::test]
async fn the_description_is_answered_on_the_listener_that_the_configuration_says_and_no_other() {
    for (key, expected) in [
        ("admin", [404, 200]),
        ("public", [200, 404]),
        ("off", [404, 404]),
    ] {
        let (gateway, _fakes) = shop(&[&format!("server.openapi={key}")]).await;
        assert_eq!(where_it_is(&gateway).await, expected, "{key}");
    }
}

#[tokio::test]
async fn a_request_for_the_description_is_held_to_what_every_request_is_and_is_no_page() {
    let (gateway, _fakes) = shop(&["server.openapi=public"]).await;
    let post = get(PATH, "").replacen("GET", "POST", 1);
    let refused = ask(gateway.public, post).await;
    refused.assert_refused(405, "method", None);
    let no_host = ask(gateway.public, format!("GET {PATH} HTTP/1.1\r\n\r\n")).await;
    no_host.assert_refused(400, "bad_request", None);

    let pages = |limits: &Value| limits["pages"]["product-page"]["outcomes"].clone();
    let before = gateway.limits().await;
    let known = gateway.page(PATH).await;
    assert!(known.header("x-request-id").is_some() && known.header("traceparent").is_some());
    assert_eq!(pages(&gateway.limits().await), pages(&before));
}

/// Asserts that the description has this answer to a page: its status, its headers, and for a
/// problem its reason and members.
fn assert_described(document: &Value, answer: &Answer) {
    let resolve = |node: &Value| match node["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap().clone(),
        None => node.clone(),
    };
    let responses = &document["paths"]["/product-page/{id}"]["get"]["responses"];
    let described = resolve(&responses[answer.status.to_string()]);
    let headers = described["headers"].as_object().unwrap();
    let is_described = |name: &str| headers.keys().any(|known| known.eq_ignore_ascii_case(name));
    for (name, _) in &answer.headers {
        let of_http = [
            "content-type",
            "content-length",
            "date",
            "connection",
            "vary",
        ];
        assert!(
            of_http.contains(&name.as_str()) || is_described(name),
            "{name} of {answer:?}"
        );
    }
    let content = described["content"][answer.header("content-type").unwrap()].clone();
    let schema = resolve(&content["schema"]);
    let body = answer.json();
    if answer.status != 200 {
        let properties = schema["properties"].as_object().unwrap();
        assert!(
            body.as_object().unwrap().keys().eq(properties.keys()),
            "{body}"
        );
        for (name, value) in body.as_object().unwrap() {
            if let Some(allowed) = properties[name]["enum"].as_array() {
                assert!(allowed.contains(value), "{name}: {value}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_answered_is_described() {
    let (gateway, fakes) = shop(&["clients.rate=1/h", "clients.burst=20"]).await;
    let document = gateway.look(PATH).await.json();
    let asked = |request: String| ask(gateway.public, request);
    let mut statuses = Vec::new();
    let mut hold = |answer: Answer| {
        assert_described(&document, &answer);
        statuses.push(answer.status);
    };
    hold(asked(get(PAGE, "")).await);
    hold(asked(get("/product-page/a.b", "")).await);
    hold(asked(get(PAGE, "").replacen("GET", "PUT", 1)).await);
    hold(asked(get("/product-page/nothing", "")).await);
    hold(asked(get(PAGE, &format!("x: {}\r\n", "x".repeat(20_000)))).await);
    hold(asked(get(&format!("/{}", "x".repeat(9_000)), "")).await);
    fakes.fake(Service::Pricing).enable(false);
    for _ in 0..20 {
        hold(asked(get(PAGE, "")).await);
    }
    statuses.dedup();
    assert_eq!(statuses, [200, 400, 405, 404, 431, 414, 502, 429]);
}
