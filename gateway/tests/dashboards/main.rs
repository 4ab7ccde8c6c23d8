//! What dashboards, monitors, alert rules and the runbook say is held against the gateway's own
//! tables: a name, a tag or a key that is not there finds nothing, and nobody sees that it does.
//!
//! Not here: whether Datadog and Prometheus understand the files (`.ci/dashboards.py`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its helpers fail by panicking"
)]

mod alerts;
mod cost;
mod datadog;
mod files;
mod layout;
mod monitors;
mod promql;
mod prose;
mod table;

use std::collections::BTreeSet;

use files::{all_texts, datadog_files, grafana, read};
use gateway::telemetry::names::metrics::{self, Kind};

/// Fails with all problems at once.
#[track_caller]
fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_name_exists() {
    let mut found = 0;
    for (file, text) in all_texts() {
        let names = prose::names(&text);
        found += names.len();
        none(&prose::unknown_names(&file, &names));
    }
    assert!(found > 250, "only {found} names were found");
}

#[test]
fn every_datadog_query_asks_for_tags_and_values_that_the_metric_has() {
    let mut found = 0;
    for (file, document) in datadog_files() {
        let variables = datadog::variables(&document);
        for text in datadog::query_texts(&document) {
            let queries = datadog::queries(&text);
            assert_eq!(
                queries.len(),
                text.matches("gateway.").count(),
                "{file}: not all of it was read: {text}"
            );
            found += queries.len();
            for query in queries {
                none(&datadog::problems(&file, &query, &variables));
            }
        }
        none(&datadog::unknown_in_formulas(&file, &document));
    }
    assert!(found > 90, "only {found} queries were found");
}

#[test]
fn every_prometheus_query_asks_for_labels_and_values_that_the_metric_has() {
    let mut texts: Vec<(String, String)> = alerts::rules()
        .into_iter()
        .map(|rule| (rule.name, rule.expr))
        .collect();
    texts.extend(
        files::strings_at(&grafana(), &["expr"])
            .into_iter()
            .map(|expr| ("grafana".to_owned(), expr)),
    );
    assert!(texts.len() > 45, "only {} were found", texts.len());
    for (file, expr) in texts {
        none(&promql::problems(&file, &expr));
    }
}

#[test]
fn every_metric_is_shown_to_both_kinds_of_readers() {
    let shown = |texts: &[String]| -> BTreeSet<String> {
        let names = texts.iter().flat_map(|text| prose::names(text));
        names.collect()
    };
    let datadog: Vec<String> = datadog_files()
        .iter()
        .flat_map(|(_, document)| datadog::query_texts(document))
        .collect();
    let mut prometheus = files::strings_at(&grafana(), &["expr"]);
    prometheus.push(read("dashboards/prometheus/alerts.yml"));
    let (datadog, prometheus) = (shown(&datadog), shown(&prometheus));
    for metric in metrics::ALL {
        assert!(datadog.contains(metric.name), "{} is nowhere", metric.name);
        let series = match metric.kind {
            Kind::Histogram => format!("{}_bucket", metric.prometheus()),
            Kind::Counter | Kind::Gauge => metric.prometheus(),
        };
        assert!(prometheus.contains(&series), "{series} is nowhere");
    }
}

#[test]
fn thresholds_are_the_numbers_in_their_queries() {
    let monitors = monitors::all();
    assert!(monitors.len() >= 18, "only {} were found", monitors.len());
    for monitor in monitors {
        none(&monitor.problems());
    }
}

#[test]
fn alert_rules_have_the_monitors_names_numbers_and_runbook() {
    none(&alerts::problems(&alerts::rules(), &monitors::all()));
}

#[test]
fn every_alert_is_seen_firing_in_the_rules_own_tests() {
    let tests = read("dashboards/prometheus/alerts.test.yml");
    for rule in alerts::rules().iter().filter(|rule| rule.is_alert()) {
        let fires = format!(
            "{{alertname=\"{}\", severity=\"{}\"}}",
            rule.name, rule.severity
        );
        assert!(tests.contains(&fires), "no test sees {fires}");
    }
}

