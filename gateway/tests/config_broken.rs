//! Every file in `broken-configs/` is refused with exactly the text beside it.
//!
//! After a deliberate change: `UPDATE_GOLDEN=1 cargo test -p gateway --test config_broken`,
//! then read the difference as the person who made the mistake would.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its helpers fail by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use gateway::config;

fn broken_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken-configs");
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    files
}

fn rendered(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    let text = fs::read_to_string(path).unwrap();
    match config::load_text(name, &text, &[]) {
        Ok(_) => panic!("{name} is not broken"),
        Err(report) => format!("{report}\n"),
    }
}

#[test]
fn every_broken_file_is_refused_with_the_text_beside_it() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    for path in broken_files() {
        let (golden, found) = (path.with_extension("stderr"), rendered(&path));
        if update {
            fs::write(&golden, &found).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != found {
            different.push(format!("{}:\n{found}", golden.display()));
        }
    }
    assert!(
        different.is_empty(),
        "{}\n{} differ; if that is meant: UPDATE_GOLDEN=1 cargo test -p gateway --test config_broken",
        different.join("\n"),
        different.len()
    );
}

#[test]
fn every_refusal_names_a_line_and_a_remedy() {
    let files = broken_files();
    assert!(files.len() >= 28, "only {} broken files", files.len());
    for path in files {
        let text = rendered(&path);
        let name = path.file_name().unwrap().to_str().unwrap();
        for fault in text.trim_end().split("\n\n") {
            assert!(
                fault.contains("= help: "),
                "{name} says not what to do:\n{fault}"
            );
            let placed = fault.contains(&format!("--> {name}:"));
            assert!(
                placed || name.contains("empty-file"),
                "{name} names no line:\n{fault}"
            );
        }
    }
}

#[test]
fn the_fault_stands_on_the_line_that_the_report_names() {
    let text = "# comment\n[page.p]\npath = \"/p\"\nqueue = \"x\"\n";
    let report = config::load_text("c.toml", text, &[])
        .unwrap_err()
        .to_string();
    assert!(report.contains("--> c.toml:4:9"), "{report}");
    assert!(report.contains("4 | queue = \"x\""), "{report}");
}

#[test]
fn a_thousand_faults_make_a_short_report() {
    let keys: String = (0..1000).map(|i| format!("key{i} = 1\n")).collect();
    let report = config::load_text("c.toml", &format!("[page.p]\n{keys}"), &[]).unwrap_err();
    assert!(report.len() > 1000);
    let text = report.to_string();
    assert!(
        text.lines().count() < 1000,
        "{} lines",
        text.lines().count()
    );
    assert!(text.contains("more of the same file"), "{text}");
}
