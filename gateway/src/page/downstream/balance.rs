//! Which endpoint of a downstream gets a call: a pure state machine, told the time and given
//! its chance.
//!
//! Of two endpoints drawn at random the less loaded one gets the call: the load is the number of
//! calls under way, this one included, times the recent latency (power of two choices,
//! Mitzenmacher 2001, over the cost of Finagle's and tower's peak EWMA). An endpoint whose latency is
//! not known yet counts as its siblings do on average. One that has not been tried for a while
//! gets a call now and then, so that its recovery is noticed.
//!
//! What always holds: at least half of the endpoints, rounded up, stay in use however often
//! they fail; an endpoint that is set aside gets one call at a time, and only when its pause is
//! over; calls under way are counted exactly, also those that were cancelled.

use std::time::Duration;

use tokio::time::Instant;

use super::eject::Health;
use super::{Endpoint, EndpointId, Endpoints};

/// The share that old samples of a latency keep falls to 1/e in this time.
const MEMORY: Duration = Duration::from_millis(300);

/// An endpoint that has not been called for so long is called again, if [`EXPLORE_EVERY`] allows.
const EXPLORE_AFTER: Duration = Duration::from_secs(1);

/// At most one of so many calls is made only to learn how an endpoint does.
const EXPLORE_EVERY: u64 = 128;

/// Of two loads, the smaller one is alike if it is at least this share of the other.
const ALIKE: f64 = 0.8;

/// How a call to an endpoint ended, as far as it says something about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It answered, after so long.
    Answered(Duration),
    /// No usable exchange: its own fault.
    Failed,
    /// No connection. The endpoint itself counts openings that fail, for whomever they were
    /// begun: see [`Endpoint::failed_connects`].
    Unreached,
    /// The call was cancelled or ran out of time, after so long: the answer would have taken
    /// longer than that.
    Cut(Duration),
}

/// The endpoints of one downstream and how they do.
#[derive(Debug)]
pub struct Balancer {
    version: u64,
    entries: Vec<Entry>,
    /// Calls since the last one that was made to learn something.
    since_explored: u64,
    rng: fastrand::Rng,
}

#[derive(Clone, Debug)]
struct Entry {
    id: EndpointId,
    in_flight: u32,
    /// In seconds.
    latency: Option<f64>,
    sampled: Option<Instant>,
    health: Health,
    /// What of [`Endpoint::failed_connects`] has been taken into account.
    failed_connects: u32,
}

impl Balancer {
    /// Of no endpoints yet.
    pub fn new(rng: fastrand::Rng) -> Self {
        Self {
            version: 0,
            entries: Vec::new(),
            since_explored: 0,
            rng,
        }
    }

    /// The index in `endpoints` of the one that gets a call, other than those in `tried`; `None`
    /// when all of them have been tried. Counts the call as under way, until
    /// [`Balancer::ended`].
    pub fn pick<E: Endpoint>(
        &mut self,
        endpoints: &Endpoints<E>,
        tried: &[EndpointId],
        now: Instant,
    ) -> Option<usize> {
        self.sync(endpoints);
        if let ([entry], []) = (self.entries.as_mut_slice(), tried) {
            // The ordinary case, of which nothing is to be decided.
            entry.in_flight += 1;
            return Some(0);
        }
        self.note_failed_connects(endpoints, now);
        let at = self.choose(tried, now)?;
        let entry = &mut self.entries[at];
        if entry.health.is_due(now) {
            entry.health.probe(now);
        }
        entry.in_flight += 1;
        Some(at)
    }

