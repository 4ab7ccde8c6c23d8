//! Offering load the way the world does: on a schedule that no answer can delay.
//!
//! Open loop: arrivals are fixed beforehand ([`Schedule`]), and a slow server gets the next one
//! on time all the same. A closed loop, which sends the next request when the last was answered,
//! leaves the slow server alone exactly when it is slow and measures one bad answer where a
//! hundred users would have waited. For the same reason latency counts from when a request was
//! *due*: this is what "coordinated omission" means (Gil Tene).
//!
//! Always holds: sent + `not_sent` = arrivals; each sent request has exactly one [`Ending`]; none
//! outlives `guard`; all of them end, and their connections close, when the run is dropped.
//!
//! [`Load::run_closed`] is that closed loop all the same, for the one thing it is good for: how
//! much a server can do.
//!
//! Not here: the verdict on the figures (the caller's), and the runtime's threads.

mod answer;
pub(crate) mod pool;
mod report;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use http_body_util::Full;
use hyper::Request;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

pub use answer::{Answer, Ending};
pub use report::{Bucket, Latencies, Report};
pub use schedule::{Arrivals, Schedule};

use crate::clock::now;
use crate::http::Origin;
use pool::Pool;

/// More than this per second is a slip of the pen: no machine this runs on could send it.
const MAX_RATE: f64 = 1e6;

/// What is offered to whom. Start from [`Load::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server.
    pub target: Origin,
    /// Asked for in turn: arrival `n` gets `paths[n % paths.len()]`.
    pub paths: Vec<PathAndQuery>,
    /// Sent with every request, besides `Host`.
    pub headers: HeaderMap,
    /// Arrivals per second.
    pub rate: f64,
    /// From the first arrival to the end of the schedule; the last answers come later.
    pub duration: Duration,
    /// Even or random gaps.
    pub arrivals: Arrivals,
    /// Of the random gaps.
    pub seed: u64,
    /// How long a client waits before it leaves, closing its connection. `None`: for ever.
    pub patience: Option<Duration>,
    /// No answer after this long is [`Ending::Hung`]. Larger than any answer may take.
    pub guard: Duration,
    /// Requests (and so connections) at once. An arrival that finds them all taken is counted as
    /// `not_sent`. It protects this machine; a run that reaches it measured something else.
    pub max_outstanding: usize,
    /// Whether answers keep their bodies. Costs memory only.
    pub keep_bodies: bool,
}

impl Load {
    /// `GET path` at `rate` per second, evenly, for `duration`; everything else as unobtrusive as
    /// it can be: endless patience, a guard of 10 s, 4096 requests at once.
    #[must_use]
    pub fn new(target: Origin, path: PathAndQuery, rate: f64, duration: Duration) -> Self {
        Self {
            target,
            paths: vec![path],
            headers: HeaderMap::new(),
            rate,
            duration,
            arrivals: Arrivals::Constant,
            seed: 0,
            patience: None,
            guard: Duration::from_secs(10),
            max_outstanding: 4096,
            keep_bodies: false,
        }
    }

    /// Offers the load and waits for the last ending: at most `duration + guard`.
    ///
    /// # Errors
    /// A rate that is not a positive number of arrivals, no path, or an address that cannot stand
    /// in a `Host` header; found before anything is sent.
    pub async fn run(self) -> Result<Report> {
        ensure!(
            self.rate > 0.0 && self.rate <= MAX_RATE,
            "a rate of {} per second cannot be offered: choose one above 0 and up to {MAX_RATE}",
            self.rate
        );
        ensure!(
            !self.paths.is_empty(),
            "a load needs at least one path to ask for"
        );
        let schedule = Schedule::new(self.arrivals, self.rate, self.duration, self.seed);
        let clients = Arc::new(Clients::new(self)?);
        Ok(offer(&clients, schedule).await)
    }

    /// So many clients for `duration`, each of which asks for the next page as soon as it has its
    /// answer. `rate` and `arrivals` do not count.
    ///
    /// # Errors
    /// No path, or an address that cannot stand in a `Host` header.
    pub async fn run_closed(self, count: usize) -> Result<Report> {
        ensure!(
            !self.paths.is_empty(),
            "a load needs at least one path to ask for"
        );
        let clients = Arc::new(Clients::new(self)?);
        let start = now();
        let mut looping = JoinSet::new();
        for first in 0..count {
            looping.spawn(Arc::clone(&clients).ask_again(first, count, start));
        }
        let mut report = Report::default();
        while let Some(done) = looping.join_next().await {
            report.answers.extend(joined(done));
        }
        report
            .answers
            .sort_unstable_by_key(|answer| answer.scheduled);
        Ok(report)
    }
}

async fn offer(clients: &Arc<Clients>, schedule: Schedule) -> Report {
    let start = now();
    let mut report = Report::default();
    let mut outstanding = JoinSet::new();
    for (n, scheduled) in schedule.enumerate() {
        sleep_until(start + scheduled).await;
        while let Some(done) = outstanding.try_join_next() {
            report.answers.push(joined(done));
        }
        if outstanding.len() < clients.load.max_outstanding {
            outstanding.spawn(Arc::clone(clients).ask(n, start, scheduled));
        } else {
            report.not_sent += 1;
        }
    }
    while let Some(done) = outstanding.join_next().await {
        report.answers.push(joined(done));
    }
    report
        .answers
        .sort_unstable_by_key(|answer| answer.scheduled);
    report
}

/// Nothing aborts a request task, so an error can only be its panic: a defect here, passed on.
fn joined<T>(done: Result<T, JoinError>) -> T {
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// What all requests of a run share.
struct Clients {
    load: Load,
    pool: Pool,
}

impl Clients {
    fn new(mut load: Load) -> Result<Self> {
        let addr = load.target.addr();
        load.headers
            .insert(HOST, HeaderValue::try_from(addr.to_string())?);
        Ok(Self {
            pool: Pool::new(addr),
            load,
        })
    }

    async fn ask(self: Arc<Self>, n: usize, start: Instant, scheduled: Duration) -> Answer {
        let due = start + scheduled;
        let lag = now() - due;
        let (limit, on_limit) = match self.load.patience {
            Some(patience) if patience < self.load.guard => (patience, Ending::Left),
            Some(_) | None => (self.load.guard, Ending::Hung),
        };
        // The exchange owns its connection: when time is up both are dropped, which closes it.
        let result = timeout_at(due + limit, self.pool.exchange(self.request(n))).await;
        let mut answer = Answer::ended(scheduled, lag, now() - due, on_limit);
        match result {
            Ok(Ok(response)) => answer.read(response, self.load.keep_bodies),
            Ok(Err(failure)) => {
                answer.ending = failure.ending;
                answer.error = Some(failure.error);
            }
            Err(_elapsed) => {}
        }
        answer
    }

    /// One client of a closed loop: arrivals `first`, `first + step` and so on.
    async fn ask_again(self: Arc<Self>, first: usize, step: usize, start: Instant) -> Vec<Answer> {
        let mut answers = Vec::new();
        for n in (first..).step_by(step) {
            let due = now() - start;
            if due >= self.load.duration {
                break;
            }
            answers.push(Arc::clone(&self).ask(n, start, due).await);
        }
        answers
    }

    fn request(&self, n: usize) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = Uri::from(self.load.paths[n % self.load.paths.len()].clone());
        *request.headers_mut() = self.load.headers.clone();
        request
    }
}
