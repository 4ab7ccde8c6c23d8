//! W3C Trace Context, <https://www.w3.org/TR/trace-context/>, and Datadog's member of its
//! vendor list: `dd=s:2;o:rum;t.dm:-4`.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Named, TraceContext, datadog, hex, only};
use crate::telemetry::names::BadContext;
use crate::text::header_value;

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Longest `tracestate` passed on, in bytes: the size the W3C asks everybody to carry.
const MAX_TRACESTATE: usize = 512;

/// Bytes of a list that are looked at: what is beyond is at the end, and would go first. A list that is
/// sixteen times too long is not worth reading to its end.
const MOST_READ: usize = 16 * MAX_TRACESTATE;

/// Members that are longer go first when the list is too long (section 3.3.1.5).
const LONG_MEMBER: usize = 128;

/// Longest member of Datadog's, as its tracers have it.
const MAX_OURS: usize = 256;

/// The trace that `traceparent` names, with what of `tracestate` can be read.
pub(super) fn read(headers: &HeaderMap, bad: &mut Vec<BadContext>) -> Option<Named> {
    let (members, all_read) = members(headers);
    if !all_read {
        bad.push(BadContext::Tracestate);
    }
    if !headers.contains_key(TRACEPARENT) {
        return None;
    }
    let Some(mut context) = only(headers, &TRACEPARENT).and_then(parent) else {
        bad.push(BadContext::Traceparent);
        return None;
    };
    let (ours, others): (Vec<&str>, Vec<&str>) =
        members.iter().partition(|member| member.starts_with("dd="));
    context.tracestate = list("", &others);
    if let Some(ours) = ours.first() {
        read_ours(&mut context, &ours["dd=".len()..]);
    }
    Some(Named {
        context,
        decided: true,
    })
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

/// The members of the vendor list, which may come in several headers, and whether all of them
/// could be read: section 3.3, a list that cannot be does not touch `traceparent`.
fn members(headers: &HeaderMap) -> (Vec<&str>, bool) {
    let (mut members, mut all_read, mut read) = (Vec::new(), true, 0);
    for value in headers.get_all(TRACESTATE) {
        let list = value.to_str();
        all_read &= list.is_ok();
        let in_list = list.unwrap_or_default().split(',').map(str::trim);
        for member in in_list.filter(|member| !member.is_empty()) {
            read += member.len() + 1;
            if read > MOST_READ {
                return (members, all_read);
            }
            match member.contains('=') {
                true => members.push(member),
                false => all_read = false,
            }
        }
    }
    (members, all_read)
}

/// `first` and then the members, in their order, as far as they fit: long ones are left out
/// first, the last of them before others, and then those at the end.
fn list(first: &str, members: &[&str]) -> Option<HeaderValue> {
    let with_comma = |member: &str| member.len() + 1;
    let mut length = first.len() + members.iter().map(|m| with_comma(m)).sum::<usize>();
    let most = MAX_TRACESTATE + usize::from(first.is_empty());
    let mut left_out = Vec::new();
    if length > most {
        left_out = vec![false; members.len()];
        for least in [LONG_MEMBER, 0] {
            for (member, left_out) in members.iter().zip(&mut left_out).rev() {
                if length > most && !*left_out && member.len() > least {
                    *left_out = true;
                    length -= with_comma(member);
                }
            }
        }
    }
    let mut list = first.to_owned();
    for (at, member) in members.iter().enumerate() {
        if left_out.get(at) == Some(&true) {
            continue;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(member);
    }
    (!list.is_empty()).then(|| header_value(list))
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
            context.origin = datadog::origin(&value);
        } else if let Some(tag) = name.strip_prefix("t.").filter(|tag| *tag != "tid") {
            // One that does not fit is left out.
            let _ = datadog::add_tag(&mut context.tags, tag, &value);
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
        add(&mut ours, ";o", "", origin);
    }
    for (name, value) in context.datadog_tags() {
        let tag = name.trim_start_matches("_dd.p.");
        if may_stand_in_a_member(value) {
            add(&mut ours, ";t.", tag, value);
        }
    }
    let others = context.tracestate.as_ref().and_then(|s| s.to_str().ok());
    let others: Vec<&str> = others.iter().flat_map(|list| list.split(',')).collect();
    context.tracestate = list(&ours, &others);
    context
}

/// Adds `{kind}{name}:{value}` to Datadog's member, if it still fits.
fn add(ours: &mut String, kind: &str, name: &str, value: &str) {
    if ours.len() + kind.len() + name.len() + ":".len() + value.len() > MAX_OURS {
        return;
    }
    for text in [kind, name, ":"] {
        ours.push_str(text);
    }
    // "=" may not stand in a member's value, so "~" stands for it.
    ours.extend(value.chars().map(|c| if c == '=' { '~' } else { c }));
}

fn may_stand_in_a_member(value: &str) -> bool {
    value
        .bytes()
        .all(|b| matches!(b, 0x20..=0x7e) && !matches!(b, b',' | b';' | b'~'))
}
