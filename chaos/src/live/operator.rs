//! Those beside the clients: one makes the scenario's faults, one reads the counters of every slice.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use fixtures::{Behaviour, Stats};
use gateway::config::DownstreamId;
use tokio::time::{Instant, sleep_until};

use super::recorder::Recorder;
use super::world::{Limits, World};
use crate::play::Happening;
use crate::record::{DownstreamSlice, Slice};
use crate::scenario::Scenario;

/// Makes faults at their times, and tells the gateway to stop.
pub(super) struct Operator<'a> {
    scenario: &'a Scenario,
    world: &'a World,
    start: Instant,
}

impl<'a> Operator<'a> {
    pub(super) fn new(scenario: &'a Scenario, world: &'a World, start: Instant) -> Self {
        Self {
            scenario,
            world,
            start,
        }
    }

    /// # Errors
    /// The fakes do not take a change, or the gateway has ended by itself.
    pub(super) async fn act(&self, acts: Vec<(Duration, Happening)>) -> Result<()> {
        let changes = self.scenario.changes();
        for (at, act) in acts {
            sleep_until(self.start + at).await;
            match act {
                Happening::Change(index) => {
                    let (_, id, behaviour) = &changes[index];
                    let name = self.scenario.config.downstreams[id.0].name.as_str();
                    self.world.behave(name, behaviour).await?;
                }
                Happening::Stop => self.world.stop()?,
                Happening::Arrival(_)
                | Happening::Drain
                | Happening::CutOff
                | Happening::Slice(_) => {}
            }
        }
        Ok(())
    }
}

/// Reads at the end of each slice what the gateway and the fakes count.
pub(super) struct Watching<'a> {
    scenario: &'a Scenario,
    world: &'a World,
    recorder: &'a Recorder,
    changes: Vec<(Duration, DownstreamId, Behaviour)>,
    before: BTreeMap<String, Stats>,
    /// Pages that would have been refused until the slice began.
    would_shed: u64,
}

impl<'a> Watching<'a> {
    pub(super) fn new(scenario: &'a Scenario, world: &'a World, recorder: &'a Recorder) -> Self {
        Self {
            scenario,
            world,
            recorder,
            changes: scenario.changes(),
            before: BTreeMap::new(),
            would_shed: 0,
        }
    }

    /// `progress` is told how far the run is.
    pub(super) async fn watch(&mut self, slices: Vec<Duration>, progress: &dyn Fn(Duration)) {
        for at in slices {
            sleep_until(self.recorder.start() + at).await;
            // Before the counters, which take their time to come.
            let in_flight = self.recorder.most_in_flight();
            let looked = self.look(at).await;
            self.recorder.slice(Slice {
                in_flight,
                ..looked
            });
            progress(at);
        }
    }

    /// All that operators see of a slice.
    async fn look(&mut self, at: Duration) -> Slice {
        let (limits, stats) = tokio::join!(self.world.limits(), self.world.stats());
        let stopping = self.scenario.refuses_from().is_some_and(|from| from <= at);
        let limits = match limits {
            Ok(limits) => Some(limits),
            // It may have ended by now, as it was told.
            Err(_) if stopping => None,
            Err(error) => {
                self.recorder.broken(format!("at {at:?}: {error:#}"));
                None
            }
        };
        let stats = stats.unwrap_or_else(|error| {
            self.recorder.broken(format!("at {at:?}: {error:#}"));
            self.before.clone()
        });
        let each = 0..self.scenario.config.downstreams.len();
        let slices = each.map(|index| self.downstream(index, at, limits.as_ref(), &stats));
        let downstreams = slices.collect();
        let would_shed = limits.map_or(self.would_shed, |limits| limits.would_shed());
        let since = would_shed.saturating_sub(self.would_shed);
        (self.before, self.would_shed) = (stats, would_shed);
        Slice {
            downstreams,
            would_shed: u32::try_from(since).unwrap_or(u32::MAX),
            ..Slice::default()
        }
    }

    fn downstream(
        &self,
        index: usize,
        at: Duration,
        limits: Option<&Limits>,
        stats: &BTreeMap<String, Stats>,
    ) -> DownstreamSlice {
        let name = self.scenario.config.downstreams[index].name.as_str();
        let of = |all: &BTreeMap<String, Stats>| all.get(name).copied().unwrap_or_default();
        let (before, now) = (of(&self.before), of(stats));
        let since = |count: fn(&Stats) -> u64| {
            u32::try_from(count(&now).saturating_sub(count(&before))).unwrap_or(u32::MAX)
        };
        let bulkhead = limits.and_then(|limits| limits.downstreams.get(name));
        let aborted = since(|stats| stats.aborted_by_caller);
        DownstreamSlice {
            permits: bulkhead.map_or(0, |bulkhead| bulkhead.in_use),
            queued: bulkhead.map_or(0, |bulkhead| bulkhead.queued),
            running: u32::try_from(now.in_flight).unwrap_or(u32::MAX),
            started: since(|stats| stats.received),
            ended: since(|stats| stats.completed + stats.faulted),
            aborted,
            wasted: if self.goes_on(index, at) { aborted } else { 0 },
        }
    }

    /// Whether this downstream goes on working for callers that left.
    fn goes_on(&self, index: usize, at: Duration) -> bool {
        let mut here = self.changes.iter().rev().filter(|(_, id, _)| id.0 == index);
        let last = here.find(|(when, ..)| *when < at);
        let behaviour = last.map_or(&self.scenario.behaviours[index], |(.., now)| now);
        behaviour.work_goes_on
    }
}
