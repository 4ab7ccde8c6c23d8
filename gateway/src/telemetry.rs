//! What the gateway says about itself: names, counts, log lines and traces.
//!
//! Nothing here waits, and nothing here decides what becomes of a page: the layers
//! above say what happened, this module counts it, logs it, and lets its trace leave.

mod client;
pub mod context;
pub mod counts;
pub mod events;
mod family;
pub mod lag;
pub mod log;
pub mod meters;
pub mod names;
pub mod recent;
pub mod record;
pub mod sampling;
pub mod stats;
pub mod traces;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use parking_lot::Mutex;

use self::context::TraceContext;
use self::counts::Counts;
use self::lag::Lag;
use self::log::Lost;
use self::meters::dogstatsd::DogStatsD;
use self::meters::{Gauges, Meters};
use self::names::configured::Configured;
use self::names::{BadContext, Dropped, TraceDecision};
use self::recent::Recent;
use self::record::PageRecord;
use self::sampling::Sampling;
use self::stats::{Statistics, StatsExport};
use self::traces::TraceExport;
use self::traces::queue::Queue;
use crate::config::{Config, DownstreamId, Kept, Propagation};
use crate::outcome::{CallOutcome, PartStatus};

/// Where pages and calls of one configuration are told of.
#[derive(Debug)]
pub struct Telemetry {
    names: Arc<Configured>,
    meters: Meters,
    lag: Arc<Lag>,
    propagation: Propagation,
    sampling: Sampling,
    traces: Option<Queue>,
    stats: Option<Statistics>,
    recent: Arc<Recent>,
    /// What may be kept once this takes effect.
    recent_bytes: Option<NonZeroUsize>,
    /// Log lines of this process that have been counted as lost.
    lines_lost: Arc<Mutex<Lost>>,
}

/// What has to run for telemetry to leave the process.
#[must_use = "nothing leaves unless it runs"]
#[derive(Debug)]
pub struct Exports {
    /// Carries traces away, if the config has them leave.
    pub traces: Option<TraceExport>,
    /// Carries statistics of pages and calls away, if traces leave for a Datadog agent.
    pub stats: Option<StatsExport>,
    /// Tells an agent of metrics, if the config names one.
    pub metrics: Option<DogStatsD>,
}

impl Telemetry {
    /// Counts and logs; nothing is measured, and nothing leaves.
    pub fn new(config: &Config) -> Self {
        let names = Arc::new(Configured::new(config));
        Self::with_meters(config, Meters::unheard(&names), names)
    }

    /// All of it, to where the config says. It leaves as long as the [`Exports`] run; what cannot
    /// is in the log.
    pub fn exporting(config: &Config) -> (Self, Exports) {
        let names = Arc::new(Configured::new(config));
        let (meters, metrics) = Meters::new(config, &names);
        let mut telemetry = Self::with_meters(config, meters, Arc::clone(&names));
        let counts = Arc::clone(telemetry.meters.counts());
        let stats = stats::export(&config.telemetry, &names, Arc::clone(&counts));
        let traces = traces::export(&config.telemetry, counts);
        let (queue, traces) = traces.unzip();
        let (adding_up, stats) = stats.unzip();
        (telemetry.traces, telemetry.stats) = (queue, adding_up);
        let exports = Exports {
            traces,
            stats,
            metrics,
        };
        (telemetry, exports)
    }

    /// That of the next configuration: what is counted of names that are `kept` goes on, and all of
    /// it leaves as it did. Whoever is told of metrics is told of these once they
    /// [take effect](Self::take_effect).
    #[must_use]
    pub fn carried(&self, config: &Config, kept: &Kept) -> Self {
        let names = Arc::new(Configured::new(config));
        Self {
            meters: self.meters.carried(config, &names, kept),
            lag: Arc::clone(&self.lag),
            propagation: config.telemetry.propagation,
            sampling: Sampling::new(&config.telemetry),
            traces: self.traces.clone(),
            stats: self.stats.as_ref().map(|stats| stats.carried(&names)),
            recent: Arc::clone(&self.recent),
            recent_bytes: config.telemetry.recent,
            lines_lost: Arc::clone(&self.lines_lost),
            names,
        }
    }

