//! What those who collect metrics are told, beside what clients and downstreams saw.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::{Duration, UNIX_EPOCH};

use fixtures::{Behaviour, Fakes, Fault, Service};
use gateway::outcome::{CallOutcome, PageOutcome};
use gateway::page::deadline::wall_clock;
use gateway::telemetry::meters::process::FIGURES;
use gateway::telemetry::names::metrics::{self, Kind, Metric};

use crate::common::agent::{Agent, Line};
use crate::common::binary::Binary;
use crate::common::client::{Client, ask, get};
use crate::common::exposition::Exposition;
use crate::common::gateway::{Gateway, PAGE, shop};
use crate::common::until;

/// Six pages that start calls, and one mistake; what comes then is over the quota.
const LIMITS: [&str; 5] = [
    "clients.rate=1/h",
    "clients.burst=7",
    "page.product-page.part.pricing.timeout=1500ms",
    "downstream.inventory.permits=1",
    "page.product-page.max_wait=30ms",
];

async fn scrape(gateway: &Gateway) -> Exposition {
    let answer = gateway.look("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    Exposition::read(std::str::from_utf8(&answer.body).unwrap())
}

fn failing(fakes: &Fakes, service: Service) {
    let behaviour = Behaviour::failing(Fault::Status(500));
    fakes.set(service, behaviour).unwrap();
}

/// Pages all of whose calls end before the page does, or at its deadline.
async fn pages_that_lose_no_call(gateway: &Gateway, fakes: &Fakes) {
    assert_eq!(gateway.page(PAGE).await.status, 200);
    failing(fakes, Service::Reviews);
    let partial = gateway.page(PAGE).await;
    assert_eq!(partial.header("x-gateway-complete"), Some("false"));
    let slow = Behaviour::fixed(Duration::from_secs(25));
    fakes.set(Service::Pricing, slow).unwrap();
    assert_eq!(gateway.page(PAGE).await.status, 504);
    fakes.heal();
}

/// Pages that are refused or end early: every other outcome.
async fn pages_that_end_early(gateway: &Gateway, fakes: &Fakes) {
    assert_eq!(gateway.page("/product-page/p-unknown").await.status, 404);
    failing(fakes, Service::Inventory);
    assert_eq!(gateway.page(PAGE).await.status, 502);
    let slow = Behaviour::fixed(Duration::from_secs(25));
    fakes.set(Service::Inventory, slow).unwrap();
    let mut leaving = Client::connect(gateway.public).await;
    leaving.send(get(PAGE, "")).await;
    gateway.until_in_flight(1).await;
    assert_eq!(gateway.page(PAGE).await.status, 429);
    drop(leaving);
    gateway.at_rest().await;
    fakes.heal();
    assert_eq!(gateway.page("/product-page/a.b").await.status, 400);
    assert_eq!(gateway.page(PAGE).await.status, 429);
    let post = get(PAGE, "").replacen("GET", "POST", 1);
    assert_eq!(ask(gateway.public, post).await.status, 405);
    let tiny = get(PAGE, "X-Request-Timeout-Ms: 1\r\n");
    assert_eq!(ask(gateway.public, tiny).await.status, 504);
}

/// How often each outcome, after both of the above.
const OUTCOMES: [(PageOutcome, f64); 10] = [
    (PageOutcome::Complete, 1.0),
    (PageOutcome::Partial, 1.0),
    (PageOutcome::Shed, 1.0),
    (PageOutcome::Quota, 1.0),
    (PageOutcome::Late, 1.0),
    (PageOutcome::Failed, 1.0),
    (PageOutcome::NotFound, 1.0),
    (PageOutcome::BadRequest, 2.0),
    (PageOutcome::ClientBudget, 1.0),
    (PageOutcome::Cancelled, 1.0),
];

#[tokio::test]
async fn a_scrape_agrees_with_what_clients_and_downstreams_saw() {
    let (gateway, fakes) = shop(&LIMITS).await;
    pages_that_lose_no_call(&gateway, &fakes).await;
    gateway.at_rest().await;
    let seen = scrape(&gateway).await;
    for service in Service::ALL {
        let calls = seen.sum("gateway_calls_total", &[("downstream", service.name())]);
        assert_eq!(calls, fakes.stats(service).received as f64, "{service}");
    }
    let of = |service, outcome: CallOutcome| {
        let labels = [("downstream", service), ("outcome", outcome.as_str())];
        seen.sum("gateway_calls_total", &labels)
    };
    assert_eq!(of("pricing", CallOutcome::Late), 1.0);
    assert_eq!(of("pricing", CallOutcome::Ok), 2.0);
    assert_eq!(of("reviews", CallOutcome::Failed), 2.0);

    pages_that_end_early(&gateway, &fakes).await;
    let seen = scrape(&gateway).await;
    for (outcome, pages) in OUTCOMES {
        let labels = [("page", "product-page"), ("outcome", outcome.as_str())];
        assert_eq!(
            seen.sum("gateway_pages_total", &labels),
            pages,
            "{outcome:?}"
        );
        let timed = seen.sum("gateway_page_duration_seconds_count", &labels);
        assert_eq!(timed, pages, "{outcome:?}");
    }
    for (what, pages) in [
        // Complete, partial, shed, late and failed.
        ("gateway_pages_owed_total", 5.0),
        ("gateway_pages_good_total", 2.0),
        ("gateway_pages_abandoned_total", 0.0),
        ("gateway_answers_late_total", 0.0),
        // All but those that were refused before any call.
        ("gateway_overhead_seconds_count", 6.0),
    ] {
        assert_eq!(seen.sum(what, &[]), pages, "{what}");
    }
    assert_eq!(seen.sum("gateway_admission_wait_seconds_count", &[]), 7.0);
    for service in Service::ALL {
        for outcome in CallOutcome::ALL {
            let labels = [
                ("downstream", service.name()),
                ("outcome", outcome.as_str()),
            ];
            let timed = seen.sum_so_far("gateway_call_duration_seconds_count", &labels);
            assert_eq!(
                timed,
                seen.sum("gateway_calls_total", &labels),
                "{labels:?}"
            );
        }
        let calls = seen.sum("gateway_calls_total", &[("downstream", service.name())]);
        assert!(calls >= fakes.stats(service).received as f64, "{service}");
    }
    let late = [("outcome", "late")];
    assert!(seen.sum("gateway_page_duration_seconds_sum", &late) >= 1.4);
    let shed = |reason, scope| {
        seen.sum(
            "gateway_shed_total",
            &[("reason", reason), ("scope", scope)],
        )
    };
    assert_eq!(shed("client_quota", "client"), 1.0);
    assert_eq!(shed("bulkhead_full", "downstream:inventory"), 1.0);
    assert_eq!(seen.sum("gateway_shed_total", &[]), 2.0);
}

#[tokio::test]
async fn a_scrape_has_every_metric_of_the_table_and_no_other() {
    let (gateway, _fakes) = shop(&[]).await;
    let seen = scrape(&gateway).await;
    let own = metrics::ALL
        .iter()
        .map(|metric| (metric.prometheus(), metric.kind.as_str().to_owned()));
    let every = FIGURES
        .iter()
        .map(|figure| (figure.name.to_owned(), figure.kind.to_owned()));
    assert_eq!(*seen.kinds(), own.chain(every).collect());
}

#[tokio::test]
async fn a_scrape_says_what_runs_since_when_and_what_it_takes() {
    let began = wall_clock().duration_since(UNIX_EPOCH).unwrap();
    let (gateway, _fakes) = shop(&["telemetry.env=test"]).await;
    assert_eq!(gateway.page(PAGE).await.status, 200);
    let seen = scrape(&gateway).await;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(seen.sum("gateway_build_info", &version), 1.0);
    let of = |name| seen.sum(name, &[]);
    let age = of("gateway_config_loaded_seconds") - began.as_secs_f64();
    assert!((-1.0..30.0).contains(&age), "{age}");
    // The process of all these tests, which began before.
    let since = began.as_secs_f64() - of("process_start_time_seconds");
    assert!((-0.1..3600.0).contains(&since), "{since}");
    assert!(of("process_cpu_seconds_total") > 0.0);
    assert!(of("process_resident_memory_bytes") > 1e6);
    let files = of("process_open_fds");
    assert!(files > 2.0 && files < of("process_max_fds"), "{files}");
    assert!(of("process_threads") >= 1.0);
    assert_eq!(of("gateway_runtime_workers"), 1.0);
    assert!(of("gateway_runtime_tasks") > 3.0);
    assert!(of("gateway_runtime_queue") < of("gateway_runtime_tasks"));
}

#[tokio::test]
async fn a_scraper_that_takes_gzip_gets_the_same_in_a_fraction_of_the_bytes() {
    let (gateway, _fakes) = shop(&[]).await;
    assert_eq!(gateway.page(PAGE).await.status, 200);
    let plain = gateway.look("/metrics").await;
    assert_eq!(plain.header("content-encoding"), None);
    let zipped = ask(gateway.admin, get("/metrics", "Accept-Encoding: gzip\r\n")).await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert!(zipped.body.len() * 4 < plain.body.len());
    let mut text = String::new();
    let mut reader = flate2::read::GzDecoder::new(&zipped.body[..]);
    reader.read_to_string(&mut text).unwrap();
    let (plain, zipped) = (String::from_utf8(plain.body).unwrap(), text);
    let pages = "gateway_pages_total{page=\"product-page\",outcome=\"complete\"} 1\n";
    assert!(plain.contains(pages) && zipped.contains(pages));
    // Short answers are not worth it.
    let alive = ask(gateway.admin, get("/livez", "Accept-Encoding: gzip\r\n")).await;
    assert_eq!(alive.body, b"alive\n");
}

#[tokio::test]
async fn what_is_in_use_and_what_is_shed_shows_while_it_is() {
    let changes = [
        "downstream.reviews.permits=1",
        "downstream.pricing.permits=2",
        "page.product-page.max_wait=20s",
        "page.product-page.queue=1",
    ];
    let (gateway, fakes) = shop(&changes).await;
    for service in [Service::Pricing, Service::Reviews] {
        fakes
            .set(service, Behaviour::fixed(Duration::from_secs(25)))
            .unwrap();
    }
    let mut clients = Vec::new();
    // Two run, the second without reviews; one waits and gives way to the next.
    for pages in 1..=4 {
        let mut client = Client::connect(gateway.public).await;
        client.send(get(PAGE, "")).await;
        clients.push(client);
        until("the page", async || {
            scrape(&gateway).await.sum("gateway_in_flight", &[]) == f64::from(pages.min(3))
        })
        .await;
    }
    clients[2]
        .answer()
        .await
        .assert_refused(429, "queue_evicted", Some("downstream:pricing"));
    let seen = scrape(&gateway).await;
    let of = |name, downstream| seen.sum(name, &[("downstream", downstream)]);
    assert_eq!(of("gateway_bulkhead_in_use", "pricing"), 2.0);
    assert_eq!(of("gateway_bulkhead_limit", "pricing"), 2.0);
    assert_eq!(seen.sum("gateway_queue_depth", &[]), 1.0);
    assert_eq!(seen.sum("gateway_queue_limit", &[]), 1.0);
    assert_eq!(seen.sum("gateway_in_flight", &[]), 3.0);
    let evicted = [("reason", "queue_evicted"), ("scope", "downstream:pricing")];
    assert_eq!(seen.sum("gateway_shed_total", &evicted), 1.0);
    drop(clients);
    gateway.at_rest().await;
    let seen = scrape(&gateway).await;
    let reviews = [("downstream", "reviews")];
    assert!(seen.sum("gateway_parts_shed_total", &reviews) >= 1.0);
    for name in [
        "gateway_in_flight",
        "gateway_queue_depth",
        "gateway_bulkhead_in_use",
    ] {
        assert_eq!(seen.sum(name, &[]), 0.0, "{name}");
    }
}

fn of<'a>(lines: &'a [Line], metric: &Metric, tag: &str) -> impl Iterator<Item = &'a Line> {
    let (name, tag) = (metric.name, tag.to_owned());
    lines
        .iter()
        .filter(move |line| line.name == name && line.tags.contains(&tag))
}

