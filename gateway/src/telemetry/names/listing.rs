//! The table of names as `gateway metrics` prints it, for people and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::metrics::{self, Metric};
use super::spans;

/// Every metric: its name, kind, unit and tags, its Prometheus name, what it says.
pub fn table() -> String {
    let widest = |text: fn(&Metric) -> usize| metrics::ALL.iter().map(text).max().unwrap_or(0);
    let name = widest(|metric| metric.name.len());
    let kind = widest(|metric| metric.kind.as_str().len());
    let unit = widest(|metric| metric.unit.as_str().len());
    let mut table = String::new();
    for metric in metrics::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "{:name$}  {:kind$}  {:unit$}  {}\n    {}\n    {}\n",
            metric.name,
            metric.kind.as_str(),
            metric.unit.as_str(),
            tags(metric).join(", "),
            metric.prometheus(),
            metric.meaning,
        );
    }
    table
}

/// The same, and the fields of spans.
pub fn json() -> Value {
    let metrics = metrics::ALL.iter().map(|metric| {
        json!({
            "name": metric.name,
            "prometheus": metric.prometheus(),
            "type": metric.kind.as_str(),
            "unit": metric.unit.as_str(),
            "tags": tags(metric),
            "meaning": metric.meaning,
        })
    });
    let spans = spans::ALL
        .iter()
        .map(|field| json!({ "key": field.key, "meaning": field.meaning }));
    json!({ "metrics": metrics.collect::<Vec<_>>(), "spans": spans.collect::<Vec<_>>() })
}

fn tags(metric: &Metric) -> Vec<&'static str> {
    metric.tags.iter().map(|tag| tag.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_list_every_metric_once() {
        let (table, json) = (table(), json());
        for metric in metrics::ALL {
            let heads = table.lines().filter(|line| {
                line.split_whitespace().next() == Some(metric.name)
                    && line.contains(metric.kind.as_str())
            });
            assert_eq!(heads.count(), 1, "{}", metric.name);
            assert!(table.contains(&format!("\n    {}\n", metric.prometheus())));
        }
        let listed = json["metrics"].as_array().unwrap();
        assert_eq!(listed.len(), metrics::ALL.len());
        assert_eq!(
            listed[0],
            json!({
                "name": "gateway.pages",
                "prometheus": "gateway_pages_total",
                "type": "counter",
                "unit": "page",
                "tags": ["page", "outcome"],
                "meaning": metrics::PAGES.meaning,
            })
        );
        assert_eq!(json["spans"].as_array().unwrap().len(), spans::ALL.len());
    }
}
