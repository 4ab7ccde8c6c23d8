//! A gateway in this process, on ports the system chose.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use fixtures::{Behaviour, Fakes, Fault, Options, Service};
use gateway::app::App;
use gateway::config;
use gateway::lifecycle::Failure;
use gateway::lifecycle::stop::StopSignal;
use gateway::telemetry::Telemetry;
use serde_json::Value;
use tokio::task::JoinSet;

use super::client::{Answer, Client, ask, get};
use super::exposition::Exposition;
use super::{soon, until, until_nothing};

/// A running gateway; it ends with this value.
pub(crate) struct Gateway {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) telemetry: Arc<Telemetry>,
    stop: StopSignal,
    running: JoinSet<Result<(), Failure>>,
}

/// The path of a page that exists in the shop.
pub(crate) const PAGE: &str = "/product-page/p-1001";

/// Five fakes that answer at once, and a gateway before them that is in no hurry:
/// the shipped configuration, but with limits that a busy machine does not meet.
/// Changes are `key=value`.
pub(crate) async fn shop(changes: &[&str]) -> (Gateway, Fakes) {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let gateway = Gateway::start(config::default_text(), &shop_changes(&fakes, changes)).await;
    (gateway, fakes)
}

/// What makes the shipped configuration one for tests before these fakes.
pub(crate) fn shop_changes(fakes: &Fakes, changes: &[&str]) -> Vec<String> {
    let mut all = vec!["page.product-page.deadline=20s".to_owned()];
    for part in ["reviews", "recommendations"] {
        all.push(format!("page.product-page.part.{part}.timeout=none"));
    }
    for service in Service::ALL {
        all.push(format!("downstream.{service}.url={}", fakes.url(service)));
        all.push(format!("downstream.{service}.connect_timeout=5s"));
    }
    all.extend(changes.iter().map(|&change| change.to_owned()));
    all
}

/// A page `/p/{id}` of one required part from `url`, whatever the id.
pub(crate) fn one_part(url: &str) -> String {
    format!(
        "[downstream.d]\nurl = \"{url}\"\nconnect_timeout = \"5s\"\n\
         [page.p]\npath = \"/p/{{id}}\"\ndeadline = \"20s\"\nparams.id = \"^(?s:.*)$\"\n\
         forward_headers = [\"accept-language\"]\n\
         [page.p.part.x]\ndownstream = \"d\"\npath = \"/x/{{id}}\"\nrequired = true\n"
    )
}

/// The variables that make these changes.
pub(crate) fn variables(changes: &[String]) -> Vec<(String, String)> {
    let variable = |change: &String| {
        let (key, value) = change.split_once('=').unwrap();
        let name = key.replace('.', "__").replace('-', "_").to_uppercase();
        (format!("GATEWAY__{name}"), value.to_owned())
    };
    let quiet = [
        (
            "GATEWAY__SERVER__LISTEN".to_owned(),
            "127.0.0.1:0".to_owned(),
        ),
        (
            "GATEWAY__ADMIN__LISTEN".to_owned(),
            "127.0.0.1:0".to_owned(),
        ),
        (
            "GATEWAY__TELEMETRY__DATADOG_AGENT".to_owned(),
            String::new(),
        ),
        ("GATEWAY__TELEMETRY__DOGSTATSD".to_owned(), String::new()),
        // There is no load balancer that would have to turn away.
        ("GATEWAY__SERVER__DRAIN_DELAY".to_owned(), "0s".to_owned()),
        // Not optimised and beside all the other tests, it is short of CPU most of the time.
        ("GATEWAY__ADMISSION__MAX_LAG".to_owned(), "none".to_owned()),
    ];
    // The last one of a name counts.
    let all: BTreeMap<_, _> = quiet
        .into_iter()
        .chain(changes.iter().map(variable))
        .collect();
    all.into_iter().collect()
}

impl Gateway {
    /// Returns when it is ready.
    pub(crate) async fn start(text: &str, changes: &[String]) -> Self {
        let loaded = config::load_text("test.toml", text, &variables(changes))
            .unwrap_or_else(|report| panic!("{report}"));
        let app = App::bind(loaded).await.unwrap();
        Self::run(app).await
    }

    /// Runs `app`; returns when it is ready.
    pub(crate) async fn run(app: App) -> Self {
        let (public, admin) = (app.public_address().unwrap(), app.admin_address().unwrap());
        let telemetry = Arc::clone(app.generations().pages().telemetry());
        let stop = StopSignal::default();
        let mut running = JoinSet::new();
        running.spawn(app.run(stop.clone()));
        let gateway = Self {
            public,
            admin,
            telemetry,
            stop,
            running,
        };
        until("ready", async || {
            gateway.look("/readyz").await.status == 200
        })
        .await;
        gateway
    }

    /// One page, on a connection of its own.
    pub(crate) async fn page(&self, path: &str) -> Answer {
        ask(self.public, get(path, "")).await
    }

    /// Whoever waits for a page that hangs at pricing: the first one in flight.
    pub(crate) async fn hanging_page(&self, fakes: &Fakes) -> Client {
        fakes
            .set(Service::Pricing, Behaviour::failing(Fault::Hang))
            .unwrap();
        let mut client = Client::connect(self.public).await;
        client.send(get(PAGE, "")).await;
        self.until_in_flight(1).await;
        client
    }

    /// What operators see.
    pub(crate) async fn look(&self, path: &str) -> Answer {
        ask(self.admin, get(path, "")).await
    }

    /// What a scrape says.
    pub(crate) async fn metrics(&self) -> Exposition {
        let answer = self.look("/metrics").await;
        Exposition::read(std::str::from_utf8(&answer.body).unwrap())
    }

    pub(crate) async fn limits(&self) -> Value {
        self.look("/limits").await.json()
    }

    /// Pages in flight.
    pub(crate) async fn in_flight(&self) -> u64 {
        self.limits().await["gateway"]["in_flight"]
            .as_u64()
            .unwrap()
    }

    pub(crate) async fn until_in_flight(&self, pages: u64) {
        until("that many pages in flight", async || {
            self.in_flight().await == pages
        })
        .await;
    }

    /// Waits until every ticket, permit and place in a queue is free.
    pub(crate) async fn at_rest(&self) {
        until_nothing("everything free", async || {
            let limits = self.limits().await;
            let zero = |value: &Value| *value == 0;
            let downstreams = limits["downstreams"].as_object().unwrap();
            let free = zero(&limits["gateway"]["in_flight"])
                && downstreams
                    .values()
                    .all(|d| zero(&d["in_use"]) && zero(&d["queued"]));
            (!free).then_some(limits)
        })
        .await;
    }

    /// Tells it to drain.
    pub(crate) fn stop(&self) {
        self.stop.request();
    }

    /// Waits until it has drained, as it was told to.
    pub(crate) async fn ended(&mut self) {
        assert_eq!(self.end().await, Ok(()));
    }

    /// Waits until it has ended.
    pub(crate) async fn end(&mut self) -> Result<(), Failure> {
        soon("the end of the gateway", self.running.join_next())
            .await
            .unwrap()
            .unwrap()
    }
}
