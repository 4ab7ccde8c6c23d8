//! Rules between sections: the errors no section can find alone.

use serde_json::Value as Json;

use super::AdminAddress;
use super::file::Draft;
use super::path::PathPattern;
use super::problem::Problem;
use super::registry::{KeyRegistry, What};
use super::report::{Fault, Severity};
use super::variables;
use super::{OPENAPI_PATH, OpenApi};

/// Finds what is wrong between sections.
pub(super) fn check(draft: &Draft, registry: &mut KeyRegistry) {
    if draft.pages.as_ref().is_some_and(Vec::is_empty) {
        registry.faults.push(Fault::of_the_whole(
            "no page is configured, so there is nothing to serve",
            "add `[page.NAME]` with its `path`, and `[page.NAME.part.NAME]` with `downstream` and `path`",
        ));
    }
    listeners_differ(draft, registry);
    pages_do_not_overlap(draft, registry);
    no_page_is_where_something_else_is(draft, registry);
    pages_can_be_admitted(draft, registry);
    variables_found_their_keys(registry);
    overrides_found_their_keys(registry);
}

fn error(registry: &mut KeyRegistry, path: &str, problem: Problem) {
    registry.fault(Severity::Error, path, problem);
}

fn listeners_differ(draft: &Draft, registry: &mut KeyRegistry) {
    let (Some(server), Some(admin)) = (&draft.server, &draft.admin) else {
        return;
    };
    let (public, AdminAddress::Tcp(private)) = (server.listen, &admin.listen) else {
        return;
    };
    let same_host = public.ip() == private.ip()
        || public.ip().is_unspecified()
        || private.ip().is_unspecified();
    if public.port() == private.port() && public.port() != 0 && same_host {
        let what = format!("both listeners would use port {}", public.port());
        let written = registry.origin("admin.listen").is_written();
        let (at, other) = match written {
            true => ("admin.listen", "server.listen"),
            false => ("server.listen", "admin.listen"),
        };
        error(
            registry,
            at,
            Problem::new(what).help("give one of them another port"),
        );
        registry.explain(other, "the other listener");
    }
}

/// Goes by the paths alone, so that a page with another fault is compared all the same.
fn pages_do_not_overlap(draft: &Draft, registry: &mut KeyRegistry) {
    let mut seen: Vec<(String, PathPattern)> = Vec::new();
    for (name, _) in draft.pages.iter().flatten() {
        let key = format!("page.{name}.path");
        let Some(text) = registry.value(&key).and_then(Json::as_str) else {
            continue;
        };
        let path = PathPattern {
            text: text.to_owned(),
            params: Vec::new(),
        };
        if let Some((other, _)) = seen.iter().find(|(_, other)| other.overlaps(&path)) {
            let what = format!("a request could match this and `{other}`");
            let problem = Problem::new(what).help("make one of the paths begin with another word");
            error(registry, &key, problem);
            registry.explain(other, "the other path");
        }
        seen.push((key, path));
    }
}

/// Exact paths that clients' listener answers itself.
fn no_page_is_where_something_else_is(draft: &Draft, registry: &mut KeyRegistry) {
    let Some(server) = &draft.server else {
        return;
    };
    let described = (server.openapi == OpenApi::Public).then_some(OPENAPI_PATH);
    let health = server.health_path.as_deref();
    if health.is_some() && health == described {
        let problem = Problem::new(format!("{OPENAPI_PATH} is answered here already"));
        let problem = problem.help("write another path, such as \"/healthz\"");
        error(registry, "server.health_path", problem);
        registry.explain("server.openapi", "answers it here");
    }
    let instead = "or write `openapi = \"admin\"`";
    no_page_is_at(draft, registry, described, "server.openapi", instead);
    let instead = "or write another `health_path`";
    no_page_is_at(draft, registry, health, "server.health_path", instead);
}

