//! What happened between two readings, put together from metrics, `/limits` and `/config`.

use serde_json::{Map, Value};

use super::Reading;
use super::between::{Between, Spread};
use crate::outcome::{CallOutcome, PageOutcome};
use crate::telemetry::names::metrics;

/// Everything that is reported.
pub(super) struct Facts {
    pub(super) seconds: f64,
    pub(super) own: Own,
    pub(super) clients: Clients,
    pub(super) pages: Vec<Page>,
    /// Those that a page requires first.
    pub(super) downstreams: Vec<Downstream>,
    /// Refusals by the limit that refused: reason, scope, how many.
    pub(super) refused: Vec<(String, String, f64)>,
    pub(super) telemetry: Telemetry,
}

/// The gateway itself.
pub(super) struct Own {
    pub(super) pid: Option<u64>,
    pub(super) lag: Spread,
    pub(super) tickets: u64,
    pub(super) max_in_flight: u64,
    /// `configured`, `lag` or `recovering`.
    pub(super) because: String,
    /// Periods of its CPU limit in between, and those in which it was held up.
    pub(super) cpu_limit: Option<(f64, f64)>,
}

/// Who asks.
pub(super) struct Clients {
    pub(super) requests: f64,
    pub(super) quota: f64,
    /// Known before and after.
    pub(super) known: (u64, u64),
}

/// One page.
pub(super) struct Page {
    pub(super) name: String,
    pub(super) deadline: String,
    pub(super) owed: f64,
    pub(super) good: f64,
    pub(super) late_answers: f64,
    pub(super) abandoned: f64,
    /// By outcome, those that happened.
    pub(super) outcomes: Vec<(PageOutcome, f64)>,
    /// Downstreams of its required parts, and of the others.
    pub(super) required: Vec<String>,
    pub(super) optional: Vec<String>,
}

/// One downstream.
pub(super) struct Downstream {
    pub(super) name: String,
    /// Pages that are lost without it.
    pub(super) required_by: Vec<String>,
    pub(super) calls: Vec<(CallOutcome, f64)>,
    /// Of calls that ended `ok`.
    pub(super) ok: Spread,
    /// Of calls that had no answer when they were ended: late or cancelled.
    pub(super) cut: Spread,
    pub(super) in_use: f64,
    /// Nothing without a bulkhead.
    pub(super) permits: Option<u64>,
    pub(super) endpoints: usize,
    /// Addresses that are set aside.
    pub(super) ejected: Vec<String>,
}

/// Traces and log lines.
pub(super) struct Telemetry {
    pub(super) kept: f64,
    /// Signal, cause, how many.
    pub(super) dropped: Vec<(String, String, f64)>,
}

impl Facts {
    pub(super) fn of(between: &Between<'_>, before: &Reading, after: &Reading) -> Self {
        let pages: Vec<Page> = entries(&after.config["page"])
            .map(|(name, page)| Page::of(between, name, page))
            .collect();
        let mut downstreams: Vec<Downstream> = entries(&after.limits["downstreams"])
            .map(|(name, limits)| Downstream::of(between, name, limits, &pages))
            .collect();
        downstreams.sort_by_key(|downstream| downstream.required_by.is_empty());
        let known = |reading: &Reading| reading.limits["clients"]["known"].as_u64().unwrap_or(0);
        let quota = PageOutcome::Quota.as_str();
        Self {
            seconds: between.seconds(),
            own: Own::of(between, &before.limits["gateway"], &after.limits["gateway"]),
            clients: Clients {
                requests: between.count(&metrics::PAGES, &[]),
                quota: between.count(&metrics::PAGES, &[("outcome", quota)]),
                known: (known(before), known(after)),
            },
            pages,
            downstreams,
            refused: by_two(between, after, &metrics::SHED),
            telemetry: Telemetry {
                kept: between.count(&metrics::TELEMETRY_TRACES, &[("decision", "kept")]),
                dropped: by_two(between, after, &metrics::TELEMETRY_DROPPED),
            },
        }
    }
}

impl Own {
    fn of(between: &Between<'_>, before: &Value, after: &Value) -> Self {
        let grown = |key: &str| {
            let of = |value: &Value| value["cpu_limit"][key].as_f64();
            Some(of(after)? - of(before)?)
        };
        Self {
            pid: after["pid"].as_u64(),
            lag: between.spread(&metrics::LAG, &[]),
            tickets: after["tickets"].as_u64().unwrap_or(0),
            max_in_flight: after["max_in_flight"].as_u64().unwrap_or(0),
            because: text(&after["tickets_because"]),
            cpu_limit: grown("periods").zip(grown("throttled")),
        }
    }
}

