//! The traces of pages that were answered with a page, or with the news that there is none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fixtures::{Behaviour, Fault, Service};
use gateway::page::deadline::now;

use crate::common::client::{Client, get};
use crate::common::gateway::PAGE;
use crate::spans::Trace;
use crate::traced::{PRICING, Via, both_ways, set, shop};

#[tokio::test]
async fn a_whole_page_is_a_server_span_an_admission_a_call_per_part_and_an_assembly() {
    both_ways(async |via| {
        let (traced, fakes) = shop(via, &[]).await;
        let slow = Duration::from_millis(80);
        fakes.set(Service::Pricing, Behaviour::fixed(slow)).unwrap();
        let (before, began) = (SystemTime::now(), now());
        let answer = traced.page("").await;
        let took = now() - began;
        let trace = traced.trace().await;
        trace.assert_tree(&[
            "GET /product-page/{id} [server] complete",
            "  admission [internal] admitted",
            "  GET inventory /stock/{id} [client] ok",
            "  GET pricing /prices/{id} [client] ok",
            "  GET product /products/{id} [client] ok",
            "  GET recommendations /recommendations/{id} [client] ok",
            "  GET reviews /reviews/{id} [client] ok",
            "  assemble [internal]",
        ]);
        let root = trace.root();
        trace.assert_told_by(&answer);
        assert_eq!(root.parent_id, 0);
        root.assert_says(&[
            ("http.request.method", "GET"),
            ("http.route", "/product-page/{id}"),
            ("http.response.status_code", "200"),
            ("gateway.page", "product-page"),
            ("gateway.complete", "true"),
            ("gateway.kept_because", "sampled"),
            ("gateway.request_id", answer.header("x-request-id").unwrap()),
        ]);
        let address = fakes.addr(Service::Pricing);
        let pricing = trace.span(PRICING);
        pricing.assert_says(&[
            ("peer.service", "pricing"),
            ("http.request.method", "GET"),
            ("url.template", "/prices/{id}"),
            ("http.response.status_code", "200"),
            ("server.address", &address.ip().to_string()),
            ("server.port", &address.port().to_string()),
            ("network.peer.address", &address.ip().to_string()),
            ("network.peer.port", &address.port().to_string()),
            ("gateway.part", "pricing"),
            ("gateway.part.required", "true"),
        ]);
        let optional = trace.span("GET reviews /reviews/{id}");
        optional.assert_says(&[("gateway.part.required", "false")]);
        assert_times(&trace, before, slow, took);
    })
    .await;
}

#[tokio::test]
async fn a_whole_page_is_as_it_was_when_its_snapshot_was_taken() {
    let (traced, _fakes) = shop(Via::Datadog, &[]).await;
    assert_eq!(traced.page("X-Request-Id: snapshot\r\n").await.status, 200);
    traced.trace().await;
    let vary = [
        "meta.gateway.wait_ms",
        "meta.gateway.lag_ms",
        "meta.gateway.budget_left_ms",
        "meta.server.port",
        "meta.network.peer.port",
        "meta.version",
    ];
    traced.agent.assert_is_as_in("whole-page", &vary).await;
}

/// That the spans say when things happened: pricing, the slowest, took `slow`, the
/// client waited for `took`, and the page began after `before`.
#[track_caller]
fn assert_times(trace: &Trace, before: SystemTime, slow: Duration, took: Duration) {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap();
    let (root, pricing) = (trace.root(), trace.span(PRICING));
    assert!(pricing.duration >= nanos(slow), "{pricing:#?}");
    assert!(root.duration <= nanos(took), "{took:?}: {root:#?}");
    // Two clocks: the span's begin is reckoned back from its end.
    let [before, after] =
        [before, SystemTime::now()].map(|at| nanos(at.duration_since(UNIX_EPOCH).unwrap()));
    let slack = nanos(Duration::from_millis(5));
    assert!(
        before <= root.start + slack && root.end() <= after + slack,
        "{root:#?}"
    );
    let (admission, assembly) = (trace.span("admission"), trace.span("assemble"));
    let wait = admission.number("gateway.wait_ms");
    assert!((0.0..took.as_secs_f64() * 1e3).contains(&wait), "{wait} ms");
    for call in trace.calls() {
        assert!(
            admission.end() <= call.start && call.end() <= assembly.start,
            "{call:#?}"
        );
        let lag = call.number("gateway.lag_ms");
        assert!(
            (0.0..=call.duration as f64 / 1e6).contains(&lag),
            "{lag} ms"
        );
        let left = call.number("gateway.budget_left_ms");
        assert!((1.0..=20_000.0).contains(&left), "{left} ms");
    }
}

