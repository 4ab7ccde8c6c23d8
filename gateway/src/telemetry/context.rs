//! The trace a page belongs to: taken from the request, passed on to calls.
//!
//! Understood: W3C Trace Context (`traceparent`, `tracestate`) and Datadog's
//! `x-datadog-*` set. When both come, `traceparent` carries the whole 128-bit
//! trace id and wins; origin and priority are Datadog's alone and are kept.
//! Headers that cannot be read start a new trace; they are never an error.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Longest `tracestate` passed on, in bytes: the size the W3C asks everybody to carry.
const MAX_TRACESTATE: usize = 512;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const DD_TRACE_ID: HeaderName = HeaderName::from_static("x-datadog-trace-id");
const DD_PARENT_ID: HeaderName = HeaderName::from_static("x-datadog-parent-id");
const DD_PRIORITY: HeaderName = HeaderName::from_static("x-datadog-sampling-priority");
const DD_ORIGIN: HeaderName = HeaderName::from_static("x-datadog-origin");
const DD_TAGS: HeaderName = HeaderName::from_static("x-datadog-tags");

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
    /// The W3C vendor list, passed on unread.
    pub tracestate: Option<HeaderValue>,
}

impl TraceContext {
    /// The context a request brings, or a new trace where it brings none that can be read.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let datadog = from_datadog(headers);
        let mut context = match (from_w3c(headers), datadog) {
            (Some(w3c), Some(datadog)) if w3c.trace_id as u64 == datadog.trace_id as u64 => Self {
                priority: datadog.priority,
                origin: datadog.origin,
                ..w3c
            },
            (Some(w3c), _) => w3c,
            (None, Some(datadog)) => datadog,
            (None, None) => Self::new(),
        };
        context.span_id = new_id();
        context
    }

    /// A trace that begins here.
    pub fn new() -> Self {
        Self {
            trace_id: (u128::from(new_id()) << 64) | u128::from(new_id()),
            span_id: new_id(),
            parent_id: None,
            priority: 1,
            origin: None,
            tracestate: None,
        }
    }

    /// The trace id as 32 hex digits.
    pub fn trace_id_hex(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// `traceparent` with `span` as the parent.
    pub fn traceparent(&self, span: u64) -> HeaderValue {
        let mut text = String::with_capacity(55);
        let flags = u8::from(self.priority > 0);
        // Writing to a string cannot fail.
        let _ = write!(text, "00-{:032x}-{span:016x}-{flags:02x}", self.trace_id);
        header(text)
    }

    /// Writes the headers that are the same for all calls of a page.
    pub fn write_shared(&self, headers: &mut HeaderMap) {
        if let Some(state) = &self.tracestate {
            headers.insert(TRACESTATE, state.clone());
        }
        headers.insert(DD_TRACE_ID, HeaderValue::from(self.trace_id as u64));
        headers.insert(DD_PRIORITY, HeaderValue::from(i16::from(self.priority)));
        headers.insert(
            DD_TAGS,
            header(format!("_dd.p.tid={:016x}", self.trace_id >> 64)),
        );
        if let Some(origin) = &self.origin {
            headers.insert(DD_ORIGIN, origin.clone());
        }
    }

    /// Writes the headers of a call whose client span is `span`; the rest is
    /// [`TraceContext::write_shared`]'s.
    pub fn write_call(&self, span: u64, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.traceparent(span));
        headers.insert(DD_PARENT_ID, HeaderValue::from(span));
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

/// `version-traceid-parentid-flags`, <https://www.w3.org/TR/trace-context/#traceparent-header>.
fn from_w3c(headers: &HeaderMap) -> Option<TraceContext> {
    let text = only(headers, &TRACEPARENT)?.to_str().ok()?;
    let bytes = text.as_bytes();
    let version = hex(text.get(0..2)?)? as u8;
    let known_length = bytes.len() == 55 || (version > 0 && bytes.get(55) == Some(&b'-'));
    let dashes = [2, 35, 52].iter().all(|&at| bytes.get(at) == Some(&b'-'));
    if version == 0xff || !known_length || !dashes {
        return None;
    }
    let trace_id = hex(text.get(3..35)?).filter(|&id| id != 0)?;
    let parent_id = hex(text.get(36..52)?).filter(|&id| id != 0)? as u64;
    let sampled = hex(text.get(53..55)?)? & 1 == 1;
    Some(TraceContext {
        trace_id,
        span_id: parent_id,
        parent_id: Some(parent_id),
        priority: i8::from(sampled),
        origin: None,
        tracestate: tracestate(headers),
    })
}

fn from_datadog(headers: &HeaderMap) -> Option<TraceContext> {
    let low: u64 = parse(headers, &DD_TRACE_ID).filter(|&id| id != 0)?;
    let tags = only(headers, &DD_TAGS)
        .and_then(|tags| tags.to_str().ok())
        .unwrap_or_default();
    let high = tags
        .split(',')
        .find_map(|tag| tag.trim().strip_prefix("_dd.p.tid="))
        .filter(|tid| tid.len() == 16)
        .and_then(hex)
        .unwrap_or(0);
    Some(TraceContext {
        trace_id: (high << 64) | u128::from(low),
        span_id: low,
        parent_id: parse(headers, &DD_PARENT_ID).filter(|&id| id != 0),
        priority: parse(headers, &DD_PRIORITY)
            .filter(|p| (-1..=2).contains(p))
            .unwrap_or(1),
        origin: only(headers, &DD_ORIGIN)
            .filter(|origin| origin.len() <= 64)
            .cloned(),
        tracestate: None,
    })
}

fn tracestate(headers: &HeaderMap) -> Option<HeaderValue> {
    only(headers, &TRACESTATE)
        .filter(|s| (1..=MAX_TRACESTATE).contains(&s.len()))
        .cloned()
}

/// The header's value, if it comes exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn parse<T: std::str::FromStr>(headers: &HeaderMap, name: &HeaderName) -> Option<T> {
    only(headers, name)?.to_str().ok()?.parse().ok()
}

