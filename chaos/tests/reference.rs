//! `docs/scenarios.md`: its tables say what the reader takes, each key has an example, and each example
//! is played.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::path::Path;

use chaos::run::rehearse;
use chaos::scenario::{Scenario, Text, json_schema};
use serde_json::Value as Json;

fn reference() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    std::fs::read_to_string(path).unwrap()
}

fn schema() -> Json {
    json_schema().unwrap().parse().unwrap()
}

/// What is written between the fences of TOML.
fn examples(markdown: &str) -> Vec<&str> {
    let blocks = markdown.split("```toml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// The example with what every scenario must have, where it has none.
fn whole(example: &str) -> String {
    let keys: toml::Table = example.parse().unwrap();
    let mut text = String::new();
    for (key, value) in [("title", "an example"), ("length", "3s")] {
        if !keys.contains_key(key) {
            text += &format!("{key} = \"{value}\"\n");
        }
    }
    text += example;
    if !keys.contains_key("load") {
        text += "\n[[load]]\npage = \"product-page\"\nrate = \"50/s\"\n";
    }
    text
}

#[test]
fn every_example_can_be_played_and_is_as_it_expects() {
    let markdown = reference();
    let examples = examples(&markdown);
    assert!(examples.len() > 10, "the examples were not found");
    for example in examples {
        let text = Text {
            name: "example.toml".to_owned(),
            text: whole(example),
        };
        let scenario = Scenario::load(&text, &Text::default_config());
        let scenario = scenario.unwrap_or_else(|report| panic!("{report}\nin\n{example}"));
        let run = rehearse(&scenario, false).unwrap();
        assert!(run.verdict.is_ok(), "{}in\n{example}", run.verdict);
    }
}

/// The sections of a scenario and their keys in the schema, by the words of their headings.
fn sections(schema: &Json) -> Vec<(&'static str, &Json)> {
    let keys = &schema["properties"];
    vec![
        ("## The run", schema),
        ("## `[[load]]`", &keys["load"]["items"]),
        (
            "## `[downstream.NAME]`",
            &keys["downstream"]["additionalProperties"],
        ),
        ("## `[[fault]]`", &keys["fault"]["items"]),
        ("## `[gateway]`", &keys["gateway"]),
        ("## `[[expect]]`", &keys["expect"]["items"]),
    ]
}

/// The keys that are values: sections have tables of their own.
fn values(section: &Json) -> impl Iterator<Item = (&String, &Json)> {
    let keys = section["properties"].as_object().unwrap().iter();
    keys.filter(|(_, node)| {
        let is_section = |node: &Json| node.get("properties").is_some();
        !is_section(node)
            && !is_section(&node["items"])
            && !is_section(&node["additionalProperties"])
    })
}

/// The table of a section as it must stand in the reference.
fn table(section: &Json) -> String {
    let required = section["required"].as_array().cloned().unwrap_or_default();
    let mut table = "| key | without it | what it says |\n|---|---|---|\n".to_owned();
    for (key, node) in values(section) {
        let without = match node.get("default") {
            _ if required.iter().any(|name| name == key) => "must be there".to_owned(),
            Some(Json::String(text)) if text.is_empty() => String::new(),
            Some(default) => format!("`{default}`"),
            None => String::new(),
        };
        let about = node["description"].as_str().unwrap();
        table += &format!("| `{key}` | {without} | {about} |\n");
    }
    table
}

#[test]
fn every_table_says_what_the_reader_takes() {
    let (markdown, schema) = (reference(), schema());
    for (heading, section) in sections(&schema) {
        let (_, below) = markdown.split_once(heading).unwrap();
        let below = below.split("\n## ").next().unwrap();
        let table = table(section);
        assert!(
            below.contains(&table),
            "below {heading} there should be\n{table}"
        );
    }
}

/// Every key that is written in a value, with those above it; what a list holds is not told apart.
fn written(value: &toml::Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(keys) => {
            for (key, value) in keys {
                let path = format!("{path}.{key}");
                found.insert(path.clone());
                written(value, &path, found);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| written(item, path, found)),
        toml::Value::String(word) => {
            found.insert(format!("{path}={word}"));
        }
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => {}
    }
}

/// All keys of the schema as [`written`] would name them, and all words of lists of words.
fn known(node: &Json, path: &str, found: &mut BTreeSet<String>) {
    for (key, below) in node["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        found.insert(path.clone());
        known(below, &path, found);
    }
    for word in node["enum"].as_array().into_iter().flatten() {
        found.insert(format!("{path}={}", word.as_str().unwrap()));
    }
    for below in node["anyOf"].as_array().into_iter().flatten() {
        known(below, path, found);
    }
    if node["items"].is_object() {
        known(&node["items"], path, found);
    }
    if node["additionalProperties"].is_object() {
        known(&node["additionalProperties"], path, found);
    }
}

#[test]
fn every_key_and_every_word_has_an_example() {
    let (mut have, mut want) = (BTreeSet::new(), BTreeSet::new());
    let markdown = reference();
    for example in examples(&markdown) {
        let mut keys: toml::Table = example.parse().unwrap();
        keys.remove("config");
        // Services have names of their own.
        for (_, service) in keys
            .get_mut("downstream")
            .and_then(toml::Value::as_table_mut)
            .into_iter()
            .flatten()
        {
            written(service, ".downstream", &mut have);
        }
        written(&toml::Value::Table(keys), "", &mut have);
    }
    known(&schema(), "", &mut want);
    // What a distribution or an error looks like is shown once, and what `live` says too.
    let shown_once = |path: &String| {
        let of_fault = path.starts_with(".fault.latency.") || path.starts_with(".fault.errors");
        let of_client = path.starts_with(".load.patience.") || path.starts_with(".load.budget.");
        of_fault || of_client || path.starts_with(".expect.live.") || path == ".config"
    };
    // The default of each needs no example.
    let is_default = |path: &String| {
        [".admission=whole_page", ".load.arrivals=poisson"].contains(&path.as_str())
    };
    want.retain(|path| !shown_once(path) && !is_default(path));
    let without: Vec<&String> = want.difference(&have).collect();
    assert!(without.is_empty(), "without an example: {without:?}");
    assert!(want.len() > 80, "the keys were not found");
}
