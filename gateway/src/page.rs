//! The life of a page.
//!
//! [`Pages::serve`] fixes the order in which a page is admitted, fetched and
//! answered; every line of it is a module. Nothing else decides order.
//!
//! Not here: sockets, HTTP framing, the file shape of the config. All waiting is
//! on tokio's clock and every call goes through a [`Transport`], so the same code
//! runs in simulated time.

pub mod accounting;
pub mod admission;
pub mod assemble;
pub mod budget;
mod clients;
pub mod deadline;
pub mod downstream;
pub mod fetch;
pub mod json;
mod observed;
pub mod own_load;
pub mod plan;
pub mod quota;
pub mod refusal;
pub mod retry_after;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use self::accounting::PageAccount;
use self::admission::{Admission, Ticket};
use self::assemble::{Page, assemble};
use self::budget::Budget;
use self::clients::Clients;
use self::deadline::Deadline;
use self::downstream::{Downstreams, PlannedCall, Transport};
use self::fetch::fetch;
use self::own_load::OwnLoad;
use self::plan::{Params, Plan, PlannedPart};
use self::quota::{Allowance, Charge, Client, Quota};
use self::refusal::Refusal;
use crate::config::{self, Config, DownstreamId, Kept, PageId, ShedStatus};
use crate::outcome::{Scope, ShedBy};
use crate::telemetry::Telemetry;
use crate::telemetry::context;
use crate::telemetry::meters::Gauges;
use crate::telemetry::recent::in_flight::InFlightPage;
use crate::telemetry::record::{Occupancy, Origin, PageRecord};

/// The client's own name for a request, or ours.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Room for the headers of a call, so that copying and completing them moves nothing.
const CALL_HEADERS: usize = 16;

/// All pages of one configuration, and what they share. A page ends by the one that it began by;
/// what outlives it is shared with the one [before](Pages::carried).
#[derive(Debug)]
pub struct Pages<T> {
    plans: Vec<Plan>,
    admission: Arc<Admission>,
    clients: Clients,
    downstreams: Downstreams<T>,
    own_load: Arc<OwnLoad>,
    telemetry: Arc<Telemetry>,
    limits: config::Admission,
    shed: ShedStatus,
    draining: Arc<AtomicBool>,
}

/// A client's request for a page, as the edge understood it.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Which page.
    pub page: PageId,
    /// Raw path segments of its parameters, in the order of its path.
    pub params: Vec<String>,
    /// Its raw query, if there is one and the page reads it.
    pub query: Option<Box<str>>,
    /// Who asks.
    pub client: Client,
    /// The time that the client gives the page, if it says so.
    pub budget: Option<Duration>,
    /// The client's headers that every call of the page carries.
    pub headers: HeaderMap,
    /// When and in which trace; the budget counts from its arrival.
    pub origin: Arc<Origin>,
}

/// What a page came to.
#[derive(Debug)]
pub struct Answer {
    /// The page, or why there is none.
    pub result: Result<Page, Refusal>,
    /// Whole seconds after which the client is to come back, if that can help.
    pub retry_after: Option<u32>,
    /// What is left of the client's quota, if it is held to one.
    pub allowance: Option<Allowance>,
    /// To be dropped when the last byte of the answer has left.
    pub ticket: Option<Ticket>,
    /// Its place among the pages in flight, to be dropped with the ticket.
    pub in_flight: Option<InFlightPage>,
    /// What the page did.
    pub record: Arc<PageRecord>,
}

impl<T: Transport> Pages<T> {
    /// Everything at rest; `telemetry` records what happens.
    pub fn new(config: &Config, transport: T, telemetry: Arc<Telemetry>) -> Self {
        Self::with_admission(config, transport, telemetry, Admission::new(config))
    }

    /// As [`Pages::new`], with an admission made elsewhere.
    pub fn with_admission(
        config: &Config,
        transport: T,
        telemetry: Arc<Telemetry>,
        admission: Arc<Admission>,
    ) -> Self {
        Self {
            plans: Plan::compile(config, &admission),
            admission,
            clients: Clients::new(config),
            downstreams: Downstreams::new(config, transport),
            own_load: Arc::new(OwnLoad::new(&config.admission)),
            telemetry,
            limits: config.admission.clone(),
            shed: config.shed.status,
            draining: Arc::default(),
        }
    }

    /// The pages of the same gateway by another configuration. Names that are `kept` keep what is
    /// in use, who waits, what clients have used and what was counted; downstreams that are
    /// `reached` as before, how their endpoints do. Nothing changes for the pages under way before
    /// [`take_effect`](Self::take_effect).
    #[must_use]
    pub fn carried(&self, config: &Config, kept: &Kept, reached: &Kept, transport: T) -> Self {
        let admission = self.admission.carried(config);
        Self {
            plans: Plan::compile(config, &admission),
            admission,
            clients: self.clients.carried(config, kept),
            downstreams: self.downstreams.carried(config, reached, transport),
            own_load: Arc::clone(&self.own_load),
            telemetry: Arc::new(self.telemetry.carried(config, kept)),
            limits: config.admission.clone(),
            shed: config.shed.status,
            draining: Arc::clone(&self.draining),
        }
    }