#[tokio::test]
async fn head_is_named_as_what_it_is() {
    let (traced, _fakes) = shop(Via::Datadog, &[]).await;
    let mut client = Client::connect(traced.gateway.public).await;
    client.send(get(PAGE, "").replacen("GET", "HEAD", 1)).await;
    assert_eq!(client.answer_to_head().await.status, 200);
    drop(client);
    let trace = traced.trace().await;
    let root = trace.root();
    assert_eq!(root.resource, "HEAD /product-page/{id}");
    root.assert_says(&[("http.request.method", "HEAD")]);
    assert_eq!(trace.span(PRICING).parent_id, root.span_id);
}

#[tokio::test]
async fn an_optional_part_that_is_late_is_an_error_of_its_call_and_not_of_the_page() {
    both_ways(async |via| {
        let changes = ["page.product-page.part.reviews.timeout=150ms"];
        let (traced, fakes) = shop(via, &changes).await;
        set(
            &fakes,
            &[Service::Reviews],
            &Behaviour::failing(Fault::Hang),
        );
        assert_eq!(traced.page("").await.status, 200);
        let trace = traced.trace().await;
        trace.assert_tree(&[
            "GET /product-page/{id} [server] partial",
            "  admission [internal] admitted",
            "  GET inventory /stock/{id} [client] ok",
            "  GET pricing /prices/{id} [client] ok",
            "  GET product /products/{id} [client] ok",
            "  GET recommendations /recommendations/{id} [client] ok",
            "  GET reviews /reviews/{id} [client] late error=timeout",
            "  assemble [internal]",
        ]);
        let fields = [
            ("http.response.status_code", "200"),
            ("gateway.complete", "false"),
            ("gateway.kept_because", "outcome"),
        ];
        trace.root().assert_says(&fields);
        let late = trace.span("GET reviews /reviews/{id}");
        assert_eq!(late.get("http.response.status_code"), None);
        let left = late.number("gateway.budget_left_ms");
        assert!((1.0..=150.0).contains(&left), "{left} ms");
        assert!(late.duration >= 149_000_000, "{late:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks_has_a_kind_and_words_and_no_status() {
    let (traced, fakes) = shop(Via::Datadog, &[]).await;
    fakes
        .set(Service::Pricing, Behaviour::failing(Fault::Reset))
        .unwrap();
    fakes
        .set(Service::Reviews, Behaviour::failing(Fault::WrongJson))
        .unwrap();
    assert_eq!(traced.page("").await.status, 502);
    let trace = traced.trace().await;
    let pricing = trace.span(PRICING);
    assert_eq!(
        (pricing.error, pricing.get("http.response.status_code")),
        (1, None)
    );
    let kind = pricing.get("error.type").unwrap();
    assert!(
        kind.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
        "{kind}"
    );
    assert!(!pricing.get("error.message").unwrap().is_empty());
}

#[tokio::test]
async fn not_found_is_an_error_of_the_call_only() {
    let (traced, _fakes) = shop(Via::Datadog, &[]).await;
    let answer = traced.gateway.page("/product-page/p-unknown").await;
    assert_eq!(answer.status, 404);
    let trace = traced.trace().await;
    let root = trace.root();
    assert_eq!(
        (root.resource.as_str(), root.error),
        ("GET /product-page/{id}", 0)
    );
    root.assert_says(&[
        ("gateway.outcome", "not_found"),
        ("http.response.status_code", "404"),
    ]);
    let scope = root.get("gateway.scope").unwrap();
    let name = scope.strip_prefix("downstream:").unwrap();
    let unknown = trace
        .calls()
        .find(|call| call.get("peer.service").as_deref() == Some(name));
    unknown.unwrap().assert_says(&[
        ("gateway.outcome", "not_found"),
        ("http.response.status_code", "404"),
        ("error.type", "404"),
    ]);
}

#[tokio::test]
async fn what_a_part_passes_on_is_an_error_of_the_call_only_with_its_status() {
    let pass = "page.product-page.part.pricing.pass=401,404,410,429";
    for (status, outcome, of_page) in [
        (401, "denied", "denied"),
        (410, "not_found", "not_found"),
        (429, "busy", "failed"),
    ] {
        let (traced, fakes) = shop(Via::Datadog, &[pass]).await;
        let behaviour = Behaviour::failing(Fault::Status(status));
        fakes.set(Service::Pricing, behaviour).unwrap();
        assert_eq!(traced.page("").await.status, status);
        let status = status.to_string();
        let trace = traced.trace().await;
        let root = trace.root();
        assert_eq!(root.error, 0, "{status}");
        root.assert_says(&[
            ("gateway.outcome", of_page),
            ("http.response.status_code", &status),
            ("gateway.scope", "downstream:pricing"),
        ]);
        let mut calls = trace.calls();
        let pricing = calls.find(|call| call.get("peer.service").as_deref() == Some("pricing"));
        pricing.unwrap().assert_says(&[
            ("gateway.outcome", outcome),
            ("http.response.status_code", &status),
            ("error.type", &status),
            ("error.message", &format!("answered {status}")),
        ]);
    }
}
