//! What exists, asked of the gateway's tables.

use gateway::outcome::{CallOutcome, PageOutcome, ShedBy};
use gateway::telemetry::names::metrics::{self, Kind, Metric, Tag};
use gateway::telemetry::names::{
    BadContext, Dropped, ReloadOutcome, TraceDecision, Unreadable, spans,
};

/// The metric of this name, as Datadog spells it.
pub(crate) fn by_name(name: &str) -> Option<&'static Metric> {
    metrics::ALL.iter().find(|metric| metric.name == name)
}

/// The metric of this series, as Prometheus spells it: histograms are several.
pub(crate) fn by_series(series: &str) -> Option<&'static Metric> {
    metrics::ALL.iter().find(|metric| {
        let name = metric.prometheus();
        match metric.kind {
            Kind::Counter | Kind::Gauge => series == name,
            Kind::Histogram => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|suffix| series.strip_suffix(suffix) == Some(&name)),
        }
    })
}

/// Whether spans have this field.
pub(crate) fn is_span_field(key: &str) -> bool {
    spans::ALL.iter().any(|field| field.key == key)
}

/// What is wrong with asking `metric` for `key` with `value`; `everywhere` are keys that all series have.
pub(crate) fn wrong_tag(
    metric: &Metric,
    key: &str,
    value: Option<&str>,
    everywhere: &[&str],
) -> Option<String> {
    let of_one_gateway = key == "instance" && metric.kind == Kind::Gauge;
    if everywhere.contains(&key) || of_one_gateway {
        return None;
    }
    let Some(tag) = metric.tags.iter().find(|tag| tag.as_str() == key) else {
        return Some(format!("{} has no tag {key}", metric.name));
    };
    let value = value.filter(|value| !can_be(*tag, value))?;
    Some(format!("{key} of {} is never {value}", metric.name))
}

fn can_be(tag: Tag, value: &str) -> bool {
    match tag {
        // Named by whoever writes the configuration.
        Tag::Page | Tag::Downstream => true,
        Tag::PageOutcome => PageOutcome::ALL.iter().any(|o| o.as_str() == value),
        Tag::CallOutcome => CallOutcome::ALL.iter().any(|o| o.as_str() == value),
        Tag::ReloadOutcome => ReloadOutcome::ALL.iter().any(|o| o.as_str() == value),
        Tag::Reason => is_shed_reason(value),
        Tag::Scope => matches!(value, "client" | "gateway") || value.starts_with("downstream:"),
        Tag::Signal => Dropped::ALL.iter().any(|d| d.signal() == value),
        Tag::Cause => Dropped::ALL.iter().any(|d| d.cause() == value),
        Tag::Decision => TraceDecision::ALL.iter().any(|d| d.as_str() == value),
        Tag::Header => BadContext::ALL.iter().any(|b| b.as_str() == value),
        Tag::Kind => Unreadable::ALL.iter().any(|u| u.as_str() == value),
        // Whatever DD_VERSION says.
        Tag::Version => !value.is_empty(),
    }
}

/// Whether pages are shed for this reason; `gateway_full` only looks like a metric.
pub(crate) fn is_shed_reason(word: &str) -> bool {
    ShedBy::all(1).any(|by| by.reason().as_str() == word)
}

#[test]
fn what_does_not_exist_is_noticed() {
    assert!(by_name("gateway.page").is_none());
    assert!(by_series("gateway_pages").is_none());
    assert!(by_series("gateway_pages_total_bucket").is_none());
    assert!(by_series("gateway_page_duration_seconds").is_none());
    let pages = &metrics::PAGES;
    assert!(wrong_tag(pages, "downstream", None, &[]).is_some());
    assert!(wrong_tag(pages, "outcome", Some("ok"), &[]).is_some());
    assert!(wrong_tag(pages, "outcome", Some("late"), &[]).is_none());
    assert!(wrong_tag(&metrics::SHED, "reason", Some("deadline"), &[]).is_some());
    assert!(wrong_tag(&metrics::SHED, "scope", Some("pricing"), &[]).is_some());
    assert!(wrong_tag(&metrics::IN_FLIGHT, "instance", None, &[]).is_none());
    assert!(wrong_tag(pages, "instance", None, &[]).is_some());
}
