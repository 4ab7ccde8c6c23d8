//! The rules of `alerts.yml`. It is read line by line, in the one style in which it is written;
//! promtool has read it as YAML.

use regex::Regex;

use crate::files::read;
use crate::monitors::Monitor;

/// Whose fault an alert may say it is.
const FAULTS: [&str; 6] = [
    "service",
    "clients",
    "gateway",
    "fleet",
    "limit",
    "telemetry",
];

/// Prometheus asks gateways itself: there is nothing between that could be down.
const ONLY_DATADOG: [&str; 1] = ["agent-down"];

/// An alert, or a recorded series.
#[derive(Default)]
pub(crate) struct Rule {
    /// Of the alert or the series.
    pub(crate) name: String,
    /// What is asked, on one line.
    pub(crate) expr: String,
    /// `page` or `ticket`; empty when it is no alert.
    pub(crate) severity: String,
    /// Whose fault it is, where the alert says so.
    fault: String,
    runbook: String,
}

impl Rule {
    /// Whether it is not just recorded.
    pub(crate) fn is_alert(&self) -> bool {
        !self.severity.is_empty()
    }

    /// The file of the monitor that says the same: `GatewayErrorRate` is `error-rate`.
    fn monitor(&self) -> String {
        let mut stem = String::new();
        for letter in self.name.trim_start_matches("Gateway").chars() {
            if letter.is_ascii_uppercase() && !stem.is_empty() {
                stem.push('-');
            }
            stem.push(letter.to_ascii_lowercase());
        }
        stem
    }

    /// The numbers it compares with.
    fn thresholds(&self) -> Vec<f64> {
        let after = self.expr.split(" > ").skip(1);
        after
            .filter_map(|text| text.split(' ').next()?.parse().ok())
            .collect()
    }
}

/// All rules, in order.
pub(crate) fn rules() -> Vec<Rule> {
    let rules = parse(&read("dashboards/prometheus/alerts.yml"));
    let alerts = rules.iter().filter(|rule| rule.is_alert()).count();
    assert!(alerts >= 13 && rules.len() > alerts, "only {alerts} alerts");
    rules
}

fn parse(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut in_expr = false;
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
    {
        if let Some(name) = line
            .strip_prefix("- alert: ")
            .or_else(|| line.strip_prefix("- record: "))
        {
            rules.push(Rule {
                name: name.into(),
                ..Rule::default()
            });
            continue;
        }
        let Some(rule) = rules.last_mut() else {
            continue;
        };
        if let Some(expr) = line.strip_prefix("expr: ") {
            rule.expr = expr.trim_start_matches(">-").into();
            in_expr = expr == ">-";
        } else if let Some(severity) = line.strip_prefix("severity: ") {
            rule.severity = severity.into();
        } else if let Some(fault) = line.strip_prefix("fault: ") {
            rule.fault = fault.into();
        } else if let Some(runbook) = line.strip_prefix("runbook: ") {
            rule.runbook = runbook.into();
        } else if in_expr && !line.is_empty() && !line.ends_with(':') && !line.starts_with("for: ")
        {
            rule.expr = format!("{} {line}", rule.expr).trim().into();
        } else {
            in_expr = false;
        }
    }
    rules
}

/// Where rules and monitors disagree.
pub(crate) fn problems(rules: &[Rule], monitors: &[Monitor]) -> Vec<String> {
    let alerts: Vec<&Rule> = rules.iter().filter(|rule| rule.is_alert()).collect();
    let mut problems = Vec::new();
    let of_rules = |monitor: &&Monitor| !ONLY_DATADOG.contains(&monitor.stem.as_str());
    for monitor in monitors.iter().filter(of_rules) {
        if !alerts.iter().any(|alert| alert.monitor() == monitor.stem) {
            problems.push(format!("{}: no alert says the same", monitor.stem));
        }
    }
    let recorded = Regex::new(r"\bgateway:[a-z0-9_:]+").unwrap();
    for rule in rules {
        let asked = recorded.find_iter(&rule.expr).map(|found| found.as_str());
        let unknown = asked.filter(|series| rules.iter().all(|other| other.name != *series));
        problems.extend(unknown.map(|series| format!("{}: nothing records {series}", rule.name)));
    }
    for alert in alerts {
        let stem = alert.monitor();
        let Some(monitor) = monitors.iter().find(|monitor| monitor.stem == stem) else {
            problems.push(format!("{}: no monitor {stem}", alert.name));
            continue;
        };
        let known = FAULTS.contains(&alert.fault.as_str());
        if known == alert.name.contains("Burn") {
            problems.push(format!("{}: its fault is {:?}", alert.name, alert.fault));
        }
        problems.extend(wrong_number(alert, monitor));
        if alert.runbook != format!("docs/runbook.md#{stem}") {
            problems.push(format!("{}: its runbook is {}", alert.name, alert.runbook));
        }
    }
    problems
}

/// Both sides write the same number.
#[expect(clippy::float_cmp, reason = "the same number is written twice")]
fn wrong_number(alert: &Rule, monitor: &Monitor) -> Option<String> {
    let number = match alert.severity.as_str() {
        "ticket" => monitor.warning.or(monitor.critical),
        _ => monitor.critical,
    };
    let numbers: Vec<f64> = match monitor.kind.as_str() {
        // In per cent, as Datadog counts the members of a cluster.
        "service check" => number.iter().map(|percent| percent / 100.0).collect(),
        "composite" => {
            let asked = monitor.asks();
            let windows = crate::monitors::windows().into_iter();
            let asked = windows.filter(|window| asked.contains(&window.stem));
            asked.filter_map(|window| window.critical).collect()
        }
        // Something missing is compared with 1 there, and with 0 here.
        _ if monitor.stem == "silent" => vec![0.0],
        _ => number.into_iter().collect(),
    };
    let thresholds = alert.thresholds();
    let same = |threshold: &f64| !numbers.is_empty() && numbers.iter().all(|n| n == threshold);
    let fine = !thresholds.is_empty() && thresholds.iter().all(same);
    (!fine).then(|| {
        format!(
            "{}: {thresholds:?}, the monitor says {numbers:?}",
            alert.name
        )
    })
}

#[test]
fn a_wrong_rule_is_noticed() {
    let monitors = crate::monitors::all();
    let count = |change: fn(&mut Rule)| {
        let mut rules = rules();
        let alert = rules
            .iter_mut()
            .find(|rule| rule.name == "GatewayErrorRate")
            .unwrap();
        assert_eq!(alert.expr, "gateway:page_errors:ratio_rate10m > 0.05");
        change(alert);
        problems(&rules, &monitors).len()
    };
    assert_eq!(count(|_| {}), 0);
    assert_eq!(count(|rule| rule.expr = "x > 0.06".into()), 1);
    assert_eq!(count(|rule| rule.expr = "x".into()), 1);
    assert_eq!(
        count(|rule| rule.expr = "gateway:page_error:ratio > 0.05".into()),
        1
    );
    assert_eq!(count(|rule| rule.name = "GatewayErrorRates".into()), 1);
    assert_eq!(count(|rule| rule.fault = "nobody".into()), 1);
    assert_eq!(
        count(|rule| rule.runbook = "docs/runbook.md#error".into()),
        1
    );
}
