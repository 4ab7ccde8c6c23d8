//! What a request for a page can say: parameters of its path and query, and headers.

use http::HeaderName;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::reference;
use crate::config::{Config, IdentifyBy, Notation, Page, Param, QueryParam, UnknownQuery};

/// What OpenAPI says elsewhere: a parameter of this name is to be ignored.
/// <https://spec.openapis.org/oas/v3.1.0#parameter-object>
const NO_PARAMETERS: [HeaderName; 3] = [ACCEPT, AUTHORIZATION, CONTENT_TYPE];

/// Headers that every page takes, as components.
pub(super) fn shared(config: &Config) -> Map<String, Value> {
    let mut all = Map::new();
    let whole = json!({"type": "integer", "minimum": 0, "maximum": u64::MAX});
    let timeout = "Milliseconds that the client will wait: lowers the page's deadline, never raises it. What is not there by then is missing, or the answer is 504 `client_budget`.";
    add(&mut all, "X-Request-Timeout-Ms", timeout, whole);
    let id = "The client's own name of this request, of up to 64 letters, digits, dots, - and _; one that does not fit is replaced.";
    add(&mut all, "X-Request-Id", id, json!({"type": "string"}));
    for notation in config.telemetry.propagation.notations() {
        for name in trace_headers(notation) {
            add(
                &mut all,
                name,
                "Continues the client's trace; ignored if it cannot be read.",
                json!({"type": "string"}),
            );
        }
    }
    if let IdentifyBy::Header(name) = &config.clients.identify_by
        && !NO_PARAMETERS.contains(name)
    {
        add(
            &mut all,
            name.as_str(),
            "Tells one client from another, for quotas.",
            json!({"type": "string"}),
        );
    }
    all
}

fn add(all: &mut Map<String, Value>, name: &str, about: &str, schema: Value) {
    all.insert(name.to_owned(), header(name, about, schema));
}

fn header(name: &str, about: &str, schema: Value) -> Value {
    json!({"name": name, "in": "header", "description": about, "schema": schema})
}

fn trace_headers(notation: Notation) -> &'static [&'static str] {
    match notation {
        Notation::Datadog => &[
            "x-datadog-trace-id",
            "x-datadog-parent-id",
            "x-datadog-sampling-priority",
            "x-datadog-origin",
            "x-datadog-tags",
        ],
        Notation::TraceContext => &["traceparent", "tracestate"],
        Notation::B3 => &["b3"],
        Notation::B3Multi => &["x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"],
    }
}

/// Parameters of a page: those of its path and its query, the shared ones, and the headers that it
/// passes on.
pub(super) fn parameters(config: &Config, page: &Page) -> Value {
    let shared = shared(config);
    let path = page.path.params.iter().map(in_path);
    let known = shared.keys().map(|name| reference("parameters", name));
    let is_new = |name: &&HeaderName| {
        !NO_PARAMETERS.contains(name)
            && !shared
                .keys()
                .any(|known| known.eq_ignore_ascii_case(name.as_str()))
    };
    let passed = page.forward_headers.iter().filter(is_new);
    let passed = passed.map(|name| {
        header(
            name.as_str(),
            "Passed on to the services.",
            json!({"type": "string"}),
        )
    });
    let query = page.query.iter().map(in_query);
    path.chain(query).chain(known).chain(passed).collect()
}

fn in_path(param: &Param) -> Value {
    let (schema, about) = value(param);
    json!({"name": param.name, "in": "path", "required": true, "description": about, "schema": schema})
}

fn in_query(query: &QueryParam) -> Value {
    let (mut schema, about) = value(&query.param);
    if let Some(default) = &query.default {
        schema["default"] = json!(default);
    }
    let required = query.default.is_none();
    let name = &query.param.name;
    let about = format!("{about} Once at most.");
    json!({"name": name, "in": "query", "required": required, "description": about, "schema": schema})
}

/// The schema of a decoded value, and what it cannot say.
fn value(param: &Param) -> (Value, String) {
    let pattern = param.pattern_text();
    let (mut schema, about) = match param.in_path {
        true => (
            json!({"type": "string", "minLength": 1}),
            "Decoded once; without slashes, backslashes, percent signs and control characters.",
        ),
        false => (
            json!({"type": "string"}),
            "Decoded once; without control characters.",
        ),
    };
    let mut about = about.to_owned();
    if is_portable(pattern) {
        schema["pattern"] = json!(whole(pattern));
    } else {
        about = format!(
            "{about} As a whole it matches, in the syntax of the Rust crate regex: {pattern}"
        );
    }
    (schema, about)
}

/// The pattern for a whole value: in JSON Schema one that is not anchored matches anywhere.
fn whole(pattern: &str) -> String {
    let anchored = pattern.starts_with('^') && pattern.ends_with('$') && !pattern.contains('|');
    match anchored {
        true => pattern.to_owned(),
        false => format!("^(?:{pattern})$"),
    }
}

/// Whether the pattern means the same to those who read JSON Schema (ECMA-262): what only
/// one of the two syntaxes has, or what means something else there, is not in it.
fn is_portable(pattern: &str) -> bool {
    let groups = pattern
        .match_indices("(?")
        .all(|(at, _)| pattern[at..].starts_with("(?:"));
    let escapes = pattern.match_indices('\\').all(|(at, _)| {
        let next = pattern[at + 1..].chars().next();
        next.is_some_and(|c| c.is_ascii_punctuation() || "dwsDWSntrb\\".contains(c))
    });
    let classes = ["[[", "&&", "--", "~~", "\\b{"]
        .iter()
        .all(|own| !pattern.contains(own));
    groups && escapes && classes
}

/// What of the request reaches the services, for people.
pub(super) fn about(page: &Page) -> String {
    let parts = |required: bool| {
        let parts = page.parts.iter().filter(|part| part.required == required);
        parts
            .map(|part| format!("`{}`", part.name))
            .collect::<Vec<_>>()
    };
    let sentence = |names: Vec<String>, what: &str| match names.is_empty() {
        true => String::new(),
        false => format!("{}: {what}. ", names.join(", ")),
    };
    let passed: Vec<_> = page
        .forward_headers
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    let text = [
        sentence(
            parts(true),
            "required; without one of them there is no page",
        ),
        sentence(parts(false), "optional; the page says if one is missing"),
        sentence(passed, "passed on to the services"),
        match page.unknown_query {
            UnknownQuery::Ignore => String::new(),
            UnknownQuery::Refuse => {
                "A query parameter that is not listed here is refused. ".to_owned()
            }
        },
    ];
    text.concat().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_patterns_that_mean_the_same_everywhere_are_given_to_tools() {
        for pattern in [r"^[A-Za-z0-9_-]{1,64}$", r"\d+", r"(?:a|b)\.c", r"^[^/]+$"] {
            assert!(is_portable(pattern), "{pattern}");
        }
        for pattern in [
            r"(?i)a",
            r"\Aa\z",
            r"\pL+",
            r"[[:alpha:]]",
            r"(?P<x>a)",
            r"[a-z&&[^b]]",
            r"\x{41}",
        ] {
            assert!(!is_portable(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_is_for_the_whole_value() {
        for (written, tools) in [
            ("^a$", "^a$"),
            ("a", "^(?:a)$"),
            ("^a$|^b$", "^(?:^a$|^b$)$"),
        ] {
            assert_eq!(whole(written), tools);
        }
    }
}
