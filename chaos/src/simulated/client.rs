//! Clients: they ask, wait as long as their patience lasts, read, and ask again when refused.

use std::sync::Arc;
use std::time::Duration;

use fixtures::Rng;
use gateway::config::PageId;
use gateway::page::downstream::only::Only;
use gateway::page::quota::{Client, ClientKey};
use gateway::page::{Answer, PageRequest, Pages};
use gateway::telemetry::context::TraceContext;
use gateway::telemetry::record::Origin;
use http::HeaderMap;
use tokio::time::{sleep, timeout};

use super::control::{self, NegativeControl};
use super::downstream::{Modelled, PAGE_NUMBER};
use super::own_load::OwnLoad;
use super::recorder::{Asked, Recorder};
use crate::clock::now;
use crate::scenario::{Load, Scenario};

/// All clients, and the gateway they share.
pub(super) struct Clients {
    pub(super) pages: Pages<Only<Modelled>>,
    pub(super) own_load: Arc<OwnLoad>,
    pub(super) recorder: Arc<Recorder>,
    /// Lag above which tickets shrink.
    pub(super) max_lag: Option<Duration>,
    loads: Vec<Load>,
    /// By page.
    params: Vec<Vec<String>>,
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
        params: Vec<Vec<String>>,
        control: Option<NegativeControl>,
    ) -> Self {
        Self {
            pages,
            own_load,
            recorder,
            max_lag: scenario.config.admission.max_lag,
            loads: scenario.loads.clone(),
            params,
            held: held(scenario, control),
            seed: scenario.seed,
            control,
        }
    }

    /// One client, from its first request to its last answer.
    pub(super) async fn visit(self: Arc<Self>, load: usize, visit: u64) {
        let plan = &self.loads[load];
        let client = Client {
            key: client_key(plan, load, visit),
            held: self.held,
        };
        let mut random = Rng::for_decision(self.seed, "client", visit);
        let mut refused = self.ask(load, client, false).await;
        for attempt in 1..=plan.retries {
            let told = refused.and_then(|told| plan.pause_before(attempt, told, &mut random));
            let Some(pause) = told else { break };
            sleep(pause).await;
            refused = self.ask(load, client, true).await;
        }
    }

    /// One request. If it is worth another, the `Retry-After` that came with the refusal.
    async fn ask(&self, load: usize, client: Client, retry: bool) -> Option<Option<u32>> {
        let plan = &self.loads[load];
        let asked = self.recorder.asked(load, plan.page, retry);
        let serving = self.served(&asked, plan.page, client);
        let answer = match plan.patience {
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
        is_worth_another(&answer).then(|| control::retry_after(self.control, answer.retry_after))
    }

    /// From the request's lying in its socket to the answer's being written.
    async fn served(&self, asked: &Asked, page: PageId, client: Client) -> Answer {
        self.own_load.read().await;
        asked.read();
        let request = self.request(page, client, asked.number);
        let answer = self.pages.serve(request).await;
        asked.answered(&answer);
        if answer.result.is_ok() {
            self.own_load.write().await;
        }
        self.own_load.answered(&answer.record);
        answer
    }

    fn request(&self, page: PageId, client: Client, number: u64) -> PageRequest {
        let mut headers = HeaderMap::new();
        headers.insert(PAGE_NUMBER, number.into());
        PageRequest {
            page,
            params: self.params[page.0].clone(),
            client,
            timeout_ms: None,
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

/// Refused with 429 or 5xx.
fn is_worth_another(answer: &Answer) -> bool {
    use gateway::config::ShedStatus;
    let Err(refusal) = &answer.result else {
        return false;
    };
    let status = refusal.row(ShedStatus::TooManyRequests).status;
    status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS
}

fn client_key(load: &Load, index: usize, visit: u64) -> ClientKey {
    let (kind, one) = match &load.client {
        Some(client) => (1 + index as u128, visit % u64::from(client.count)),
        None => (0, visit),
    };
    ClientKey(kind << 64 | u128::from(one))
}
