//! Datadog's queries, read as far as the gateway's names go.

use gateway::telemetry::names::metrics::{Kind, Metric};
use regex::Regex;
use serde_json::Value;

use crate::files::strings_at;
use crate::table;

/// Tags that all series have.
const EVERYWHERE: &[&str] = &["service", "env", "version", "host"];

/// Of gauges: two processes on one host would overwrite each other's.
const OF_GAUGES: &[&str] = &["service", "env", "version", "host", "instance"];

fn everywhere(metric: &Metric) -> &'static [&'static str] {
    match metric.kind {
        Kind::Gauge => OF_GAUGES,
        Kind::Counter | Kind::Histogram => EVERYWHERE,
    }
}

/// One `p99:gateway.page.duration{…} by {…}`.
pub(crate) struct Query {
    aggregator: String,
    metric: String,
    filter: String,
    by: String,
    how: String,
}

/// The names of a dashboard's template variables.
pub(crate) fn variables(document: &Value) -> Vec<String> {
    let variables = document["template_variables"].as_array();
    variables
        .into_iter()
        .flatten()
        .map(|v| v["prefix"].as_str().unwrap().to_owned())
        .collect()
}

/// Everything in a document that is a query.
pub(crate) fn query_texts(document: &Value) -> Vec<String> {
    strings_at(document, &["query", "numerator", "denominator"])
}

/// The queries of metrics in a text.
pub(crate) fn queries(text: &str) -> Vec<Query> {
    let query = Regex::new(concat!(
        r"\b([a-z0-9]+):(gateway\.[a-z_.]+)\{([^}]*)\}",
        r"(?: by \{([^}]*)\})?(\.as_count\(\)|\.as_rate\(\))?"
    ))
    .unwrap();
    let group = |found: &regex::Captures<'_>, n| found.get(n).map_or("", |m| m.as_str()).to_owned();
    query
        .captures_iter(text)
        .map(|found| Query {
            aggregator: group(&found, 1),
            metric: group(&found, 2),
            filter: group(&found, 3),
            by: group(&found, 4),
            how: group(&found, 5),
        })
        .collect()
}

/// What is wrong with a query.
pub(crate) fn problems(file: &str, query: &Query, variables: &[String]) -> Vec<String> {
    let Some(metric) = table::by_name(&query.metric) else {
        return vec![format!("{file}: no metric {}", query.metric)];
    };
    let mut problems = Vec::new();
    if !fits(metric.kind, &query.aggregator, &query.how) {
        let asked = format!("{}:{}", query.aggregator, query.how);
        problems.push(format!(
            "{} is a {}: {asked}",
            metric.name,
            metric.kind.as_str()
        ));
    }
    problems.extend(wrong_filter(metric, &query.filter, variables));
    let by = query.by.split(',').filter(|key| !key.is_empty());
    problems.extend(by.filter_map(|key| table::wrong_tag(metric, key, None, everywhere(metric))));
    problems
        .iter()
        .map(|problem| format!("{file}: {problem}"))
        .collect()
}

fn fits(kind: Kind, aggregator: &str, how: &str) -> bool {
    match kind {
        Kind::Counter => aggregator == "sum" && !how.is_empty(),
        Kind::Gauge => matches!(aggregator, "avg" | "sum" | "max" | "min") && how.is_empty(),
        Kind::Histogram => matches!(aggregator, "p50" | "p95" | "p99") && how.is_empty(),
    }
}

/// `*`, `$page,outcome:late`, or `env:prod AND outcome IN (late,failed)`: Datadog does not take both forms in one.
fn wrong_filter(metric: &Metric, filter: &str, variables: &[String]) -> Vec<String> {
    let words = filter.contains(" AND ") || filter.contains(" IN ");
    let terms: Vec<&str> = filter.split(if words { " AND " } else { "," }).collect();
    let mut problems = Vec::new();
    for term in terms.into_iter().filter(|term| *term != "*") {
        let (key, values) = if let Some(variable) = term.strip_prefix('$') {
            if !variables.iter().any(|known| known == variable) {
                problems.push(format!("no template variable ${variable}"));
            }
            (variable, "")
        } else if let Some((key, list)) = term.split_once(" IN ") {
            (key, list.trim_matches(['(', ')']))
        } else {
            term.split_once(':').unwrap_or((term, ""))
        };
        if values.is_empty() {
            problems.extend(table::wrong_tag(metric, key, None, everywhere(metric)));
        }
        let values = values.split(',').filter(|value| !value.is_empty());
        problems.extend(
            values.filter_map(|v| table::wrong_tag(metric, key, Some(v), everywhere(metric))),
        );
    }
    problems
}

/// Names in formulas that are no query of the same request.
pub(crate) fn unknown_in_formulas(file: &str, document: &Value) -> Vec<String> {
    let word = Regex::new("[a-z_][a-z0-9_]*").unwrap();
    let mut problems = Vec::new();
    for request in objects_with(document, "formulas") {
        let names = strings_at(&request["queries"], &["name"]);
        for formula in strings_at(&request["formulas"], &["formula"]) {
            let words = word.find_iter(&formula).map(|found| found.as_str());
            let unknown = words.filter(|w| *w != "default_zero" && !names.iter().any(|n| n == w));
            problems.extend(unknown.map(|w| format!("{file}: {w} in {formula} is no query")));
        }
    }
    problems
}

fn objects_with<'a>(node: &'a Value, key: &str) -> Vec<&'a Value> {
    let inside: Vec<&Value> = match node {
        Value::Object(entries) => entries.values().collect(),
        Value::Array(items) => items.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let deeper = inside
        .into_iter()
        .flat_map(|value| objects_with(value, key));
    deeper.chain(node.get(key).map(|_| node)).collect()
}

#[test]
fn a_wrong_query_is_noticed() {
    let wrong = |text: &str| {
        let queries = queries(text);
        assert_eq!(queries.len(), 1, "{text}");
        !problems("", &queries[0], &["page".into(), "downstream".into()]).is_empty()
    };
    assert!(!wrong(
        "sum:gateway.pages{$page,outcome:late} by {page}.as_count()"
    ));
    assert!(!wrong(
        "p99:gateway.page.duration{env:prod AND outcome IN (late,failed)}"
    ));
    assert!(wrong("sum:gateway.page{*}.as_count()"));
    assert!(wrong("sum:gateway.pages{*}"));
    assert!(wrong("avg:gateway.pages{*}.as_count()"));
    assert!(wrong("p99:gateway.in_flight{*}"));
    assert!(wrong("sum:gateway.page.duration{*}"));
    assert!(wrong("sum:gateway.pages{$env}.as_count()"));
    assert!(wrong("sum:gateway.pages{$downstream}.as_count()"));
    assert!(wrong("sum:gateway.pages{outcome:ok}.as_count()"));
    assert!(wrong(
        "sum:gateway.pages{outcome IN (late,lost)}.as_count()"
    ));
    assert!(wrong(
        "sum:gateway.pages{env:prod AND outcome:late,page:x}.as_count()"
    ));
    assert!(wrong("sum:gateway.pages{*} by {downstream}.as_count()"));
}

#[test]
fn a_formula_without_its_query_is_noticed() {
    let request = serde_json::json!([{"formulas": [{"formula": "100 * default_zero(a) / b"}],
        "queries": [{"name": "a", "query": ""}]}]);
    assert_eq!(unknown_in_formulas("", &request).len(), 1);
}