/// `key` has this `path` answered; to do so elsewhere, `instead`.
fn no_page_is_at(
    draft: &Draft,
    registry: &mut KeyRegistry,
    path: Option<&str>,
    key: &str,
    instead: &str,
) {
    let Some(path) = path else {
        return;
    };
    let exact = PathPattern {
        text: path.to_owned(),
        params: Vec::new(),
    };
    for page in draft
        .pages
        .iter()
        .flatten()
        .filter_map(|(_, page)| page.as_ref())
    {
        if page.path.overlaps(&exact) {
            let at = format!("page.{}.path", page.name);
            let what = format!("a request for {path} would match this as well");
            let help = format!("let the path begin with another word, {instead}");
            error(registry, &at, Problem::new(what).help(help));
            registry.explain(key, "answers it here");
        }
    }
}

/// A page starts when all its required parts have permits; it never does if it needs more than there are.
fn pages_can_be_admitted(draft: &Draft, registry: &mut KeyRegistry) {
    for page in draft
        .pages
        .iter()
        .flatten()
        .filter_map(|(_, page)| page.as_ref())
    {
        for (id, (name, downstream)) in draft.downstreams.iter().flatten().enumerate() {
            let required = page
                .parts
                .iter()
                .filter(|part| part.required && part.downstream.0 == id);
            let needed = required.count();
            let permits = downstream
                .as_ref()
                .and_then(|downstream| downstream.permits);
            let Some(permits) = permits.filter(|permits| (permits.get() as usize) < needed) else {
                continue;
            };
            let what = format!(
                "{permits} can never admit `page.{}`: {needed} of its required parts come from here",
                page.name
            );
            let path = format!("downstream.{name}.permits");
            error(registry, &path, Problem::new(what).write(needed));
        }
    }
}

fn variables_found_their_keys(registry: &mut KeyRegistry) {
    let keys = registry
        .taken()
        .iter()
        .map(|taken| variables::name_of(&taken.path.join(".")));
    let keys: Vec<String> = keys.collect();
    let mut faults = Vec::new();
    for variable in registry.variables.unknown() {
        let title = format!("the variable {} names no key", variable.name);
        let upper = variable.name.to_ascii_uppercase();
        let meant = super::problem::did_you_mean(&upper, keys.iter().map(String::as_str));
        let help = meant.map_or_else(
            || "for example, `GATEWAY__SERVER__LISTEN` sets `server.listen`".to_owned(),
            |meant| format!("did you mean {meant}?"),
        );
        faults.push(Fault::of_the_whole(title, help));
    }
    for (variable, keys) in registry.variables.ambiguous() {
        let title = format!(
            "the variable {} could mean {}",
            variable.name,
            keys.join(" and ")
        );
        faults.push(Fault::of_the_whole(
            title,
            "rename one of them, or set both in the file",
        ));
    }
    for (one, other) in registry.variables.twins() {
        let title = format!(
            "the variables {} and {} set the same key",
            one.name, other.name
        );
        faults.push(Fault::of_the_whole(title, "unset one of them"));
    }
    for name in registry.variables.ignored() {
        // A key whose words are the same, whatever stands between them.
        let words = |name: &str| name.to_ascii_uppercase().replace("__", "_");
        let meant = keys.iter().find(|key| words(key) == words(name));
        let title = format!(
            "the variable {name} is ignored: those that stand for a key begin with GATEWAY__"
        );
        let help = meant.map_or_else(
            || "`GATEWAY__SERVER__LISTEN` stands for `server.listen`, for example".to_owned(),
            |meant| format!("did you mean {meant}?"),
        );
        faults.push(Fault {
            severity: Severity::Warning,
            ..Fault::of_the_whole(title, help)
        });
    }
    registry.faults.append(&mut faults);
}

fn overrides_found_their_keys(registry: &mut KeyRegistry) {
    let is_key = |what: &What| matches!(what, What::Key { .. });
    let taken = registry.taken().iter().filter(|taken| is_key(&taken.what));
    let keys: Vec<String> = taken.map(|taken| taken.path.join(".")).collect();
    let mut faults = Vec::new();
    for over in registry.overrides.unknown() {
        let meant = super::problem::did_you_mean(&over.key, keys.iter().map(String::as_str));
        let help = meant.map_or_else(
            || "`gateway check --json` lists every key there is".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        let title = format!("`{}`: the override stands for no key", over.key);
        faults.push(Fault::of_the_whole(title, help));
    }
    registry.faults.append(&mut faults);
}
