//! What a run is in both worlds: what happens and when, what is asked for, and how a client goes about
//! it. So the same clients arrive at the same instants, on sockets and in simulated time.
//!
//! What always holds: all of it is fixed before the first page, whatever the gateway does, but for what
//! a client does with its answers. Not here: how a request gets to a gateway (`Ask`), and what is
//! written down of it.

mod sample;

use std::time::Duration;

use fixtures::Rng;
use tokio::task::JoinError;
use tokio::time::sleep;

pub(crate) use self::sample::{Sample, samples};
use crate::load::Schedule;
use crate::record::SLICE;
use crate::scenario::{Demand, Load, RetryBudget, Scenario, Visit};

/// How long after the last arrival pages may still be under way.
pub const GRACE: Duration = Duration::from_secs(60);

/// How a run is watched.
pub struct Watch<'a> {
    /// Whether the lines of the event log are kept.
    pub keep_events: bool,
    /// Told now and then how much of the run is over, 0 to 1.
    pub progress: &'a dyn Fn(f64),
}

impl Watch<'_> {
    /// Nobody looks.
    pub const NOBODY: Watch<'static> = Watch {
        keep_events: false,
        progress: &|_| {},
    };
}

/// Where clients ask: one of the two worlds.
pub(crate) trait Ask {
    /// One request that is due `at` this instant. If it is worth another, the `Retry-After` that came
    /// with the refusal.
    fn ask(
        &self,
        visit: Visit,
        attempt: u32,
        at: Duration,
    ) -> impl Future<Output = Option<Option<u32>>> + Send;

    /// From the start to now.
    fn elapsed(&self) -> Duration;
}

/// All clients of a scenario, and what they share.
pub(crate) struct Visitors {
    loads: Vec<Load>,
    /// By load.
    retry_budgets: Vec<RetryBudget>,
    seed: u64,
}

impl Visitors {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        Self {
            loads: scenario.loads.clone(),
            retry_budgets: scenario.loads.iter().map(RetryBudget::of).collect(),
            seed: scenario.seed,
        }
    }

    /// What the client of this visit asks for and how.
    pub(crate) fn load(&self, visit: Visit) -> &Load {
        &self.loads[visit.load]
    }

    /// What it gives its page.
    pub(crate) fn budget(&self, visit: Visit) -> Option<Duration> {
        self.load(visit).budget(visit, self.seed)
    }

    /// How long it waits before it leaves.
    pub(crate) fn patience(&self, visit: Visit) -> Option<Duration> {
        self.load(visit).patience(visit, self.seed)
    }

    /// One client, from its first request, due `at`, to its last answer; a user goes on until
    /// nobody asks any more.
    pub(crate) async fn visit(&self, world: &impl Ask, mut visit: Visit, at: Duration) {
        let load = self.load(visit);
        self.page(world, visit, at).await;
        while let Demand::Closed { .. } = load.demand {
            visit.nth += 1;
            sleep(load.think(visit, self.seed)).await;
            let at = world.elapsed();
            if at >= load.until {
                break;
            }
            self.page(world, visit, at).await;
        }
    }

    /// One page, and all the retries it takes.
    async fn page(&self, world: &impl Ask, visit: Visit, at: Duration) {
        let load = self.load(visit);
        let budget = &self.retry_budgets[visit.load];
        let mut random = visit.random(self.seed, "client");
        budget.asked();
        let mut refused = world.ask(visit, 0, at).await;
        for attempt in 1..=load.retries.most {
            let told = refused.and_then(|told| load.pause_before(attempt, told, &mut random));
            let Some(pause) = told.filter(|_| budget.take()) else {
                break;
            };
            sleep(pause).await;
            refused = world.ask(visit, attempt, world.elapsed()).await;
        }
    }
}

/// A visit ends by itself or is cut off; any other end is a defect here, passed on.
pub(crate) fn end_of(visit: Result<(), JoinError>) {
    if let Err(error) = visit
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// One thing that happens to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A client arrives: its first page, or its only one.
    Arrival(Visit),
    /// A downstream changes; an index into [`Scenario::changes`].
    Change(usize),
    /// The gateway is told to stop.
    Stop,
    /// It begins to drain.
    Drain,
    /// What is in flight when the drain timeout is over is cut off.
    CutOff,
    /// This slice of the record, counted from 1, ends.
    Slice(u32),
}

/// Everything, in order of time; at one instant in the order of [`Happening`], but for slices,
/// which end before anything else of their last instant begins.
pub(crate) fn timeline(scenario: &Scenario) -> Vec<(Duration, Happening)> {
    let slices = (scenario.length.as_millis() / SLICE.as_millis()) as u32;
    let mut all: Vec<_> = (1..=slices)
        .map(|n| (SLICE * n, Happening::Slice(n)))
        .collect();
    let changes = scenario.changes().into_iter().enumerate();
    all.extend(changes.map(|(index, (at, _, _))| (at, Happening::Change(index))));
    for (index, load) in scenario.loads.iter().enumerate() {
        // Seeds of their own, so that another load does not change this one's arrivals.
        let seed = Rng::for_decision(scenario.seed, "arrivals", index as u64).next_u64();
        let arrivals = arrivals(load, seed).into_iter().zip(0..);
        let visit = |who| Visit {
            load: index,
            who,
            nth: 0,
        };
        all.extend(
            arrivals.map(|(at, who)| (whole(load.from + at), Happening::Arrival(visit(who)))),
        );
    }
    if let Some(told) = scenario.drain_at {
        all.push((told, Happening::Stop));
    }
    if let Some(at) = scenario.refuses_from() {
        all.push((at, Happening::Drain));
        all.push((at + scenario.config.server.drain_timeout, Happening::CutOff));
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

/// When the clients of a load arrive, from its begin. Users come within one time of thinking.
fn arrivals(load: &Load, seed: u64) -> Vec<Duration> {
    let lasts = load.until - load.from;
    match load.demand {
        Demand::Open { rate, arrivals } => Schedule::new(arrivals, rate, lasts, seed).collect(),
        Demand::Closed { users, think } => {
            let first = think.min(lasts);
            let user = |n: u32| first.mul_f64(f64::from(n) / f64::from(users));
            (0..users).map(user).collect()
        }
    }
}

/// Rounded down to a millisecond.
fn whole(at: Duration) -> Duration {
    Duration::from_millis(at.as_millis() as u64)
}
