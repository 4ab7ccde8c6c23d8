//! Clients: they ask, wait as long as their patience lasts, read, and ask again when refused.

use std::sync::Arc;
use std::time::Duration;

use gateway::page::downstream::only::Only;
use gateway::page::quota::{Client, ClientKey};
use gateway::page::{Answer, PageRequest, Pages};
use gateway::telemetry::context::TraceContext;
use gateway::telemetry::record::Origin;
use http::{HeaderMap, HeaderValue};
use tokio::time::{sleep, timeout};

use super::control::{self, NegativeControl};
use super::downstream::{Modelled, REQUEST_ID};
use super::own_load::OwnLoad;
use super::recorder::{Asked, Recorder};
use crate::clock::now;
use crate::sample::Sample;
use crate::scenario::{Demand, Load, RetryBudget, Scenario, Visit};

/// All clients, and the gateway they share.
pub(super) struct Clients {
    pub(super) pages: Pages<Only<Modelled>>,
    pub(super) own_load: Arc<OwnLoad>,
    pub(super) recorder: Arc<Recorder>,
    /// Lag above which tickets shrink.
    pub(super) max_lag: Option<Duration>,
    loads: Vec<Load>,
    /// By load.
    retry_budgets: Vec<RetryBudget>,
    /// By page.
    samples: Vec<Sample>,
    /// Whether clients are held to the `Retry-After` they were told.
    held: bool,
    seed: u64,
    control: Option<NegativeControl>,
}

impl Clients {
    pub(super) fn new(
        scenario: &Scenario,
        pages: Pages<Only<Modelled>>,
        own_load: Arc<OwnLoad>,
        recorder: Arc<Recorder>,
        samples: Vec<Sample>,
        control: Option<NegativeControl>,
    ) -> Self {
        Self {
            pages,
            own_load,
            recorder,
            max_lag: scenario.config.admission.max_lag,
            loads: scenario.loads.clone(),
            retry_budgets: scenario.loads.iter().map(RetryBudget::of).collect(),
            samples,
            held: held(scenario, control),
            seed: scenario.seed,
            control,
        }
    }

    /// One client, from its first request to its last answer; a user goes on until nobody asks
    /// any more.
    pub(super) async fn visit(self: Arc<Self>, mut visit: Visit) {
        let plan = &self.loads[visit.load];
        self.page(visit).await;
        while let Demand::Closed { .. } = plan.demand {
            visit.nth += 1;
            sleep(plan.think(visit, self.seed)).await;
            if self.recorder.elapsed() >= plan.until {
                break;
            }
            self.page(visit).await;
        }
    }

    /// One page, and all the retries it takes.
    async fn page(&self, visit: Visit) {
        let plan = &self.loads[visit.load];
        let budget = &self.retry_budgets[visit.load];
        let mut random = visit.random(self.seed, "client");
        budget.asked();
        let mut refused = self.ask(visit, 0).await;
        for attempt in 1..=plan.retries.most {
            let told = refused.and_then(|told| plan.pause_before(attempt, told, &mut random));
            let Some(pause) = told.filter(|_| budget.take()) else {
                break;
            };
            sleep(pause).await;
            refused = self.ask(visit, attempt).await;
        }
    }

    /// One request. If it is worth another, the `Retry-After` that came with the refusal.
    async fn ask(&self, visit: Visit, attempt: u32) -> Option<Option<u32>> {
        let plan = &self.loads[visit.load];
        let budget = plan.budget(visit, self.seed);
        let asked = self
            .recorder
            .asked(visit.load, plan.page, attempt > 0, budget);
        let serving = self.served(&asked, visit, attempt, budget);
        let answer = match plan.patience(visit, self.seed) {
            Some(patience) => timeout(patience, serving).await.ok(),
            None => Some(serving.await),
        };
        let Some(answer) = answer else {
            control::client_left(self.control, &self.pages);
            return None;
        };
        asked.received();
        if answer.result.is_ok() && !plan.reads_for.is_zero() {
            // The page holds its ticket until its last byte has been read.
            sleep(plan.reads_for).await;
        }
        let again = plan.is_worth_another(answer.record.outcome);
        again.then(|| control::retry_after(self.control, answer.retry_after))
    }

    /// From the request's lying in its socket to the answer's being written.
    async fn served(
        &self,
        asked: &Asked,
        visit: Visit,
        attempt: u32,
        budget: Option<Duration>,
    ) -> Answer {
        self.own_load.read().await;
        asked.read();
        let id = format!("{}-{}", visit.request_id(attempt), asked.number);
        let request = self.request(visit, &id, budget);
        let answer = self.pages.serve(request).await;
        asked.answered(&answer);
        if answer.result.is_ok() {
            self.own_load.write().await;
        }
        self.own_load.answered(&answer.record);
        answer
    }

    fn request(&self, visit: Visit, id: &str, budget: Option<Duration>) -> PageRequest {
        let plan = &self.loads[visit.load];
        let mut headers = HeaderMap::new();
        // Letters, digits and dashes.
        headers.extend(HeaderValue::try_from(id).map(|id| (REQUEST_ID, id)));
        let sample = &self.samples[plan.page.0];
        PageRequest {
            page: plan.page,
            params: sample.params.clone(),
            query: sample.query.as_deref().map(Box::from),
            client: Client {
                key: client_key(plan, visit),
                held: self.held,
            },
            timeout_ms: budget.map(|budget| HeaderValue::from(budget.as_millis() as u64)),
            headers,
            origin: Arc::new(Origin {
                arrived: now() - self.pages.telemetry().lag().usual(),
                method: "GET",
                request_id: None,
                trace: TraceContext::new(),
            }),
        }
    }
}

/// Whether clients are held to the `Retry-After` they were told.
fn held(scenario: &Scenario, control: Option<NegativeControl>) -> bool {
    let config = control::config(control, &scenario.config).clients;
    config.holds_early(true)
}

/// Clients of one kind share their load between them; without a name each arrival is its own.
fn client_key(load: &Load, visit: Visit) -> ClientKey {
    let kind = match &load.client {
        Some(_) => 1 + visit.load as u128,
        None => 0,
    };
    let unnamed = match &load.client {
        Some(_) => 0,
        None => (visit.load as u128) << 32,
    };
    ClientKey(kind << 64 | unnamed | u128::from(visit.client(load)))
}
