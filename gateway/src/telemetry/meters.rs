//! What is counted and measured, and who hears of it.
//!
//! Every series of every metric is registered at the start, so an event of a page looks
//! nothing up, formats nothing and never waits: a counter is one atomic addition in
//! [`Counts`], a histogram takes one value. Counters and gauges reach the recorders when
//! somebody calls [`Meters::publish`]: once a second, before each scrape, and at the end.
//!
//! Always holds: memory is bounded by the series there are and the values of a second.
//! Publishing hands Prometheus' values on from where they pile up until a scrape; the
//! DogStatsD exporter sends, and forgets, whether an agent listens or not.
//!
//! Not here: a global recorder. Many gateways live in one process, in tests and demos.

mod recorders;
mod register;
pub mod relay;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, NoopRecorder, Recorder};
use metrics_exporter_prometheus::PrometheusHandle;
use metrics_util::layers::FanoutBuilder;
use parking_lot::Mutex;

use self::register::Register;
use self::relay::Relay;
use crate::config::{Config, DownstreamId, PageId};
use crate::outcome::{CallOutcome, PageOutcome};
use crate::telemetry::counts::{Counts, of_call, of_page};
use crate::telemetry::names::configured::Configured;
use crate::telemetry::names::metrics as table;

/// From [`Meters::publish`] until its last value has left for the agent, with some room.
pub const LEAVES_WITHIN: Duration =
    Duration::from_millis(recorders::FLUSH.as_millis() as u64 * 2 + 400);

/// Counters, gauges and histograms of one gateway.
#[derive(Debug)]
pub struct Meters {
    counts: Arc<Counts>,
    page_duration: Vec<Histogram>,
    wait: Vec<Histogram>,
    overhead: Vec<Histogram>,
    lag: Vec<Histogram>,
    call_duration: Vec<Histogram>,
    published: Mutex<Published>,
    prometheus: Option<PrometheusHandle>,
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
}

/// The recorders' side of counters and gauges.
struct Published {
    /// With what has been passed on of each, in the order of [`Counts::all`].
    counters: Vec<(Counter, u64)>,
    in_flight: Vec<Gauge>,
    tickets: Vec<Gauge>,
    queued: Vec<Gauge>,
    in_use: Vec<Gauge>,
}

