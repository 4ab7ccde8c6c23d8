//! Clients, downstreams, metrics, log and traces tell of the same pages and calls.
//!
//! Over a mixed load with every outcome there is, while the receiver of traces refuses
//! once and hangs once. What is compared is exact, page by page where there is an id.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use fixtures::{Behaviour, ErrorShare, Fakes, Fault, Service};
use gateway::outcome::{CallOutcome, PageOutcome};
use gateway::telemetry::names::metrics::{self, Metric};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::common::agent::{Agent, Line};
use crate::common::binary::Binary;
use crate::common::client::{Answer, Client, ask, get};
use crate::common::exposition::Exposition;
use crate::common::gateway::PAGE;
use crate::common::receiver::{Reaction, Receiver};
use crate::common::until;
use crate::process::run;

/// What became of each page, by the id its client gave it.
type Seen = HashMap<String, PageOutcome>;

/// Pages of the mixed load, and how many clients ask for them.
const MIXED: usize = 560;
const CLIENTS: usize = 24;

/// Pages that find a service hanging: so many miss their deadline, the clients of so many
/// leave, and so many find no permit.
const LATE: usize = 20;
const LEFT: usize = 16;
const SHED: usize = 8;

/// Long before a service fails, the calls beside it have reached theirs: a call that is ended
/// before it was sent is a call, and no service ever hears of it.
const WORK: Duration = Duration::from_millis(150);

const CHANGES: [&str; 12] = [
    "clients.identify_by=header:x-api-key",
    "clients.rate=1/h",
    "clients.burst=20",
    "downstream.pricing.permits=36",
    "page.product-page.queue=0",
    "page.product-page.part.inventory.pass=401,404",
    "page.product-page.part.reviews.pass=404,429",
    "page.product-page.part.pricing.timeout=4s",
    "telemetry.log=json",
    "telemetry.exporter=datadog",
    "telemetry.sample=0.3",
    "telemetry.keep_slower_than=none",
];

#[tokio::test]
async fn every_page_and_every_call_is_told_of_once_by_all_who_tell() {
    let agent = Agent::start().await;
    let script = [Reaction::Take, Reaction::Refuse, Reaction::Hang];
    let receiver = Receiver::start(&script).await;
    let to = [
        format!("telemetry.dogstatsd={}", agent.address),
        format!("telemetry.datadog_agent={}", receiver.url),
    ];
    let to = to.each_ref().map(String::as_str);
    let (mut binary, fakes, _folder) = run(&[&CHANGES[..], &to].concat()).await;
    let (public, admin) = binary.serving().await;

    let mut seen = mixed(public, &fakes).await;
    seen.extend(hanging(public, &fakes).await);
    until("every trace to be taken or counted as lost", async || {
        let told = Told::scrape(admin).await;
        receiver.script_is_over() && receiver.taken() + told.not_received() == told.kept()
    })
    .await;
    // So that traces, lines and counts are left to leave at the end.
    for n in 0..10 {
        seen.insert(
            format!("last-{n}"),
            page(public, PAGE, &id("last", n)).await,
        );
    }
    let told = Told::scrape(admin).await;
    binary.signal("TERM");
    assert!(binary.ended().await.success(), "{}", binary.said());

    let told_by_agent = agent.lines().await;
    pages_agree(&seen, &told, &told_by_agent, &binary);
    calls_agree(&fakes, &told, &told_by_agent);
    assert!(receiver.not_taken() > 0);
    assert_eq!(told.not_received(), receiver.not_taken());
    let kept = told.kept();
    assert_eq!(receiver.taken() + receiver.not_taken(), kept);
    assert_eq!(kept + told.unsampled(), seen.len() as u64);
    assert!(told.unsampled() > 0, "nothing is left out of the sample");
}

