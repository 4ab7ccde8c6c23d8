//! Which traces leave, and that each leaves whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fixtures::{Behaviour, Fault, Service};
use gateway::lifecycle::REFUSING;
use gateway::telemetry::names::TraceDecision;

use crate::common::client::{Client, get};
use crate::common::gateway::PAGE;
use crate::spans::Trace;
use crate::traced::{PRICING, Via, both_ways, set, shop, until_received};

/// How the pages of these traces ended and why they were kept, with how many of each.
fn tally(traces: &[Trace]) -> BTreeMap<(String, String), usize> {
    let mut tally = BTreeMap::new();
    for trace in traces {
        let [outcome, because] =
            ["gateway.outcome", "gateway.kept_because"].map(|key| trace.root().get(key).unwrap());
        *tally.entry((outcome, because)).or_default() += 1;
    }
    tally
}

fn expected<const N: usize>(rows: [(&str, &str, usize); N]) -> BTreeMap<(String, String), usize> {
    let row = |(outcome, because, pages): (&str, &str, usize)| {
        ((outcome.to_owned(), because.to_owned()), pages)
    };
    rows.map(row).into()
}

#[tokio::test]
async fn without_a_sample_only_pages_that_went_wrong_or_were_slow_are_kept() {
    let changes = [
        "telemetry.sample=0.0",
        "telemetry.keep_slower_than=2s",
        "downstream.inventory.permits=1",
        "page.product-page.max_wait=30ms",
        "page.product-page.part.pricing.timeout=1s",
    ];
    let (traced, fakes) = shop(Via::Datadog, &changes).await;
    for _ in 0..5 {
        assert_eq!(traced.page("").await.status, 200);
    }
    assert_eq!(
        traced.gateway.page("/product-page/p-unknown").await.status,
        404
    );
    assert_eq!(traced.gateway.page("/product-page/a.b").await.status, 400);

    fakes
        .set(Service::Reviews, Behaviour::failing(Fault::Status(500)))
        .unwrap();
    assert_eq!(traced.page("").await.status, 200);
    fakes.heal();
    fakes
        .set(Service::Pricing, Behaviour::failing(Fault::Status(500)))
        .unwrap();
    assert_eq!(traced.page("").await.status, 502);
    fakes.heal();
    let slow = Behaviour::fixed(Duration::from_millis(2_100));
    fakes.set(Service::Inventory, slow).unwrap();
    let mut first = Client::connect(traced.gateway.public).await;
    first.send(get(PAGE, "")).await;
    traced.gateway.until_in_flight(1).await;
    assert_eq!(traced.page("").await.status, 429);
    assert_eq!(first.answer().await.status, 200);
    fakes
        .set(Service::Pricing, Behaviour::fixed(Duration::from_secs(50)))
        .unwrap();
    for whose in ["", "X-Request-Timeout-Ms: 500\r\n"] {
        assert_eq!(traced.page(whose).await.status, 504);
    }

    let traces = traced.all().await;
    let kept = expected([
        ("partial", "outcome", 1),
        ("failed", "outcome", 1),
        ("shed", "outcome", 1),
        ("complete", "slow", 1),
        ("late", "outcome", 1),
    ]);
    assert_eq!(tally(&traces), kept);
}

#[tokio::test]
async fn many_pages_at_once_leave_as_many_whole_traces() {
    const CLIENTS: usize = 20;
    const PAGES: usize = 10;
    let (traced, _fakes) = shop(Via::Datadog, &[]).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::connect(traced.gateway.public).await);
    }
    for _ in 0..PAGES {
        for client in &mut clients {
            client.send(get(PAGE, "")).await;
        }
        for client in &mut clients {
            assert_eq!(client.answer().await.status, 200);
        }
    }
    drop(clients);
    // That each came in one chunk is asserted of every trace of these tests.
    let traces = traced.traces(CLIENTS * PAGES).await;
    assert_eq!(
        tally(&traces),
        expected([("complete", "sampled", CLIENTS * PAGES)])
    );
    for trace in traces {
        assert_eq!(trace.spans.len(), 8, "{}", trace.tree());
    }
}

#[tokio::test]
async fn a_share_of_plain_pages_is_kept_and_every_page_is_counted_as_one_or_the_other() {
    let (traced, _fakes) = shop(Via::Datadog, &["telemetry.sample=0.5"]).await;
    let mut client = Client::connect(traced.gateway.public).await;
    for _ in 0..200 {
        client.send(get(PAGE, "")).await;
        assert_eq!(client.answer().await.status, 200);
    }
    drop(client);
    let telemetry = Arc::clone(&traced.gateway.telemetry);
    let left = traced.all().await.len() as u64;
    let [kept, unsampled] = TraceDecision::ALL.map(|of| telemetry.counts().traces(of));
    assert_eq!((left, kept + unsampled), (kept, 200));
    assert!((40..160).contains(&kept), "{kept} of 200");
}

#[tokio::test]
async fn a_page_that_the_drain_waits_for_still_leaves_its_trace() {
    both_ways(async |via| {
        let (traced, fakes) = shop(via, &[]).await;
        let slow = REFUSING + Duration::from_millis(600);
        set(&fakes, &[Service::Pricing], &Behaviour::fixed(slow));
        let mut client = Client::connect(traced.gateway.public).await;
        client.send(get(PAGE, "")).await;
        until_received(&fakes, &[Service::Pricing]).await;
        let traces = traced.all().await;
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(tally(&traces), expected([("complete", "sampled", 1)]));
    })
    .await;
}

#[tokio::test]
async fn a_page_that_the_drain_cuts_off_still_leaves_its_trace() {
    let changes = ["page.product-page.deadline=none", "server.drain_timeout=1s"];
    let (traced, fakes) = shop(Via::Datadog, &changes).await;
    set(
        &fakes,
        &[Service::Pricing],
        &Behaviour::failing(Fault::Hang),
    );
    let mut client = Client::connect(traced.gateway.public).await;
    client.send(get(PAGE, "")).await;
    until_received(&fakes, &[Service::Pricing]).await;
    let traces = traced.all().await;
    assert_eq!(tally(&traces), expected([("cancelled", "sampled", 1)]));
    let pricing = traces[0].span(PRICING);
    pricing.assert_says(&[("gateway.outcome", "cancelled")]);
    assert_eq!(pricing.error, 0);
}
