//! PromQL, read as far as the gateway's names go.

use gateway::telemetry::names::metrics::Kind;
use regex::Regex;

use crate::table;

/// Labels that Prometheus or its buckets add.
const EVERYWHERE: &[&str] = &["job", "instance", "le"];

/// What is wrong with an expression.
pub(crate) fn problems(file: &str, expr: &str) -> Vec<String> {
    let selector = Regex::new(r"([a-z_]+\()?(gateway_[a-z0-9_]+)(?:\{([^}]*)\})?(\[)?").unwrap();
    let matcher = Regex::new(r#"([a-z_]+)(=~|!~|!=|=)"([^"]*)""#).unwrap();
    let mut problems = Vec::new();
    let mut metrics = Vec::new();
    for found in selector.captures_iter(expr) {
        let Some(metric) = table::by_series(&found[2]) else {
            problems.push(format!("no metric {}", &found[2]));
            continue;
        };
        metrics.push(metric);
        let function = found.get(1).map_or("", |m| m.as_str());
        let counted = matches!(function, "rate(" | "increase(");
        if counted == (metric.kind == Kind::Gauge) {
            problems.push(format!(
                "{function} of {}, a {}",
                &found[2],
                metric.kind.as_str()
            ));
        }
        for found in matcher.captures_iter(found.get(3).map_or("", |m| m.as_str())) {
            let values = found[3]
                .split('|')
                .map(|value| Some(value).filter(|v| !v.starts_with('$')));
            problems
                .extend(values.filter_map(|v| table::wrong_tag(metric, &found[1], v, EVERYWHERE)));
        }
    }
    let grouped = Regex::new(r"\b(?:by|on) \(([a-z_, ]+)\)").unwrap();
    for found in grouped.captures_iter(expr) {
        for label in found[1].split(", ") {
            let has = |metric: &&_| table::wrong_tag(metric, label, None, EVERYWHERE).is_none();
            // A rule that asks only recorded series names labels that those have by their own rule.
            if !metrics.is_empty() && !metrics.iter().all(has) {
                problems.push(format!("not all of it has the label {label}"));
            }
        }
    }
    problems
        .iter()
        .map(|problem| format!("{file}: {problem} in {expr}"))
        .collect()
}

#[test]
fn a_wrong_expression_is_noticed() {
    let wrong = |expr: &str| !problems("", expr).is_empty();
    assert!(!wrong(
        r#"sum by (job, page) (rate(gateway_pages_total{job=~"$job", outcome=~"late|failed"}[5m]))"#
    ));
    assert!(!wrong(
        "histogram_quantile(0.99, sum by (le) (rate(gateway_page_duration_seconds_bucket[5m])))"
    ));
    assert!(wrong("rate(gateway_pages[5m])"));
    assert!(wrong("sum(gateway_pages_total)"));
    assert!(wrong("rate(gateway_in_flight[5m])"));
    assert!(wrong(
        r#"rate(gateway_pages_total{outcome=~"late|lost"}[5m])"#
    ));
    assert!(wrong(
        r#"rate(gateway_pages_total{downstream="pricing"}[5m])"#
    ));
    assert!(wrong("sum by (downstream) (rate(gateway_pages_total[5m]))"));
}
