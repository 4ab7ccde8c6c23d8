//! Clients on sockets: they ask, wait as long as their patience lasts, read, and ask again when
//! refused, as those in simulated time do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use gateway::config::PathPattern;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{sleep, timeout_at};

use super::config::client_header;
use super::outcome::outcome_of;
use super::recorder::Recorder;
use crate::http::connection::Connection;
use crate::load::pool::{Failure, Pool};
use crate::load::{Answer, Ending};
use crate::play::{Ask, GRACE, Sample, Visitors, samples};
use crate::scenario::{Load, Scenario, Visit};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const BUDGET: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// All clients, and the connections they share.
pub(super) struct Clients {
    server: SocketAddr,
    pool: Pool,
    recorder: Arc<Recorder>,
    visitors: Visitors,
    /// By page.
    paths: Vec<PathAndQuery>,
    host: HeaderValue,
    key: HeaderName,
    refuses_from: Option<Duration>,
}

impl Clients {
    pub(super) fn new(
        scenario: &Scenario,
        server: SocketAddr,
        recorder: Arc<Recorder>,
    ) -> Result<Self> {
        let samples = samples(&scenario.config)?;
        let pages = scenario.config.pages.iter().zip(&samples);
        let paths = pages.map(|(page, sample)| path(&page.path, sample));
        Ok(Self {
            server,
            pool: Pool::new(server),
            recorder,
            visitors: Visitors::of(scenario),
            paths: paths.collect::<Result<_>>()?,
            host: HeaderValue::try_from(server.to_string())?,
            key: client_header(&scenario.config),
            refuses_from: scenario.refuses_from(),
        })
    }

    /// One client, from its first request, due `at`, to its last answer.
    pub(super) async fn visit(self: Arc<Self>, visit: Visit, at: Duration) {
        self.visitors.visit(&*self, visit, at).await;
    }

    /// The answer; of a client that takes its time only as far as its body, if it is a page.
    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        plan: &Load,
    ) -> Result<(Response<Bytes>, Option<Unread>), Failure> {
        if plan.reads_for.is_zero() {
            return Ok((self.pool.exchange(request).await?, None));
        }
        let opened = Connection::open_narrow(self.server).await;
        let mut connection = opened.map_err(|error| Failure::connecting(&error))?;
        let answer = connection.head(request).await?;
        if answer.status() != StatusCode::OK {
            return Ok((connection.read(answer).await?, None));
        }
        let (head, body) = answer.into_parts();
        let seen = Response::from_parts(head.clone(), Bytes::new());
        let answer = Response::from_parts(head, body);
        Ok((seen, Some(Unread { connection, answer })))
    }

    fn request(&self, visit: Visit, attempt: u32) -> Request<Full<Bytes>> {
        let plan = self.visitors.load(visit);
        let mut request = Request::new(Full::default());
        *request.uri_mut() = Uri::from(self.paths[plan.page.0].clone());
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        // Names of clients that are no header value count as one client.
        let key = HeaderValue::try_from(client_key(plan, visit)).ok();
        headers.extend(key.map(|key| (self.key.clone(), key)));
        // The draws of its calls, as in simulated time.
        let id = HeaderValue::try_from(visit.request_id(attempt)).ok();
        headers.extend(id.map(|id| (REQUEST_ID, id)));
        let budget = self.visitors.budget(visit);
        headers.extend(budget.map(|budget| (BUDGET, HeaderValue::from(budget.as_millis() as u64))));
        request
    }
}

