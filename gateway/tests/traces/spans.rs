//! What a receiver got, as traces: the same value from either protocol, so that one
//! assertion holds both.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::common::client::Answer;

/// A span, in Datadog's words.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Span {
    pub(crate) service: String,
    /// What kind of work; empty from OTLP, which has no such thing.
    pub(crate) name: String,
    /// What was done.
    pub(crate) resource: String,
    /// The lower half of the trace id; the whole one is [`Trace::id`].
    pub(crate) trace_id: u64,
    pub(crate) span_id: u64,
    /// 0 where there is none.
    pub(crate) parent_id: u64,
    /// In nanoseconds since 1970.
    pub(crate) start: u64,
    /// In nanoseconds.
    pub(crate) duration: u64,
    /// 0 or 1.
    pub(crate) error: u8,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// All spans of one trace id.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) spans: Vec<Span>,
}

impl Span {
    /// A value, whichever way it was sent.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        let number = || self.metrics.get(key).map(f64::to_string);
        self.meta.get(key).cloned().or_else(number)
    }

    /// A value that must be a number.
    #[track_caller]
    pub(crate) fn number(&self, key: &str) -> f64 {
        let value = self.get(key);
        let parsed = value.as_deref().and_then(|value| value.parse().ok());
        parsed.unwrap_or_else(|| panic!("{key} is {value:?} in {self:#?}"))
    }

    /// That it has these values.
    #[track_caller]
    pub(crate) fn assert_says(&self, fields: &[(&str, &str)]) {
        for (key, value) in fields {
            assert_eq!(self.get(key).as_deref(), Some(*value), "{key} of {self:#?}");
        }
    }

    /// In nanoseconds since 1970.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.duration
    }

    /// `GET pricing /prices/{id} [client] late error=timeout`
    fn line(&self) -> String {
        let kind = self.get("span.kind").unwrap_or_default();
        let mut line = format!("{} [{kind}]", self.resource);
        if let Some(outcome) = self.get("gateway.outcome") {
            let _ = write!(line, " {outcome}");
        }
        match (self.error, self.get("error.type")) {
            (0, None) => {}
            (1, Some(kind)) => {
                let _ = write!(line, " error={kind}");
            }
            (flag, kind) => {
                let _ = write!(line, " error flag {flag} with error.type {kind:?}");
            }
        }
        line
    }
}

impl Trace {
    /// From the test agent's JSON of Datadog payloads.
    pub(crate) fn all_from_datadog(traces: Value) -> Vec<Self> {
        let traces: Vec<Vec<Span>> = serde_json::from_value(traces).unwrap();
        let some = traces.into_iter().filter(|spans| !spans.is_empty());
        some.map(|spans| Self { spans }).collect()
    }

    /// The span whose parent is not of this trace: the page.
    #[track_caller]
    pub(crate) fn root(&self) -> &Span {
        let ours = |id| self.spans.iter().any(|span| span.span_id == id);
        let mut roots = self.spans.iter().filter(|span| !ours(span.parent_id));
        match (roots.next(), roots.next()) {
            (Some(root), None) => root,
            found => panic!("not one root, but {found:?} in {self:#?}"),
        }
    }

    /// The only span that does this.
    #[track_caller]
    pub(crate) fn span(&self, resource: &str) -> &Span {
        let mut found = self.spans.iter().filter(|span| span.resource == resource);
        match (found.next(), found.next()) {
            (Some(span), None) => span,
            _ => panic!("not one {resource} in\n{}", self.tree()),
        }
    }

    /// The calls.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Span> {
        let client = |span: &&Span| {
            span.meta
                .get("span.kind")
                .is_some_and(|kind| kind == "client")
        };
        self.spans.iter().filter(client)
    }

    /// The whole id: the lower half of every span, the upper half of the root.
    #[track_caller]
    pub(crate) fn id(&self) -> u128 {
        let root = self.root();
        let high = root.get("_dd.p.tid").unwrap_or_else(|| "0".repeat(16));
        assert_eq!(high.len(), 16, "_dd.p.tid is {high:?}");
        let high = u128::from_str_radix(&high, 16).unwrap();
        for span in &self.spans {
            assert_eq!(span.trace_id, root.trace_id, "{span:#?}");
        }
        (high << 64) | u128::from(root.trace_id)
    }

    /// That an answer told its client of this trace and of its page's span.
    #[track_caller]
    pub(crate) fn assert_told_by(&self, answer: &Answer) {
        let (id, span) = (format!("{:032x}", self.id()), self.root().span_id);
        let told = format!("00-{id}-{span:016x}-01");
        assert_eq!(answer.header("traceparent"), Some(told.as_str()));
        if answer.status >= 400 {
            assert_eq!(answer.json()["trace_id"], id);
        }
    }

    /// Every span on a line, children indented below their parent: the admission, the
    /// calls by name, the assembly.
    #[track_caller]
    pub(crate) fn tree(&self) -> String {
        let mut text = String::new();
        self.branch(self.root(), 0, &mut text);
        assert_eq!(
            text.lines().count(),
            self.spans.len(),
            "a circle: {self:#?}"
        );
        text
    }

    /// That this is its [`Trace::tree`].
    #[track_caller]
    pub(crate) fn assert_tree(&self, lines: &[&str]) {
        let tree = self.tree();
        assert_eq!(
            tree.lines().collect::<Vec<_>>(),
            lines,
            "\n{tree}\n{self:#?}"
        );
    }

    fn branch(&self, span: &Span, depth: usize, text: &mut String) {
        let _ = writeln!(text, "{:indent$}{}", "", span.line(), indent = 2 * depth);
        let mut children: Vec<_> = self
            .spans
            .iter()
            .filter(|child| child.parent_id == span.span_id)
            .collect();
        let place = |resource: &str| match resource {
            "admission" => 0,
            "assemble" => 2,
            _ => 1,
        };
        children.sort_by_key(|child| (place(&child.resource), &child.resource));
        for child in children {
            self.branch(child, depth + 1, text);
        }
    }
}