    /// It is what is told of from now on.
    pub fn take_effect(&self) {
        self.recent.resize(self.recent_bytes);
        self.meters.take_effect(&self.names);
    }

    fn with_meters(config: &Config, meters: Meters, names: Arc<Configured>) -> Self {
        Self {
            names,
            meters,
            lag: Arc::default(),
            propagation: config.telemetry.propagation,
            sampling: Sampling::new(&config.telemetry),
            traces: None,
            stats: None,
            recent: Arc::new(Recent::new(config.telemetry.recent)),
            recent_bytes: config.telemetry.recent,
            lines_lost: Arc::default(),
        }
    }

    /// The names of the config.
    pub fn names(&self) -> &Arc<Configured> {
        &self.names
    }

    /// Recent pages, and those in flight.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// How often each thing happened so far.
    pub fn counts(&self) -> &Arc<Counts> {
        self.meters.counts()
    }

    /// What is counted and measured.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// The trace that a request belongs to: its own, or a new one where it brings none
    /// that can be read. What of it can not be read is to be [counted](Self::count_bad_contexts),
    /// once a request.
    pub fn trace_of(&self, headers: &HeaderMap) -> (TraceContext, Vec<BadContext>) {
        let mut incoming = TraceContext::from_headers(headers, self.propagation);
        let unreadable = std::mem::take(&mut incoming.unreadable);
        let mut context = self.sampling.decided(incoming);
        context.propagation = self.propagation;
        (context, unreadable)
    }

    /// Trace headers of a request could not be read.
    pub fn count_bad_contexts(&self, unreadable: &[BadContext]) {
        for &header in unreadable {
            self.counts().bad_context(header);
        }
    }

    /// A page ended.
    pub fn page_ended(&self, record: &Arc<PageRecord>) {
        self.measure(record);
        self.recent.keep(record);
        if self.sampling.logs(record) {
            events::page_ended(&self.names, record);
        }
        if let Some(stats) = &self.stats {
            stats.page(record);
        }
        let Some(traces) = &self.traces else {
            return;
        };
        match self.sampling.keep(record) {
            Some(because) => {
                self.counts().trace(TraceDecision::Kept);
                traces.offer(Arc::clone(record), because);
            }
            None => self.counts().trace(TraceDecision::Unsampled),
        }
    }

    fn measure(&self, record: &PageRecord) {
        self.meters
            .page(record.page, record.outcome, record.total());
        self.counts().standing(record.page, record.standing);
        if let Some(overhead) = record.overhead() {
            self.meters.overhead(record.page, overhead);
        }
        if let Some(wait) = record.admission {
            self.meters.wait(record.page, wait.took);
        }
        if let Some(by) = record.shed_by() {
            self.counts().shed(by);
        }
        let names = &self.names.page(record.page).parts;
        for (part, names) in record.parts.iter().zip(names) {
            if part.status == PartStatus::Shed {
                self.counts().part_shed(names.downstream);
            }
        }
    }

    /// A call ended.
    pub fn call_ended(&self, downstream: DownstreamId, outcome: CallOutcome, took: Duration) {
        self.meters.call(downstream, outcome, took);
    }

    /// What could run at some instant ran so much later.
    pub fn lag_of(&self, lag: Duration) {
        self.meters.lag(lag);
    }

    /// What is known of lag.
    pub fn lag(&self) -> &Lag {
        &self.lag
    }

    /// Passes counts and `gauges` on to those who collect metrics.
    pub fn publish(&self, gauges: Gauges) {
        let lost = log::lost_lines();
        let counted = std::mem::replace(&mut *self.lines_lost.lock(), lost);
        for (what, now, before) in [
            (Dropped::LogQueueFull, lost.too_many, counted.too_many),
            (
                Dropped::LogNotWritten,
                lost.not_written,
                counted.not_written,
            ),
        ] {
            self.counts().dropped(what, now.saturating_sub(before));
        }
        self.meters.publish(gauges);
    }

    /// What Prometheus reads, as of the last [`Telemetry::publish`].
    pub fn prometheus(&self) -> String {
        self.meters.prometheus()
    }
}
