//! The JSON Schema of scenario files: it is the one that is committed, every shipped scenario is as it
//! says, and what is wrong by itself is not.
//!
//! After a change of the keys: `UPDATE_SCHEMA=1 cargo test -p chaos --test schema`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, Schemas};
use chaos::scenario::{SHIPPED, json_schema};
use serde_json::Value as Json;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Whether each of these texts is as the schema says.
fn fits(texts: &[&str]) -> Vec<bool> {
    let schema: Json = json_schema().unwrap().parse().unwrap();
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("scenario.json", schema).unwrap();
    let index = compiler.compile("scenario.json", &mut schemas).unwrap();
    let fit = |text: &&str| {
        let scenario: toml::Table = text.parse().unwrap();
        let scenario = serde_json::to_value(scenario).unwrap();
        schemas.validate(&scenario, index).is_ok()
    };
    texts.iter().map(fit).collect()
}

#[test]
fn the_committed_schema_is_the_current_one() {
    let path = folder().join("scenario.schema.json");
    let current = json_schema().unwrap();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &current).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "run the command at the top of this file"
    );
}

#[test]
fn every_shipped_scenario_is_as_the_schema_says() {
    let texts: Vec<&str> = SHIPPED.iter().map(|(_, text)| *text).collect();
    let named = SHIPPED.iter().zip(fits(&texts));
    let wrong: Vec<&str> = named
        .filter(|(_, fits)| !fits)
        .map(|((name, _), _)| *name)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Of the files in `broken-scenarios`, by number: those whose mistake can be seen without the config
/// and without reckoning.
const BY_ITSELF: [u32; 19] = [
    1, 2, 3, 15, 18, 19, 20, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 36,
];

#[test]
fn what_is_wrong_by_itself_is_not_as_the_schema_says() {
    let entries = fs::read_dir(folder().join("tests/broken-scenarios")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    let texts: Vec<String> = paths
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let number = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        name.split('-').next().unwrap().parse::<u32>().unwrap()
    };
    let numbered = paths.iter().map(number).zip(fits(&texts));
    let caught: Vec<u32> = numbered.filter(|(_, fits)| !fits).map(|(n, _)| n).collect();
    assert_eq!(caught, BY_ITSELF);
}

#[test]
fn every_key_has_words_for_editors() {
    fn look(path: &str, node: &Json, without: &mut Vec<String>) {
        let keys = node.get("properties").and_then(Json::as_object);
        for (name, below) in keys.into_iter().flatten() {
            let path = format!("{path}.{name}");
            let about = below.get("description").and_then(Json::as_str);
            if about.is_none_or(str::is_empty) {
                without.push(path.clone());
            }
            look(&path, below, without);
            look(&path, &below["items"], without);
            look(&path, &below["additionalProperties"], without);
        }
    }
    let mut without = Vec::new();
    look("", &json_schema().unwrap().parse().unwrap(), &mut without);
    without.retain(|path| !path.contains(".latency.") && !path.contains(".errors."));
    assert!(without.is_empty(), "{without:?}");
}
