//! Refusals, by status: from the one table of them.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{headers, reference};
use crate::config::{Config, DownstreamId, Page};
use crate::outcome::{Reason, Scope};
use crate::page::refusal::{Refusal, Row};

/// All refusals of one status.
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// Never empty.
    rows: Vec<Row>,
}

/// Every status that a request for one of these pages can be refused with.
pub(super) fn by_status(config: &Config, pages: &[Page]) -> Vec<Problem> {
    let mut rows: BTreeMap<StatusCode, Vec<Row>> = BTreeMap::new();
    // Any downstream stands for all: the table knows no names.
    let every = Refusal::every(DownstreamId(0)).into_iter();
    for refusal in every.filter(|refusal| occurs(refusal, pages)) {
        let row = refusal.row(config.shed.status);
        rows.entry(row.status).or_default().push(row);
    }
    let problem = |(status, rows)| Problem { status, rows };
    rows.into_iter().map(problem).collect()
}

/// Whether a part that a page requires passes the status on, if it is one of a service.
fn occurs(refusal: &Refusal, pages: &[Page]) -> bool {
    let Refusal::Passed(_, status, _) = refusal else {
        return true;
    };
    let parts = pages.iter().flat_map(|page| &page.parts);
    parts
        .filter(|part| part.required)
        .any(|part| part.pass.has(*status))
}

/// Each as a response to GET, and to HEAD.
pub(super) fn responses(config: &Config, problems: &[Problem]) -> Value {
    let with_body = problems.iter().map(|problem| {
        let mut response = problem.head(config);
        response["content"] = json!({
            "application/problem+json": {"schema": reference("schemas", &problem.name())},
        });
        (problem.name(), response)
    });
    let without = problems
        .iter()
        .map(|problem| (problem.head_name(), problem.head(config)));
    Value::from_iter(with_body.chain(without))
}

impl Problem {
    /// Its schema, and its response to GET.
    pub(super) fn name(&self) -> String {
        format!("Problem{}", self.status.as_str())
    }

    fn head_name(&self) -> String {
        format!("Head{}", self.status.as_str())
    }

    pub(super) fn reference(&self, with_body: bool) -> Value {
        match with_body {
            true => reference("responses", &self.name()),
            false => reference("responses", &self.head_name()),
        }
    }

    /// What GET and HEAD have in common.
    fn head(&self, config: &Config) -> Value {
        let mut more = vec!["Server-Timing", "Cache-Control"];
        if self.says_when_to_retry() {
            more.push("Retry-After");
        }
        if self.has_challenges() {
            more.push("WWW-Authenticate");
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            more.push("Allow");
        }
        more.extend(headers::of_quota(config));
        json!({"description": self.description(), "headers": headers::with(&more)})
    }

    fn says_when_to_retry(&self) -> bool {
        self.rows.iter().all(|row| row.retry_after.is_some())
    }

    /// Whether it may say how to sign in.
    pub(super) fn has_challenges(&self) -> bool {
        matches!(
            self.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        )
    }

    /// Each reason with its titles.
    fn description(&self) -> String {
        let mut titles: Vec<(Reason, Vec<&str>)> = Vec::new();
        for row in &self.rows {
            match titles.iter_mut().find(|(reason, _)| *reason == row.reason) {
                Some((_, titles)) if titles.contains(&row.title) => {}
                Some((_, titles)) => titles.push(row.title),
                None => titles.push((row.reason, vec![row.title])),
            }
        }
        let line =
            |(reason, titles): &(Reason, Vec<&str>)| format!("`{reason}`: {}.", titles.join(", "));
        titles.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    /// RFC 9457, with the gateway's own members. Further members may come: clients ignore what
    /// they do not know (section 3.2).
    pub(super) fn schema(&self, config: &Config) -> Value {
        let reasons = self.reasons();
        let types = reasons
            .iter()
            .map(|reason| format!("urn:gateway:problem:{reason}"));
        let retry_after_ms = match self.says_when_to_retry() {
            true => json!({"type": "integer", "minimum": 1000, "multipleOf": 1000}),
            false => json!({"type": "null"}),
        };
        let properties = json!({
            "type": {"type": "string", "enum": Vec::from_iter(types)},
            "title": {"type": "string"},
            "status": {"const": self.status.as_u16()},
            "detail": {"type": "string"},
            "instance": {"type": "string", "pattern": "^urn:gateway:request:"},
            "reason": {"type": "string", "enum": reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>()},
            "scope": self.scope(config),
            "retry_after_ms": retry_after_ms,
            "request_id": {"type": "string"},
            "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        });
        let required: Vec<_> = properties
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
            .collect();
        json!({"type": "object", "required": required, "properties": properties})
    }

    /// Each once, in the table's order.
    fn reasons(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = Vec::new();
        for row in &self.rows {
            if !reasons.contains(&row.reason) {
                reasons.push(row.reason);
            }
        }
        reasons
    }

    /// What a limit or a part is called; null where it is about neither.
    fn scope(&self, config: &Config) -> Value {
        let mut scopes: Vec<Value> = Vec::new();
        for row in &self.rows {
            let named = match row.scope {
                None => vec![Value::Null],
                Some(Scope::Client) => vec![json!("client")],
                Some(Scope::Gateway) => vec![json!("gateway")],
                Some(Scope::Downstream(_)) => {
                    let name =
                        |d: &crate::config::Downstream| json!(format!("downstream:{}", d.name));
                    config.downstreams.iter().map(name).collect()
                }
            };
            for scope in named {
                if !scopes.contains(&scope) {
                    scopes.push(scope);
                }
            }
        }
        match &scopes[..] {
            [Value::Null] => json!({"type": "null"}),
            some if some.contains(&Value::Null) => {
                json!({"type": ["string", "null"], "enum": scopes})
            }
            _ => json!({"type": "string", "enum": scopes}),
        }
    }
}