/// Pages that end in all ways which need no service to hang.
async fn mixed(public: SocketAddr, fakes: &Fakes) -> Seen {
    for service in Service::ALL {
        let shares: &[(f64, u16)] = match service {
            Service::Inventory => &[(0.1, 500), (0.1, 401)],
            Service::Reviews => &[(0.3, 500), (0.1, 429)],
            Service::Product | Service::Pricing | Service::Recommendations => &[],
        };
        let mut behaviour = Behaviour::fixed(WORK);
        let error = |&(share, status)| ErrorShare {
            share,
            kind: Fault::Status(status),
        };
        behaviour.errors = shares.iter().map(error).collect();
        fakes.set(service, behaviour).unwrap();
    }
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(async move {
            let mut seen = Seen::new();
            for n in (client..MIXED).step_by(CLIENTS) {
                let (path, headers) = request(n);
                seen.insert(format!("mixed-{n}"), page(public, path, &headers).await);
            }
            seen
        });
    }
    clients.join_all().await.into_iter().flatten().collect()
}

/// Who gives no name is known by the address: all of those are one client.
fn request(n: usize) -> (&'static str, String) {
    let named = id("mixed", n);
    match n % 14 {
        0 => ("/product-page/p-unknown", named),
        1 => ("/product-page/not%20allowed", named),
        2 => (PAGE, format!("{named}X-Request-Timeout-Ms: 1\r\n")),
        3 => (PAGE, format!("X-Request-Id: mixed-{n}\r\n")),
        _ => (PAGE, named),
    }
}

/// The headers of a page that is its client's only one.
fn id(load: &str, n: usize) -> String {
    format!("X-Request-Id: {load}-{n}\r\nX-Api-Key: {load}-{n}\r\n")
}

async fn page(public: SocketAddr, path: &str, headers: &str) -> PageOutcome {
    outcome(&ask(public, get(path, headers)).await)
}

/// What a client can tell from an answer.
fn outcome(answer: &Answer) -> PageOutcome {
    match (answer.status, answer.header("x-gateway-complete")) {
        (200, Some("true")) => PageOutcome::Complete,
        (200, Some("false")) => PageOutcome::Partial,
        (400, _) => PageOutcome::BadRequest,
        (401, _) => PageOutcome::Denied,
        (404, _) => PageOutcome::NotFound,
        (429, _) if answer.json()["reason"] == "client_quota" => PageOutcome::Quota,
        (429, _) => PageOutcome::Shed,
        (502, _) => PageOutcome::Failed,
        (504, _) if answer.json()["reason"] == "client_budget" => PageOutcome::ClientBudget,
        (504, _) => PageOutcome::Late,
        _ => panic!("{answer:?}"),
    }
}

/// Pages that find a service hanging.
async fn hanging(public: SocketAddr, fakes: &Fakes) -> Seen {
    let before = Service::ALL.map(|service| fakes.stats(service).received);
    for service in Service::ALL {
        fakes.set(service, Behaviour::fixed(WORK)).unwrap();
    }
    let hangs = Behaviour::fixed(Duration::from_secs(60));
    fakes.set(Service::Pricing, hangs).unwrap();
    let mut late = Vec::new();
    for n in 0..LATE {
        late.push(asked(public, &id("late", n)).await);
    }
    let mut leaving = Vec::new();
    for n in 0..LEFT {
        leaving.push(asked(public, &id("left", n)).await);
    }
    until("every call of theirs to be at its service", async || {
        let now = Service::ALL.map(|service| fakes.stats(service).received);
        let came = now.iter().zip(before).map(|(now, before)| now - before);
        came.eq([(LATE + LEFT) as u64; 5])
    })
    .await;
    let mut seen = Seen::new();
    for n in 0..SHED {
        seen.insert(
            format!("shed-{n}"),
            page(public, PAGE, &id("shed", n)).await,
        );
    }
    drop(leaving);
    seen.extend((0..LEFT).map(|n| (format!("left-{n}"), PageOutcome::Cancelled)));
    for (n, client) in late.iter_mut().enumerate() {
        seen.insert(format!("late-{n}"), outcome(&client.answer().await));
    }
    until("the clients' leaving to be noticed", async || {
        fakes.stats(Service::Pricing).in_flight == 0
    })
    .await;
    fakes.heal();
    seen
}

