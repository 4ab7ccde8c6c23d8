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

use self::distribution::Distribution;
use self::dogstatsd::DogStatsD;
use self::histogram::Histogram;
use self::prometheus::Prometheus;
use self::series::Series;
use crate::config::{Config, DownstreamId, PageId};
use crate::outcome::{CallOutcome, PageOutcome};
use crate::telemetry::counts::{Counts, of_call, of_page};
use crate::telemetry::names::configured::Configured;

/// From [`Meters::publish`] until its last value has left for the agent, with some room.
pub const LEAVES_WITHIN: Duration =
    Duration::from_millis(dogstatsd::FLUSH.as_millis() as u64 + 200);

/// Counters, gauges and histograms of one gateway.
#[derive(Debug)]
pub struct Meters {
    counts: Arc<Counts>,
    measured: Option<Measured>,
}

/// What is measured if anybody can hear of it.
#[derive(Debug)]
struct Measured {
    series: Arc<Series>,
    prometheus: Prometheus,
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
    pub fn new(config: &Config, names: &Configured) -> (Self, Option<DogStatsD>) {
        let agent = config.telemetry.dogstatsd.as_ref();
        let counts = Arc::new(Counts::new(names));
        let series = Series::new(config, names, Arc::clone(&counts), agent.is_some());
        let series = Arc::new(series);
        let tell = |agent| DogStatsD::new(Arc::clone(&series), names, &config.telemetry, agent);
        let dogstatsd = agent.map(tell);
        let measured = Measured {
            prometheus: Prometheus::new(&series, names),
            series,
        };
        let meters = Self {
            counts,
            measured: Some(measured),
        };
        (meters, dogstatsd)
    }

    /// Counters alone: nothing is measured and nobody is told.
    pub fn unheard(names: &Configured) -> Self {
        Self {
            counts: Arc::new(Counts::new(names)),
            measured: None,
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
            series.page_duration[of_page(page, outcome)].record(total);
        }
    }

    /// A page waited so long for permits, and got them or not.
    pub fn wait(&self, page: PageId, wait: Duration) {
        if let Some(Measured { series, .. }) = &self.measured {
            series.wait[page.0].record(wait);
        }
    }

    /// So much of a page's time was neither a wait for permits nor for calls.
    pub fn overhead(&self, page: PageId, overhead: Duration) {
        if let Some(Measured { series, .. }) = &self.measured {
            series.overhead[page.0].record(overhead);
        }
    }

    /// What could run at some instant ran so much later.
    pub fn lag(&self, lag: Duration) {
        for series in self.measured.iter().flat_map(|to| &to.series.lag) {
            series.record(lag);
        }
    }

    /// A call ended so, after so long.
    pub fn call(&self, downstream: DownstreamId, outcome: CallOutcome, took: Duration) {
        self.counts.call(downstream, outcome);
        if let Some(Measured { series, .. }) = &self.measured {
            series.call_duration[of_call(downstream, outcome)].record(took);
        }
    }

    /// How long pages took so far that ended so.
    pub fn page_durations(&self, page: PageId, outcome: PageOutcome) -> Distribution {
        self.durations(|series| &series.page_duration[of_page(page, outcome)])
    }

    /// How long calls took so far that ended so.
    pub fn call_durations(&self, downstream: DownstreamId, outcome: CallOutcome) -> Distribution {
        self.durations(|series| &series.call_duration[of_call(downstream, outcome)])
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
