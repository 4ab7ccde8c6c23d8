//! Problem details (RFC 9457), with the gateway's own members: the body of whatever is refused.
//!
//! Always holds: it is JSON, whatever the request and the configuration were. Written by hand, since
//! a gateway that has too much to do writes more of them than of anything else.
//!
//! Not here: which refusal says what (see [`crate::page::refusal`]).

use crate::page::refusal::{Refusal, Row};
use crate::telemetry::context::TraceContext;
use crate::text::{push_decimal, push_json_inside};

/// Room for all of it but what came with the request, so that it is made once.
const ROOM: usize = 512;

/// What a problem says besides its row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem<'a> {
    pub(super) refusal: &'a Refusal,
    pub(super) row: Row,
    /// What it is about, spelled; `None` if that is no limit and no part.
    pub(super) scope: Option<&'a str>,
    /// When to come again; `None` if that would not help.
    pub(super) retry_after_ms: Option<u64>,
    pub(super) request_id: &'a str,
    pub(super) trace: &'a TraceContext,
}

impl Problem<'_> {
    /// The body.
    pub(super) fn to_json(self) -> Vec<u8> {
        let reason = self.row.reason.as_str();
        let mut to = Vec::with_capacity(ROOM);
        to.extend_from_slice(br#"{"type":"urn:gateway:problem:"#);
        push_json_inside(&mut to, reason);
        to.extend_from_slice(br#"","title":""#);
        push_json_inside(&mut to, self.row.title);
        to.extend_from_slice(br#"","status":"#);
        push_decimal(&mut to, u64::from(self.row.status.as_u16()));
        to.extend_from_slice(br#","detail":""#);
        push_json_inside(&mut to, self.refusal.detail());
        to.extend_from_slice(br#"","instance":"urn:gateway:request:"#);
        push_json_inside(&mut to, self.request_id);
        to.extend_from_slice(br#"","reason":""#);
        push_json_inside(&mut to, reason);
        match self.scope {
            Some(scope) => {
                to.extend_from_slice(br#"","scope":""#);
                push_json_inside(&mut to, scope);
                to.push(b'"');
            }
            None => to.extend_from_slice(br#"","scope":null"#),
        }
        to.extend_from_slice(br#","retry_after_ms":"#);
        match self.retry_after_ms {
            Some(ms) => push_decimal(&mut to, ms),
            None => to.extend_from_slice(b"null"),
        }
        to.extend_from_slice(br#","request_id":""#);
        push_json_inside(&mut to, self.request_id);
        to.extend_from_slice(br#"","trace_id":""#);
        self.trace.push_trace_id(&mut to);
        to.extend_from_slice(br#""}"#);
        to
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::ShedStatus;

    fn read(problem: Problem<'_>) -> Value {
        serde_json::from_slice(&problem.to_json()).unwrap()
    }

    #[test]
    fn it_is_json_whatever_is_said() {
        let trace = TraceContext::new();
        let refusal = Refusal::BadRequest("a \"quote\", a \\ and a \n".into());
        let problem = Problem {
            refusal: &refusal,
            row: refusal.row(ShedStatus::TooManyRequests),
            scope: Some("downstream:\u{1f600}\u{1}"),
            retry_after_ms: Some(3000),
            request_id: "x\"y",
            trace: &trace,
        };
        let wanted = json!({
            "type": "urn:gateway:problem:bad_request",
            "title": "Request not allowed",
            "status": 400,
            "detail": "a \"quote\", a \\ and a \n",
            "instance": "urn:gateway:request:x\"y",
            "reason": "bad_request",
            "scope": "downstream:\u{1f600}\u{1}",
            "retry_after_ms": 3000,
            "request_id": "x\"y",
            "trace_id": trace.trace_id_hex(),
        });
        assert_eq!(read(problem), wanted);
        let silent = Problem {
            scope: None,
            retry_after_ms: None,
            ..problem
        };
        let silent = read(silent);
        assert_eq!(silent["scope"], Value::Null);
        assert_eq!(silent["retry_after_ms"], Value::Null);
        assert_eq!(silent.as_object().unwrap().len(), 10);
    }
}
