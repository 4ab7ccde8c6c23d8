//! The traces of pages that were refused: for load, for a quota, for a shutdown, for what
//! they asked.

use fixtures::{Behaviour, Fault, Service};

use crate::common::client::{Client, get};
use crate::common::gateway::PAGE;
use crate::common::until;
use crate::spans::Span;
use crate::traced::{Via, both_ways, held, set, shop, until_received};

#[tokio::test]
async fn a_page_that_is_shed_shows_its_wait_and_is_no_error() {
    both_ways(async |via| {
        let changes = [
            "downstream.pricing.permits=1",
            "page.product-page.max_wait=120ms",
        ];
        let (traced, fakes) = shop(via, &changes).await;
        let mut first = held(&traced, &fakes).await;
        let refusal = traced.page("").await;
        assert_eq!(refusal.status, 429);
        fakes.heal();
        assert_eq!(first.answer().await.status, 200);
        let traces = traced.traces(2).await;
        let [served, shed] = &traces[..] else {
            panic!("{traces:#?}");
        };
        assert_eq!(served.spans.len(), 8);
        shed.assert_told_by(&refusal);
        shed.assert_tree(&[
            "GET /product-page/{id} [server] shed",
            "  admission [internal] shed",
        ]);
        let why = [
            ("gateway.shed.reason", "bulkhead_full"),
            ("gateway.scope", "downstream:pricing"),
        ];
        shed.root().assert_says(&why);
        shed.root()
            .assert_says(&[("http.response.status_code", "429")]);
        shed.span("admission").assert_says(&why[..1]);
        let wait = shed.span("admission").number("gateway.wait_ms");
        assert!((119.0..20_000.0).contains(&wait), "{wait} ms");
        let lasted = shed.span("admission").duration as f64 / 1e6;
        assert!((lasted - wait).abs() < 1.0, "{lasted} ms for {wait} ms");
    })
    .await;
}

#[tokio::test]
async fn a_page_that_a_watched_limit_would_have_refused_is_served_and_says_so() {
    both_ways(async |via| {
        let changes = ["downstream.pricing.permits=1", "page.product-page.queue=0"];
        let observed = ["downstream.pricing.observe=true"];
        let (traced, fakes) = shop(via, &[&changes[..], &observed].concat()).await;
        let mut first = held(&traced, &fakes).await;
        let mut second = Client::connect(traced.gateway.public).await;
        second.send(get(PAGE, "")).await;
        traced.gateway.until_in_flight(2).await;
        fakes.heal();
        for client in [&mut first, &mut second] {
            assert_eq!(client.answer().await.status, 200);
        }
        let traces = traced.traces(2).await;
        let would =
            |root: &&Span| root.get("gateway.would_shed").as_deref() == Some("bulkhead_full");
        let roots = traces.iter().map(|trace| trace.root());
        let marked: Vec<_> = roots.filter(would).collect();
        assert_eq!(marked.len(), 1, "{traces:#?}");
        let scope = ("gateway.would_shed.scope", "downstream:pricing");
        marked[0].assert_says(&[scope, ("gateway.outcome", "complete")]);
    })
    .await;
}

#[tokio::test]
async fn a_page_refused_before_it_could_wait_is_a_server_span_alone() {
    let changes = ["admission.max_in_flight=1", "shed.status=503"];
    let (traced, fakes) = shop(Via::Datadog, &changes).await;
    set(
        &fakes,
        &[Service::Pricing],
        &Behaviour::failing(Fault::Hang),
    );
    let mut first = Client::connect(traced.gateway.public).await;
    first.send(get(PAGE, "")).await;
    traced.gateway.until_in_flight(1).await;
    assert_eq!(traced.page("").await.status, 503);
    fakes.heal();
    assert_eq!(first.answer().await.status, 200);
    let traces = traced.traces(2).await;
    let [_, shed] = &traces[..] else {
        panic!("{traces:#?}");
    };
    // 5xx is an error, also where the configuration chose it.
    shed.assert_tree(&["GET /product-page/{id} [server] shed error=503"]);
    shed.root().assert_says(&[
        ("gateway.shed.reason", "gateway_full"),
        ("gateway.scope", "gateway"),
    ]);
}

#[tokio::test]
async fn a_page_refused_while_draining_says_so() {
    let (traced, fakes) = shop(Via::Datadog, &[]).await;
    let mut first = held(&traced, &fakes).await;
    traced.gateway.stop();
    until("not ready", async || {
        traced.gateway.look("/readyz").await.status == 503
    })
    .await;
    assert_eq!(traced.page("").await.status, 503);
    fakes.heal();
    assert_eq!(first.answer().await.status, 200);
    let traces = traced.traces(2).await;
    let [_, refused] = &traces[..] else {
        panic!("{traces:#?}");
    };
    refused.assert_tree(&["GET /product-page/{id} [server] shed error=503"]);
    refused
        .root()
        .assert_says(&[("gateway.shed.reason", "draining")]);
}

#[tokio::test]
async fn a_page_over_its_quota_or_asked_for_wrongly_is_a_server_span_without_error() {
    // The one that is asked for wrongly is charged too.
    let changes = ["clients.rate=1/min", "clients.burst=2"];
    let (traced, _fakes) = shop(Via::Datadog, &changes).await;
    let bad = traced.gateway.page("/product-page/a.b").await.status;
    let [served, over] = [traced.page("").await.status, traced.page("").await.status];
    assert_eq!([bad, served, over], [400, 200, 429]);
    let traces = traced.traces(3).await;
    let [first, _, last] = &traces[..] else {
        panic!("{traces:#?}");
    };
    first.assert_tree(&["GET /product-page/{id} [server] bad_request"]);
    last.assert_tree(&["GET /product-page/{id} [server] quota"]);
    last.root().assert_says(&[("gateway.scope", "client")]);
}

#[tokio::test]
async fn an_optional_part_that_was_shed_has_no_call() {
    let (traced, fakes) = shop(Via::Datadog, &["downstream.reviews.permits=1"]).await;
    set(
        &fakes,
        &[Service::Reviews],
        &Behaviour::failing(Fault::Hang),
    );
    let mut first = Client::connect(traced.gateway.public).await;
    first.send(get(PAGE, "")).await;
    until_received(&fakes, &[Service::Reviews]).await;
    assert_eq!(traced.page("").await.status, 200);
    fakes.heal();
    assert_eq!(first.answer().await.status, 200);
    let traces = traced.traces(2).await;
    traces[1].assert_tree(&[
        "GET /product-page/{id} [server] partial",
        "  admission [internal] admitted",
        "  GET inventory /stock/{id} [client] ok",
        "  GET pricing /prices/{id} [client] ok",
        "  GET product /products/{id} [client] ok",
        "  GET recommendations /recommendations/{id} [client] ok",
        "  assemble [internal]",
    ]);
}
