//! The pages of a configuration as OpenAPI 3.1: for clients' generators, linters and mocks.
//!
//! What always holds: the same configuration gives the same document; statuses and reasons come
//! from the table of refusals, and statuses of parts from the outcomes, so nothing is answered
//! that the document does not have. Names of pages and parts are names of schemas as they are
//! (`product-page.reviews`): no two of a configuration meet, and none meets one of the gateway's
//! own, which begin with a capital letter.
//!
//! Not here: who may read it (`server.openapi`), and what JSON Schema a part's file may hold
//! ([`DataSchema`](crate::config::DataSchema)).

mod answer;
mod data;
mod headers;
mod problem;
mod request;

use serde_json::{Map, Value, json};

use self::problem::Problem;
use crate::config::{Config, Page};

/// The version of the specification.
/// <https://spec.openapis.org/oas/v3.1.0>
const VERSION: &str = "3.1.0";

/// What holds for all pages, for people who read the document.
const ABOUT: &str = "One request for a page becomes calls to several services, in parallel and under one deadline. \
The page comes whole, or says what is missing, or is refused before it has cost anything.\n\n\
A refusal is a problem (RFC 9457) with a `reason` for programs. After 429 and 503 nothing was started: \
come back after `Retry-After`; `downstream_busy` alone had reached services. After 502 and 504 all calls had been made: retry once at most, and not at once.";

/// The description of all pages of `config`.
#[must_use]
pub fn document(config: &Config) -> Value {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for page in &config.pages {
        answer::add(page, &mut schemas);
        paths.insert(page.path.text.clone(), path(config, page));
    }
    let problems = problem::by_status(config, &config.pages);
    for problem in &problems {
        schemas.insert(problem.name(), problem.schema(config));
    }
    json!({
        "openapi": VERSION,
        "info": {
            "title": config.telemetry.service,
            "version": config.telemetry.version,
            "description": ABOUT,
        },
        "servers": [{"url": "/", "description": "The gateway's public listener."}],
        "security": [],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": problem::responses(config, &problems),
            "parameters": request::shared(config),
            "headers": headers::all(problems.iter().any(Problem::has_challenges)),
        },
    })
}

fn path(config: &Config, page: &Page) -> Value {
    json!({
        "parameters": request::parameters(config, page),
        "get": operation(config, page, "get", "The page."),
        "head": operation(config, page, "head", "The page's status and headers: as GET, without the body."),
    })
}

fn operation(config: &Config, page: &Page, method: &str, summary: &str) -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".into(),
        answer::response(config, page, method == "get"),
    );
    responses.insert("304".into(), answer::not_modified(config));
    for problem in problem::by_status(config, std::slice::from_ref(page)) {
        responses.insert(
            problem.status.as_str().into(),
            problem.reference(method == "get"),
        );
    }
    json!({
        "operationId": format!("{method}-{}", page.name),
        "summary": summary,
        "description": request::about(page),
        "responses": responses,
    })
}

/// To a component of this kind.
fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}
