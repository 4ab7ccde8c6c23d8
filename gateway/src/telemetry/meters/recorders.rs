//! Who hears of the metrics: Prometheus, when it asks, and a DogStatsD agent.

use std::net::SocketAddr;
use std::time::Duration;

use metrics::Label;
use metrics_exporter_dogstatsd::{DogStatsDBuilder, DogStatsDRecorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use super::MetersError;
use crate::config::{Page, Telemetry};
use crate::telemetry::names::metrics::{self as names, Metric};

/// How often datagrams are sent. The exporter has no call that flushes: values leave at
/// its next turn, spread over that turn, so within twice this time.
pub(super) const FLUSH: Duration = Duration::from_millis(300);

/// Pages and calls, in seconds: fine where deadlines are, 0.3 above all.
const WHOLE: &[f64] = &[
    0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0,
];

/// What should be next to nothing, in seconds.
const SLIGHT: &[f64] = &[
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
];

/// Bucket edges of every histogram.
pub(super) const BUCKETS: [(&Metric, &[f64]); 5] = [
    (&names::PAGE_DURATION, WHOLE),
    (&names::CALL_DURATION, WHOLE),
    (&names::ADMISSION_WAIT, SLIGHT),
    (&names::OVERHEAD, SLIGHT),
    (&names::LAG, SLIGHT),
];

/// Keeps everything until it is asked. Its names get units and `_total`. The deadlines of
/// the pages are edges too, so that a percentile beside one does not have to be guessed.
pub(super) fn prometheus(pages: &[Page]) -> Result<PrometheusRecorder, MetersError> {
    let mut builder = PrometheusBuilder::new().with_recommended_naming(true);
    for (metric, edges) in BUCKETS {
        let name = Matcher::Full(metric.name.to_owned());
        let mut edges = edges.to_vec();
        if metric == &names::PAGE_DURATION {
            edges.extend(pages.iter().filter_map(|p| Some(p.deadline?.as_secs_f64())));
            edges.sort_by(f64::total_cmp);
            edges.dedup();
        }
        builder = builder.set_buckets_for_metric(name, &edges)?;
    }
    Ok(builder.build_recorder())
}

/// Sends datagrams to `to` from a thread of its own, which ends with the process.
/// Histograms are distributions, so that percentiles of all gateways together are right.
/// What has been sent is forgotten, whether anybody was there or not.
pub(super) fn dogstatsd(
    telemetry: &Telemetry,
    to: SocketAddr,
) -> Result<DogStatsDRecorder, MetersError> {
    let tags = [
        ("service", &telemetry.service),
        ("env", &telemetry.env),
        ("version", &telemetry.version),
    ];
    let tags = tags.map(|(tag, value)| Label::new(tag, as_tag_value(value)));
    let recorder = DogStatsDBuilder::default()
        .with_remote_address(to.to_string())?
        .with_flush_interval(FLUSH)
        .with_telemetry(false)
        .with_global_labels(tags.to_vec())
        .build()?;
    Ok(recorder)
}

/// Without the characters that end a tag in a datagram.
fn as_tag_value(text: &str) -> String {
    text.replace([',', '|', '\n'], "_")
}
