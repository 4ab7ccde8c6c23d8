//! The trace a page belongs to: taken from the request, passed on to calls.
//!
//! Understood, as the config's `propagation` lists them: Datadog's `x-datadog-*` set
//! (`datadog`), W3C Trace Context (`w3c`) and B3 in one header or several (`b3`). The first
//! that names a trace decides which. Where Datadog's set and `traceparent` name the same one,
//! `traceparent` carries the whole 128-bit trace id, and priority, origin and tags are
//! Datadog's.
//!
//! What always holds: a part that cannot be read costs that part, not the trace and its
//! decision; without a trace id that can be read a trace begins here. What could not be read is
//! counted, and never an error.

mod b3;
mod datadog;
#[cfg(test)]
mod tests;
mod w3c;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{Notation, Propagation};
use crate::telemetry::names::BadContext;
use crate::text::{header_value, push_decimal, push_hex, push_hex_128};

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
    /// How it is passed on.
    pub propagation: Propagation,
}

/// What a request's headers say.
#[derive(Debug)]
pub struct Incoming {
    /// The trace that it belongs to, if it brings one that can be read.
    pub context: Option<TraceContext>,
    /// What was decided about a trace that is still to begin, or that nobody decided on.
    pub decision: Decision,
    /// What could not be read.
    pub unreadable: Vec<BadContext>,
}

/// Whether a trace is to be kept, as far as the request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// As the context's priority says.
    Made,
    /// Nobody has decided: it is up to this service.
    Open,
    /// Kept or not, for a trace that the request does not name.
    Without(bool),
}

/// A trace as one notation names it.
struct Named {
    context: TraceContext,
    decided: bool,
}

impl TraceContext {
    /// What a request brings, in the notations of `propagation`.
    pub fn from_headers(headers: &HeaderMap, propagation: Propagation) -> Incoming {
        let mut unreadable = Vec::new();
        let mut decision = Decision::Open;
        let mut first: Option<(Notation, Named)> = None;
        for notation in propagation.notations() {
            let (named, without) = match notation {
                Notation::Datadog => (datadog::read(headers, &mut unreadable), None),
                Notation::TraceContext => (w3c::read(headers, &mut unreadable), None),
                Notation::B3 => b3::read_single(headers, &mut unreadable),
                Notation::B3Multi => b3::read_several(headers, &mut unreadable),
            };
            if let (Decision::Open, Some(keep)) = (decision, without) {
                decision = Decision::Without(keep);
            }
            first = match (first, named) {
                (None, named) => named.map(|named| (notation, named)),
                (Some(first), None) => Some(first),
                (Some((had, one)), Some(other)) => Some((had, both(had, one, notation, other))),
            };
        }
        let context = first.map(|(_, named)| {
            decision = match named.decided {
                true => Decision::Made,
                false => Decision::Open,
            };
            w3c::with_current_state(named.context)
        });
        Incoming {
            context,
            decision,
            unreadable,
        }
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
            propagation: Propagation::default(),
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
    pub fn push_trace_id(&self, to: &mut Vec<u8>) {
        push_hex_128(to, self.trace_id);
    }

    /// `traceparent` with `span` as the parent.
    pub fn traceparent(&self, span: u64) -> HeaderValue {
        let mut text = Vec::with_capacity(55);
        self.push_traceparent(span, &mut text);
        header_value(text)
    }

    fn push_traceparent(&self, span: u64, to: &mut Vec<u8>) {
        to.extend_from_slice(b"00-");
        self.push_trace_id(to);
        to.push(b'-');
        push_hex(to, span);
        to.extend_from_slice(if self.is_kept() { b"-01" } else { b"-00" });
    }

    /// Whether it was decided that the trace is kept.
    pub fn is_kept(&self) -> bool {
        self.priority > 0
    }

    /// Datadog's tags of the trace, by name.
    pub fn datadog_tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.split(',').filter_map(|tag| tag.split_once('='))
    }

    /// Writes the headers that are the same for all calls of a page.
    pub fn write_shared(&self, headers: &mut HeaderMap) {
        for notation in self.propagation.notations() {
            match notation {
                Notation::Datadog => datadog::write_shared(self, headers),
                Notation::TraceContext => {
                    if let Some(state) = &self.tracestate {
                        headers.insert(w3c::TRACESTATE, state.clone());
                    }
                }
                Notation::B3 => {}
                Notation::B3Multi => b3::write_shared(self, headers),
            }
        }
    }

    /// Hands over the headers of a call whose client span is `span`, by name and value, each written
    /// into `text`; the rest is [`TraceContext::write_shared`]'s.
    pub fn each_of_call(
        &self,
        span: u64,
        text: &mut Vec<u8>,
        mut put: impl FnMut(&HeaderName, &[u8]),
    ) {
        for notation in self.propagation.notations() {
            text.clear();
            let name = match notation {
                Notation::Datadog => {
                    push_decimal(text, span);
                    datadog::PARENT_ID
                }
                Notation::TraceContext => {
                    self.push_traceparent(span, text);
                    w3c::TRACEPARENT
                }
                Notation::B3 => {
                    b3::push_single(self, span, text);
                    b3::SINGLE
                }
                Notation::B3Multi => {
                    push_hex(text, span);
                    b3::SPAN_ID
                }
            };
            put(&name, text);
        }
    }
}

impl Default for TraceContext {
    fn default() -> Self {
        Self::new()
    }
}

/// The trace that two notations name, where the second may add to what the first says: of
/// Datadog's set and `traceparent` each has what the other cannot say.
fn both(had: Notation, one: Named, notation: Notation, other: Named) -> Named {
    if one.context.trace_id as u64 != other.context.trace_id as u64 {
        return one;
    }
    match (had, notation) {
        (Notation::Datadog, Notation::TraceContext) => of_both(other.context, one.context),
        (Notation::TraceContext, Notation::Datadog) => of_both(one.context, other.context),
        _ => one,
    }
}

fn of_both(w3c: TraceContext, datadog: TraceContext) -> Named {
    let context = TraceContext {
        priority: datadog.priority,
        origin: datadog.origin.or(w3c.origin),
        tags: match datadog.tags.is_empty() {
            true => w3c.tags,
            false => datadog.tags,
        },
        ..w3c
    };
    Named {
        context,
        decided: true,
    }
}

/// A new span id.
pub fn new_id() -> u64 {
    fastrand::u64(1..)
}

/// Whether a header is one of those that carry traces: they may be as long as their
/// senders make them, and are read here with limits of their own.
pub fn carries_traces(name: &HeaderName) -> bool {
    let (name, prefixes) = (name.as_str(), ["x-datadog-", "x-b3-"]);
    ["traceparent", "tracestate", "b3"].contains(&name)
        || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// The header's value, if it comes exactly once and is text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none());
    value.and_then(|value| value.to_str().ok())
}

/// Lower-case hex only, as W3C and Datadog demand.
fn hex(text: &str) -> Option<u128> {
    let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| u128::from_str_radix(text, 16).ok())?
}
