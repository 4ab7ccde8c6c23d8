//! Makes a handle for every series of the table, so that events find theirs by index.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};

use crate::config::Config;
use crate::telemetry::counts::Counts;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::names::metrics::{self as names, Kind, Metric, Unit};

const METADATA: Metadata<'static> = Metadata::new("gateway", Level::INFO, None);

/// The recorder, and the names its series carry.
pub(super) struct Register<'a> {
    pub(super) recorder: &'a dyn Recorder,
    pub(super) names: &'a Configured,
}

impl Register<'_> {
    /// Types, units and meanings, as the table has them.
    pub(super) fn describe_all(&self) {
        for metric in names::ALL {
            let unit = (metric.unit == Unit::Second).then_some(metrics::Unit::Seconds);
            let (name, meaning) = (metric.name.into(), metric.meaning.into());
            match metric.kind {
                Kind::Counter => self.recorder.describe_counter(name, unit, meaning),
                Kind::Gauge => self.recorder.describe_gauge(name, unit, meaning),
                Kind::Histogram => self.recorder.describe_histogram(name, unit, meaning),
            }
        }
    }

    fn keys(&self, metric: &Metric) -> impl Iterator<Item = Key> {
        let series = self.names.series(metric);
        series.into_iter().map(|values| {
            let tags = metric.tags.iter().map(|tag| tag.as_str());
            let labels = tags.zip(values).map(|(tag, value)| Label::new(tag, value));
            Key::from_parts(metric.name, labels.collect::<Vec<_>>())
        })
    }

    pub(super) fn counters(&self, counts: &Counts) -> Vec<(Counter, u64)> {
        let metrics = counts.all().map(|(metric, _)| metric);
        let keys = metrics.into_iter().flat_map(|metric| self.keys(metric));
        keys.map(|key| (self.recorder.register_counter(&key, &METADATA), 0))
            .collect()
    }

    pub(super) fn gauges(&self, metric: &Metric) -> Vec<Gauge> {
        self.keys(metric)
            .map(|key| self.recorder.register_gauge(&key, &METADATA))
            .collect()
    }

    pub(super) fn histograms(&self, metric: &Metric) -> Vec<Histogram> {
        self.keys(metric)
            .map(|key| self.recorder.register_histogram(&key, &METADATA))
            .collect()
    }

    /// Gauges that stay as the configuration says. What has no limit has no series.
    pub(super) fn limits(&self, config: &Config) {
        let deadlines = config.pages.iter().map(|page| page.deadline);
        let queues = config.pages.iter().map(|page| Some(page.queue as f64));
        let permits = config.downstreams.iter().map(|d| d.permits);
        let tickets = config.admission.max_in_flight;
        self.fixed(&names::IN_FLIGHT_LIMIT, [Some(f64::from(tickets.get()))]);
        self.fixed(
            &names::PAGE_DEADLINE,
            deadlines.map(|d| d.map(|d| d.as_secs_f64())),
        );
        self.fixed(&names::QUEUE_LIMIT, queues);
        self.fixed(
            &names::BULKHEAD_LIMIT,
            permits.map(|p| p.map(|p| f64::from(p.get()))),
        );
    }

    fn fixed(&self, metric: &Metric, values: impl IntoIterator<Item = Option<f64>>) {
        for (key, value) in self.keys(metric).zip(values) {
            if let Some(value) = value {
                self.recorder.register_gauge(&key, &METADATA).set(value);
            }
        }
    }
}
