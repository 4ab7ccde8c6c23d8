//! What is sent to a downstream: the path, and the header fields that all calls of a page or one of
//! them has.
//!
//! What always holds: a field of one call is in no other's, and no field is there twice. They are
//! handed over one by one and kept by nobody, as each call writes them once.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::telemetry::context::TraceContext;
use crate::text::push_decimal;

/// What is left of a call's time, in whole milliseconds; Envoy's name for it.
const BUDGET_LEFT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// Room for the longest value of a field of one call: B3 in one header.
const LONGEST: usize = 70;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct CallRequest<'a> {
    /// Path and query, percent-encoded, beginning with `/`.
    pub path: &'a str,
    /// Header fields that all calls of the page carry.
    pub shared: &'a HeaderMap,
    /// Header fields of this call; none of them is in `shared`.
    pub own: OwnFields<'a>,
}

/// The header fields that one call does not share with the others of its page.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnFields<'a> {
    /// The trace, and the call's client span in it.
    pub span: Option<(&'a TraceContext, u64)>,
    /// What is left of its time; less than a millisecond is written as one.
    pub budget_left: Option<Duration>,
}

impl CallRequest<'_> {
    /// Hands over all header fields but those of the connection itself, by name and value.
    pub fn each_field(&self, mut put: impl FnMut(&HeaderName, &[u8])) {
        for (name, value) in self.shared {
            put(name, value.as_bytes());
        }
        self.own.each(put);
    }
}

impl OwnFields<'_> {
    /// Hands over each, by name and value.
    pub fn each(self, mut put: impl FnMut(&HeaderName, &[u8])) {
        let mut text = Vec::with_capacity(LONGEST);
        if let Some((trace, span)) = self.span {
            trace.each_of_call(span, &mut text, &mut put);
        }
        if let Some(left) = self.budget_left {
            text.clear();
            push_decimal(&mut text, left.as_millis().max(1) as u64);
            put(&BUDGET_LEFT, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_told_in_milliseconds_and_never_as_none() {
        for (left, told) in [(0, "1"), (900, "1"), (1_999, "1"), (250_000, "250")] {
            let request = CallRequest {
                path: "/",
                shared: &HeaderMap::new(),
                own: OwnFields {
                    span: None,
                    budget_left: Some(Duration::from_micros(left)),
                },
            };
            let mut fields = Vec::new();
            request.each_field(|name, value| fields.push((name.clone(), value.to_vec())));
            assert_eq!(fields, [(BUDGET_LEFT, told.into())]);
        }
    }
}