/// Lower-case hex only, as both specifications demand.
fn hex(text: &str) -> Option<u128> {
    let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| u128::from_str_radix(text, 16).ok())?
}

fn header(text: String) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "digits, hex, dots and dashes only")]
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).expect("ids are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_w3c_trace_is_continued_with_all_128_bits() {
        let context = TraceContext::from_headers(&headers(&[("traceparent", W3C)]));
        assert_eq!(context.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.parent_id, Some(0x00f0_67aa_0ba9_02b7));
        assert_ne!(context.span_id, 0x00f0_67aa_0ba9_02b7);
    }

    #[test]
    fn a_datadog_trace_is_continued_and_passed_on_in_both_notations() {
        let context = TraceContext::from_headers(&headers(&[
            ("x-datadog-trace-id", "11803532876627986230"),
            ("x-datadog-parent-id", "67667974448284343"),
            ("x-datadog-sampling-priority", "2"),
            ("x-datadog-origin", "rum"),
            ("x-datadog-tags", "_dd.p.dm=-4,_dd.p.tid=4bf92f3577b34da6"),
        ]));
        let mut out = HeaderMap::new();
        context.write_shared(&mut out);
        context.write_call(7, &mut out);
        assert_eq!(
            out["traceparent"],
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01"
        );
        assert_eq!(out["x-datadog-trace-id"], "11803532876627986230");
        assert_eq!(out["x-datadog-parent-id"], "7");
        assert_eq!(out["x-datadog-sampling-priority"], "2");
        assert_eq!(out["x-datadog-origin"], "rum");
        assert_eq!(out["x-datadog-tags"], "_dd.p.tid=4bf92f3577b34da6");
    }

    #[test]
    fn when_both_come_the_whole_id_the_origin_and_the_priority_are_kept() {
        let context = TraceContext::from_headers(&headers(&[
            ("traceparent", W3C),
            ("x-datadog-trace-id", "11803532876627986230"),
            ("x-datadog-sampling-priority", "2"),
            ("x-datadog-origin", "rum"),
        ]));
        assert_eq!(context.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(
            (context.priority, context.origin.unwrap()),
            (2, "rum".parse().unwrap())
        );
    }

    #[test]
    fn headers_that_cannot_be_read_start_a_new_trace() {
        let long = format!("{W3C}-extra");
        for bad in [
            "",
            "00",
            "00-0-0-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473+-00f067aa0ba902b7-01",
            &long,
        ] {
            let context = TraceContext::from_headers(&headers(&[("traceparent", bad)]));
            assert_eq!(context.parent_id, None, "{bad:?}");
        }
        let twice = headers(&[("traceparent", W3C), ("traceparent", W3C)]);
        assert_eq!(TraceContext::from_headers(&twice).parent_id, None);
    }
}