impl Ask for Clients {
    async fn ask(&self, visit: Visit, attempt: u32, at: Duration) -> Option<Option<u32>> {
        let plan = self.visitors.load(visit);
        let mut asked = self.recorder.asked(at, plan.page, visit.load, attempt > 0);
        let (limit, on_limit) = match self.visitors.patience(visit) {
            Some(patience) if patience < GRACE => (patience, Ending::Left),
            Some(_) | None => (GRACE, Ending::Hung),
        };
        let until = self.recorder.start() + at + limit;
        let exchange = self.exchange(self.request(visit, attempt), plan);
        let mut answer = Answer::ended(at, Duration::ZERO, Duration::ZERO, on_limit);
        let mut unread = None;
        // What is dropped when time is up closes its connection, as a client does that leaves.
        match timeout_at(until, exchange).await {
            Ok(Ok((response, rest))) => {
                answer.read(response, false);
                unread = rest;
            }
            Ok(Err(failure)) => answer.ending = failure.ending,
            Err(_elapsed) => {}
        }
        let draining = self.refuses_from.is_some_and(|from| from <= at);
        let outcome = outcome_of(&answer, draining);
        asked.answered(outcome);
        if let Some(unread) = unread {
            sleep(plan.reads_for).await;
            unread.read().await;
        }
        plan.is_worth_another(outcome.0)
            .then_some(answer.retry_after)
    }

    fn elapsed(&self) -> Duration {
        self.recorder.elapsed()
    }
}

/// A page whose body its client has yet to read.
struct Unread {
    connection: Connection,
    answer: Response<Incoming>,
}

impl Unread {
    /// How the page ended is known already; a body that breaks now is its client's loss.
    async fn read(mut self) {
        let _ = self.connection.read(self.answer).await;
    }
}

/// Clients of one kind share their load between them; without a name each arrival is its own.
fn client_key(load: &Load, visit: Visit) -> String {
    let one = visit.client(load);
    match &load.client {
        Some(client) => format!("{}-{one}", client.name),
        None => format!("once-{}-{one}", visit.load),
    }
}

/// The page's path with a value for each parameter, and its query; values are letters, digits, `-`
/// and `_`.
fn path(pattern: &PathPattern, sample: &Sample) -> Result<PathAndQuery> {
    let params = pattern.params.iter().zip(&sample.params);
    let mut path = params.fold(pattern.text.clone(), |path, (param, value)| {
        path.replace(&format!("{{{}}}", param.name), value)
    });
    if let Some(query) = &sample.query {
        path = format!("{path}?{query}");
    }
    let wrong = || format!("{path} cannot be requested");
    path.parse().with_context(wrong)
}

#[cfg(test)]
mod tests {
    use crate::scenario::Text;

    use super::*;

    fn scenario(more: &str) -> Scenario {
        let text = Text {
            name: "test.toml".to_owned(),
            text: format!("title = \"t\"\nlength = \"1s\"\n[[load]]\nrate = \"1/s\"\n{more}"),
        };
        Scenario::load(&text, &Text::default_config()).unwrap()
    }

    #[test]
    fn every_parameter_of_a_path_and_each_that_is_required_of_a_query_gets_its_value() {
        let scenario = scenario(
            "page = \"two\"\n[config.page.two]\npath = \"/a/{one}/b/{two}\"\nparams.one = \"^[0-9]+$\"\nparams.two = \"^[a-z]+$\"\n\
             query.currency = { pattern = \"^[A-Z]{3}$\", required = true }\nquery.n = { default = \"1\" }\n\
             part.product = { downstream = \"product\", path = \"/products/{one}?c={currency}&n={n}\" }\n",
        );
        let samples = samples(&scenario.config).unwrap();
        let page = scenario.config.pages.last().unwrap();
        let path = path(&page.path, samples.last().unwrap()).unwrap();
        assert_eq!(path, "/a/1001/b/a?currency=EUR");
    }

    #[test]
    fn clients_of_one_kind_are_told_apart_and_so_are_those_without_a_name() {
        let visit = |who| Visit {
            load: 0,
            who,
            nth: 0,
        };
        let named = &scenario("client = \"shop\"\nclients = 2\n").loads[0];
        let keys: Vec<_> = (0..3).map(|who| client_key(named, visit(who))).collect();
        assert_eq!(keys, ["shop-0", "shop-1", "shop-0"]);
        let unnamed = &scenario("").loads[0];
        let key = |visit| client_key(unnamed, visit);
        assert_ne!(key(visit(0)), key(visit(1)));
        let other = Visit {
            load: 1,
            ..visit(0)
        };
        assert_ne!(key(visit(0)), key(other));
    }
}