impl Page {
    fn of(between: &Between<'_>, name: &str, page: &Value) -> Self {
        let labels = [("page", name)];
        let outcome = |outcome: PageOutcome| {
            let labels = [("page", name), ("outcome", outcome.as_str())];
            (outcome, between.count(&metrics::PAGES, &labels))
        };
        let needs = |required: bool| {
            let of = |(_, part): &(&str, &Value)| part["required"].as_bool() == Some(required);
            let parts = entries(&page["part"]).filter(of);
            parts.map(|(_, part)| text(&part["downstream"])).collect()
        };
        Self {
            name: name.to_owned(),
            deadline: text(&page["deadline"]),
            owed: between.count(&metrics::PAGES_OWED, &labels),
            good: between.count(&metrics::PAGES_GOOD, &labels),
            late_answers: between.count(&metrics::ANSWERS_LATE, &labels),
            abandoned: between.count(&metrics::PAGES_ABANDONED, &labels),
            outcomes: PageOutcome::ALL.iter().copied().map(outcome).collect(),
            required: needs(true),
            optional: needs(false),
        }
    }

    /// Pages that ended so.
    pub(super) fn ended(&self, wanted: PageOutcome) -> f64 {
        let mut all = self.outcomes.iter();
        all.find(|(outcome, _)| *outcome == wanted)
            .map_or(0.0, |(_, pages)| *pages)
    }
}

impl Downstream {
    fn of(between: &Between<'_>, name: &str, limits: &Value, pages: &[Page]) -> Self {
        let labels = |outcome: CallOutcome| [("downstream", name), ("outcome", outcome.as_str())];
        let calls =
            |outcome: CallOutcome| (outcome, between.count(&metrics::CALLS, &labels(outcome)));
        let spread =
            |outcome: CallOutcome| between.spread(&metrics::CALL_DURATION, &labels(outcome));
        let requires = |page: &&Page| page.required.iter().any(|required| required == name);
        let aside = |(_, endpoint): &(&str, &Value)| endpoint["state"] != "in use";
        let endpoints = &limits["endpoints"];
        Self {
            name: name.to_owned(),
            required_by: pages
                .iter()
                .filter(requires)
                .map(|p| p.name.clone())
                .collect(),
            calls: CallOutcome::ALL.iter().copied().map(calls).collect(),
            ok: spread(CallOutcome::Ok),
            cut: spread(CallOutcome::Late).and(&spread(CallOutcome::Cancelled)),
            in_use: between.stands(&metrics::BULKHEAD_IN_USE, &[("downstream", name)]),
            permits: limits["permits"].as_u64(),
            endpoints: entries(endpoints).count(),
            ejected: entries(endpoints)
                .filter(aside)
                .map(|(at, _)| at.to_owned())
                .collect(),
        }
    }

    /// Calls that ended so.
    pub(super) fn ended(&self, wanted: CallOutcome) -> f64 {
        let mut all = self.calls.iter();
        all.find(|(outcome, _)| *outcome == wanted)
            .map_or(0.0, |(_, calls)| *calls)
    }

    /// All calls.
    pub(super) fn all(&self) -> f64 {
        self.calls.iter().map(|(_, calls)| calls).sum()
    }
}

/// A counter with two tags: their values and how often, those that happened, most frequent first.
fn by_two(
    between: &Between<'_>,
    after: &Reading,
    metric: &metrics::Metric,
) -> Vec<(String, String, f64)> {
    let [first, second] = metric.tags else {
        return Vec::new();
    };
    let (first, second) = (first.as_str(), second.as_str());
    let name = metric.prometheus();
    let series = after.samples.of(&name, &[]).filter_map(|sample| {
        let (one, two) = (sample.label(first)?, sample.label(second)?);
        let grown = between.count(metric, &[(first, one), (second, two)]);
        (grown > 0.0).then(|| (one.to_owned(), two.to_owned(), grown))
    });
    let mut all: Vec<_> = series.collect();
    all.sort_by(|a, b| b.2.total_cmp(&a.2));
    all
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = value.as_object().into_iter().flat_map(Map::iter);
    entries.map(|(key, value)| (key.as_str(), value))
}

/// A string as it is, other values as JSON writes them.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
