//! What holds for every trace, whatever became of its page.

use std::collections::BTreeSet;

use gateway::telemetry::names::spans::{
    ALL, DD_STATUS_CODE, ERROR_MESSAGE, ERROR_TYPE, SPAN_KIND, STATUS_CODE,
};

use crate::spans::{Span, Trace};
use crate::traced::Via;

/// Who the gateway says it is.
pub(crate) const SERVICE: &str = "shop";
pub(crate) const ENV: &str = "test";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Keys of the protocols; every other one stands in the gateway's table.
const OF_PROTOCOLS: [&str; 7] = [
    "env",
    "service",
    "version",
    "_dd.p.",
    "_dd.origin",
    "_dd.measured",
    "_sampling_priority_v1",
];

#[track_caller]
pub(crate) fn assert_sound(trace: &Trace, via: Via) {
    let root = trace.root();
    let ids: BTreeSet<_> = trace.spans.iter().map(|span| span.span_id).collect();
    assert_eq!(ids.len(), trace.spans.len(), "a span twice: {trace:#?}");
    assert!(!ids.contains(&0), "{trace:#?}");
    for span in &trace.spans {
        let of = [
            Some(&span.service),
            span.meta.get("env"),
            span.meta.get("version"),
        ];
        let of = of.map(|text| text.map(String::as_str));
        assert_eq!(of, [SERVICE, ENV, VERSION].map(Some), "{span:#?}");
        let parent = trace
            .spans
            .iter()
            .find(|other| other.span_id == span.parent_id);
        assert_within(span, parent.unwrap_or(span));
        assert_error_is_explained(span);
        assert_keys_are_known(span);
        if via == Via::Datadog {
            assert_datadog_can_read(span, span.span_id == root.span_id, trace.id());
        }
    }
}

#[track_caller]
fn assert_within(span: &Span, parent: &Span) {
    assert!(
        parent.start <= span.start && span.end() <= parent.end(),
        "outside its parent: {span:#?} of {parent:#?}"
    );
}

#[track_caller]
fn assert_error_is_explained(span: &Span) {
    for key in [ERROR_TYPE, ERROR_MESSAGE] {
        let said = span.get(key).filter(|text| !text.is_empty());
        assert_eq!(said.is_some(), span.error == 1, "{key} of {span:#?}");
    }
}

#[track_caller]
fn assert_keys_are_known(span: &Span) {
    for key in span.meta.keys().chain(span.metrics.keys()) {
        let known = ALL.iter().any(|field| field.key == key)
            || OF_PROTOCOLS.iter().any(|of| key.starts_with(of));
        assert!(known, "{key} is in no table: {span:#?}");
    }
}

/// What Datadog's own views look for, and its protocol has no field for.
#[track_caller]
fn assert_datadog_can_read(span: &Span, is_root: bool, trace: u128) {
    let named = match span.get(SPAN_KIND).as_deref() {
        Some("server") => ("http.server.request", "web"),
        Some("client") => ("http.client.request", "http"),
        Some("internal") => ("gateway.internal", ""),
        other => panic!("a span of kind {other:?}"),
    };
    assert_eq!((span.name.as_str(), span.kind.as_str()), named);
    assert_eq!(span.get(DD_STATUS_CODE), span.get(STATUS_CODE), "{span:#?}");
    // Once per chunk, and only where there is an upper half.
    let says_upper_half = span.meta.contains_key("_dd.p.tid");
    assert_eq!(says_upper_half, is_root && trace >> 64 != 0, "{span:#?}");
    // Or the agent might drop what was decided to be kept.
    assert!(span.number("_sampling_priority_v1") >= 1.0, "{span:#?}");
}
