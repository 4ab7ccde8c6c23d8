//! The trace a page belongs to: taken from the request, passed on to calls.
//!
//! Understood: W3C Trace Context (`w3c`) and Datadog's `x-datadog-*` set (`datadog`).
//! When both come and agree, `traceparent` carries the whole 128-bit trace id, and
//! priority, origin and tags are Datadog's; when they contradict each other,
//! `traceparent` wins alone. Headers that cannot be read start a new trace; they are
//! counted, and never an error.

mod datadog;
#[cfg(test)]
mod tests;
mod w3c;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::names::BadContext;
use crate::text::push_hex;

/// One request's place in a trace. The ids are never zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Of the whole trace.
    pub trace_id: u128,
    /// Of this request's server span.
    pub span_id: u64,
    /// Of the span that asked, if the request named one.
    pub parent_id: Option<u64>,
    /// Datadog's sampling priority; 1 and 2 keep the trace.
    pub priority: i8,
    /// Datadog's origin, passed on unread.
    pub origin: Option<HeaderValue>,
    /// Datadog's tags of the trace, but for the upper half of its id: `name=value,…`.
    pub tags: String,
    /// The W3C vendor list, with Datadog's own member brought up to date.
    pub tracestate: Option<HeaderValue>,
}

impl TraceContext {
    /// The context a request brings, if it brings one that can be read, and what could not be.
    pub fn from_headers(headers: &HeaderMap) -> (Option<Self>, Vec<BadContext>) {
        let mut bad = Vec::new();
        let datadog = datadog::read(headers, &mut bad);
        let context = match (w3c::read(headers, &mut bad), datadog) {
            (Some(w3c), Some(datadog)) if w3c.trace_id as u64 == datadog.trace_id as u64 => {
                Some(Self {
                    priority: datadog.priority,
                    origin: datadog.origin.or(w3c.origin),
                    tags: if datadog.tags.is_empty() {
                        w3c.tags
                    } else {
                        datadog.tags
                    },
                    ..w3c
                })
            }
            (Some(w3c), _) => Some(w3c),
            (None, datadog) => datadog,
        };
        (context.map(w3c::with_current_state), bad)
    }

    /// A trace that begins here.
    pub fn new() -> Self {
        Self {
            trace_id: (u128::from(new_id()) << 64) | u128::from(new_id()),
            span_id: new_id(),
            parent_id: None,
            priority: 1,
            origin: None,
            tags: String::new(),
            tracestate: None,
        }
    }

    /// Whether it began with one of Datadog's own probes.
    pub fn is_synthetic(&self) -> bool {
        let origin = self.origin.as_ref();
        origin.is_some_and(|origin| origin.as_bytes().starts_with(b"synthetics"))
    }

    /// The trace id as 32 hex digits.
    pub fn trace_id_hex(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// Appends the trace id as 32 hex digits.
    pub(super) fn push_trace_id(&self, to: &mut Vec<u8>) {
        push_hex(to, (self.trace_id >> 64) as u64);
        push_hex(to, self.trace_id as u64);
    }

    /// `traceparent` with `span` as the parent.
    pub fn traceparent(&self, span: u64) -> HeaderValue {
        let mut text = Vec::with_capacity(55);
        text.extend_from_slice(b"00-");
        self.push_trace_id(&mut text);
        text.push(b'-');
        push_hex(&mut text, span);
        text.extend_from_slice(if self.priority > 0 { b"-01" } else { b"-00" });
        header(text)
    }

    /// Datadog's tags of the trace, by name.
    pub fn datadog_tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.split(',').filter_map(|tag| tag.split_once('='))
    }

    /// Writes the headers that are the same for all calls of a page.
    pub fn write_shared(&self, headers: &mut HeaderMap) {
        if let Some(state) = &self.tracestate {
            headers.insert(w3c::TRACESTATE, state.clone());
        }
        datadog::write_shared(self, headers);
    }

    /// Writes the headers of a call whose client span is `span`; the rest is
    /// [`TraceContext::write_shared`]'s.
    pub fn write_call(&self, span: u64, fields: &mut Vec<(HeaderName, HeaderValue)>) {
        fields.push((w3c::TRACEPARENT, self.traceparent(span)));
        fields.push((datadog::PARENT_ID, HeaderValue::from(span)));
    }
}

impl Default for TraceContext {
    fn default() -> Self {
        Self::new()
    }
}

/// A new span id.
pub fn new_id() -> u64 {
    fastrand::u64(1..)
}

/// Whether a header is one of those that carry traces: they may be as long as their
/// senders make them, and are read here with limits of their own.
pub fn carries_traces(name: &HeaderName) -> bool {
    [w3c::TRACEPARENT, w3c::TRACESTATE].contains(name) || name.as_str().starts_with("x-datadog-")
}

/// The header's value, if it comes exactly once and is text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none());
    value.and_then(|value| value.to_str().ok())
}

/// Lower-case hex only, as both specifications demand.
fn hex(text: &str) -> Option<u128> {
    let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| u128::from_str_radix(text, 16).ok())?
}

fn header(text: impl Into<Bytes>) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "made here, or of what came in headers")]
    HeaderValue::from_maybe_shared(text.into()).expect("visible ASCII")
}
