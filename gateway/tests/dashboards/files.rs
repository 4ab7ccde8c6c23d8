//! The files that are checked.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file's text, by its path from the root of the repository.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Puts `text` in place of it.
pub(crate) fn write(path: &str, text: &str) {
    fs::write(root().join(path), text).unwrap();
}

/// A file's JSON.
pub(crate) fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths of a folder's files, in order.
pub(crate) fn list(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let mut files: Vec<String> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| format!("{folder}/{}", entry.file_name().to_str().unwrap()))
        .collect();
    files.sort();
    files
}

/// All that Datadog reads.
pub(crate) fn datadog_files() -> Vec<(String, Value)> {
    let folders = ["dashboards", "monitors", "monitors/windows", "slos"];
    let folders = folders.map(|kind| format!("dashboards/datadog/{kind}"));
    let files = folders.iter().flat_map(|folder| list(folder));
    let files: Vec<_> = files.map(|file| (file.clone(), json(&file))).collect();
    assert!(files.len() >= 13, "only {} files", files.len());
    files
}

/// What Grafana reads.
pub(crate) fn grafana() -> Value {
    json("dashboards/grafana/users-limits-faults.json")
}

/// Every file in which a name can be wrong.
pub(crate) fn all_texts() -> Vec<(String, String)> {
    let folders = [
        "dashboards/datadog/dashboards",
        "dashboards/datadog/monitors",
        "dashboards/datadog/monitors/windows",
        "dashboards/datadog/slos",
        "dashboards/grafana",
        "dashboards/prometheus",
        "dashboards/terraform",
    ];
    let mut files: Vec<String> = folders.iter().flat_map(|folder| list(folder)).collect();
    files.extend(["dashboards/README.md", "docs/runbook.md"].map(str::to_owned));
    files
        .into_iter()
        .map(|file| (file.clone(), read(&file)))
        .collect()
}

/// Every string that stands under one of `keys`, however deep.
pub(crate) fn strings_at(node: &Value, keys: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    match node {
        Value::Object(entries) => {
            for (key, value) in entries {
                let asked = value.as_str().filter(|_| keys.contains(&key.as_str()));
                found.extend(asked.map(str::to_owned));
                found.extend(strings_at(value, keys));
            }
        }
        Value::Array(items) => found.extend(items.iter().flat_map(|item| strings_at(item, keys))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}