    /// Its limits are those in force from now on, for the pages that began before as well: what
    /// limits protect does not know which configuration a page began by.
    pub fn take_effect(&self) {
        self.own_load.configure(&self.limits);
        self.admission.take_effect();
        self.telemetry.take_effect();
        self.publish();
    }

    /// Serves one page. Dropping the future ends everything it began.
    pub async fn serve(&self, request: PageRequest) -> Answer {
        let mut account = self.open(request.page, &request.origin);
        let result = self.run(&request, &mut account).await;
        match result {
            Ok(page) => {
                let charge = account.charge.take();
                account.allowance = charge.as_ref().and_then(|charge| charge.allowance);
                let answer = account.close(Ok(page), self.shed);
                self.served(&answer.record, charge);
                answer
            }
            Err(refusal) => self.refused(&request, account, refusal),
        }
    }

    /// Refuses a page here and now: for want of a ticket, or for what comes before that in the order.
    pub fn turn_away(&self, request: &PageRequest) -> Answer {
        let mut account = self.open(request.page, &request.origin);
        let refusal = match self.until_ticket(request, &mut account) {
            Err(refusal) => refusal,
            Ok(_) => self.gateway_full(),
        };
        self.refused(request, account, refusal)
    }

    fn refused(
        &self,
        request: &PageRequest,
        mut account: PageAccount<'_>,
        refusal: Refusal,
    ) -> Answer {
        let occupancy = || self.occupancy(&self.plans[request.page.0]);
        account.record.occupancy.get_or_insert_with(occupancy);
        let charge = account.charge.take();
        let told = self
            .clients
            .refused(request.client, request.page, &refusal, charge);
        (account.retry_after, account.allowance) = (told.retry_after, told.allowance);
        account.close(Err(refusal), self.shed)
    }

    /// A page was served, which limits that are only watched may have refused.
    fn served(&self, record: &PageRecord, charge: Option<Charge>) {
        match record.would_shed.map(ShedBy::scope) {
            None => self.own_load.in_time(record.total()),
            Some(Scope::Gateway) => self.clients.would_be_given_back(charge),
            Some(Scope::Downstream(_)) => {
                self.own_load.in_time(record.total());
                self.clients.would_be_given_back(charge);
            }
            Some(Scope::Client) => {}
        }
    }

    /// The order itself. Each line is a module, and each `?` a refusal.
    async fn run(
        &self,
        request: &PageRequest,
        account: &mut PageAccount<'_>,
    ) -> Result<Page, Refusal> {
        let (plan, params, budget) = self.until_ticket(request, account)?;
        account.ticket = Some(self.ticket()?);
        self.observe(plan, budget.deadline(), account);
        let permits = account
            .wait(
                self.admission
                    .permits(plan.page, &plan.needs, budget.deadline()),
                || self.occupancy(plan),
            )
            .await
            .map_err(|shed| budget.refusal(shed))?;
        let permits = permits.with_shadow(account.shadow.as_ref());
        let begins = budget.still_ahead()?;
        self.clients.admitted(plan.page);
        let shared = request.call_headers();
        let (records, seen) = account.parts(plan.parts.len());
        let call = |index, part, permit, record| {
            let planned = planned(request, &shared, &params, (begins, budget), part);
            let planned = planned.seen(seen.of(index));
            downstream::call(&self.downstreams, &self.telemetry, permit, planned, record)
        };
        let ends = fetch(&plan.parts, permits, records, call).await?;
        Ok(account.assemble(|| assemble(&plan.parts, &ends)))
    }

