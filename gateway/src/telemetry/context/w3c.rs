//! W3C Trace Context, <https://www.w3.org/TR/trace-context/>, and Datadog's member of its
//! vendor list: `dd=s:2;o:rum;t.dm:-4`.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{TraceContext, header, hex, only};
use crate::telemetry::names::BadContext;

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Longest `tracestate` passed on, in bytes: the size the W3C asks everybody to carry.
/// Of a longer one, the first members that fit.
const MAX_TRACESTATE: usize = 512;

/// A `tracestate` longer than this is not a vendor list but an attack: whoever sent it is
/// not believed in `traceparent` either.
const HOSTILE_TRACESTATE: usize = 8 * 1024;

/// The context in `traceparent` and `tracestate`.
pub(super) fn read(headers: &HeaderMap, bad: &mut Vec<BadContext>) -> Option<TraceContext> {
    let state = state(headers, bad);
    if !headers.contains_key(TRACEPARENT) {
        return None;
    }
    let Some(mut context) = only(headers, &TRACEPARENT).and_then(parent) else {
        bad.push(BadContext::Traceparent);
        return None;
    };
    let members = state?;
    let (ours, others): (Vec<&str>, Vec<&str>) =
        members.iter().partition(|member| member.starts_with("dd="));
    context.tracestate = fitting(others.into_iter());
    if let Some(ours) = ours.first() {
        read_ours(&mut context, &ours["dd=".len()..]);
    }
    Some(context)
}

/// `version-traceid-parentid-flags`, section 3.2.2. Later versions may add more at the end.
fn parent(text: &str) -> Option<TraceContext> {
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
        parent_id: Some(parent_id),
        priority: i8::from(sampled),
        ..TraceContext::new()
    })
}

/// The members of the vendor list, which may come in several headers; `None` for a hostile one.
fn state<'a>(headers: &'a HeaderMap, bad: &mut Vec<BadContext>) -> Option<Vec<&'a str>> {
    let values = || headers.get_all(TRACESTATE).iter();
    if values().map(HeaderValue::len).sum::<usize>() > HOSTILE_TRACESTATE {
        bad.push(BadContext::Tracestate);
        return None;
    }
    let lists: Option<Vec<&str>> = values().map(|value| value.to_str().ok()).collect();
    let members: Vec<&str> = lists
        .iter()
        .flatten()
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
        .collect();
    let fine = lists.is_some() && members.iter().all(|member| member.contains('='));
    if !fine {
        // Section 3.3: the list is discarded, the trace goes on.
        bad.push(BadContext::Tracestate);
        return Some(Vec::new());
    }
    Some(members)
}

/// As many members as fit, in their order.
fn fitting<'a>(members: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let mut list = String::new();
    for member in members {
        if list.len() + member.len() + 1 > MAX_TRACESTATE {
            break;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(member);
    }
    (!list.is_empty()).then(|| header(list))
}

/// Priority, origin and tags from Datadog's member. The flag of `traceparent` says whether
/// the trace is kept; the member only how decidedly.
fn read_ours(context: &mut TraceContext, member: &str) {
    let pairs = member.split(';').filter_map(|pair| pair.split_once(':'));
    for (name, value) in pairs {
        // "=" may not stand in a member, so "~" stands for it.
        let value = value.replace('~', "=");
        if name == "s" {
            let priority = value.parse::<i8>().ok().filter(|p| (-1..=2).contains(p));
            let agrees = priority.filter(|p| (*p > 0) == (context.priority > 0));
            context.priority = agrees.unwrap_or(context.priority);
        } else if name == "o" {
            context.origin = HeaderValue::from_str(&value).ok();
        } else if let Some(tag) = name.strip_prefix("t.").filter(|tag| *tag != "tid") {
            if !context.tags.is_empty() {
                context.tags.push(',');
            }
            context.tags.push_str(&format!("_dd.p.{tag}={value}"));
        }
    }
}

/// Puts what is known of Datadog's into the list, in front: a service that reads
/// `traceparent` only learns of it there. A trace that Datadog never touched is left alone.
pub(super) fn with_current_state(mut context: TraceContext) -> TraceContext {
    let plain = (0..=1).contains(&context.priority);
    if plain && context.origin.is_none() && context.tags.is_empty() {
        return context;
    }
    let mut ours = format!("dd=s:{}", context.priority);
    let origin = context.origin.as_ref().and_then(|o| o.to_str().ok());
    if let Some(origin) = origin.filter(|origin| may_stand_in_a_member(origin)) {
        ours.push_str(&format!(";o:{}", origin.replace('=', "~")));
    }
    for (name, value) in context.datadog_tags() {
        let tag = name.trim_start_matches("_dd.p.");
        if may_stand_in_a_member(value) {
            ours.push_str(&format!(";t.{tag}:{}", value.replace('=', "~")));
        }
    }
    let others = context.tracestate.as_ref().and_then(|s| s.to_str().ok());
    let others = others.iter().flat_map(|list| list.split(','));
    context.tracestate = fitting(std::iter::once(ours.as_str()).chain(others));
    context
}

fn may_stand_in_a_member(value: &str) -> bool {
    value
        .bytes()
        .all(|b| matches!(b, 0x20..=0x7e) && !matches!(b, b',' | b';' | b'~'))
}
