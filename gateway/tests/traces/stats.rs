//! Statistics of pages and calls, as the agent receives them: of all pages, whatever
//! share of the traces is kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fixtures::{Behaviour, Fakes, Fault, Service};
use gateway::config::{DownstreamId, PageId};
use gateway::outcome::{CallOutcome, PageOutcome};
use gateway::telemetry::Telemetry;
use http::header::HeaderName;
use serde::Deserialize;

use crate::common::client::{Client, get};
use crate::common::gateway::PAGE;
use crate::common::until;
use crate::sketches;
use crate::spans::{Span, Trace};
use crate::traced::{Traced, Via, set, shop};

/// What one line of statistics is about.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "PascalCase")]
struct About {
    service: String,
    name: String,
    resource: String,
    #[serde(rename = "Type")]
    kind: String,
    span_kind: String,
    peer_tags: Vec<String>,
    #[serde(rename = "HTTPStatusCode")]
    status: u16,
    /// 1 is yes, 2 is no.
    is_trace_root: u8,
    synthetics: bool,
}

/// One line, and what its sketches hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    #[serde(flatten)]
    about: About,
    hits: u64,
    top_level_hits: u64,
    errors: u64,
    /// In nanoseconds.
    duration: u64,
    ok_summary: sketches::Sketch,
    error_summary: sketches::Sketch,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Bucket {
    start: u64,
    duration: u64,
    stats: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Payload {
    env: String,
    version: String,
    service: String,
    #[serde(rename = "RuntimeID")]
    runtime: String,
    sequence: u64,
    stats: Vec<Bucket>,
}

/// Hits, errors and nanoseconds.
type Sums = BTreeMap<About, (u64, u64, u64)>;

/// A shop whose pages can be made to end in every way but one: drains are others' business.
async fn busy_shop(sample: &str) -> (Traced, Fakes) {
    let changes = [
        sample,
        "downstream.inventory.permits=1",
        "page.product-page.max_wait=30ms",
        "page.product-page.part.pricing.pass=401,404",
        "page.product-page.part.reviews.pass=404,429",
        "page.product-page.part.pricing.timeout=2s",
        "clients.rate=1/h",
        "clients.burst=40",
    ];
    shop(Via::Datadog, &changes).await
}

/// Pages of every outcome.
async fn every_outcome(traced: &Traced, fakes: &Fakes) {
    for (id, origin) in (70..).zip(["", "", "", "x-datadog-origin: synthetics\r\n"]) {
        let headers = format!("x-datadog-trace-id: {id}\r\nx-datadog-parent-id: 8\r\n{origin}");
        assert_eq!(traced.page(&headers).await.status, 200);
        assert_eq!(traced.page("").await.status, 200);
    }
    let mut client = Client::connect(traced.gateway.public).await;
    client.send(get(PAGE, "").replacen("GET", "HEAD", 1)).await;
    assert_eq!(client.answer_to_head().await.status, 200);
    let at = |path| traced.gateway.page(path);
    assert_eq!(at("/product-page/p-unknown").await.status, 404);
    assert_eq!(at("/product-page/a.b").await.status, 400);
    for (service, fault, status) in [
        (Service::Reviews, Fault::Status(500), 200),
        (Service::Reviews, Fault::Status(418), 200),
        (Service::Reviews, Fault::Status(429), 200),
        (Service::Pricing, Fault::Status(401), 401),
        (Service::Pricing, Fault::Status(503), 502),
        (Service::Pricing, Fault::WrongJson, 502),
        (Service::Pricing, Fault::Close, 502),
    ] {
        set(fakes, &[service], &Behaviour::failing(fault));
        assert_eq!(traced.page("").await.status, status);
        fakes.heal();
    }
    let pages = [Service::Pricing, Service::Inventory];
    set(fakes, &pages, &Behaviour::failing(Fault::Hang));
    for whose in ["", "X-Request-Timeout-Ms: 500\r\n"] {
        assert_eq!(traced.page(whose).await.status, 504);
    }
    fakes.heal();

    set(fakes, &pages, &Behaviour::failing(Fault::Hang));
    let mut leaving = Client::connect(traced.gateway.public).await;
    leaving.send(get(PAGE, "")).await;
    traced.gateway.until_in_flight(1).await;
    assert_eq!(traced.page("").await.status, 429);
    drop(leaving);
    traced.gateway.at_rest().await;
    fakes.heal();
    let counts = Arc::clone(traced.gateway.telemetry.counts());
    until("a page over its quota", async || {
        client.send(get(PAGE, "")).await;
        client.answer().await;
        counts.pages(PageId(0), PageOutcome::Quota) > 0
    })
    .await;
    for outcome in PageOutcome::ALL {
        assert!(counts.pages(PageId(0), outcome) > 0, "no page {outcome:?}");
    }
}

/// What the agent has of it, once the gateway has ended.
struct Told {
    telemetry: Arc<Telemetry>,
    lines: Vec<Line>,
    traces: Vec<Trace>,
}

async fn told(sample: &str) -> Told {
    let (mut traced, fakes) = busy_shop(sample).await;
    every_outcome(&traced, &fakes).await;
    traced.gateway.stop();
    traced.gateway.ended().await;
    let payloads: Vec<Payload> = sketches::payloads(&traced.agent).await;
    for (payload, sequence) in payloads.iter().zip(1..) {
        let of = [&payload.env, &payload.version, &payload.service];
        assert_eq!(of, ["test", env!("CARGO_PKG_VERSION"), "shop"]);
        assert_eq!(payload.sequence, sequence);
        assert_eq!(payload.runtime, payloads[0].runtime);
        uuid_like(&payload.runtime);
    }
    let buckets: Vec<_> = payloads.into_iter().flat_map(|p| p.stats).collect();
    const TEN_SECONDS: u64 = 10_000_000_000;
    assert!(buckets.iter().all(|b| b.start % TEN_SECONDS == 0));
    assert!(buckets.iter().all(|b| b.duration == TEN_SECONDS));
    let telemetry = Arc::clone(&traced.gateway.telemetry);
    Told {
        telemetry,
        lines: buckets.into_iter().flat_map(|b| b.stats).collect(),
        traces: traced.agent.all().await,
    }
}

fn uuid_like(text: &str) {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{text}");
}

impl Told {
    fn sums(&self) -> Sums {
        let mut sums = Sums::new();
        for line in &self.lines {
            let sum = sums.entry(line.about.clone()).or_default();
            sum.0 += line.hits;
            sum.1 += line.errors;
            sum.2 += line.duration;
        }
        sums
    }

    /// Hits and errors of all lines like this.
    fn of(&self, like: impl Fn(&About) -> bool) -> (u64, u64) {
        let lines = self.lines.iter().filter(|line| like(&line.about));
        lines.fold((0, 0), |sum, line| (sum.0 + line.hits, sum.1 + line.errors))
    }

    /// That they say what the gateway has counted, of every page and every downstream.
    fn assert_is_what_was_counted(&self) {
        let counts = self.telemetry.counts();
        let pages = |outcomes: &[PageOutcome]| {
            let pages = outcomes.iter().map(|of| counts.pages(PageId(0), *of));
            pages.sum::<u64>()
        };
        let all = pages(&PageOutcome::ALL);
        let bad = pages(&[PageOutcome::Late, PageOutcome::Failed]);
        assert_eq!(self.of(|about| about.span_kind == "server"), (all, bad));
        for (id, downstream) in self.telemetry.names().downstreams.iter().enumerate() {
            let calls = |outcomes: &[CallOutcome]| {
                let calls = outcomes
                    .iter()
                    .map(|of| counts.calls(DownstreamId(id), *of));
                calls.sum::<u64>()
            };
            let all = calls(&CallOutcome::ALL);
            let good = calls(&[CallOutcome::Ok, CallOutcome::Cancelled]);
            let peer = format!("peer.service:{}", downstream.name);
            let told = self.of(|about| about.peer_tags == [peer.clone()]);
            assert_eq!(told, (all, all - good), "{}", downstream.name);
            assert!(all > 0, "no call of {}", downstream.name);
        }
    }

    /// That every line agrees with itself.
    fn assert_sound(&self) {
        for line in &self.lines {
            assert_eq!(line.ok_summary.count, line.hits - line.errors, "{line:?}");
            assert_eq!(line.error_summary.count, line.errors, "{line:?}");
            let on_top = match line.about.span_kind.as_str() {
                "server" => line.hits,
                _ => 0,
            };
            assert_eq!(line.top_level_hits, on_top, "{line:?}");
            let mean = line.ok_summary.sum + line.error_summary.sum;
            let exact = line.duration as f64;
            assert!((mean / exact - 1.0).abs() < 0.01, "{mean}: {line:?}");
        }
    }
}

#[tokio::test]
async fn statistics_are_of_all_pages_and_calls_whatever_share_of_traces_is_kept() {
    let [none, few, all] = tokio::join!(
        told("telemetry.sample=0.0"),
        told("telemetry.sample=0.01"),
        told("telemetry.sample=1.0"),
    )
    .into();
    for told in [&none, &few, &all] {
        told.assert_sound();
        told.assert_is_what_was_counted();
    }
    let pages = |told: &Told| told.of(|about| about.span_kind == "server");
    assert_eq!(all.traces.len() as u64, pages(&all).0);
    // What an agent makes of the traces alone: the few that were kept, and mostly for errors.
    let (hits, errors) = pages(&none);
    let kept = computed(&none.traces).into_iter();
    let kept = kept.filter(|(about, _)| about.span_kind == "server");
    let kept = kept.fold((0, 0), |sum, (_, of)| (sum.0 + of.0, sum.1 + of.1));
    assert_eq!(kept.1, errors);
    assert!(3 * kept.0 < hits, "{kept:?} of {hits} pages");
}

/// What the agent would have computed of the traces.
fn computed(traces: &[Trace]) -> Sums {
    let mut sums = Sums::new();
    for trace in traces {
        let synthetics = trace.root().get("_dd.origin").is_some();
        let told = |span: &&Span| span.get("span.kind").is_some_and(|kind| kind != "internal");
        for span in trace.spans.iter().filter(told) {
            let status = span.get("http.status_code");
            let peer = span.get("peer.service");
            let about = About {
                service: span.service.clone(),
                name: span.name.clone(),
                resource: span.resource.clone(),
                kind: span.kind.clone(),
                span_kind: span.get("span.kind").unwrap(),
                peer_tags: peer.iter().map(|p| format!("peer.service:{p}")).collect(),
                status: status.map_or(0, |status| status.parse().unwrap()),
                is_trace_root: if span.parent_id == 0 { 1 } else { 2 },
                synthetics,
            };
            let sum = sums.entry(about).or_default();
            sum.0 += 1;
            sum.1 += u64::from(span.error);
            sum.2 += span.duration;
        }
    }
    sums
}

#[tokio::test]
async fn where_all_traces_are_kept_statistics_are_what_the_agent_would_have_computed() {
    let told = told("telemetry.sample=1.0").await;
    let (told, computed) = (told.sums(), computed(&told.traces));
    assert_eq!(told, computed);
    let about: Vec<_> = told.keys().collect();
    assert!(
        about
            .iter()
            .any(|about| about.resource.starts_with("HEAD "))
    );
    assert!(about.iter().any(|about| about.status == 418));
    assert!(about.iter().any(|about| about.synthetics));
    assert!(about.iter().any(|about| about.is_trace_root == 1));
}

#[tokio::test]
async fn traces_say_that_statistics_need_not_be_computed_of_them() {
    let (mut traced, _fakes) = shop(Via::Datadog, &[]).await;
    assert_eq!(traced.page("").await.status, 200);
    traced.gateway.stop();
    traced.gateway.ended().await;
    let told = |request: &serde_json::Value| {
        let headers = request["headers"].as_object().unwrap();
        let said = headers.iter().find(|(name, _)| {
            name.parse::<HeaderName>().unwrap() == "datadog-client-computed-stats"
        });
        said.map(|(_, value)| value.as_str().unwrap().to_owned())
    };
    let traces = traced.agent.requests("/v0.5/traces").await;
    assert!(!traces.is_empty());
    for request in &traces {
        assert_eq!(told(request).as_deref(), Some("yes"));
    }
    let stats = traced.agent.requests("/v0.6/stats").await;
    assert_eq!(stats.len(), 1);
    assert_eq!(stats[0]["headers"]["Content-Type"], "application/msgpack");
}

#[tokio::test]
async fn statistics_leave_every_ten_seconds_while_pages_are_served() {
    let (traced, _fakes) = shop(Via::Datadog, &["telemetry.sample=0.0"]).await;
    assert_eq!(traced.page("").await.status, 200);
    until("statistics at the agent", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        !traced.agent.requests("/v0.6/stats").await.is_empty()
    })
    .await;
}
