//! B3, in one header or in several: <https://github.com/openzipkin/b3-propagation>.
//!
//! Both may say only whether a trace is kept, and leave its ids to whoever begins it.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Named, TraceContext, only};
use crate::telemetry::names::BadContext;
use crate::text::{header_value, push_hex};

pub(super) const SINGLE: HeaderName = HeaderName::from_static("b3");
const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
pub(super) const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const PARENT_ID: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// Datadog's priority of a trace that somebody asked for by hand: what B3 calls debug.
const BY_HAND: i8 = 2;

/// The trace that a form names; without one, what it says about a trace to come.
type Said = (Option<Named>, Option<bool>);

/// `{trace}-{span}-{state}-{parent}`, of which the last two may be left out; or `{state}`.
pub(super) fn read_single(headers: &HeaderMap, bad: &mut Vec<BadContext>) -> Said {
    if !headers.contains_key(SINGLE) {
        return (None, None);
    }
    let text = only(headers, &SINGLE).unwrap_or_default();
    let mut fields = text.split('-');
    let (trace, span) = (fields.next().unwrap_or_default(), fields.next());
    let Some(span) = span else {
        let without = state(trace);
        if without.is_none() {
            bad.push(BadContext::B3);
        }
        return (None, without.map(|priority| priority > 0));
    };
    let said = fields.next();
    let priority = said.and_then(state);
    let known = fields.nth(1).is_none() && priority.is_some() == said.is_some();
    let named = named(trace, span, priority);
    if named.is_none() || !known {
        bad.push(BadContext::B3);
    }
    (named, None)
}

/// The same in `x-b3-*`.
pub(super) fn read_several(headers: &HeaderMap, bad: &mut Vec<BadContext>) -> Said {
    let field = |name| only(headers, &name);
    let debug = field(FLAGS) == Some("1");
    let sampled = field(SAMPLED).and_then(|said| match said {
        "true" | "True" => Some(1),
        "false" | "False" => Some(0),
        // Debug has a header of its own here.
        said => state(said).filter(|_| said != "d"),
    });
    let priority = if debug { Some(BY_HAND) } else { sampled };
    let mut unreadable = headers.contains_key(SAMPLED) && sampled.is_none();
    let result = match headers.contains_key(TRACE_ID) {
        false => (None, priority.map(|priority| priority > 0)),
        true => {
            let (trace, span) = (field(TRACE_ID), field(SPAN_ID));
            let named = named(
                trace.unwrap_or_default(),
                span.unwrap_or_default(),
                priority,
            );
            unreadable |= named.is_none();
            (named, None)
        }
    };
    if unreadable {
        bad.push(BadContext::B3);
    }
    result
}

fn state(text: &str) -> Option<i8> {
    match text {
        "0" => Some(0),
        "1" => Some(1),
        "d" => Some(BY_HAND),
        _ => None,
    }
}

/// 16 or 32 hex digits, and 16.
fn named(trace: &str, span: &str, priority: Option<i8>) -> Option<Named> {
    let trace_id = id(trace, &[16, 32])?;
    let parent_id = id(span, &[16])? as u64;
    Some(Named {
        context: TraceContext {
            trace_id,
            parent_id: Some(parent_id),
            priority: priority.unwrap_or(1),
            ..TraceContext::new()
        },
        decided: priority.is_some(),
    })
}

/// Hex of either case: the specification writes small letters and refuses no others.
fn id(text: &str, lengths: &[usize]) -> Option<u128> {
    let digits = lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = digits.then(|| u128::from_str_radix(text, 16).ok())?;
    id.filter(|&id| id as u64 != 0)
}

fn sampled(context: &TraceContext) -> &'static [u8] {
    match context.priority {
        BY_HAND => b"d",
        1.. => b"1",
        _ => b"0",
    }
}

fn push_ids(context: &TraceContext, to: &mut Vec<u8>) {
    match context.trace_id >> 64 {
        // A trace of 64 bits stays one.
        0 => push_hex(to, context.trace_id as u64),
        _ => context.push_trace_id(to),
    }
}

/// Appends the whole of it in one header.
pub(super) fn push_single(context: &TraceContext, span: u64, to: &mut Vec<u8>) {
    push_ids(context, to);
    to.push(b'-');
    push_hex(to, span);
    to.push(b'-');
    to.extend_from_slice(sampled(context));
    to.push(b'-');
    push_hex(to, context.span_id);
}

/// Writes what is the same for all calls of a page.
pub(super) fn write_shared(context: &TraceContext, headers: &mut HeaderMap) {
    let mut trace = Vec::with_capacity(32);
    push_ids(context, &mut trace);
    headers.insert(TRACE_ID, header_value(trace));
    let mut parent = Vec::with_capacity(16);
    push_hex(&mut parent, context.span_id);
    headers.insert(PARENT_ID, header_value(parent));
    match context.priority {
        BY_HAND => headers.insert(FLAGS, HeaderValue::from_static("1")),
        1.. => headers.insert(SAMPLED, HeaderValue::from_static("1")),
        _ => headers.insert(SAMPLED, HeaderValue::from_static("0")),
    };
}
