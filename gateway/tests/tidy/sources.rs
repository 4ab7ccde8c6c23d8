//! The sources of a crate as the tests read them: without comments and unit tests.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of a crate.
pub(crate) struct Source {
    /// Relative to `src`, without `.rs`.
    pub(crate) name: String,
    /// Its place from the root of the workspace.
    pub(crate) place: String,
    /// Without its unit tests; where comments were, lines are empty.
    pub(crate) code: String,
    /// Its lines that are not comments.
    pub(crate) lines: usize,
}

impl Source {
    /// Its path as a module; the roots of the crate's library and programs have none.
    pub(crate) fn module(&self) -> Vec<String> {
        let names: Vec<&str> = self.name.split('/').collect();
        match names.as_slice() {
            ["lib" | "main"] => Vec::new(),
            names => names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// Whether it is a program's, which uses the crate from outside.
    pub(crate) fn is_program(&self) -> bool {
        self.name == "main" || self.name.starts_with("bin/")
    }
}

/// All sources of a crate, by name.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    sources_in(&format!("{folder}/src"))
}

/// All sources in this folder of the workspace, by name.
pub(crate) fn sources_in(folder: &str) -> Vec<Source> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = workspace.join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(source(folder, &root, &path));
            }
        }
    }
    assert!(!found.is_empty(), "{folder}: the sources were not found");
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn source(folder: &str, root: &Path, path: &PathBuf) -> Option<Source> {
    let name = path.strip_prefix(root).unwrap().with_extension("");
    let name = name.to_str().unwrap().to_owned();
    let is_test = name.ends_with("tests") || name.contains("/tests/");
    // Stand-ins that only unit tests of the gateway's are given.
    let stands_in = folder == "gateway/src" && name.ends_with("simulated");
    if is_test || stands_in {
        return None;
    }
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    let kept = |line| if is_comment(&line) { "" } else { line };
    Some(Source {
        place: format!("{folder}/{name}.rs"),
        name,
        lines: code.lines().filter(|line| !is_comment(line)).count(),
        code: code.lines().map(kept).collect::<Vec<_>>().join("\n"),
    })
}
