//! Datadog's monitors: their numbers and their messages.

use crate::files::{json, list};

/// A monitor, as far as it is checked.
pub(crate) struct Monitor {
    /// The file's name, which is the alert's.
    pub(crate) stem: String,
    /// The number that calls somebody.
    pub(crate) critical: f64,
    /// The number that makes a ticket.
    pub(crate) warning: Option<f64>,
    query: String,
    message: String,
}

/// All monitors.
pub(crate) fn all() -> Vec<Monitor> {
    let read = |file: String| {
        let document = json(&file);
        let (_, name) = file.rsplit_once('/').unwrap();
        let thresholds = &document["options"]["thresholds"];
        Monitor {
            stem: name.strip_suffix(".json").unwrap().to_owned(),
            critical: thresholds["critical"].as_f64().unwrap(),
            warning: thresholds["warning"].as_f64(),
            query: document["query"].as_str().unwrap().to_owned(),
            message: document["message"].as_str().unwrap().to_owned(),
        }
    };
    list("dashboards/datadog/monitors")
        .into_iter()
        .map(read)
        .collect()
}

impl Monitor {
    /// What is wrong with it.
    pub(crate) fn problems(&self) -> Vec<String> {
        let asked = self
            .query
            .rsplit_once(" > ")
            .and_then(|(_, number)| number.parse::<f64>().ok());
        let mut problems = Vec::new();
        if asked != Some(self.critical) {
            problems.push(format!(
                "critical is {}, the query says {asked:?}",
                self.critical
            ));
        }
        if self.warning.is_some_and(|warning| warning >= self.critical) {
            problems.push("the warning would come after the alert".into());
        }
        if self.warning.is_some() != self.message.contains("{{warn_threshold}}") {
            problems.push("the message and the thresholds disagree on a warning".into());
        }
        if !self
            .message
            .contains(&format!("(docs/runbook.md#{})", self.stem))
        {
            problems.push("the message does not link to its entry".into());
        }
        if self.message.contains('@') {
            problems.push("the message has a recipient; that is for whoever installs it".into());
        }
        problems
            .iter()
            .map(|problem| format!("{}: {problem}", self.stem))
            .collect()
    }
}

#[test]
fn a_wrong_monitor_is_noticed() {
    let right = || Monitor {
        stem: "x".into(),
        critical: 5.0,
        warning: Some(2.0),
        query: "avg(last_5m):avg:gateway.in_flight{*} > 5".into(),
        message: "{{warn_threshold}} [do](docs/runbook.md#x)".into(),
    };
    assert!(right().problems().is_empty());
    let wrong = |break_it: fn(&mut Monitor)| {
        let mut monitor = right();
        break_it(&mut monitor);
        monitor.problems().len() == 1
    };
    assert!(wrong(|monitor| monitor.critical = 6.0));
    assert!(wrong(|monitor| monitor.warning = Some(5.0)));
    assert!(wrong(|monitor| monitor.warning = None));
    assert!(wrong(|monitor| monitor.stem = "y".into()));
    assert!(wrong(|monitor| monitor.message.push_str(" @somebody")));
}
