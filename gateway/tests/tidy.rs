//! The structure, held by a test: which way imports go, and what has one home.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read the sources has failed"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A module and the modules of this crate it may use; itself is understood.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "app",
        &[
            "admin",
            "cgroup",
            "config",
            "edge",
            "generation",
            "lifecycle",
            "outcome",
            "overrides",
            "page",
            "telemetry",
            "transport",
        ],
    ),
    ("demo", &["config", "edge", "http_client", "page"]),
    (
        "command",
        &[
            "admin",
            "colours",
            "config",
            "http_client",
            "page",
            "readings",
        ],
    ),
    (
        "edge",
        &[
            "config",
            "generation",
            "lifecycle",
            "outcome",
            "page",
            "telemetry",
            "text",
        ],
    ),
    (
        "admin",
        &[
            "cgroup",
            "config",
            "generation",
            "lifecycle",
            "outcome",
            "overrides",
            "page",
            "telemetry",
        ],
    ),
    ("generation", &["config", "openapi", "page"]),
    ("lifecycle", &["page", "telemetry"]),
    (
        "transport",
        &["config", "outcome", "page", "pem", "telemetry"],
    ),
    ("page", &["config", "outcome", "telemetry"]),
    ("openapi", &["config", "outcome", "page"]),
    ("readings", &["outcome", "telemetry"]),
    (
        "telemetry",
        &["colours", "config", "http_client", "outcome", "text"],
    ),
    ("config", &["ids", "pem"]),
    ("overrides", &["config"]),
    ("outcome", &["ids"]),
    ("cgroup", &[]),
    ("colours", &[]),
    ("http_client", &[]),
    ("ids", &[]),
    ("pem", &[]),
    ("text", &[]),
];

/// A text and the only files (without `.rs`, or folders with `/`) that may hold it.
const HOMES: &[(&str, &[&str])] = &[
    ("Instant::now", &["page/deadline"]),
    ("tokio::spawn", &["transport/endpoint", "transport/http2"]),
    (
        "thread::Builder",
        &["transport/resolve", "telemetry/log/lines"],
    ),
    (
        ".spawn(",
        &[
            "lifecycle",
            "edge/listener",
            "telemetry/log/lines",
            "transport/resolve",
        ],
    ),
    // The last has a field of Datadog's that is named so.
    (
        "StatusCode",
        &[
            "page/refusal",
            "edge/",
            "admin",
            "admin/",
            "command/client",
            "command/change",
            "demo/storefront",
            "demo/storefront/forward",
            "openapi/problem",
            "telemetry/stats/payload",
        ],
    ),
    ("config::file", &["config", "config/"]),
    (".listen(BACKLOG", &["edge/listener"]),
    ("\"bulkhead_full\"", &["outcome/reason"]),
];

/// What `page` must not know, so that it runs in simulated time.
const NOT_IN_PAGE: &[&str] = &["hyper", "tower", "reqwest", "tokio::net", "std::net"];

/// A file longer than this, tests apart, holds more than one thing.
const MOST_LINES: usize = 420;

struct Source {
    /// Relative to `src`, without `.rs`.
    name: String,
    /// Without comments and without its unit tests.
    code: String,
    lines: usize,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(source(&root, &path));
            }
        }
    }
    assert!(found.len() > 30, "the sources were not found");
    found
}

fn source(root: &Path, path: &PathBuf) -> Option<Source> {
    let name = path.strip_prefix(root).unwrap().with_extension("");
    let name = name.to_str().unwrap().to_owned();
    if name.ends_with("tests") || name.contains("/tests/") || name.ends_with("simulated") {
        return None;
    }
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: Vec<&str> = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    Some(Source {
        name,
        lines: code.len(),
        code: code.join("\n"),
    })
}

/// Modules named after `crate::`, also inside braces.
fn uses(code: &str) -> Vec<&str> {
    let after =
        |at: usize| code[at + "crate::".len()..].split(|c: char| !c.is_alphanumeric() && c != '_');
    code.match_indices("crate::")
        .filter_map(|(at, _)| after(at).next())
        .collect()
}

#[test]
fn imports_go_one_way() {
    for source in sources() {
        let module = source.name.split('/').next().unwrap();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            continue;
        };
        for used in uses(&source.code) {
            let fine = used == module || allowed.contains(&used) || used.is_empty();
            assert!(
                fine,
                "{}.rs uses crate::{used}; {module} may use {allowed:?}",
                source.name
            );
        }
    }
}

#[test]
fn what_has_one_home_is_nowhere_else() {
    for (text, homes) in HOMES {
        let mut seen = false;
        for source in sources().iter().filter(|source| source.code.contains(text)) {
            let at_home = homes.iter().any(|home| {
                source.name == *home || (home.ends_with('/') && source.name.starts_with(home))
            });
            assert!(
                at_home,
                "{}.rs has `{text}`; its home is {homes:?}",
                source.name
            );
            seen = true;
        }
        assert!(
            seen || *text == "config::file",
            "nobody has `{text}` any more: drop the rule"
        );
    }
}

#[test]
fn pages_know_no_sockets() {
    for source in sources()
        .iter()
        .filter(|s| s.name == "page" || s.name.starts_with("page/"))
    {
        for text in NOT_IN_PAGE {
            let named = format!("{text}::");
            assert!(
                !source.code.contains(&named),
                "{}.rs uses {text}",
                source.name
            );
        }
    }
}

#[test]
fn files_are_read_in_one_sitting() {
    for source in sources() {
        assert!(
            source.lines <= MOST_LINES,
            "{}.rs has {} lines",
            source.name,
            source.lines
        );
    }
}

/// Every package that `members` builds, with the features it is built with.
fn built(members: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--prefix=none"])
        .args(["--no-dedupe", "--edges=normal,build", "--format={p} {f}"])
        .args(members)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(str::to_owned).collect()
}

#[test]
fn one_build_serves_the_workspace_and_each_command() {
    let workspace = built(&["--workspace"]);
    for member in ["gateway", "chaos"] {
        let alone = built(&["--package", member]);
        assert!(alone.len() > 100, "{alone:?}");
        let again: Vec<_> = alone.difference(&workspace).collect();
        assert!(
            again.is_empty(),
            "`cargo run -p {member}` would build these a second time, since the workspace wants other features: {again:?}"
        );
    }
}

#[cfg(feature = "demo")]
#[test]
fn the_readme_shows_what_the_demo_prints() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let address = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let printed = gateway::demo::transcript(
        address(8088),
        address(8080),
        address(9901),
        "http://127.0.0.1:8474",
    );
    assert!(
        readme.contains(&printed),
        "README.md should show:\n{printed}"
    );
}
