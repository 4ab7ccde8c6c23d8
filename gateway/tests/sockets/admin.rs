//! What operators see.

use gateway::config;
use serde_json::{Value, json};

use crate::common::client::{ask, get};
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
        for path in ["/livez", "/readyz", "/config", "/limits", "/nothing"] {
            let answer = ask(gateway.admin, get(path, "").replacen("GET", method, 1)).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
    }
    assert_eq!(gateway.look("/readyz").await.status, 200);
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
    let calls = json!({"ok": 1, "not_found": 0, "failed": 0, "late": 0, "cancelled": 0});
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
        "complete",
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
