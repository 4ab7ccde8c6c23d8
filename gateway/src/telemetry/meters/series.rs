//! Every series of every metric, with its values: what Prometheus reads and DogStatsD is told.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::Gauges;
use super::histogram::Histogram;
use super::runtime::Runtime;
use crate::config::{Config, Kept};
use crate::outcome::{CallOutcome, PageOutcome};
use crate::telemetry::counts::{Counter, Counts};
use crate::telemetry::family::Family;
use crate::telemetry::names::metrics::{self as names, Metric};

/// Pages and calls, in microseconds: fine where deadlines are, 0.3 s above all. The same for
/// every page and every gateway, whatever its deadline: buckets of some only cannot be added up.
const WHOLE: &[u64] = &[
    5_000, 10_000, 20_000, 50_000, 100_000, 150_000, 200_000, 250_000, 300_000, 400_000, 500_000,
    750_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// What should be next to nothing, in microseconds.
const SLIGHT: &[u64] = &[
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
];

/// Of one gateway, by the indices of its configuration.
#[derive(Debug)]
pub(super) struct Series {
    counts: Arc<Counts>,
    pub(super) page_duration: Family<Histogram>,
    pub(super) wait: Family<Histogram>,
    pub(super) overhead: Family<Histogram>,
    pub(super) lag: Family<Histogram>,
    pub(super) call_duration: Family<Histogram>,
    /// As they were told last.
    gauges: Mutex<Gauges>,
    runtime: Runtime,
    /// Gauges that stay as the configuration says.
    limits: Vec<(&'static Metric, Vec<Option<f64>>)>,
}

/// Values of one metric, in the order of its series.
pub(super) enum Values<'a> {
    Counters(Vec<&'a Counter>),
    /// What has no limit has no series.
    Gauges(Vec<Option<f64>>),
    Histograms(Vec<&'a Histogram>),
}

impl Series {
    /// `keeps_values`: whether somebody takes the single values of histograms.
    pub(super) fn new(
        config: &Config,
        counts: Arc<Counts>,
        keeps_values: bool,
        kept: &Kept,
        before: Option<&Self>,
    ) -> Self {
        let (whole, slight) = (Arc::from(WHOLE), Arc::from(SLIGHT));
        let whole = || Histogram::new(&whole, keeps_values);
        let slight = || Histogram::new(&slight, keeps_values);
        let (outcomes, ends) = (PageOutcome::ALL.len(), CallOutcome::ALL.len());
        Self {
            counts,
            page_duration: Family::of_pages(
                kept,
                before.map(|b| &b.page_duration),
                outcomes,
                whole,
            ),
            wait: Family::of_pages(kept, before.map(|b| &b.wait), 1, slight),
            overhead: Family::of_pages(kept, before.map(|b| &b.overhead), 1, slight),
            lag: Family::of_gateway(before.map(|b| &b.lag), 1, slight),
            call_duration: Family::of_downstreams(
                kept,
                before.map(|b| &b.call_duration),
                ends,
                whole,
            ),
            gauges: Mutex::new(Gauges::of_nothing(config)),
            runtime: Runtime::default(),
            limits: limits(config),
        }
    }

    /// How everything stands.
    pub(super) fn stands(&self, gauges: Gauges) {
        self.runtime.look();
        *self.gauges.lock() = gauges;
    }

    /// Every metric, with the values of its series.
    pub(super) fn all(&self) -> Vec<(&'static Metric, Values<'_>)> {
        let histograms = [
            (&names::PAGE_DURATION, &self.page_duration),
            (&names::ADMISSION_WAIT, &self.wait),
            (&names::OVERHEAD, &self.overhead),
            (&names::LAG, &self.lag),
            (&names::CALL_DURATION, &self.call_duration),
        ];
        let counted = self.counts.all().into_iter();
        let counted = counted.map(|(metric, counters)| (metric, Values::Counters(counters)));
        let measured = histograms.into_iter();
        let measured =
            measured.map(|(metric, all)| (metric, Values::Histograms(all.all().collect())));
        counted.chain(measured).chain(self.gauges()).collect()
    }

    fn gauges(&self) -> impl Iterator<Item = (&'static Metric, Values<'_>)> {
        let now = self.gauges.lock();
        let all = |values: &[u32]| values.iter().map(|n| Some(f64::from(*n))).collect();
        let queued: Vec<_> = now.queued.iter().map(|&pages| pages as u32).collect();
        let moving = [
            (&names::IN_FLIGHT, all(&[now.in_flight])),
            (&names::TICKETS_EFFECTIVE, all(&[now.tickets])),
            (&names::QUEUE_DEPTH, all(&queued)),
            (&names::BULKHEAD_IN_USE, all(&now.in_use)),
            (&names::ENDPOINTS, all(&now.endpoints)),
            (&names::ENDPOINTS_EJECTED, all(&now.ejected)),
        ];
        let runtime = self.runtime.gauges();
        let runtime = runtime.map(|(metric, value)| (metric, vec![Some(value)]));
        let fixed = self.limits.iter().cloned();
        let gauges = moving.into_iter().chain(runtime).chain(fixed);
        gauges.map(|(metric, values)| (metric, Values::Gauges(values)))
    }
}

fn limits(config: &Config) -> Vec<(&'static Metric, Vec<Option<f64>>)> {
    let tickets = config.admission.max_in_flight;
    let deadlines = config.pages.iter().map(|page| page.deadline);
    let queues = config.pages.iter().map(|page| Some(page.queue as f64));
    let permits = config.downstreams.iter().map(|d| d.permits);
    let loaded = SystemTime::now().duration_since(UNIX_EPOCH);
    let loaded = loaded.unwrap_or_default().as_secs();
    vec![
        (&names::BUILD_INFO, vec![Some(1.0)]),
        (&names::CONFIG_LOADED, vec![Some(loaded as f64)]),
        (
            &names::IN_FLIGHT_LIMIT,
            vec![Some(f64::from(tickets.get()))],
        ),
        (
            &names::PAGE_DEADLINE,
            deadlines.map(|d| d.map(|d| d.as_secs_f64())).collect(),
        ),
        (&names::QUEUE_LIMIT, queues.collect()),
        (
            &names::BULKHEAD_LIMIT,
            permits.map(|p| p.map(|p| f64::from(p.get()))).collect(),
        ),
    ]
}
