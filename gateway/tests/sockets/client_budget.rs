//! Clients that give a page less time than healthy services take.

use std::time::Duration;

use fixtures::{Behaviour, Fakes, Service};
use gateway::outcome::{CallOutcome, PageOutcome};

use crate::common::client::{ask, get};
use crate::common::gateway::{PAGE, shop};

/// All services answer, in more time than the clients of these tests give.
fn healthy(fakes: &Fakes) {
    for service in Service::ALL {
        fakes
            .set(service, Behaviour::fixed(Duration::from_millis(800)))
            .unwrap();
    }
}

#[tokio::test]
async fn a_hurried_client_makes_no_call_late_no_page_owed_and_no_endpoint_suspect() {
    let (gateway, fakes) = shop(&[]).await;
    healthy(&fakes);
    const PAGES: usize = 12;
    for nth in 0..PAGES {
        let field = ["X-Request-Timeout-Ms", "x-envoy-expected-rq-timeout-ms"][nth % 2];
        let hurried = get(PAGE, &format!("{field}: 200\r\n"));
        let answer = ask(gateway.public, hurried).await;
        answer.assert_refused(504, "client_budget", Some("client"));
        assert_eq!(answer.header("retry-after"), None);
        let timing = answer.header("server-timing").unwrap();
        assert!(!timing.contains("late"), "{timing}");
    }
    let seen = gateway.metrics().await;
    for outcome in CallOutcome::ALL {
        let calls = seen.sum("gateway_calls_total", &[("outcome", outcome.as_str())]);
        assert_eq!(
            calls > 0.0,
            outcome == CallOutcome::Cancelled,
            "{outcome:?}: {calls}"
        );
    }
    for outcome in PageOutcome::ALL {
        let pages = seen.sum("gateway_pages_total", &[("outcome", outcome.as_str())]);
        let expected = if outcome == PageOutcome::ClientBudget {
            PAGES as f64
        } else {
            0.0
        };
        assert_eq!(pages, expected, "{outcome:?}");
    }
    for none in [
        "gateway_pages_owed_total",
        "gateway_answers_late_total",
        "gateway_pages_abandoned_total",
        "gateway_shed_total",
        "gateway_endpoints_ejected",
    ] {
        assert_eq!(seen.sum(none, &[]), 0.0, "{none}");
    }
    let incident = gateway.look("/incident").await.json();
    assert_eq!(
        incident["findings"].as_array().map(Vec::len),
        Some(0),
        "{incident:#}"
    );
    // The same services, given the time that they take.
    let patient = ask(gateway.public, get(PAGE, "X-Request-Timeout-Ms: 15000\r\n")).await;
    assert_eq!(
        (patient.status, patient.header("x-gateway-complete")),
        (200, Some("true"))
    );
}

#[tokio::test]
async fn an_optional_part_that_the_clients_time_cuts_reads_the_same_in_body_and_timing() {
    let (gateway, fakes) = shop(&[]).await;
    fakes
        .set(Service::Reviews, Behaviour::fixed(Duration::from_secs(25)))
        .unwrap();
    let answer = ask(gateway.public, get(PAGE, "X-Request-Timeout-Ms: 2000\r\n")).await;
    assert_eq!(answer.status, 200);
    let page = answer.json();
    assert_eq!(page["missing"], serde_json::json!(["reviews"]));
    assert_eq!(page["parts"]["reviews"]["status"], "late");
    let timing = answer.header("server-timing").unwrap();
    assert!(
        timing.contains("desc=\"late\"") && !timing.contains("cancelled"),
        "{timing}"
    );
    let seen = gateway.metrics().await;
    let calls = |outcome| {
        let labels = [("downstream", "reviews"), ("outcome", outcome)];
        seen.sum("gateway_calls_total", &labels)
    };
    assert_eq!((calls("late"), calls("cancelled")), (0.0, 1.0));
}

#[tokio::test]
async fn two_fields_that_differ_are_refused_only_if_they_have_one_name() {
    let (gateway, _fakes) = shop(&[]).await;
    let with = |headers: &str| ask(gateway.public, get(PAGE, headers));
    let twice = "X-Request-Timeout-Ms: 9000\r\nX-Request-Timeout-Ms: 8000\r\n";
    let answer = with(twice).await;
    answer.assert_refused(400, "bad_request", None);
    let said = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        said.contains("x-request-timeout-ms is there twice"),
        "{said}"
    );
    // A proxy says how long it waits itself, whatever its client does.
    let both = "X-Request-Timeout-Ms: 9000\r\nx-envoy-expected-rq-timeout-ms: 15000\r\n";
    assert_eq!(with(both).await.status, 200);
    let smaller = "X-Request-Timeout-Ms: 9000\r\nx-envoy-expected-rq-timeout-ms: 1\r\n";
    with(smaller)
        .await
        .assert_refused(504, "client_budget", Some("client"));
}

#[tokio::test]
async fn a_client_that_gives_less_than_min_budget_costs_no_service_anything() {
    let (gateway, fakes) = shop(&["page.product-page.min_budget=10s"]).await;
    let with = |ms: u32| {
        let field = format!("X-Request-Timeout-Ms: {ms}\r\n");
        ask(gateway.public, get(PAGE, &field))
    };
    let refused = with(9_999).await;
    refused.assert_refused(504, "client_budget", Some("client"));
    for service in Service::ALL {
        assert_eq!(fakes.stats(service).received, 0, "{service}");
    }
    assert_eq!(with(10_000).await.status, 200);
    assert_eq!(gateway.page(PAGE).await.status, 200);
}
