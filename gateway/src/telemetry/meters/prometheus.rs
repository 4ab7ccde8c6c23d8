//! What Prometheus reads: text format 0.0.4, written anew for each scrape.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{Display, Write as _};

use super::histogram::Histogram;
use super::process;
use super::series::{Series, Values};
use crate::telemetry::names::configured::Configured;
use crate::telemetry::names::metrics::Metric;

/// Names of metrics and labels of series, in the order of [`Series::all`].
#[derive(Debug)]
pub(super) struct Prometheus(Vec<Named>);

#[derive(Debug)]
struct Named {
    name: String,
    /// By series: `page="product-page",outcome="late"`; nothing for one that cannot occur.
    labels: Vec<Option<String>>,
}

impl Prometheus {
    pub(super) fn new(series: &Series, names: &Configured) -> Self {
        let named = |(metric, _): (&Metric, _)| Named {
            name: metric.prometheus(),
            labels: names
                .occurring(metric)
                .iter()
                .map(|values| values.as_ref().map(|values| labels(metric, values)))
                .collect(),
        };
        Self(series.all().into_iter().map(named).collect())
    }

    /// All series as they are now.
    pub(super) fn text(&self, series: &Series) -> String {
        let mut text = String::new();
        for ((metric, values), named) in series.all().into_iter().zip(&self.0) {
            let Named { name, labels } = named;
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(text, "# HELP {name} {}", metric.meaning);
            let _ = writeln!(text, "# TYPE {name} {}", metric.kind.as_str());
            match values {
                Values::Counters(counters) => {
                    for (labels, counter) in those(labels, &counters) {
                        sample(&mut text, name, labels, counter.get());
                    }
                }
                Values::Gauges(gauges) => {
                    for (labels, gauge) in those(labels, &gauges) {
                        if let Some(gauge) = gauge {
                            sample(&mut text, name, labels, gauge);
                        }
                    }
                }
                Values::Histograms(histograms) => {
                    for (labels, histogram) in those(labels, &histograms) {
                        distribution(&mut text, name, labels, histogram);
                    }
                }
            }
        }
        process::write(&mut text);
        text
    }
}

/// Those series that can occur, with their values.
fn those<'a, V>(
    labels: &'a [Option<String>],
    values: &'a [V],
) -> impl Iterator<Item = (&'a str, &'a V)> {
    let all = labels.iter().zip(values);
    all.filter_map(|(labels, value)| Some((labels.as_deref()?, value)))
}

/// Names of the configuration and of the table need no escaping; a version may: it is
/// any text without control characters.
fn labels(metric: &Metric, values: &[String]) -> String {
    let escaped = |value: &String| value.replace('\\', r"\\").replace('"', "\\\"");
    let pairs = metric.tags.iter().zip(values);
    let pairs = pairs.map(|(tag, value)| format!("{}=\"{}\"", tag.as_str(), escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn sample(text: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = match labels {
        "" => writeln!(text, "{name} {value}"),
        labels => writeln!(text, "{name}{{{labels}}} {value}"),
    };
}

/// Buckets add up, each with all below it. Nothing of what never had a value: percentiles of
/// it there are none, and most pages end in few of all outcomes.
fn distribution(text: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    let (buckets, sum) = histogram.read();
    if buckets.iter().all(|count| *count == 0) {
        return;
    }
    let and = if labels.is_empty() { "" } else { "," };
    let mut count = 0;
    let edges = histogram.edges().iter().map(|edge| Some(seconds(*edge)));
    for (in_bucket, edge) in buckets.iter().zip(edges.chain([None])) {
        count += in_bucket;
        let _ = match edge {
            Some(edge) => writeln!(text, "{name}_bucket{{{labels}{and}le=\"{edge}\"}} {count}"),
            None => writeln!(text, "{name}_bucket{{{labels}{and}le=\"+Inf\"}} {count}"),
        };
    }
    sample(text, &format!("{name}_sum"), labels, seconds(sum));
    sample(text, &format!("{name}_count"), labels, count);
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
