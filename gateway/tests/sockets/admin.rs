//! What operators see.

use std::time::Duration;

use gateway::config;
use gateway::page::deadline::now;
use serde_json::{Value, json};

use crate::common::client::{Client, ask, get};
use crate::common::gateway::{PAGE, shop, variables};

#[tokio::test]
async fn operators_are_told_that_it_lives_and_takes_pages() {
    let (gateway, fakes) = shop(&[]).await;
    // Never depends on downstreams.
    fakes.stop().await;
    for (path, word) in [("/livez", "alive\n"), ("/readyz", "ready\n")] {
        let answer = gateway.look(path).await;
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, word.as_bytes())
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(
            answer
                .header("content-type")
                .unwrap()
                .starts_with("text/plain")
        );
    }
    assert_eq!(gateway.look("/nothing").await.status, 404);
    assert_eq!(gateway.look(PAGE).await.status, 404);
}

#[tokio::test]
async fn operators_can_only_look() {
    let (gateway, _fakes) = shop(&[]).await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let sent = |path| ask(gateway.admin, get(path, "").replacen("GET", method, 1));
        for path in ["/livez", "/readyz", "/config", "/limits"] {
            let answer = sent(path).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
        assert_eq!(sent("/nothing").await.status, 404, "{method}");
    }
    assert_eq!(gateway.look("/readyz").await.status, 200);
}

#[tokio::test]
async fn health_is_answered_however_many_idle_connections_there_are() {
    let (gateway, _fakes) = shop(&["server.header_read_timeout=1h"]).await;
    let mut scraper = Client::connect(gateway.admin).await;
    let mut idle = Vec::new();
    for round in 0..6 {
        for _ in 0..50 {
            idle.push(Client::connect(gateway.admin).await);
        }
        for path in ["/livez", "/readyz"] {
            let began = now();
            assert_eq!(gateway.look(path).await.status, 200, "{round}");
            assert!(now() - began < Duration::from_secs(3), "{round}: {path}");
        }
        // One that is used now and then is not the least used.
        scraper.send(get("/metrics", "")).await;
        assert_eq!(scraper.answer().await.status, 200, "{round}");
    }
}

#[tokio::test]
async fn operators_requests_are_for_one_host_that_only_this_gateway_has() {
    let (gateway, _fakes) = shop(&["admin.hosts=gateway.internal.example"]).await;
    let status = async |path: &str, hosts: &str| {
        let request = format!("GET {path} HTTP/1.1\r\n{hosts}\r\n");
        ask(gateway.admin, request).await.status
    };
    for path in ["/config", "/limits", "/metrics"] {
        for (hosts, expected) in [
            ("Host: 127.0.0.1:9901\r\n", 200),
            ("Host: [::1]\r\n", 200),
            ("Host: localhost\r\n", 200),
            ("Host: Gateway.internal.example:9901\r\n", 200),
            ("Host: evil.example\r\n", 421),
            ("Host: 127.0.0.1.evil.example\r\n", 421),
            ("", 400),
            ("Host: a\r\nHost: a\r\n", 400),
            ("Host: a b,c\r\n", 400),
        ] {
            assert_eq!(status(path, hosts).await, expected, "{path} {hosts:?}");
        }
    }
    // A probe tells nothing to whoever reads it.
    assert_eq!(status("/livez", "Host: evil.example\r\n").await, 200);
    assert_eq!(status("/readyz", "Host: evil.example\r\n").await, 200);
    assert_eq!(status("/livez", "").await, 400);
}

#[tokio::test]
async fn after_a_request_with_a_body_operators_connections_carry_no_other() {
    let (gateway, _fakes) = shop(&[]).await;
    let second = get("/config", "");
    for framing in [
        format!("Content-Length: {}\r\n", second.len()),
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n".to_owned(),
    ] {
        let mut client = Client::connect(gateway.admin).await;
        client.send(get("/livez", &framing) + &second).await;
        assert!(client.answer().await.status < 500);
        assert!(client.is_closed().await, "{framing}");
    }
}

#[tokio::test]
async fn the_limits_are_shown_with_what_is_in_use_and_how_pages_and_calls_ended() {
    // A quota that is not whole again at once: the client stays known.
    let (gateway, fakes) = shop(&["downstream.reviews.permits=0", "clients.rate=1/h"]).await;
    assert_eq!(gateway.page(PAGE).await.status, 200);
    gateway.at_rest().await;
    let limits = gateway.limits().await;
    let gateway = &limits["gateway"];
    assert_eq!(
        (&gateway["max_in_flight"], &gateway["in_flight"]),
        (&json!(1024), &json!(0))
    );
    assert_eq!(
        (&gateway["tickets"], &gateway["tickets_because"]),
        (&json!(1024), &json!("configured"))
    );
    assert!(gateway["lag_p50_ms"].as_f64() <= gateway["lag_p90_ms"].as_f64());
    assert_eq!(gateway["max_lag_ms"], Value::Null);
    assert_eq!(limits["clients"]["known"], 1);
    let calls = json!({
        "ok": 1, "not_found": 0, "denied": 0, "failed": 0, "busy": 0, "late": 0, "cancelled": 0
    });
    let mut pricing = limits["downstreams"]["pricing"].clone();
    let endpoints = pricing
        .as_object_mut()
        .unwrap()
        .remove("endpoints")
        .unwrap();
    let expected = json!({"permits": 64, "in_use": 0, "queued": 0, "calls": calls});
    assert_eq!(pricing, expected);
    let url = fakes.url(fixtures::Service::Pricing);
    let endpoint = &endpoints[url.trim_start_matches("http://")];
    assert_eq!(*endpoint, json!({"state": "in use", "in_flight": 0}));
    assert_eq!(limits["downstreams"]["reviews"]["permits"], Value::Null);
    let page = &limits["pages"]["product-page"];
    assert_eq!((&page["queue"], &page["queued"]), (&json!(64), &json!(0)));
    let outcomes = page["outcomes"].as_object().unwrap();
    let mut names: Vec<_> = outcomes.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "bad_request",
        "cancelled",
        "client_budget",
        "complete",
        "denied",
        "failed",
        "late",
        "not_found",
        "partial",
        "quota",
        "shed",
    ];
    assert_eq!(names, expected);
    assert_eq!(outcomes["complete"], 1);
}

#[tokio::test]
async fn the_configuration_shown_is_the_one_in_force_and_loads_again() {
    let (gateway, _fakes) = shop(&["downstream.pricing.permits=7", "clients.rate=none"]).await;
    let answer = gateway.look("/config").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let shown = answer.json();
    assert_eq!(shown["downstream"]["pricing"]["permits"], 7);
    assert_eq!(shown["clients"]["rate"], "none");
    let text = toml::to_string(&shown).unwrap();
    let again = config::load_text("shown.toml", &text, &[]).unwrap();
    assert_eq!(again.effective, shown);
}

#[test]
fn an_address_with_a_password_cannot_be_configured_so_none_is_ever_shown() {
    for key in ["downstream.pricing.url", "telemetry.datadog_agent"] {
        let change = format!("{key}=http://user:hunter2@127.0.0.1:1");
        let loaded = config::load_text("x.toml", config::default_text(), &variables(&[change]));
        if let Ok(loaded) = loaded {
            assert!(!loaded.effective.to_string().contains("hunter2"), "{key}");
        }
    }
}