#[tokio::test]
async fn an_agent_is_told_everything_by_the_end_and_nothing_twice() {
    let agent = Agent::start().await;
    let to = format!("telemetry.dogstatsd={}", agent.address);
    let identity = ["telemetry.service=shop,a|b", "telemetry.env=test"];
    let changes = [&LIMITS[..], &identity, &[to.as_str()]].concat();
    let (mut gateway, fakes) = shop(&changes).await;
    pages_that_lose_no_call(&gateway, &fakes).await;
    pages_that_end_early(&gateway, &fakes).await;
    let seen = scrape(&gateway).await;
    gateway.stop();
    gateway.ended().await;

    let lines = agent.lines().await;
    for line in &lines {
        let metric = metrics::ALL.iter().find(|metric| metric.name == line.name);
        let metric = metric.unwrap_or_else(|| panic!("not in the table: {line:?}"));
        let kind = match metric.kind {
            Kind::Counter => "c",
            Kind::Gauge => "g",
            Kind::Histogram => "d",
        };
        assert_eq!(line.kind, kind, "{line:?}");
        let own = metric.tags.iter().map(|tag| tag.as_str());
        let mut expected: BTreeSet<_> = own.chain(["service", "env", "version"]).collect();
        // An agent keeps one value of a gauge's series: two gateways must not share one.
        if metric.kind == Kind::Gauge {
            expected.insert("instance");
            let instance = &gateway.telemetry.names().instance;
            assert!(line.tags.contains(&format!("instance:{instance}")));
        }
        let tags = line.tags.iter().map(|tag| tag.split_once(':').unwrap().0);
        assert_eq!(tags.collect::<BTreeSet<_>>(), expected, "{line:?}");
        assert!(line.tags.contains("service:shop_a_b") && line.tags.contains("env:test"));
    }
    for (outcome, pages) in OUTCOMES {
        let tag = format!("outcome:{}", outcome.as_str());
        let counted: f64 = of(&lines, &metrics::PAGES, &tag)
            .flat_map(|line| &line.values)
            .sum();
        assert_eq!(counted, pages, "{outcome:?}");
        let timed = of(&lines, &metrics::PAGE_DURATION, &tag).flat_map(|line| &line.values);
        assert_eq!(timed.count() as f64, pages, "{outcome:?}");
    }
    for service in Service::ALL {
        let tag = format!("downstream:{}", service.name());
        let counted: f64 = of(&lines, &metrics::CALLS, &tag)
            .flat_map(|line| &line.values)
            .sum();
        let scraped = seen.sum("gateway_calls_total", &[("downstream", service.name())]);
        assert_eq!(counted, scraped, "{service}");
        let timed = of(&lines, &metrics::CALL_DURATION, &tag).flat_map(|line| &line.values);
        assert_eq!(timed.count() as f64, scraped, "{service}");
        let permits = if service == Service::Inventory {
            1.0
        } else {
            64.0
        };
        assert!(of(&lines, &metrics::BULKHEAD_LIMIT, &tag).all(|line| line.values == [permits]));
        assert!(of(&lines, &metrics::BULKHEAD_LIMIT, &tag).count() > 0);
    }
}

