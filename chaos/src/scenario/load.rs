//! Who asks for what, and what they do when they are refused. What each client draws and decides is
//! in `visit`.

use std::time::Duration;

use fixtures::Latency;
use gateway::config::PageId;

use crate::load::Arrivals;

/// Clients that ask for one page.
#[derive(Clone, Debug)]
pub struct Load {
    /// Which page.
    pub page: PageId,
    /// How often it is asked for, not counting retries.
    pub demand: Demand,
    /// When they begin.
    pub from: Duration,
    /// When they end.
    pub until: Duration,
    /// Whose quota they count against; without one each arrival is a client of its own.
    pub client: Option<Client>,
    /// How long a client waits before it leaves; `None`: for ever.
    pub patience: Option<Latency>,
    /// What a client gives a page (`X-Request-Timeout-Ms`); `None`: as long as the page has.
    pub budget: Option<Latency>,
    /// When and how often a page that was refused is asked for again.
    pub retries: Retries,
    /// How long a client takes to read a page, which keeps its ticket meanwhile.
    pub reads_for: Duration,
}

/// How often a page is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Demand {
    /// So many pages a second, whatever the answers.
    Open {
        /// Pages per second.
        rate: f64,
        /// How they are spaced.
        arrivals: Arrivals,
    },
    /// So many users, each of whom asks for a page, takes the answer, thinks, and asks for the next.
    Closed {
        /// How many.
        users: u32,
        /// How long they think on average; exponential.
        think: Duration,
    },
}

/// When and how often a page is asked for again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    /// The most for one page; 0: never.
    pub most: u32,
    /// Whether one that came too late (504) is asked for again, as those refused are.
    pub late: bool,
    /// How long a client waits before it asks again.
    pub backoff: Backoff,
    /// For [`Backoff::RetryAfter`]: how long after an answer that says nothing; `None`: such an
    /// answer is not asked for again.
    pub otherwise: Option<Duration>,
    /// The most retries of all clients of this load, as a share of the pages they ask for first.
    pub budget: Option<f64>,
}

/// How long a client waits before it asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// So long before the first retry, and twice as long before each further one. Jittered by half.
    Doubling(Duration),
    /// As long as the answer's `Retry-After` says.
    RetryAfter,
}

/// One or several clients of one kind.
#[derive(Clone, Debug)]
pub struct Client {
    /// What they are called, in expectations too.
    pub name: String,
    /// How many share the load between them.
    pub count: u32,
}

impl Load {
    /// Pages that are asked for first, on average and at most.
    pub(crate) fn pages(&self) -> f64 {
        let lasts = (self.until - self.from).as_secs_f64();
        match self.demand {
            Demand::Open { rate, .. } => rate * lasts,
            // Answers take time, so that it is fewer.
            Demand::Closed { users, think } => {
                f64::from(users) * (lasts / think.as_secs_f64().max(1e-3) + 1.0)
            }
        }
    }
}
