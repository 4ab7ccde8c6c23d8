//! What is counted and measured, and who hears of it.
//!
//! Every series of every metric is there from the start, so an event of a page looks
//! nothing up, formats nothing and never waits: a counter is one atomic addition in
//! [`Counts`], a value of a histogram a few under a lock that is held for no longer.
//! Prometheus reads all of it when it asks; a DogStatsD agent is told some times a second.
//!
//! Always holds: memory is bounded by the series there are, whether anybody listens or
//! not. Counters are counted once: what is told is read from [`Counts`].
//!
//! Not here: anything global. Many gateways live in one process, in tests and demos.

mod agent;
mod datagrams;
pub mod distribution;
pub mod dogstatsd;
mod histogram;
pub mod process;
mod prometheus;
mod runtime;
mod series;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use self::distribution::Distribution;
use self::dogstatsd::{DogStatsD, Subject};
use self::histogram::Histogram;
use self::prometheus::Prometheus;
use self::series::Series;
use crate::config::{Config, DownstreamId, Kept, PageId};
use crate::outcome::{CallOutcome, PageOutcome};
use crate::telemetry::counts::Counts;
use crate::telemetry::names::configured::Configured;

/// From [`Meters::publish`] until its last value has left for the agent, with some room.
pub const LEAVES_WITHIN: Duration =
    Duration::from_millis(dogstatsd::FLUSH.as_millis() as u64 + 200);

/// Counters, gauges and histograms of one gateway.
#[derive(Debug)]
pub struct Meters {
    counts: Arc<Counts>,
    measured: Option<Measured>,
    /// What an agent is told of, if there is one.
    told: Option<Arc<Mutex<Arc<Subject>>>>,
}

/// What is measured if anybody can hear of it.
#[derive(Debug)]
struct Measured {
    series: Arc<Series>,
    prometheus: Prometheus,
}

impl Measured {
    fn new(series: Series, names: &Configured) -> Self {
        Self {
            prometheus: Prometheus::new(&series, names),
            series: Arc::new(series),
        }
    }

    fn subject(&self, names: &Arc<Configured>) -> Arc<Subject> {
        Arc::new(Subject {
            series: Arc::clone(&self.series),
            names: Arc::clone(names),
        })
    }
}

/// What is as full as it is at one instant.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Tickets out.
    pub in_flight: u32,
    /// Tickets there are.
    pub tickets: u32,
    /// Pages waiting for permits, by page.
    pub queued: Vec<usize>,
    /// Permits out, by downstream.
    pub in_use: Vec<u32>,
    /// Endpoints there are, by downstream.
    pub endpoints: Vec<u32>,
    /// Endpoints set aside, by downstream.
    pub ejected: Vec<u32>,
}

impl Gauges {
    fn of_nothing(config: &Config) -> Self {
        Self {
            in_flight: 0,
            tickets: config.admission.max_in_flight.get(),
            queued: vec![0; config.pages.len()],
            in_use: vec![0; config.downstreams.len()],
            endpoints: vec![0; config.downstreams.len()],
            ejected: vec![0; config.downstreams.len()],
        }
    }
}

impl Meters {
    /// Meters for Prometheus and, where the configuration names an agent, for DogStatsD:
    /// then somebody has to run the [`DogStatsD`]. Waits for nobody.
    pub fn new(config: &Config, names: &Arc<Configured>) -> (Self, Option<DogStatsD>) {
        let agent = config.telemetry.dogstatsd.as_ref();
        let kept = Kept::nothing(config);
        let counts = Arc::new(Counts::carried(None, &kept));
        let series = Series::new(config, Arc::clone(&counts), agent.is_some(), &kept, None);
        let measured = Measured::new(series, names);
        let told = agent.map(|_| Arc::new(Mutex::new(measured.subject(names))));
        let dogstatsd = agent.zip(told.as_ref());
        let dogstatsd = dogstatsd
            .map(|(agent, told)| DogStatsD::new(Arc::clone(told), &config.telemetry, agent));
        let meters = Self {
            counts,
            measured: Some(measured),
            told,
        };
        (meters, dogstatsd)
    }

