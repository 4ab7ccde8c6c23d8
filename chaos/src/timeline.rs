//! What will happen, and when: fixed before the first page, whatever the gateway does. The same
//! for both worlds, so that the same clients arrive at the same instants.

use std::time::Duration;

use fixtures::Rng;

use crate::load::Schedule;
use crate::record::SLICE;
use crate::scenario::{Demand, Load, Scenario, Visit};

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
