//! Datadog's own headers: 64-bit decimal ids, and the rest of a trace in `x-datadog-tags`.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{TraceContext, header, hex, only};
use crate::telemetry::names::BadContext;

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

/// The context in `x-datadog-*`, if there is a trace id.
pub(super) fn read(headers: &HeaderMap, bad: &mut Vec<BadContext>) -> Option<TraceContext> {
    if !headers.contains_key(TRACE_ID) {
        return None;
    }
    let context = parse(headers);
    if context.is_none() {
        bad.push(BadContext::Datadog);
    }
    context
}

/// All of them, or nothing: who sends one that is broken is not believed in the others.
fn parse(headers: &HeaderMap) -> Option<TraceContext> {
    let low = decimal(only(headers, &TRACE_ID)?).filter(|&id| id != 0)?;
    let tags = optional(headers, &TAGS, |tags| {
        (tags.len() <= MAX_TAGS).then_some(tags)
    })?;
    let tags = || pairs(tags.unwrap_or_default());
    let high = match tags().find(|(name, _)| *name == UPPER_HALF) {
        Some((_, tid)) => Some(tid).filter(|tid| tid.len() == 16).and_then(hex)?,
        None => 0,
    };
    let parent_id = optional(headers, &PARENT_ID, decimal)?.filter(|&id| id != 0);
    let priority = optional(headers, &PRIORITY, |text| {
        text.parse::<i8>().ok().filter(|p| (-1..=2).contains(p))
    })?;
    let origin = optional(headers, &ORIGIN, |text| {
        (text.len() <= MAX_ORIGIN).then(|| HeaderValue::from_str(text).ok())?
    })?;
    let kept = tags().filter(|(name, _)| name.starts_with(PROPAGATED) && *name != UPPER_HALF);
    Some(TraceContext {
        trace_id: (high << 64) | u128::from(low),
        parent_id,
        priority: priority.unwrap_or(1),
        origin,
        tags: kept
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(","),
        ..TraceContext::new()
    })
}

/// `Some(None)` for a header that is not there, `None` for one that cannot be read.
fn optional<'a, T>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Option<Option<T>> {
    if !headers.contains_key(name) {
        return Some(None);
    }
    only(headers, name).and_then(read).map(Some)
}

/// Digits only: a sign would parse, and is none of Datadog's.
fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

fn pairs(tags: &str) -> impl Iterator<Item = (&str, &str)> {
    tags.split(',').filter_map(|tag| tag.trim().split_once('='))
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
        headers.insert(TAGS, header(tags));
    }
    if let Some(origin) = &context.origin {
        headers.insert(ORIGIN, origin.clone());
    }
}
