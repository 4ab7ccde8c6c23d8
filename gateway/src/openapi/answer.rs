//! Pages that are served: whole, or with something missing.

use serde_json::{Map, Value, json};

use super::{data, headers, reference};
use crate::config::{Config, Name, Page, Part};
use crate::outcome::PartStatus;
use crate::page::downstream::part_status;

/// Schema of a part that its downstream does not have.
const NOT_FOUND: &str = "PartNotFound";

/// Schema of a part that is not for this client.
const DENIED: &str = "PartDenied";

/// Schema of a part that is lost.
const LOST: &str = "PartLost";

/// Schema of a part that is lost because its service says so.
const BUSY: &str = "PartBusy";

/// What tells caches of a page.
const CACHING: [&str; 5] = [
    "X-Gateway-Complete",
    "Server-Timing",
    "Cache-Control",
    "ETag",
    "Vary",
];

/// The answer 304.
pub(super) fn not_modified(config: &Config) -> Value {
    json!({
        "description": "The page is the one that `If-None-Match` names.",
        "headers": headers(config),
    })
}

fn headers(config: &Config) -> Map<String, Value> {
    headers::with(CACHING.iter().chain(headers::of_quota(config)))
}

/// The answer 200.
pub(super) fn response(config: &Config, page: &Page, with_body: bool) -> Value {
    let mut response = json!({
        "description": "The page: whole, or without the optional parts that `missing` names.",
        "headers": headers(config),
    });
    if with_body {
        response["content"] = json!({
            "application/json": {"schema": reference("schemas", page.name.as_str())},
        });
    }
    response
}

/// Adds the schemas of a page, of its parts, and of their data.
pub(super) fn add(page: &Page, schemas: &mut Map<String, Value>) {
    for part in &page.parts {
        if !part.required {
            let beside = beside(part, false).map(|(name, schema)| (name.to_owned(), schema()));
            schemas.extend(beside);
        }
        let name = of_part(&page.name, part);
        let data = data::add(&name, part.schema.as_ref(), schemas);
        schemas.insert(name, there(data));
    }
    let (complete, partial) = (
        format!("{}.complete", page.name),
        format!("{}.partial", page.name),
    );
    let optional: Vec<_> = page.parts.iter().filter(|part| !part.required).collect();
    let mut all = vec![reference("schemas", &complete)];
    let none = json!({"type": "array", "maxItems": 0});
    schemas.insert(complete, body(page, true, none));
    if !optional.is_empty() {
        let names = optional.iter().map(|part| part.name.as_str());
        let missing = json!({
            "type": "array",
            "items": {"type": "string", "enum": Vec::from_iter(names)},
            "minItems": 1,
            "uniqueItems": true,
        });
        all.push(reference("schemas", &partial));
        schemas.insert(partial, body(page, false, missing));
    }
    schemas.insert(page.name.to_string(), json!({"oneOf": all}));
}

/// Never the name of something else of its page: `product-page.complete` is a part's if there is
/// one of this name, so parts have a word of their own between.
fn of_part(page: &Name, part: &Part) -> String {
    format!("{page}.part.{}", part.name)
}

fn body(page: &Page, complete: bool, missing: Value) -> Value {
    let part = |part: &Part| {
        let there = reference("schemas", &of_part(&page.name, part));
        // Without one that is required there is no page.
        let others = match part.required {
            true => Vec::new(),
            false => Vec::from_iter(beside(part, complete)),
        };
        let schema = match others.is_empty() {
            true => there,
            false => {
                let others = others.iter().map(|(name, _)| reference("schemas", name));
                json!({"oneOf": Vec::from_iter([there].into_iter().chain(others))})
            }
        };
        (part.name.to_string(), schema)
    };
    let names: Vec<_> = page.parts.iter().map(|part| part.name.as_str()).collect();
    json!({
        "type": "object",
        "required": ["complete", "missing", "parts"],
        "properties": {
            "complete": {"const": complete},
            "missing": missing,
            "parts": {
                "type": "object",
                "required": names,
                "properties": Map::from_iter(page.parts.iter().map(part)),
            },
        },
    })
}

/// A schema by its name.
type Named = (&'static str, fn() -> Value);

/// Schemas of what an optional part can be where it is not there; in a complete page no part is
/// lost.
fn beside(part: &Part, complete: bool) -> impl Iterator<Item = Named> {
    let passes = |status| part.pass.statuses().any(|one| part_status(one) == status);
    let lost_too = !complete;
    let all: [(Named, bool); 4] = [
        ((NOT_FOUND, not_found), passes(PartStatus::NotFound)),
        ((DENIED, denied), passes(PartStatus::Denied)),
        ((LOST, lost), lost_too),
        ((BUSY, busy), lost_too && passes(PartStatus::Busy)),
    ];
    all.into_iter()
        .filter_map(|(named, can_be)| can_be.then_some(named))
}

fn there(data: Value) -> Value {
    part(
        "The part, as its service answered.",
        PartStatus::Ok,
        ("data", data),
    )
}

fn lost() -> Value {
    let statuses: Vec<_> = PartStatus::ALL
        .into_iter()
        .filter(|status| match status {
            PartStatus::Late | PartStatus::Failed | PartStatus::Shed => true,
            PartStatus::Ok
            | PartStatus::NotFound
            | PartStatus::Denied
            | PartStatus::Busy
            | PartStatus::Cancelled => false,
        })
        .map(PartStatus::as_str)
        .collect();
    json!({
        "description": "A part that is missing: not there in time (`late`), not usable (`failed`), or not asked for, since its service is busy (`shed`).",
        "type": "object",
        "required": ["status", "retryable"],
        "properties": {
            "status": {"type": "string", "enum": statuses},
            "retryable": {"type": "boolean", "description": "Whether the page may have it a little later."},
        },
    })
}

fn not_found() -> Value {
    json!({
        "description": "The service says that there is no such thing: an answer, not a loss.",
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"const": PartStatus::NotFound.as_str()}},
    })
}

fn denied() -> Value {
    json!({
        "description": "The service says that it is not for this client: an answer, not a loss.",
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"const": PartStatus::Denied.as_str()}},
    })
}

fn busy() -> Value {
    json!({
        "description": "A part that is missing: its service says that it has too much to do.",
        "type": "object",
        "required": ["status", "retryable"],
        "properties": {
            "status": {"const": PartStatus::Busy.as_str()},
            "retryable": {"const": true},
        },
    })
}

fn part(about: &str, status: PartStatus, (name, value): (&str, Value)) -> Value {
    json!({
        "description": about,
        "type": "object",
        "required": ["status", name],
        "properties": {"status": {"const": status.as_str()}, name: value},
    })
}
