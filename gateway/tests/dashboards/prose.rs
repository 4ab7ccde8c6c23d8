//! Names, keys and links, wherever they stand in a text.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use crate::{files, table};

/// Everything that looks like a name of the gateway's telemetry. `gateway_call_duration_seconds_(sum|count)`,
/// as one writes it for grep, is two.
pub(crate) fn names(text: &str) -> Vec<String> {
    let dotted =
        Regex::new(r"\b(?:gateway|error|peer|span|http)\.[a-z0-9_]+(?:\.[a-z0-9_]+)*").unwrap();
    let series = Regex::new(r"\bgateway_([a-z0-9_]*)(?:\(([a-z0-9_|]+)\))?([a-z0-9_]*)").unwrap();
    let mut names: Vec<String> = dotted
        .find_iter(text)
        .map(|found| found.as_str().into())
        .collect();
    for found in series.captures_iter(text) {
        let choices = found.get(2).map_or("", |choices| choices.as_str());
        names.extend(
            choices
                .split('|')
                .map(|choice| format!("gateway_{}{choice}{}", &found[1], &found[3])),
        );
    }
    names
}

/// Datadog's own: the check that its agent makes of a gateway.
const FOREIGN: [&str; 1] = ["http.can_connect"];

/// Those of `names` that are in no table.
pub(crate) fn unknown_names(file: &str, names: &[String]) -> Vec<String> {
    let known = |name: &str| {
        table::by_name(name).is_some()
            || table::by_series(name).is_some()
            || table::by_series(&format!("{name}_bucket")).is_some()
            || table::is_span_field(name)
            || table::is_shed_reason(name)
            || FOREIGN.contains(&name)
    };
    let unknown = names.iter().filter(|name| !known(name));
    unknown
        .map(|name| format!("{file}: {name} does not exist"))
        .collect()
}

/// Everything that looks like a key of the configuration, `page.NAME.deadline` among it.
pub(crate) fn config_keys(text: &str) -> Vec<String> {
    let key = Regex::new(concat!(
        r"(gateway\.)?\b((?:server|admin|admission|shed|clients|telemetry",
        r"|downstream\.[A-Z]+|page\.[A-Z]+(?:\.part\.[A-Z]+)?)\.[a-z0-9_]+)\b"
    ))
    .unwrap();
    let found = key.captures_iter(text);
    found
        .filter(|found| found.get(1).is_none())
        .map(|found| found[2].to_owned())
        .collect()
}

/// Those of `keys` that the configuration does not have.
pub(crate) fn unknown_keys(file: &str, keys: &[String]) -> Vec<String> {
    let schema = files::json("config.schema.json");
    let unknown = keys.iter().filter(|key| !has_key(&schema, key));
    unknown
        .map(|key| format!("{file}: {key} is no key"))
        .collect()
}

/// A name in capitals stands for any.
fn has_key(schema: &Value, key: &str) -> bool {
    let mut node = schema;
    for name in key.split('.') {
        let any = name.chars().all(|letter| letter.is_ascii_uppercase());
        node = if any {
            &node["additionalProperties"]
        } else {
            &node["properties"][name]
        };
    }
    node.is_object()
}

/// The anchors of a text's headings, as GitHub makes them.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text
        .lines()
        .filter(|line| line.starts_with('#') && line.contains("# "));
    headings
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(' ', "-")
        })
        .collect()
}

/// The anchors of the runbook that a text links to, from outside or from within.
pub(crate) fn runbook_links(text: &str) -> Vec<String> {
    let link = Regex::new(r"(?:runbook\.md|\()#([A-Za-z0-9_-]+)").unwrap();
    link.captures_iter(text)
        .map(|found| found[1].to_owned())
        .collect()
}

/// What an alert's entry in the runbook lacks.
pub(crate) fn missing_of_entry(runbook: &str, stem: &str) -> Vec<String> {
    let heading = format!("\n## {stem}\n");
    let Some((_, rest)) = runbook.split_once(&heading) else {
        return vec![format!("no entry {stem}")];
    };
    let entry = rest.split("\n## ").next().unwrap_or("");
    let parts = [
        "**Means.**",
        "```sh",
        "**Which key.**",
        "**Undo.**",
        "**Stop**",
    ];
    let mut missing: Vec<String> = parts
        .iter()
        .filter(|part| !entry.contains(**part))
        .map(|part| format!("{stem}: no {part}"))
        .collect();
    let commands = entry
        .split("```")
        .nth(1)
        .unwrap_or("")
        .lines()
        .skip(1)
        .count();
    if !(1..=3).contains(&commands) {
        missing.push(format!("{stem}: {commands} commands, not one to three"));
    }
    missing
}

#[test]
fn a_wrong_name_is_noticed() {
    let unknown = |text: &str| unknown_names("", &names(text)).len();
    assert_eq!(names("grep -E '^gateway_(shed|retries)_total'").len(), 2);
    assert_eq!(
        unknown("`gateway.pages`, gateway_pages_total and @gateway.outcome:late, by error.type"),
        0
    );
    assert_eq!(
        unknown("gateway_page_duration_seconds_(sum|count) of gateway_page_duration_seconds"),
        0
    );
    assert_eq!(
        unknown("gateway.page.durations, gateway_pages, gateway_(shed|resent)_total, error.kind"),
        4
    );
}

#[test]
fn a_wrong_key_is_noticed() {
    let unknown = |text: &str| unknown_keys("", &config_keys(text)).len();
    let fine = "admission.max_in_flight, page.NAME.part.PART.timeout, gateway.telemetry.lost";
    assert_eq!((config_keys(fine).len(), unknown(fine)), (2, 0));
    assert_eq!(
        unknown("admission.max_inflight, page.NAME.permits, page.NAME.part.PART.deadline"),
        3
    );
}

#[test]
fn an_entry_that_lacks_something_is_noticed() {
    let whole = "\n## x\n**Means.** **Which key.** **Undo.** **Stop**\n```sh\n1\n2\n3\n```\n## y\n";
    assert!(missing_of_entry(whole, "x").is_empty());
    assert_eq!(missing_of_entry(whole, "z").len(), 1);
    let four = whole.replace("2\n", "2\n2\n");
    assert_eq!(missing_of_entry(&four, "x").len(), 1);
    let none = whole.replace("1\n2\n3\n", "");
    assert_eq!(missing_of_entry(&none, "x").len(), 1);
    assert_eq!(
        missing_of_entry(&whole.replace("**Undo.**", ""), "x").len(),
        1
    );
}
