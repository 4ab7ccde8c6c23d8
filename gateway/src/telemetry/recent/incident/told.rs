//! A finding in sentences, and as JSON.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Culprit, Finding};
use crate::outcome::Fault;
use crate::telemetry::recent::shown::{moment, time};
use crate::telemetry::record::milliseconds;

impl Finding {
    /// For views; `now` and `wall` are the same moment.
    pub fn shown(&self, now: Instant, wall: SystemTime) -> Value {
        let at = |at: Instant| moment(wall.checked_sub(now.saturating_duration_since(at)));
        let calls = |some: Option<(usize, Duration)>| {
            some.map(|(calls, median)| json!({ "calls": calls, "median_ms": milliseconds(median) }))
        };
        let pages = self
            .pages
            .iter()
            .map(|((page, what), count)| json!({ "page": page, "what": what, "pages": count }));
        json!({
            "downstream": self.downstream(),
            "fault": self.fault.as_str(),
            "since": at(self.since),
            "or_before": self.or_before,
            "until": at(self.until),
            "pages": pages.collect::<Vec<_>>(),
            "optional": self.optional,
            "cut": calls(self.cut),
            "failed": self.failed.as_ref().map(|(calls, last)| json!({ "calls": calls, "last": last })),
            "answered": calls(self.answered[0]),
            "answered_before": calls(self.answered[1]),
            "said": self.said(now, wall),
            "keys": self.keys(),
        })
    }

    /// The downstream that it is about, if it is about one.
    pub fn downstream(&self) -> Option<&str> {
        match &self.culprit {
            Culprit::Downstream(name) => Some(name),
            Culprit::Gateway | Culprit::Quota => None,
        }
    }

    fn keys(&self) -> Vec<Value> {
        let (page, part) = &self.example;
        let downstream = self.downstream().unwrap_or_default();
        let turns = self.fault.turns(self.optional).iter();
        let key = |turn: &crate::outcome::Turn| {
            let key = turn.key_of(page, part, downstream);
            json!({ "key": key, "advice": turn.advice, "runbook": turn.entry })
        };
        turns.map(key).collect()
    }

    /// What is wrong since when, how it shows, what it costs, and whose fault it is.
    fn said(&self, now: Instant, wall: SystemTime) -> Vec<String> {
        let mut all = vec![format!("{} {}.", self.what(), self.when(now, wall))];
        all.extend(self.calls());
        all.push(format!("It costs: {}.", self.costs()));
        all.push(format!("Whose fault: {}.", self.whose()));
        all
    }

    fn what(&self) -> String {
        let name = self.downstream().unwrap_or_default();
        match self.fault {
            Fault::SlowService => format!("{name} is slow"),
            Fault::FailingService => format!("{name} fails"),
            Fault::TooFewPermits => format!("permits of {name} do not suffice"),
            Fault::TooFewTickets => "tickets do not suffice".to_owned(),
            Fault::Draining => "clients come while the gateway is shut down".to_owned(),
            Fault::Quota => "clients are over their quota".to_owned(),
        }
    }

    fn when(&self, now: Instant, wall: SystemTime) -> String {
        let ago = now.saturating_duration_since(self.since);
        let clock = moment(wall.checked_sub(ago)).unwrap_or_default();
        // The date is today's, and fractions of a second say nothing.
        let clock = clock.get(11..19).unwrap_or_default();
        let or_before = if self.or_before { " or before" } else { "" };
        let quiet = now.saturating_duration_since(self.until);
        let over = match quiet > Duration::from_secs(5) {
            true => format!("; nothing for {} now", time(quiet)),
            false => String::new(),
        };
        format!("since {clock} UTC{or_before}, {} ago{over}", time(ago))
    }

    fn calls(&self) -> Option<String> {
        let mut said = Vec::new();
        if let Some((calls, median)) = self.cut {
            said.push(format!(
                "{calls} of its calls had no answer when they were ended, after {} (median)",
                time(median)
            ));
        }
        if let Some((calls, last)) = &self.failed {
            said.push(format!("{calls} of its calls failed, the last: {last}"));
        }
        let [since, before] = self.answered;
        if let Some((calls, median)) = since {
            said.push(format!(
                "those answered took {} (median of {calls})",
                time(median)
            ));
        }
        if let Some((calls, median)) = before {
            said.push(format!(
                "before, they took {} (median of {calls})",
                time(median)
            ));
        }
        (!said.is_empty()).then(|| format!("{}.", said.join("; ")))
    }

    fn costs(&self) -> String {
        let each = self.pages.iter();
        let each: Vec<_> = each
            .map(|((page, what), pages)| format!("{pages} of {page} {what}"))
            .collect();
        each.join(", ")
    }

    fn whose(&self) -> String {
        let name = self.downstream().unwrap_or_default();
        let optional = match self.optional {
            true => "; pages can do without it and were answered",
            false => "",
        };
        match self.fault {
            Fault::SlowService | Fault::FailingService => {
                format!("the service {name}{optional}; a limit only decides which pages are lost")
            }
            Fault::TooFewPermits => format!(
                "the limit or the demand: {name} answers as ever, and more is asked than its permits carry{optional}"
            ),
            Fault::TooFewTickets => {
                "the gateway: all tickets are out, or there are fewer for its own lag".to_owned()
            }
            Fault::Draining => "whoever sends pages to a gateway that is not ready".to_owned(),
            Fault::Quota => "the clients, or a quota that is too small".to_owned(),
        }
    }
}