    /// Those of the next configuration: names that are `kept` go on. Whoever is told of the ones
    /// before is told of these once they [take effect](Self::take_effect).
    pub fn carried(&self, config: &Config, names: &Arc<Configured>, kept: &Kept) -> Self {
        let counts = Arc::new(Counts::carried(Some(&self.counts), kept));
        let measured = self.measured.as_ref().map(|before| {
            let (counts, before) = (Arc::clone(&counts), Some(&*before.series));
            let series = Series::new(config, counts, self.told.is_some(), kept, before);
            Measured::new(series, names)
        });
        Self {
            counts,
            measured,
            told: self.told.clone(),
        }
    }

    /// They are what is told of from now on.
    pub fn take_effect(&self, names: &Arc<Configured>) {
        if let (Some(told), Some(measured)) = (&self.told, &self.measured) {
            *told.lock() = measured.subject(names);
        }
    }

    /// Counters alone: nothing is measured and nobody is told.
    pub fn unheard(names: &Configured) -> Self {
        Self {
            counts: Arc::new(Counts::new(names)),
            measured: None,
            told: None,
        }
    }

    /// How often what happened so far.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// A page ended so, after so long.
    pub fn page(&self, page: PageId, outcome: PageOutcome, total: Duration) {
        self.counts.page(page, outcome);
        if let Some(Measured { series, .. }) = &self.measured {
            series.page_duration.of(page.0)[outcome as usize].record(total);
        }
    }

    /// A page waited so long for permits, and got them or not.
    pub fn wait(&self, page: PageId, wait: Duration) {
        if let Some(Measured { series, .. }) = &self.measured {
            series.wait.of(page.0)[0].record(wait);
        }
    }

    /// So much of a page's time was neither a wait for permits nor for calls.
    pub fn overhead(&self, page: PageId, overhead: Duration) {
        if let Some(Measured { series, .. }) = &self.measured {
            series.overhead.of(page.0)[0].record(overhead);
        }
    }

    /// What could run at some instant ran so much later.
    pub fn lag(&self, lag: Duration) {
        if let Some(Measured { series, .. }) = &self.measured {
            series.lag.of(0)[0].record(lag);
        }
    }

    /// A call ended so, after so long.
    pub fn call(&self, downstream: DownstreamId, outcome: CallOutcome, took: Duration) {
        self.counts.call(downstream, outcome);
        if let Some(Measured { series, .. }) = &self.measured {
            series.call_duration.of(downstream.0)[outcome as usize].record(took);
        }
    }

    /// How long pages took so far that ended so.
    pub fn page_durations(&self, page: PageId, outcome: PageOutcome) -> Distribution {
        self.durations(|series| &series.page_duration.of(page.0)[outcome as usize])
    }

    /// How long calls took so far that ended so.
    pub fn call_durations(&self, downstream: DownstreamId, outcome: CallOutcome) -> Distribution {
        self.durations(|series| &series.call_duration.of(downstream.0)[outcome as usize])
    }

    fn durations(&self, of: impl Fn(&Series) -> &Histogram) -> Distribution {
        let measured = self.measured.as_ref();
        let read = |measured: &Measured| of(&measured.series).distribution();
        measured.map(read).unwrap_or_default()
    }

    /// From now on `gauges` are what is told.
    pub fn publish(&self, gauges: Gauges) {
        if let Some(Measured { series, .. }) = &self.measured {
            series.stands(gauges);
        }
    }

    /// What Prometheus reads; text format 0.0.4. Gauges are as of the last
    /// [`Meters::publish`].
    pub fn prometheus(&self) -> String {
        let text = |measured: &Measured| measured.prometheus.text(&measured.series);
        self.measured.as_ref().map(text).unwrap_or_default()
    }
}
