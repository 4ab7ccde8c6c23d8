//! Datadog's monitors: their numbers and their messages.

use crate::files::{json, list};

/// A monitor, as far as it is checked.
#[derive(Clone)]
pub(crate) struct Monitor {
    /// The file's name, which is the alert's.
    pub(crate) stem: String,
    /// The number that calls somebody; a composite has none of its own.
    pub(crate) critical: Option<f64>,
    /// The number that makes a ticket.
    pub(crate) warning: Option<f64>,
    /// `query alert`, `service check` or `composite`.
    pub(crate) kind: String,
    pub(crate) query: String,
    message: String,
}

/// All monitors that call somebody.
pub(crate) fn all() -> Vec<Monitor> {
    let files = list("dashboards/datadog/monitors");
    files.into_iter().map(|file| Monitor::read(&file)).collect()
}

/// The windows of the burn alerts, by the names that composites have for them.
pub(crate) fn windows() -> Vec<Monitor> {
    let files = list("dashboards/datadog/monitors/windows");
    files.into_iter().map(|file| Monitor::read(&file)).collect()
}

impl Monitor {
    fn read(file: &str) -> Self {
        let document = json(file);
        let (_, name) = file.rsplit_once('/').unwrap();
        let thresholds = &document["options"]["thresholds"];
        let text = |key: &str| document[key].as_str().unwrap().to_owned();
        Self {
            stem: name.strip_suffix(".json").unwrap().to_owned(),
            critical: thresholds["critical"].as_f64(),
            warning: thresholds["warning"].as_f64(),
            kind: text("type"),
            query: text("query"),
            message: text("message"),
        }
    }

    /// Of a burn alert: the windows that it asks for.
    pub(crate) fn asks(&self) -> Vec<String> {
        let parts = self.query.split(" && ");
        parts
            .map(|part| part.to_lowercase().replace('_', "-"))
            .collect()
    }

    /// What is wrong with it.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = self.wrong_numbers();
        if !self
            .message
            .contains(&format!("(docs/runbook.md#{})", self.stem))
        {
            problems.push("the message does not link to its entry".into());
        }
        if self.message.contains('@') {
            problems.push("the message has a recipient; that is for whoever installs it".into());
        }
        // Whose pages are promised is filled in where it is installed; without it, everybody's count.
        let env = self.query.contains("env:prod");
        let service = self.query.contains("service:product-gateway");
        if self.kind != "composite" && !(env && (service || self.kind == "service check")) {
            problems.push("the query is not of the SLO's scope".into());
        }
        problems
            .iter()
            .map(|problem| format!("{}: {problem}", self.stem))
            .collect()
    }

    fn wrong_numbers(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let asked = [" > ", " < "]
            .iter()
            .find_map(|compare| self.query.rsplit_once(compare))
            .and_then(|(_, number)| number.parse::<f64>().ok());
        if self.kind == "query alert" && (asked.is_none() || asked != self.critical) {
            problems.push(format!(
                "critical is {:?}, the query says {asked:?}",
                self.critical
            ));
        }
        // Of a service check, `warning` beside an equal `critical` is how many failures count.
        let early = self.warning.zip(self.critical).is_none_or(|(w, c)| w < c);
        if !early && self.kind == "query alert" {
            problems.push("the warning would come after the alert".into());
        }
        let told = self.message.contains("{{warn_threshold}}");
        if self.kind == "query alert" && self.warning.is_some() != told {
            problems.push("the message and the thresholds disagree on a warning".into());
        }
        problems
    }
}

#[test]
fn a_wrong_monitor_is_noticed() {
    let right = || Monitor {
        stem: "x".into(),
        critical: Some(5.0),
        warning: Some(2.0),
        kind: "query alert".into(),
        query: "avg(last_5m):avg:gateway.in_flight{service:product-gateway AND env:prod} > 5"
            .into(),
        message: "{{warn_threshold}} [do](docs/runbook.md#x)".into(),
    };
    assert!(right().problems().is_empty());
    let wrong = |break_it: fn(&mut Monitor)| {
        let mut monitor = right();
        break_it(&mut monitor);
        monitor.problems().len() == 1
    };
    assert!(wrong(|monitor| monitor.critical = Some(6.0)));
    assert!(wrong(
        |monitor| monitor.query = "avg:gateway.in_flight{*} > 5".into()
    ));
    assert!(wrong(|monitor| monitor.warning = Some(5.0)));
    assert!(wrong(|monitor| monitor.warning = None));
    assert!(wrong(|monitor| monitor.stem = "y".into()));
    assert!(wrong(|monitor| monitor.message.push_str(" @somebody")));
}
