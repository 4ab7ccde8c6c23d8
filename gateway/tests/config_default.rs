//! The shipped `config.toml` is valid, complete, and equal to the built-in defaults;
//! so is `config.schema.json`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its helpers fail by panicking"
)]

use std::path::Path;

use gateway::config;
use serde_json::Value as Json;

const FILE: &str = include_str!("../../config.toml");

/// The keys that must be written, so that they have no default to compare with.
const WITHOUT_DEFAULT: [&str; 3] = ["url", "path", "downstream"];

/// Values of the shipped file that are on purpose not the default: optional parts are an example too.
fn is_an_example(path: &[String]) -> bool {
    let last = path.last().map(String::as_str);
    let optional = path
        .iter()
        .any(|name| name == "reviews" || name == "recommendations");
    optional && path.len() == 5 && matches!(last, Some("required" | "timeout"))
}

fn load(text: &str) -> config::Loaded {
    config::load_text("config.toml", text, &[]).unwrap_or_else(|report| panic!("{report}"))
}

/// Every value below a node, with its path.
fn leaves(node: &Json, path: &[String], all: &mut Vec<(Vec<String>, Json)>) {
    match node {
        Json::Object(entries) => entries.iter().for_each(|(name, node)| {
            leaves(node, &[path, std::slice::from_ref(name)].concat(), all);
        }),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            all.push((path.to_vec(), node.clone()));
        }
    }
}

fn all_keys(node: &Json) -> Vec<(Vec<String>, Json)> {
    let mut all = Vec::new();
    leaves(node, &[], &mut all);
    all
}

#[test]
fn the_shipped_file_loads_without_warnings() {
    let loaded = load(FILE);
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(config::default_text(), FILE);
}

#[test]
fn the_shipped_file_writes_every_key() {
    let written: toml::Table = FILE.parse().unwrap();
    let written = serde_json::to_value(written).unwrap();
    assert_eq!(all_keys(&written), all_keys(&load(FILE).effective));
}

#[test]
fn a_key_removed_from_the_shipped_file_changes_nothing() {
    let effective = load(FILE).effective;
    for (path, _) in all_keys(&effective) {
        let last = path.last().unwrap().as_str();
        if WITHOUT_DEFAULT.contains(&last) || is_an_example(&path) {
            continue;
        }
        let mut file: toml::Value = FILE.parse::<toml::Table>().unwrap().into();
        let (_, parents) = path.split_last().unwrap();
        let parent = parents
            .iter()
            .fold(&mut file, |node, name| &mut node[name.as_str()]);
        parent.as_table_mut().unwrap().remove(last);
        let without = load(&toml::to_string(&file).unwrap());
        assert_eq!(without.effective, effective, "{}", path.join("."));
    }
}

#[test]
fn a_key_without_a_default_is_missed_when_it_is_removed() {
    let effective = load(FILE).effective;
    for (path, _) in all_keys(&effective) {
        let (last, parents) = path.split_last().unwrap();
        if !WITHOUT_DEFAULT.contains(&last.as_str()) {
            continue;
        }
        let mut file: toml::Value = FILE.parse::<toml::Table>().unwrap().into();
        let parent = parents
            .iter()
            .fold(&mut file, |node, name| &mut node[name.as_str()]);
        parent.as_table_mut().unwrap().remove(last);
        let text = toml::to_string(&file).unwrap();
        let report = config::load_text("config.toml", &text, &[])
            .unwrap_err()
            .to_string();
        assert!(
            report.contains(&format!("`{}`: is missing", path.join("."))),
            "{report}"
        );
    }
}

#[test]
fn the_effective_configuration_loads_to_itself() {
    let mut env = vec![("GATEWAY__CLIENTS__RATE".to_owned(), "90/min".to_owned())];
    env.push((
        "GATEWAY__PAGE__PRODUCT_PAGE__DEADLINE".to_owned(),
        "none".to_owned(),
    ));
    env.push((
        "DD_TRACE_AGENT_URL".to_owned(),
        "http://10.0.0.1:8126/".to_owned(),
    ));
    let first = config::load_text("config.toml", FILE, &env).unwrap();
    let second = load(&toml::to_string(&first.effective).unwrap());
    assert_eq!(first.effective, second.effective);
    assert_eq!(
        first.effective.to_string(),
        second.effective.to_string(),
        "not in the same order"
    );
    assert_eq!(
        format!("{:?}", first.config),
        format!("{:?}", second.config)
    );
}

#[test]
fn the_schema_beside_the_file_is_the_one_of_the_reader() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config.schema.json");
    let schema = config::json_schema();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == schema,
        "config.schema.json is out of date: UPDATE_SCHEMA=1 cargo test -p gateway --test config_default"
    );
}

#[test]
fn the_schema_knows_exactly_the_keys_of_the_file_and_their_defaults() {
    let schema: Json = serde_json::from_str(&config::json_schema()).unwrap();
    for (path, value) in all_keys(&load(FILE).effective) {
        let node = path
            .iter()
            .fold(&schema, |node, name| match node.get("properties") {
                Some(properties) => &properties[name.as_str()],
                None => &node["additionalProperties"],
            });
        assert!(
            node["description"].is_string(),
            "{} has no description",
            path.join(".")
        );
        let last = path.last().unwrap().as_str();
        if WITHOUT_DEFAULT.contains(&last) {
            assert!(node.get("default").is_none(), "{}", path.join("."));
        } else if !is_an_example(&path) {
            assert_eq!(node["default"], value, "{}", path.join("."));
        }
    }
}

#[test]
fn every_description_in_the_shipped_file_stands_above_its_key() {
    let mut seen: Vec<&str> = Vec::new();
    let mut above = false;
    for line in FILE.lines() {
        let key = line.split('=').next().unwrap_or("").trim();
        let is_key = line.contains('=') && !line.starts_with('#');
        if is_key && !seen.contains(&key) {
            assert!(above, "nothing is said about `{key}` where it first stands");
            seen.push(key);
        }
        above = line.starts_with('#') || (above && is_key);
    }
    assert!(seen.len() > 20, "{seen:?}");
}