#[test]
fn the_promise_is_the_same_for_both_kinds_of_readers() {
    let slo = files::json("dashboards/datadog/slos/good-pages.json");
    let asks = |side: &str, metric: &str| {
        let query = slo["query"][side].as_str().unwrap();
        query.starts_with(&format!("sum:{metric}{{"))
    };
    assert!(asks("numerator", "gateway.pages.good"));
    assert!(asks("denominator", "gateway.pages.owed"));
    let allowed = 1.0 - slo["target_threshold"].as_f64().unwrap() / 100.0;
    let burns = alerts::rules();
    let (records, alerts): (Vec<_>, Vec<_>) = burns
        .iter()
        .filter(|rule| rule.expr.contains("bad_pages") || rule.name.contains("bad_pages"))
        .partition(|rule| !rule.is_alert());
    assert_eq!((records.len(), alerts.len()), (4, 2));
    for rule in records {
        let (good, owed) = rule.expr.split_once(" / ").unwrap();
        assert!(good.contains("(gateway_pages_good_total["), "{}", rule.name);
        assert!(owed.contains("(gateway_pages_owed_total["), "{}", rule.name);
    }
    let by = format!(" / {allowed:.2} ");
    for rule in alerts {
        assert_eq!(rule.expr.matches(&by).count(), 2, "{}", rule.name);
    }
    let windows = monitors::windows();
    let burns = monitors::all()
        .into_iter()
        .filter(|m| m.kind == "composite");
    for asked in burns.flat_map(|burn| burn.asks()) {
        let window = windows.iter().find(|window| window.stem == asked);
        let query = &window.unwrap_or_else(|| panic!("no window {asked}")).query;
        assert!(
            query.contains(&by) && query.contains("sum:gateway.pages.good{"),
            "{query}"
        );
    }
    assert_eq!(slo["thresholds"][0]["target"], slo["target_threshold"]);
    assert_eq!(slo["thresholds"][0]["warning"], slo["warning_threshold"]);
    assert_eq!(slo["thresholds"][0]["timeframe"], slo["timeframe"]);
}

#[test]
fn every_ratio_has_a_least_number_of_events() {
    let shares = |monitor: &&monitors::Monitor| monitor.query.contains(".as_count()");
    let all = [monitors::all(), monitors::windows()].concat();
    assert!(all.iter().filter(shares).count() > 12);
    for monitor in all.iter().filter(shares) {
        let denominator = monitor.query.split(" / ").nth(1).unwrap();
        let (denominator, _) = denominator.split_once(" * ").unwrap_or((denominator, ""));
        let of_owed = denominator.trim_end_matches(')');
        let least = format!(
            "is_greater({}",
            of_owed.split(".as_count()").next().unwrap()
        );
        assert!(
            monitor.query.contains(&least),
            "{}: no {least}",
            monitor.stem
        );
    }
    let rules = alerts::rules();
    let shares = |rule: &&alerts::Rule| rule.expr.contains(" / ") && rule.expr.contains("rate(");
    let alone = |rule: &&alerts::Rule| !rule.name.contains("bad_pages");
    assert!(rules.iter().filter(shares).filter(alone).count() >= 6);
    for rule in rules.iter().filter(shares).filter(alone) {
        assert!(rule.expr.contains(" >= "), "{}: no least number", rule.name);
    }
}

#[test]
fn every_link_leads_to_a_heading_that_exists() {
    let headings = prose::anchors(&read("docs/runbook.md"));
    let mut found = 0;
    for (file, text) in all_texts() {
        let links = prose::runbook_links(&text);
        found += links.len();
        for link in links {
            assert!(headings.contains(&link), "{file}: no heading #{link}");
        }
    }
    assert!(found > 50, "only {found} links were found");
}

#[test]
fn every_monitor_has_a_whole_entry_in_the_runbook() {
    let runbook = read("docs/runbook.md");
    for monitor in monitors::all() {
        none(&prose::missing_of_entry(&runbook, &monitor.stem));
    }
}

#[test]
fn every_config_key_exists() {
    let mut found = 0;
    for (file, text) in all_texts() {
        let keys = prose::config_keys(&text);
        found += keys.len();
        none(&prose::unknown_keys(&file, &keys));
    }
    assert!(found > 80, "only {found} keys were found");
}

#[test]
fn nothing_lies_on_top_of_anything() {
    let mut seen = 0;
    for (file, document) in datadog_files() {
        if let Some(widgets) = document["widgets"].as_array() {
            seen += layout::widgets(&file, widgets);
        }
    }
    seen += layout::panels("grafana", grafana()["panels"].as_array().unwrap());
    assert!(seen > 70, "only {seen} were found");
}