/// Why metrics cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum MetersError {
    /// The Prometheus recorder was not made.
    #[error("metrics for Prometheus: {0}")]
    Prometheus(#[from] metrics_exporter_prometheus::BuildError),
    /// The DogStatsD recorder was not made.
    #[error("metrics for DogStatsD: {0}")]
    DogStatsD(#[from] metrics_exporter_dogstatsd::BuildError),
    /// No socket to send from.
    #[error("no socket for DogStatsD: {0}")]
    Socket(#[from] std::io::Error),
}

impl Meters {
    /// Meters for Prometheus and, where the configuration names an agent, for DogStatsD:
    /// then somebody has to run the [`Relay`]. Waits for nobody.
    ///
    /// # Errors
    /// [`MetersError`]: the system gives no socket or no thread.
    pub fn new(config: &Config, names: &Configured) -> Result<(Self, Option<Relay>), MetersError> {
        let recorder = recorders::prometheus(&config.pages)?;
        let handle = recorder.handle();
        let mut all = FanoutBuilder::default().add_recorder(recorder);
        let agent = config.telemetry.dogstatsd.as_deref();
        let relay = agent.map(Relay::new).transpose()?;
        if let Some(relay) = &relay {
            all = all.add_recorder(recorders::dogstatsd(&config.telemetry, relay.address()?)?);
        }
        let meters = Self::with_recorder(config, names, &all.build(), Some(handle));
        Ok((meters, relay))
    }

    /// Counters alone: nothing is measured and nobody is told.
    pub fn unheard(config: &Config, names: &Configured) -> Self {
        Self::with_recorder(config, names, &NoopRecorder, None)
    }

    fn with_recorder(
        config: &Config,
        names: &Configured,
        recorder: &dyn Recorder,
        prometheus: Option<PrometheusHandle>,
    ) -> Self {
        let counts = Arc::new(Counts::new(names));
        let register = Register { recorder, names };
        register.describe_all();
        register.limits(config);
        let published = Published {
            counters: register.counters(&counts),
            in_flight: register.gauges(&table::IN_FLIGHT),
            tickets: register.gauges(&table::TICKETS_EFFECTIVE),
            queued: register.gauges(&table::QUEUE_DEPTH),
            in_use: register.gauges(&table::BULKHEAD_IN_USE),
        };
        Self {
            page_duration: register.histograms(&table::PAGE_DURATION),
            wait: register.histograms(&table::ADMISSION_WAIT),
            overhead: register.histograms(&table::OVERHEAD),
            lag: register.histograms(&table::LAG),
            call_duration: register.histograms(&table::CALL_DURATION),
            published: Mutex::new(published),
            counts,
            prometheus,
        }
    }

    /// How often what happened so far.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// A page ended so, after so long.
    pub fn page(&self, page: PageId, outcome: PageOutcome, total: Duration) {
        self.counts.page(page, outcome);
        self.page_duration[of_page(page, outcome)].record(seconds(total));
    }

    /// A page waited so long for permits, and got them or not.
    pub fn wait(&self, page: PageId, wait: Duration) {
        self.wait[page.0].record(seconds(wait));
    }

    /// So much of a page's time was neither a wait for permits nor for calls.
    pub fn overhead(&self, page: PageId, overhead: Duration) {
        self.overhead[page.0].record(seconds(overhead));
    }

    /// What could run at some instant ran so much later.
    pub fn lag(&self, lag: Duration) {
        for series in &self.lag {
            series.record(seconds(lag));
        }
    }

    /// A call ended so, after so long.
    pub fn call(&self, downstream: DownstreamId, outcome: CallOutcome, took: Duration) {
        self.counts.call(downstream, outcome);
        self.call_duration[of_call(downstream, outcome)].record(seconds(took));
    }

    /// Passes counters and `gauges` on to the recorders.
    pub fn publish(&self, gauges: &Gauges) {
        self.published.lock().update(&self.counts, gauges);
        if let Some(prometheus) = &self.prometheus {
            prometheus.run_upkeep();
        }
    }

    /// What Prometheus reads, as of the last [`Meters::publish`]; text format 0.0.4.
    pub fn prometheus(&self) -> String {
        self.prometheus
            .as_ref()
            .map(PrometheusHandle::render)
            .unwrap_or_default()
    }
}

impl Published {
    /// Counters are passed on by what was added since, under the caller's lock: told
    /// absolute values out of order, the DogStatsD exporter would send the difference
    /// as a huge number, and it withholds the first.
    fn update(&mut self, counts: &Counts, gauges: &Gauges) {
        let counted = counts.all().into_iter().flat_map(|(_, counters)| counters);
        for ((counter, told), counted) in self.counters.iter_mut().zip(counted) {
            let now = counted.load(Ordering::Relaxed);
            if now != *told {
                counter.increment(now - *told);
                *told = now;
            }
        }
        set(&self.in_flight, [gauges.in_flight]);
        set(&self.tickets, [gauges.tickets]);
        set(
            &self.queued,
            gauges.queued.iter().map(|&pages| pages as u32),
        );
        set(&self.in_use, gauges.in_use.iter().copied());
    }
}

/// In whole microseconds: what is shorter is noise, and its digits would be half of every
/// datagram.
fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}

fn set(gauges: &[Gauge], values: impl IntoIterator<Item = u32>) {
    for (gauge, value) in gauges.iter().zip(values) {
        gauge.set(value);
    }
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Published").finish_non_exhaustive()
    }
}