async fn asked(public: SocketAddr, headers: &str) -> Client {
    let mut client = Client::connect(public).await;
    client.send(get(PAGE, headers)).await;
    client
}

/// What `/metrics` says.
struct Told(Exposition);

impl Told {
    async fn scrape(admin: SocketAddr) -> Self {
        let answer = ask(admin, get("/metrics", "")).await;
        Self(Exposition::read(std::str::from_utf8(&answer.body).unwrap()))
    }

    fn sum(&self, metric: &Metric, labels: &[(&str, &str)]) -> u64 {
        self.0.sum(&metric.prometheus(), labels) as u64
    }

    fn kept(&self) -> u64 {
        self.sum(&metrics::TELEMETRY_TRACES, &[("decision", "kept")])
    }

    fn unsampled(&self) -> u64 {
        self.sum(&metrics::TELEMETRY_TRACES, &[("decision", "unsampled")])
    }

    /// The only cause there may be.
    fn not_received(&self) -> u64 {
        let lost = [("signal", "traces"), ("cause", "not_received")];
        let lost = self.sum(&metrics::TELEMETRY_DROPPED, &lost);
        assert_eq!(lost, self.sum(&metrics::TELEMETRY_DROPPED, &[]));
        lost
    }
}

/// The sum of what an agent was told of a counter's series with this tag.
fn told_to(lines: &[Line], metric: &Metric, tag: &str) -> u64 {
    let series = lines.iter().filter(|line| line.name == metric.name);
    let tagged = series.filter(|line| line.tags.contains(tag));
    tagged.flat_map(|line| &line.values).sum::<f64>() as u64
}

fn pages_agree(seen: &Seen, told: &Told, to_agent: &[Line], binary: &Binary) {
    let said = binary.said();
    let logged: Vec<(String, String)> = said.lines().filter_map(logged_page).collect();
    assert_eq!(logged.len(), seen.len());
    for (id, outcome) in &logged {
        assert_eq!(seen[id].as_str(), outcome, "{id}");
    }
    let logged: BTreeMap<_, _> = logged.into_iter().collect();
    assert_eq!(logged.len(), seen.len(), "a page has two lines");
    for outcome in PageOutcome::ALL {
        let pages = seen.values().filter(|seen| **seen == outcome).count() as u64;
        assert!(pages > 0, "no page ended so: {outcome:?}");
        let name = outcome.as_str();
        let scraped = told.sum(&metrics::PAGES, &[("outcome", name)]);
        assert_eq!(scraped, pages, "{outcome:?}");
        let to_agent = told_to(to_agent, &metrics::PAGES, &format!("outcome:{name}"));
        assert_eq!(to_agent, pages, "{outcome:?}");
    }
}

/// Id and outcome of a page's line in the log.
fn logged_page(line: &str) -> Option<(String, String)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| line[key].as_str().unwrap().to_owned();
    (line["message"] == "page").then(|| (text("request_id"), text("outcome")))
}

fn calls_agree(fakes: &Fakes, told: &Told, to_agent: &[Line]) {
    for service in Service::ALL {
        let name = service.name();
        let received = fakes.stats(service).received;
        let scraped = told.sum(&metrics::CALLS, &[("downstream", name)]);
        assert_eq!(scraped, received, "{service}");
        let to_agent = told_to(to_agent, &metrics::CALLS, &format!("downstream:{name}"));
        assert_eq!(to_agent, received, "{service}");
    }
    for outcome in CallOutcome::ALL {
        let calls = told.sum(&metrics::CALLS, &[("outcome", outcome.as_str())]);
        assert!(calls > 0, "no call ended so: {outcome:?}");
    }
}
