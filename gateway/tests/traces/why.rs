//! What `gateway why` says of a page is what its log line and its trace say of it.
//!
//! A page of each kind; the log line is compared key by key, the trace field by field. A key that
//! nobody compares fails the test.

use std::collections::BTreeMap;
use std::process::Command;

use fixtures::{Behaviour, Fakes, Fault, Options, Service};
use gateway::config;
use serde_json::Value;

use crate::agent::Agent;
use crate::common::binary::Binary;
use crate::common::client::{Client, ask, get};
use crate::common::gateway::{PAGE, shop_changes, variables};
use crate::common::until;
use crate::spans::{Span, Trace};
use crate::traced::{Via, telemetry};

/// Every page is another client's, but for one that asks once too often.
const CHANGES: [&str; 10] = [
    "clients.identify_by=header:x-api-key",
    "clients.rate=1/h",
    "clients.burst=1",
    "clients.early_returns=admit",
    "downstream.pricing.permits=1",
    "downstream.product.permits=1",
    "downstream.product.observe=true",
    "page.product-page.max_wait=40ms",
    "page.product-page.part.pricing.timeout=3s",
    "telemetry.log=json",
];

/// A gateway, the receiver of its traces, and the services behind it.
struct World {
    binary: Binary,
    agent: Agent,
    fakes: Fakes,
    public: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    _directory: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let agent = Agent::start(&[]).await;
        let fakes = Fakes::start(Options::default()).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, config::default_text()).unwrap();
        let mut changes = shop_changes(&fakes, &CHANGES);
        changes.extend(telemetry(Via::Datadog, &agent.url()));
        let run = ["run", "--config", path.to_str().unwrap()];
        let mut binary = Binary::start(&run, &variables(&changes));
        let (public, admin) = binary.serving().await;
        Self {
            binary,
            agent,
            fakes,
            public,
            admin,
            _directory: directory,
        }
    }

    async fn page(&self, path: &str, id: &str, more: &str) -> u16 {
        ask(self.public, get(path, &headers(id, more))).await.status
    }

    /// A page of each kind, named by how it ends.
    async fn pages(&self) -> Vec<&'static str> {
        let status = Fault::Status(500);
        assert_eq!(self.page(PAGE, "complete", "").await, 200);
        self.fakes
            .set(Service::Reviews, Behaviour::failing(status))
            .unwrap();
        assert_eq!(self.page(PAGE, "partial", "").await, 200);
        self.fakes
            .set(Service::Pricing, Behaviour::failing(status))
            .unwrap();
        assert_eq!(self.page(PAGE, "failed", "").await, 502);
        self.fakes.heal();
        let unknown = "/product-page/p-unknown";
        assert_eq!(self.page(unknown, "not_found", "").await, 404);
        let wrong = "/product-page/not%20allowed";
        assert_eq!(self.page(wrong, "bad_request", "").await, 400);
        let again = ask(
            self.public,
            get(PAGE, "X-Request-Id: quota\r\nX-Api-Key: complete\r\n"),
        );
        assert_eq!(again.await.status, 429);
        self.fakes
            .set(Service::Pricing, Behaviour::failing(Fault::Hang))
            .unwrap();
        assert_eq!(self.page(PAGE, "late", "").await, 504);
        let hurry = "X-Request-Timeout-Ms: 700\r\n";
        assert_eq!(self.page(PAGE, "client_budget", hurry).await, 504);
        let mut leaving = Client::connect(self.public).await;
        leaving.send(get(PAGE, &headers("cancelled", ""))).await;
        until("its call to be at the service", async || {
            self.fakes.stats(Service::Pricing).in_flight == 1
        })
        .await;
        assert_eq!(self.page(PAGE, "shed", "").await, 429);
        drop(leaving);
        vec![
            "complete",
            "partial",
            "failed",
            "not_found",
            "bad_request",
            "quota",
            "late",
            "client_budget",
            "cancelled",
            "shed",
        ]
    }

    /// The line of a page in the log, as soon as it is there.
    async fn line(&self, id: &str) -> Value {
        let mut found = None;
        until("the line of the page", async || {
            let said = self.binary.said();
            let mut lines = said
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            found =
                lines.find(|line: &Value| line["message"] == "page" && line["request_id"] == id);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// The only page with this id.
    async fn why(&self, id: &str) -> Value {
        let answer = ask(self.admin, get(&format!("/pages/{id}"), "")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let found = answer.json();
        assert_eq!(found["found"], 1, "{found}");
        found["pages"][0].clone()
    }

    fn told(&self, id: &str) -> String {
        let admin = self.admin.to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_gateway"))
            .args(["why", id, "--admin", &admin])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn headers(id: &str, more: &str) -> String {
    format!("X-Request-Id: {id}\r\nX-Api-Key: {id}\r\n{more}")
}

#[tokio::test]
async fn a_pages_why_agrees_with_its_log_line_and_its_trace_field_by_field() {
    let world = World::start().await;
    for id in world.pages().await {
        let line = world.line(id).await;
        let page = world.why(id).await;
        assert_eq!(page["outcome"], id, "{page:#}");
        for other in ["trace_id", "dd.trace_id", "span_id"] {
            assert_eq!(world.why(page[other].as_str().unwrap()).await, page);
        }
        agrees_with_line(&page, &line);
        let trace = u128::from_str_radix(page["trace_id"].as_str().unwrap(), 16).unwrap();
        agrees_with_trace(&page, &world.agent.trace(trace).await);
        agrees_with_text(&page, &world.told(id));
    }
    let nobody = ask(world.admin, get("/pages/nobody", "")).await;
    assert_eq!(nobody.status, 404);
}

#[tokio::test]
async fn so_does_that_of_a_page_which_a_watched_limit_would_have_refused() {
    let world = World::start().await;
    let slow = Behaviour::fixed(std::time::Duration::from_secs(1));
    world.fakes.set(Service::Product, slow).unwrap();
    let mut first = Client::connect(world.public).await;
    first.send(get(PAGE, &headers("first", ""))).await;
    until("its call to be at the service", async || {
        world.fakes.stats(Service::Product).in_flight == 1
    })
    .await;
    assert_eq!(world.page(PAGE, "second", "").await, 200);
    let (line, page) = (world.line("second").await, world.why("second").await);
    assert_eq!(page["would_shed"], "bulkhead_full", "{page:#}");
    assert_eq!(line["would_shed_scope"], "downstream:product", "{line}");
    agrees_with_line(&page, &line);
    let trace = u128::from_str_radix(page["trace_id"].as_str().unwrap(), 16).unwrap();
    agrees_with_trace(&page, &world.agent.trace(trace).await);
    let told = world.told("second");
    let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("would have refused it: bulkhead_full"),
        "{told}"
    );
}

/// Hundredths of a millisecond, of nanoseconds.
fn ms(nanos: u64) -> Value {
    ((nanos / 10_000) as f64 / 100.0).into()
}

fn agrees_with_line(page: &Value, line: &Value) {
    for (key, said) in line.as_object().unwrap() {
        let own = match key.as_str() {
            "timestamp" => &page["ended_at"],
            "http.status_code" => &page["http_status"],
            "wait_ms" => &page["admission"]["ms"],
            "duration" => {
                assert_eq!(page["total_ms"], ms(said.as_u64().unwrap()), "{line}");
                continue;
            }
            "parts" => {
                parts_agree(&page["parts"], said);
                continue;
            }
            // Whose line it is, and that it is one.
            "level" | "target" | "message" | "dd.service" | "dd.env" | "dd.version" => continue,
            same => &page[same],
        };
        assert_eq!(as_number(own), as_number(said), "{key} of {line}\n{page:#}");
    }
    let says = |flag: &str| line.get(flag).is_some_and(|said| *said == true);
    for flag in ["abandoned", "answered_late"] {
        assert_eq!(page[flag], says(flag), "{flag}");
    }
}

/// `5` and `5.0` are the same time.
fn as_number(value: &Value) -> Value {
    value.as_f64().map_or_else(|| value.clone(), Value::from)
}

fn parts_agree(parts: &Value, said: &Value) {
    let parts = parts.as_array().unwrap();
    let said = said.as_object().unwrap();
    assert_eq!(parts.len(), said.len());
    for (part, (name, said)) in parts.iter().zip(said) {
        assert_eq!(part["part"], name.as_str());
        for (key, value) in said.as_object().unwrap() {
            let own = match key.as_str() {
                "outcome" => &part["outcome"],
                same => &part["call"][same],
            };
            assert_eq!(
                as_number(own),
                as_number(value),
                "{key} of {name}: {said}\n{part:#}"
            );
        }
        assert_eq!(part["call"].is_null(), said.get("ms").is_none(), "{name}");
    }
}

fn agrees_with_trace(page: &Value, trace: &Trace) {
    let root = trace.root();
    assert_eq!(
        format!("{:032x}", trace.id()),
        page["trace_id"].as_str().unwrap()
    );
    assert_eq!(
        root.span_id.to_string(),
        page["dd.span_id"].as_str().unwrap()
    );
    span_agrees(root, page, &["total_ms"], |key| match key {
        "http.route" => Some("route"),
        "http.request.method" => Some("method"),
        "http.response.status_code" | "http.status_code" => Some("http_status"),
        "gateway.shed.reason" => Some("reason"),
        "gateway.wait_ms" => Some("admission.ms"),
        "gateway.would_shed.scope" => Some("would_shed_scope"),
        "gateway.kept_because" => None,
        other => other.strip_prefix("gateway."),
    });
    let inner = |name: &str| trace.spans.iter().find(|span| span.resource == name);
    assert_eq!(inner("admission").is_some(), page["admission"].is_object());
    if let Some(admission) = inner("admission") {
        span_agrees(admission, &page["admission"], &["ms"], |key| match key {
            "gateway.wait_ms" => Some("ms"),
            "gateway.budget_left_ms" => Some("budget_left_ms"),
            _ => None,
        });
    }
    assert_eq!(inner("assemble").is_some(), page["assembly"].is_object());
    let parts = page["parts"].as_array().unwrap().iter();
    let called: Vec<_> = parts.filter(|part| part["call"].is_object()).collect();
    assert_eq!(trace.calls().count(), called.len());
    for part in called {
        let call = &part["call"];
        let id = u64::from_str_radix(call["span_id"].as_str().unwrap(), 16).unwrap();
        let span = trace.calls().find(|span| span.span_id == id).unwrap();
        call_agrees(span, part);
        let begin = (span.start - root.start) as f64 / 1e6;
        let own = call["begin_ms"].as_f64().unwrap();
        assert!((begin - own).abs() < 0.02, "{begin} {call:#}");
    }
}

fn call_agrees(span: &Span, part: &Value) {
    let call = &part["call"];
    span_agrees(span, part, &["call", "ms"], |key| match key {
        "peer.service" => Some("downstream"),
        "gateway.part.required" => Some("required"),
        "http.response.status_code" | "http.status_code" => Some("call.http_status"),
        "gateway.lag_ms" => Some("call.lag_ms"),
        "gateway.budget_left_ms" => Some("call.budget_left_ms"),
        // The request's, and the downstream's by its configured name.
        "http.request.method" => None,
        other => other.strip_prefix("gateway."),
    });
    let last = call["attempts"].as_array().unwrap().last();
    let peer = span
        .get("network.peer.address")
        .zip(span.get("network.peer.port"));
    let peer = peer.map(|(address, port)| format!("{address}:{port}"));
    assert_eq!(
        last.map(|last| last["endpoint"].as_str().unwrap().to_owned()),
        peer
    );
    let kind = match part["outcome"].as_str().unwrap() {
        "late" => Some("timeout".to_owned()),
        "not_found" => Some("404".to_owned()),
        "failed" => Some(match call["cause"].as_str().unwrap() {
            "status" => call["http_status"].to_string(),
            cause => cause.to_owned(),
        }),
        _ => None,
    };
    assert_eq!(span.get("error.type"), kind, "{part:#}");
}

/// Every field of ours and of HTTP that a span has, and how long it lasted.
fn span_agrees(span: &Span, shown: &Value, took: &[&str], named: impl Fn(&str) -> Option<&str>) {
    let lasted = took.iter().fold(shown, |value, key| &value[*key]);
    assert_eq!(*lasted, ms(span.duration), "{span:#?}\n{shown:#}");
    let texts = span.meta.keys().chain(span.metrics.keys());
    let ours = ["gateway.", "http.", "peer.service"];
    let fields = texts.filter(|key| ours.iter().any(|prefix| key.starts_with(prefix)));
    let fields: BTreeMap<_, _> = fields.map(|key| (key, span.get(key).unwrap())).collect();
    for (key, said) in fields {
        let Some(name) = named(key) else {
            continue;
        };
        let own = name.split('.').fold(shown, |value, key| &value[key]);
        let text = own.as_str().map(str::to_owned);
        let number = own.as_f64().map(|number| number.to_string());
        let own = text.or(number).unwrap_or_else(|| own.to_string());
        let said = said
            .parse::<f64>()
            .map_or(said, |number| number.to_string());
        assert_eq!(own, said, "{key} of {span:#?}\n{shown:#}");
    }
}

/// Words of the text, whatever its line breaks.
fn agrees_with_text(page: &Value, text: &str) {
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let has = |expected: &str| assert!(words.contains(expected), "{expected:?} is not in\n{text}");
    has(page["trace_id"].as_str().unwrap());
    has(page["request_id"].as_str().unwrap());
    has(page["outcome"].as_str().unwrap());
    for sentence in page["story"].as_array().unwrap() {
        has(sentence.as_str().unwrap());
    }
    for key in page["keys"].as_array().unwrap() {
        has(key["key"].as_str().unwrap());
    }
    let story = page["story"].to_string();
    for field in ["reason", "scope"] {
        let value = page[field].as_str().unwrap_or_default();
        assert!(story.contains(value), "{field}: {story}");
    }
    for part in page["parts"].as_array().unwrap() {
        let (name, outcome) = (
            part["part"].as_str().unwrap(),
            part["outcome"].as_str().unwrap(),
        );
        let mut rows = text.lines().filter(|line| line.starts_with(name));
        assert!(
            rows.any(|row| row.ends_with(outcome)),
            "{name} {outcome} in\n{text}"
        );
        let is_lost = ["late", "failed", "shed"].contains(&outcome);
        assert!(!is_lost || story.contains(name), "{name} in {story}");
    }
    for other in ["secret", "X-Api-Key"] {
        assert!(!words.contains(other));
    }
}