    /// A call that [`Balancer::pick`] sent there ended.
    pub fn ended(&mut self, id: EndpointId, how: Ended, now: Instant) {
        if let [entry] = self.entries.as_mut_slice() {
            // Nothing is ever decided by how the only one does.
            entry.in_flight -= u32::from(entry.id == id && entry.in_flight > 0);
            return;
        }
        let jitter = self.rng.f64();
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) else {
            // The endpoint left the name meanwhile.
            return;
        };
        entry.in_flight = entry.in_flight.saturating_sub(1);
        match how {
            Ended::Answered(took) => {
                entry.sample(took, now);
                entry.health.succeeded();
            }
            Ended::Failed => entry.health.failed(now, jitter),
            Ended::Cut(after)
                if entry
                    .latency
                    .is_none_or(|known| after.as_secs_f64() > known) =>
            {
                entry.sample(after, now);
            }
            Ended::Cut(_) | Ended::Unreached => {}
        }
    }

    /// Endpoints and whether they are in use, for views.
    pub fn health(&self) -> impl Iterator<Item = (EndpointId, Health, u32)> {
        let view = |entry: &Entry| (entry.id, entry.health, entry.in_flight);
        self.entries.iter().map(view)
    }

    fn sync<E: Endpoint>(&mut self, endpoints: &Endpoints<E>) {
        if self.version == endpoints.version && self.entries.len() == endpoints.all.len() {
            return;
        }
        let known = std::mem::take(&mut self.entries);
        let entry = |endpoint: &E| {
            let known = known.iter().find(|entry| entry.id == endpoint.id());
            let mut entry = known.cloned().unwrap_or_else(|| Entry::new(endpoint.id()));
            entry.failed_connects = endpoint.failed_connects();
            entry
        };
        self.entries = endpoints.all.iter().map(entry).collect();
        self.version = endpoints.version;
    }

    /// Openings end when nobody may be waiting for them any more; they count all the same.
    fn note_failed_connects<E: Endpoint>(&mut self, endpoints: &Endpoints<E>, now: Instant) {
        for (entry, endpoint) in self.entries.iter_mut().zip(&endpoints.all) {
            let failed = endpoint.failed_connects();
            for _ in entry.failed_connects..failed {
                entry.health.failed(now, self.rng.f64());
            }
            entry.failed_connects = failed;
        }
    }

    fn choose(&mut self, tried: &[EndpointId], now: Instant) -> Option<usize> {
        let untried = |entry: &Entry| !tried.contains(&entry.id);
        let indices = |wanted: &dyn Fn(&Entry) -> bool| -> Vec<usize> {
            let all = self.entries.iter().enumerate();
            all.filter(|(_, entry)| untried(entry) && wanted(entry))
                .map(|(at, _)| at)
                .collect()
        };
        if tried.is_empty()
            && let Some(&due) = indices(&|entry| entry.health.is_due(now)).first()
        {
            return Some(due);
        }
        let in_use = self.in_use();
        let candidates = indices(&|entry| in_use.contains(&entry.id));
        if candidates.is_empty() {
            // Better one that is set aside than none.
            return indices(&|_| true).first().copied();
        }
        self.since_explored += 1;
        if tried.is_empty()
            && self.since_explored >= EXPLORE_EVERY
            && let Some(unsure) = candidates
                .iter()
                .find(|&&at| self.entries[at].is_unsure(now))
        {
            self.since_explored = 0;
            return Some(*unsure);
        }
        Some(self.less_loaded(&candidates))
    }

    /// Those that get calls: the ones in use and, if they are less than half, those whose
    /// pauses end first.
    fn in_use(&self) -> Vec<EndpointId> {
        let least = self.entries.len().div_ceil(2);
        let mut ranked: Vec<&Entry> = self.entries.iter().collect();
        ranked.sort_by_key(|entry| match entry.health {
            Health::InUse { .. } => (0, None),
            Health::Ejected { until, .. } | Health::Probing { until, .. } => (1, Some(until)),
        });
        let in_use = ranked.iter().filter(|entry| entry.health.is_in_use());
        let count = in_use.count().max(least);
        ranked.iter().take(count).map(|entry| entry.id).collect()
    }

    fn less_loaded(&mut self, candidates: &[usize]) -> usize {
        let [only] = candidates else {
            let first = self.rng.usize(..candidates.len());
            let other = self.rng.usize(..candidates.len() - 1);
            let second = other + usize::from(other >= first);
            let (first, second) = (candidates[first], candidates[second]);
            // The first is as good as random, so loads that hardly differ share the calls.
            return match self.load(second) < ALIKE * self.load(first) {
                true => second,
                false => first,
            };
        };
        *only
    }

    fn load(&self, at: usize) -> f64 {
        let entry = &self.entries[at];
        let latency = entry.latency.unwrap_or_else(|| self.usual_latency());
        f64::from(entry.in_flight + 1) * latency
    }

    fn usual_latency(&self) -> f64 {
        let known = || self.entries.iter().filter_map(|entry| entry.latency);
        match known().count() {
            0 => 1.0,
            count => known().sum::<f64>() / count as f64,
        }
    }
}

impl Entry {
    fn new(id: EndpointId) -> Self {
        Self {
            id,
            in_flight: 0,
            latency: None,
            sampled: None,
            health: Health::default(),
            failed_connects: 0,
        }
    }

    fn sample(&mut self, took: Duration, now: Instant) {
        let age = self.sampled.map(|at| now.saturating_duration_since(at));
        let kept = age.map_or(0.0, |age| (-age.div_duration_f64(MEMORY)).exp());
        let before = self.latency.unwrap_or_default();
        self.latency = Some(kept * before + (1.0 - kept) * took.as_secs_f64());
        self.sampled = Some(now);
    }

    /// Whether too little is known of how it does now.
    fn is_unsure(&self, now: Instant) -> bool {
        let age = self.sampled.map(|at| now.saturating_duration_since(at));
        self.in_flight == 0 && age.is_none_or(|age| age >= EXPLORE_AFTER)
    }
}

#[cfg(test)]
mod tests;
