//! A gateway whose traces a test agent receives, and what arrived in the end.

use fixtures::{Behaviour, Fakes, Fault, Options, Service};
use gateway::config;

use crate::agent::Agent;
use crate::common::client::{Answer, Client, ask, get};
use crate::common::gateway::{Gateway, PAGE, one_part, shop_changes};
use crate::common::scripted::Scripted;
use crate::common::until;
use crate::sound::{ENV, SERVICE, assert_sound};
use crate::spans::Trace;

/// The exporters that are real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Datadog,
    Otlp,
}

/// Does the same with either.
pub(crate) async fn both_ways(check: impl AsyncFn(Via)) {
    // On the heap: together they are more than a stack should hold.
    tokio::join!(Box::pin(check(Via::Datadog)), Box::pin(check(Via::Otlp)));
}

/// A gateway and the receiver of its traces.
pub(crate) struct Traced {
    pub(crate) gateway: Gateway,
    pub(crate) agent: Agent,
    via: Via,
}

/// The shop of five fakes, every trace sampled unless the changes say otherwise.
pub(crate) async fn shop(via: Via, changes: &[&str]) -> (Traced, Fakes) {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let all = shop_changes(&fakes, changes);
    let traced = Traced::start(via, config::default_text(), &all).await;
    (traced, fakes)
}

/// A page of one required part, from a downstream that follows a script.
pub(crate) async fn before(downstream: &Scripted, changes: &[&str]) -> Traced {
    let changes: Vec<_> = changes.iter().map(|&change| change.to_owned()).collect();
    Traced::start(Via::Datadog, &one_part(&downstream.url), &changes).await
}

/// What sends all traces to `agent`.
pub(crate) fn telemetry(via: Via, agent: &str) -> Vec<String> {
    let (exporter, key) = match via {
        Via::Datadog => ("datadog", "datadog_agent"),
        Via::Otlp => ("otlp", "otlp_endpoint"),
    };
    [
        format!("exporter={exporter}"),
        format!("{key}={agent}"),
        format!("service={SERVICE}"),
        format!("env={ENV}"),
        "sample=1.0".to_owned(),
        "keep_slower_than=none".to_owned(),
        "dogstatsd=".to_owned(),
    ]
    .map(|setting| format!("telemetry.{setting}"))
    .to_vec()
}

/// The call whose part the tests delay and break.
pub(crate) const PRICING: &str = "GET pricing /prices/{id}";

pub(crate) fn set(fakes: &Fakes, services: &[Service], behaviour: &Behaviour) {
    for &service in services {
        fakes.set(service, behaviour.clone()).unwrap();
    }
}

/// Waits until each of them has been called once.
pub(crate) async fn until_received(fakes: &Fakes, services: &[Service]) {
    let called = |service: &Service| fakes.stats(*service).received == 1;
    until("the calls to arrive", async || services.iter().all(called)).await;
}

/// A client whose page waits for pricing until the fakes are healed.
pub(crate) async fn held(traced: &Traced, fakes: &Fakes) -> Client {
    set(fakes, &[Service::Pricing], &Behaviour::failing(Fault::Hang));
    let mut client = Client::connect(traced.gateway.public).await;
    client.send(get(PAGE, "")).await;
    until_received(fakes, &[Service::Pricing]).await;
    client
}

impl Traced {
    async fn start(via: Via, text: &str, changes: &[String]) -> Self {
        let agent = Agent::start(&[]).await;
        let url = match via {
            Via::Datadog => agent.url(),
            Via::Otlp => agent.otlp_url(),
        };
        let all = [&telemetry(via, &url), changes].concat();
        Self {
            gateway: Gateway::start(text, &all).await,
            agent,
            via,
        }
    }

    /// The page that exists in the shop, asked for with these header lines.
    pub(crate) async fn page(&self, headers: &str) -> Answer {
        ask(self.gateway.public, get(PAGE, headers)).await
    }

    /// So many traces and no more, as soon as they have arrived: in the order of their
    /// pages, each of them whole and sound.
    pub(crate) async fn traces(&self, count: usize) -> Vec<Trace> {
        let mut traces = Vec::new();
        until("the traces to arrive", async || {
            traces = self.received().await;
            traces.len() >= count
        })
        .await;
        assert_eq!(traces.len(), count, "{traces:#?}");
        self.checked(traces).await
    }

    /// The only one.
    pub(crate) async fn trace(&self) -> Trace {
        self.traces(1).await.remove(0)
    }

    /// Whatever left, once the gateway has ended.
    pub(crate) async fn all(mut self) -> Vec<Trace> {
        self.gateway.stop();
        self.gateway.ended().await;
        let traces = self.received().await;
        self.checked(traces).await
    }

    async fn received(&self) -> Vec<Trace> {
        match self.via {
            Via::Datadog => self.agent.all().await,
            Via::Otlp => self.agent.all_otlp().await,
        }
    }

    async fn checked(&self, mut traces: Vec<Trace>) -> Vec<Trace> {
        if self.via == Via::Datadog && !traces.is_empty() {
            self.agent.assert_all_checks_passed().await;
            assert_eq!(self.agent.chunks().await, traces.len(), "a trace was cut");
        }
        traces
            .iter()
            .for_each(|trace| assert_sound(trace, self.via));
        traces.sort_by_key(|trace| trace.root().start);
        traces
    }
}
