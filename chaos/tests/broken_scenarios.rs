//! Every file in `broken-scenarios/` is refused with exactly the text beside it, its place and a remedy,
//! and with exit code 2: what is wrong is never run, and never green.
//!
//! After a deliberate change: `UPDATE_GOLDEN=1 cargo test -p chaos --test broken_scenarios`, then read
//! the difference as the person who made the mistake would.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken-scenarios")
}

fn files() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".toml")).collect();
    names.sort();
    names
}

/// What `chaos run` says of the file.
fn refused(name: &str) -> String {
    let chaos = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(["run", name])
        .current_dir(folder())
        .output()
        .unwrap();
    let err = String::from_utf8(chaos.stderr).unwrap();
    assert_eq!(chaos.status.code(), Some(2), "{name}:\n{err}");
    assert!(chaos.stdout.is_empty(), "{name} was run");
    err
}

#[test]
fn every_broken_file_is_refused_with_the_text_beside_it() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    for name in files() {
        let golden = folder().join(&name).with_extension("stderr");
        let found = refused(&name);
        if update {
            fs::write(&golden, &found).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != found {
            different.push(format!("{name}:\n{found}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_refusal_names_a_line_and_a_remedy() {
    let files = files();
    assert!(files.len() >= 30, "only {} broken files", files.len());
    for name in files {
        for fault in refused(&name).trim_end().split("\n\n") {
            assert!(fault.contains("= help: "), "{name}: no remedy in\n{fault}");
            let whole = fault.contains("`length`") || fault.contains("`load`");
            let placed = fault.contains(&format!("--> {name}:"));
            assert!(placed || whole, "{name}: no line in\n{fault}");
        }
    }
}
