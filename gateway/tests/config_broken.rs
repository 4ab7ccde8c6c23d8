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

/// One fault of a report, as far as its advice can be followed.
struct Advice<'a> {
    title: &'a str,
    /// Counted from one.
    line: usize,
    column: usize,
    help: &'a str,
}

fn advice<'a>(fault: &'a str, name: &str) -> Option<Advice<'a>> {
    let title = fault.lines().next()?;
    let (_, place) = fault.split_once(&format!("--> {name}:"))?;
    let mut place = place.lines().next()?.split(':');
    let (_, help) = fault.split_once("= help: ")?;
    Some(Advice {
        title,
        line: place.next()?.parse().ok()?,
        column: place.next()?.parse().ok()?,
        help,
    })
}

impl Advice<'_> {
    /// What stands between the `n`th pair of backquotes.
    fn quoted(&self, n: usize) -> Option<&str> {
        // A value may hold backquotes itself, but none of those here does.
        self.help.split('`').nth(2 * n + 1)
    }

    /// The file, as somebody would have it who did what is said: one for each way that is named;
    /// none where it is no text to be written.
    fn followed(&self, text: &str) -> Vec<String> {
        let help = self.help;
        let Some(first) = self.quoted(0) else {
            return Vec::new();
        };
        if help.starts_with("write `[") || help.starts_with("write `key") {
            return Vec::new();
        }
        if help.starts_with("write a value after") || help.starts_with("add `[") {
            return Vec::new();
        }
        if help.starts_with("did you mean `{") {
            // One of several words of a path; the title names it last.
            let wrong = self.title.rsplit('`').nth(1).unwrap();
            return vec![text.replace(wrong, first)];
        }
        if help.starts_with("did you mean `") || help.starts_with("call it `") {
            return vec![self.with_word(text, first)];
        }
        if help.starts_with("add `") || help.starts_with("write `") {
            let (key, _) = first.split_once(" = ").unwrap();
            let mut all = vec![self.with_line(text, key, first)];
            if help.contains("`, or `") {
                all.push(self.with_line(
                    text,
                    key,
                    &format!("{key} = {}", self.quoted(1).unwrap()),
                ));
            }
            return all;
        }
        Vec::new()
    }

    fn with_line(&self, text: &str, key: &str, written: &str) -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        let at = self.line - 1;
        let names_it = |line: &str| {
            line.split('=')
                .next()
                .is_some_and(|left| left.contains(key))
        };
        let dotted;
        if names_it(lines[at]) && lines[at].contains('=') {
            // `params.id = ..` stays what it is.
            let (left, _) = lines[at].split_once('=').unwrap();
            let (_, value) = written.split_once('=').unwrap();
            dotted = format!("{left}={value}");
            lines[at] = &dotted;
        } else {
            lines.insert(at + 1, written);
        }
        lines.join("\n")
    }

    fn with_word(&self, text: &str, word: &str) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let line = &mut lines[self.line - 1];
        let is_word = |c: char| c.is_alphanumeric() || "_-".contains(c);
        let from = line.char_indices().nth(self.column - 1).unwrap().0;
        let skipped = line[from..].find(is_word).unwrap();
        let from = from + skipped;
        let length = line[from..]
            .find(|c| !is_word(c))
            .unwrap_or(line.len() - from);
        line.replace_range(from..from + length, word);
        lines.join("\n")
    }
}

#[test]
fn whoever_does_what_a_report_says_has_one_error_less() {
    let mut followed = 0;
    for path in broken_files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let report = rendered(&path);
        for fault in report.trim_end().split("\n\n") {
            let Some(advice) = advice(fault, name) else {
                continue;
            };
            for better in advice.followed(&text) {
                followed += 1;
                let again = config::load_text(name, &better, &[]);
                let still = again.err().map(|report| report.to_string());
                let still = still.unwrap_or_default();
                // Another line may hold the same slip of syntax; a key is named by its title.
                let place = format!("--> {name}:{}:", advice.line);
                let same = |fault: &&str| match advice.title.contains("not TOML") {
                    true => fault.contains(&place),
                    false => fault.contains(advice.title),
                };
                let left = still.split("\n\n").find(same);
                assert_eq!(left, None, "{name}, line {}: {}", advice.line, advice.help);
            }
        }
    }
    assert!(followed >= 60, "only {followed} pieces of advice");
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