    /// What comes in the order before a ticket, which takes no time.
    fn until_ticket<'a>(
        &'a self,
        request: &'a PageRequest,
        account: &mut PageAccount<'_>,
    ) -> Result<(&'a Plan, Params<'a>, Budget), Refusal> {
        self.refuse_when_draining()?;
        let plan = &self.plans[request.page.0];
        let params = plan.check_params(&request.params, request.query.as_deref())?;
        let budget = Budget::of(plan, request.origin.arrived, request.budget)?;
        account.known(request.client.key, budget.deadline());
        let charge = self.clients.charge(request.client, plan.page)?;
        account.record.would_shed = self.observe_quota(&charge);
        account.charge = Some(charge);
        self.clients
            .refuse_early(plan.page, account.charge.as_ref())?;
        Ok((plan, params, budget))
    }

    fn open(&self, page: PageId, origin: &Arc<Origin>) -> PageAccount<'_> {
        let promise = self.plans[page.0].promise;
        PageAccount::open(&self.telemetry, page, origin, promise)
    }

    fn occupancy(&self, plan: &Plan) -> Occupancy {
        self.admission.occupancy(plan.page, &plan.needs)
    }

    fn ticket(&self) -> Result<Ticket, Refusal> {
        let ticket = self.admission.ticket();
        ticket.ok_or_else(|| self.gateway_full())
    }

    fn gateway_full(&self) -> Refusal {
        self.own_load.refused();
        Refusal::GatewayFull
    }

    /// The definition of a page.
    pub fn plan(&self, page: PageId) -> &Plan {
        &self.plans[page.0]
    }

    fn observe_quota(&self, charge: &Charge) -> Option<ShedBy> {
        self.admission.observe_quota(charge.over, &self.telemetry)
    }

    /// Lets the limits that are only watched know of the page, if none would have refused it.
    fn observe(&self, plan: &Plan, deadline: Deadline, account: &mut PageAccount<'_>) {
        if account.record.would_shed.is_some() {
            return;
        }
        let admission = &self.admission;
        match admission.observe(plan.page, &plan.needs, deadline, &self.telemetry) {
            Ok(shadow) => account.in_shadow(shadow),
            Err(by) => {
                self.own_load.refused();
                account.record.would_shed = Some(by);
            }
        }
    }

    /// The gateway's own load.
    pub fn own_load(&self) -> &OwnLoad {
        &self.own_load
    }

    /// Takes in a probe of lag that ran at `ran`, `lag` after it could.
    pub fn probed(&self, ran: Instant, lag: Duration) {
        let in_use = self.admission.tickets_that_count();
        let tickets = self.own_load.probed(ran, lag, in_use, &self.telemetry);
        self.admission.resize_tickets(tickets);
    }

    fn refuse_when_draining(&self) -> Result<(), Refusal> {
        let draining = self.draining.load(Ordering::Acquire);
        if draining {
            Err(Refusal::Draining)
        } else {
            Ok(())
        }
    }

    /// Charges a request that the edge refused to its client, and accounts for it if it was
    /// for a page. Returns what is left of the client's quota, if it is held to one.
    pub fn refused_at_edge(
        &self,
        page: Option<PageId>,
        client: Client,
        origin: &Arc<Origin>,
        refusal: &Refusal,
    ) -> Option<Allowance> {
        let allowance = self.clients.charge_mistake(client);
        if let Some(page) = page {
            let account = self.open(page, origin);
            account.close(Err(refusal.clone()), self.shed);
        }
        allowance
    }

    /// From now on every new page is refused; those in flight go on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Tickets, permits and queues.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// The quotas of clients.
    pub fn quota(&self) -> &Quota {
        self.clients.quota()
    }

    /// Status of load refusals.
    pub fn shed(&self) -> ShedStatus {
        self.shed
    }

    /// What records pages and calls.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Hands the gauges of admission to those who collect metrics.
    pub fn publish(&self) {
        self.admission.advance_observed();
        let view = self.admission.view();
        let permits = view.bulkheads.iter().map(|bulkhead| bulkhead.in_use);
        let downstreams = (0..view.bulkheads.len()).map(DownstreamId);
        let (endpoints, ejected) = downstreams.map(|id| self.downstreams.ejected(id)).unzip();
        self.telemetry.publish(Gauges {
            in_flight: view.in_flight,
            tickets: self.own_load.view().tickets,
            queued: view.queues.iter().map(|queue| queue.depth).collect(),
            in_use: permits.collect(),
            endpoints,
            ejected,
        });
    }

    /// The downstreams, and how their endpoints do.
    pub fn downstreams(&self) -> &Downstreams<T> {
        &self.downstreams
    }

    /// What carries the calls.
    pub fn transport(&self) -> &T {
        self.downstreams.transport()
    }
}

/// A copy that does not keep all of the buffer that the head was read into.
pub(crate) fn detached(value: &HeaderValue) -> HeaderValue {
    // What has been a value is one.
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

fn planned<'a>(
    page: &'a PageRequest,
    shared: &'a HeaderMap,
    params: &Params<'_>,
    (begins, budget): (Instant, Budget),
    part: &PlannedPart,
) -> PlannedCall<'a> {
    let part_limit = part
        .timeout
        .map_or(Deadline::NEVER, |limit| Deadline::after(begins, limit));
    let limit = budget.of_call(part_limit);
    PlannedCall {
        downstream: part.downstream,
        path: part.path(params),
        shared,
        trace: &page.origin.trace,
        span_id: context::new_id(),
        begins,
        limit,
        pass: part.pass,
        seen: None,
    }
}

impl PageRequest {
    /// What every call of the page carries. Not made before there will be calls: most of those
    /// that are refused are refused because there is no time to lose.
    fn call_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(CALL_HEADERS);
        self.origin.trace.write_shared(&mut headers);
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
        if let Some(id) = &self.origin.request_id {
            headers.insert(REQUEST_ID, id.clone());
        }
        headers
    }
}
