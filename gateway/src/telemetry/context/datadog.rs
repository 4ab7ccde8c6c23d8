//! Datadog's own headers: 64-bit decimal ids, and the rest of a trace in `x-datadog-tags`.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Named, TraceContext, hex, only};
use crate::telemetry::names::BadContext;
use crate::text::header_value;

pub(super) const PARENT_ID: HeaderName = HeaderName::from_static("x-datadog-parent-id");
const TRACE_ID: HeaderName = HeaderName::from_static("x-datadog-trace-id");
const PRIORITY: HeaderName = HeaderName::from_static("x-datadog-sampling-priority");
const ORIGIN: HeaderName = HeaderName::from_static("x-datadog-origin");
const TAGS: HeaderName = HeaderName::from_static("x-datadog-tags");

/// The longest tags that Datadog's tracers pass on, in bytes.
const MAX_TAGS: usize = 512;

/// Longest origin; Datadog's own are words.
const MAX_ORIGIN: usize = 64;

/// Tags of a trace begin so; the upper half of its id is one.
const PROPAGATED: &str = "_dd.p.";
const UPPER_HALF: &str = "_dd.p.tid";

/// The trace that `x-datadog-*` names, if there is an id that can be read. Any other part that
/// cannot be read is left out.
pub(super) fn read(headers: &HeaderMap, bad: &mut Vec<BadContext>) -> Option<Named> {
    if !headers.contains_key(TRACE_ID) {
        return None;
    }
    let low = only(headers, &TRACE_ID).and_then(decimal);
    let Some(low) = low.filter(|&id| id != 0) else {
        bad.push(BadContext::Datadog);
        return None;
    };
    let mut parts = Parts {
        headers,
        all_read: true,
    };
    let context = context(low, &mut parts);
    if !parts.all_read {
        bad.push(BadContext::Datadog);
    }
    Some(Named {
        context,
        decided: true,
    })
}

/// The headers beside the trace id, and whether all that were looked at could be read.
struct Parts<'h> {
    headers: &'h HeaderMap,
    all_read: bool,
}

impl<'h> Parts<'h> {
    /// One of them, if it is there and can be read.
    fn get<T>(&mut self, name: &HeaderName, read: impl FnOnce(&'h str) -> Option<T>) -> Option<T> {
        if !self.headers.contains_key(name) {
            return None;
        }
        let value = only(self.headers, name).and_then(read);
        self.all_read &= value.is_some();
        value
    }
}

fn context(low: u64, parts: &mut Parts<'_>) -> TraceContext {
    let parent_id = parts.get(&PARENT_ID, decimal).filter(|&id| id != 0);
    let priority = parts.get(&PRIORITY, |text| {
        text.parse::<i8>().ok().filter(|p| (-1..=2).contains(p))
    });
    let origin = parts.get(&ORIGIN, origin);
    let all = parts.get(&TAGS, Some).unwrap_or_default();
    let (mut high, mut tags) = (0, String::new());
    for tag in all.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
        let read = match tag.split_once('=') {
            Some((UPPER_HALF, tid)) => upper_half(tid).map(|half| high = half),
            Some((name, value)) => match name.strip_prefix(PROPAGATED) {
                Some(name) => add_tag(&mut tags, name, value),
                // Not one of those that go on.
                None => Some(()),
            },
            None => None,
        };
        parts.all_read &= read.is_some();
    }
    TraceContext {
        trace_id: (high << 64) | u128::from(low),
        parent_id,
        priority: priority.unwrap_or(1),
        origin,
        tags,
        ..TraceContext::new()
    }
}

fn upper_half(tid: &str) -> Option<u128> {
    Some(tid).filter(|tid| tid.len() == 16).and_then(hex)
}

/// An origin, if it is not too long to be one.
pub(super) fn origin(text: &str) -> Option<HeaderValue> {
    let short = text.len() <= MAX_ORIGIN;
    short.then(|| HeaderValue::from_str(text).ok())?
}

/// Adds `_dd.p.{name}={value}`, if it fits beside the upper half of the id.
pub(super) fn add_tag(tags: &mut String, name: &str, value: &str) -> Option<()> {
    const BESIDE: usize = UPPER_HALF.len() + "=0123456789abcdef,,=".len() + PROPAGATED.len();
    if tags.len() + name.len() + value.len() + BESIDE > MAX_TAGS {
        return None;
    }
    if !tags.is_empty() {
        tags.push(',');
    }
    for text in [PROPAGATED, name, "=", value] {
        tags.push_str(text);
    }
    Some(())
}

/// Digits only: a sign would parse, and is none of Datadog's.
fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// Writes what is the same for all calls of a page.
pub(super) fn write_shared(context: &TraceContext, headers: &mut HeaderMap) {
    headers.insert(TRACE_ID, HeaderValue::from(context.trace_id as u64));
    headers.insert(PRIORITY, HeaderValue::from(i16::from(context.priority)));
    let upper = (context.trace_id >> 64) as u64;
    let mut tags = match upper {
        0 => String::new(),
        upper => format!("{UPPER_HALF}={upper:016x}"),
    };
    if !context.tags.is_empty() {
        if !tags.is_empty() {
            tags.push(',');
        }
        tags.push_str(&context.tags);
    }
    if !tags.is_empty() {
        headers.insert(TAGS, header_value(tags));
    }
    if let Some(origin) = &context.origin {
        headers.insert(ORIGIN, origin.clone());
    }
}