#[tokio::test]
async fn an_agent_on_a_socket_is_told_everything_by_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Agent::start_on(&folder.path().join("dsd.socket"));
    let to = format!("telemetry.dogstatsd={}", agent.address);
    let (mut gateway, _fakes) = shop(&[&to]).await;
    for _ in 0..10 {
        assert_eq!(gateway.page(PAGE).await.status, 200);
    }
    gateway.stop();
    gateway.ended().await;
    let lines = agent.lines().await;
    let pages = of(&lines, &metrics::PAGES, "outcome:complete");
    assert_eq!(pages.flat_map(|line| &line.values).sum::<f64>(), 10.0);
    let timed = of(&lines, &metrics::PAGE_DURATION, "outcome:complete");
    assert_eq!(timed.flat_map(|line| &line.values).count(), 10);
}

#[tokio::test]
async fn an_agent_that_is_not_there_costs_one_line_of_the_log() {
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    for agent in [
        address.as_str(),
        "no-such-host.invalid:8125",
        "unix:///no/such/dsd.socket",
    ] {
        let (_directory, fakes, mut binary) = started(agent).await;
        let (public, admin) = binary.serving().await;
        let complaint = "metrics do not reach the agent";
        until("the complaint", async || {
            assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
            binary.said().contains(complaint)
        })
        .await;
        // Some turns of the exporter more.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let scraped = ask(admin, get("/metrics", "")).await;
        let scraped = Exposition::read(std::str::from_utf8(&scraped.body).unwrap());
        let pages = fakes.stats(Service::Product).received as f64;
        assert_eq!(
            scraped.sum("gateway_pages_total", &[("outcome", "complete")]),
            pages
        );
        binary.signal("TERM");
        assert_eq!(binary.ended().await.code(), Some(0), "{}", binary.said());
        let said = binary.said();
        assert_eq!(said.matches(complaint).count(), 1, "{said}");
        assert!(!said.contains("payload"), "{said}");
    }
}

async fn started(agent: &str) -> (tempfile::TempDir, Fakes, Binary) {
    use crate::common::gateway::{shop_changes, variables};
    let fakes = Fakes::start(fixtures::Options::default()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, gateway::config::default_text()).unwrap();
    let to = format!("telemetry.dogstatsd={agent}");
    let variables = variables(&shop_changes(&fakes, &[&to]));
    let path = path.to_str().unwrap();
    let binary = Binary::start(&["run", "--config", path], &variables);
    (directory, fakes, binary)
}

#[test]
fn the_command_prints_the_table_for_people_and_for_machines() {
    let print = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_gateway"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(print(&["metrics"]).starts_with("gateway.pages "));
    let json: serde_json::Value = serde_json::from_str(&print(&["metrics", "--json"])).unwrap();
    let names = json["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| &metric["name"]);
    assert!(names.eq(metrics::ALL.iter().map(|metric| metric.name)));
}
