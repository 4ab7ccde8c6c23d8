//! The traces of pages that were cut short: what was cancelled on purpose is no error,
//! what ran out of time or failed is.

use std::time::Duration;

use fixtures::{Behaviour, Fault, Service};

use crate::common::client::{Client, get};
use crate::common::gateway::PAGE;
use crate::traced::{PRICING, Via, both_ways, held, set, shop, until_received};

#[tokio::test]
async fn a_required_part_that_fails_is_an_error_of_call_and_page_and_cancels_the_others() {
    both_ways(async |via| {
        let (traced, fakes) = shop(via, &[]).await;
        set(&fakes, &Service::ALL, &Behaviour::failing(Fault::Hang));
        let broken = Behaviour {
            errors: Behaviour::failing(Fault::Status(500)).errors,
            ..Behaviour::fixed(Duration::from_millis(300))
        };
        fakes.set(Service::Product, broken).unwrap();
        let answer = traced.page("").await;
        assert_eq!(answer.status, 502);
        let trace = traced.trace().await;
        trace.assert_told_by(&answer);
        trace.assert_tree(&[
            "GET /product-page/{id} [server] failed error=502",
            "  admission [internal] admitted",
            "  GET inventory /stock/{id} [client] cancelled",
            "  GET pricing /prices/{id} [client] cancelled",
            "  GET product /products/{id} [client] failed error=500",
            "  GET recommendations /recommendations/{id} [client] cancelled",
            "  GET reviews /reviews/{id} [client] cancelled",
        ]);
        let failed = trace.span("GET product /products/{id}");
        failed.assert_says(&[("http.response.status_code", "500")]);
        trace
            .root()
            .assert_says(&[("gateway.scope", "downstream:product")]);
        assert_eq!(trace.root().get("gateway.complete"), None);
    })
    .await;
}

#[tokio::test]
async fn a_deadline_missed_is_an_error_of_the_late_call_and_of_the_page() {
    both_ways(async |via| {
        let (traced, fakes) = shop(via, &["page.product-page.deadline=2s"]).await;
        set(
            &fakes,
            &[Service::Pricing],
            &Behaviour::failing(Fault::Hang),
        );
        let answer = traced.page("").await;
        assert_eq!(answer.status, 504);
        let trace = traced.trace().await;
        trace.assert_told_by(&answer);
        trace.assert_tree(&[
            "GET /product-page/{id} [server] late error=timeout",
            "  admission [internal] admitted",
            "  GET inventory /stock/{id} [client] ok",
            "  GET pricing /prices/{id} [client] late error=timeout",
            "  GET product /products/{id} [client] ok",
            "  GET recommendations /recommendations/{id} [client] ok",
            "  GET reviews /reviews/{id} [client] ok",
        ]);
        let fields = [
            ("http.response.status_code", "504"),
            ("gateway.scope", "downstream:pricing"),
            ("gateway.kept_because", "outcome"),
        ];
        trace.root().assert_says(&fields);
        let late = trace.span(PRICING);
        let left = Duration::from_secs_f64(late.number("gateway.budget_left_ms") / 1e3);
        let used = Duration::from_nanos(late.duration);
        assert!(
            used + Duration::from_millis(2) >= left,
            "{used:?} of {left:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_makes_everything_cancelled_and_nothing_an_error() {
    both_ways(async |via| {
        let (traced, fakes) = shop(via, &[]).await;
        set(&fakes, &Service::ALL, &Behaviour::failing(Fault::Hang));
        let mut client = Client::connect(traced.gateway.public).await;
        client.send(get(PAGE, "")).await;
        until_received(&fakes, &Service::ALL).await;
        drop(client);
        traced.gateway.at_rest().await;
        let trace = traced.trace().await;
        trace.assert_tree(&[
            "GET /product-page/{id} [server] cancelled",
            "  admission [internal] admitted",
            "  GET inventory /stock/{id} [client] cancelled",
            "  GET pricing /prices/{id} [client] cancelled",
            "  GET product /products/{id} [client] cancelled",
            "  GET recommendations /recommendations/{id} [client] cancelled",
            "  GET reviews /reviews/{id} [client] cancelled",
        ]);
        assert_eq!(trace.root().get("http.response.status_code"), None);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_was_neither_admitted_nor_shed() {
    let changes = [
        "downstream.pricing.permits=1",
        "page.product-page.max_wait=15s",
    ];
    let (traced, fakes) = shop(Via::Datadog, &changes).await;
    let mut first = held(&traced, &fakes).await;
    let mut second = Client::connect(traced.gateway.public).await;
    second.send(get(PAGE, "")).await;
    traced.gateway.until_in_flight(2).await;
    drop(second);
    traced.gateway.until_in_flight(1).await;
    fakes.heal();
    assert_eq!(first.answer().await.status, 200);
    let traces = traced.traces(2).await;
    assert_eq!(traces.len(), 2);
    traces[1].assert_tree(&[
        "GET /product-page/{id} [server] cancelled",
        "  admission [internal] cancelled",
    ]);
}

#[tokio::test]
async fn a_page_whose_client_gave_up_is_kept_and_says_that_it_was_owed() {
    let changes = [
        "telemetry.sample=0.0",
        "telemetry.keep_slower_than=none",
        "page.product-page.abandoned_after=100ms",
    ];
    let (traced, fakes) = shop(Via::Datadog, &changes).await;
    set(
        &fakes,
        &[Service::Pricing],
        &Behaviour::failing(Fault::Hang),
    );
    let mut leaving = Client::connect(traced.gateway.public).await;
    leaving.send(get(PAGE, "")).await;
    until_received(&fakes, &[Service::Pricing]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(leaving);
    traced.trace().await.root().assert_says(&[
        ("gateway.outcome", "cancelled"),
        ("gateway.owed", "true"),
        ("gateway.abandoned", "true"),
        ("gateway.kept_because", "outcome"),
    ]);
}
