//! The structure, held by a test: which way imports go in each crate of the workspace, that they go in
//! no circle, and what has one home.
//!
//! The rules are here. How sources are read is in `sources`, what names they hold in `paths`, and where
//! those lead in `graph`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read the sources has failed"
)]

#[path = "tidy/graph.rs"]
mod graph;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/sources.rs"]
mod sources;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use graph::Graph;
use sources::{Source, sources, sources_in};

/// A module of the gateway and the modules it may use; itself is understood.
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
    ("generation", &["config", "openapi", "page", "text"]),
    ("lifecycle", &["page", "telemetry"]),
    (
        "transport",
        &["config", "outcome", "page", "pem", "telemetry", "text"],
    ),
    ("page", &["config", "outcome", "telemetry", "text"]),
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

/// Of crates in floors: the modules of each, from the top down. A module uses lower floors only.
const FLOORS: &[(&str, &[&[&str]])] = &[
    (
        "gateway/settings",
        &[
            &["origin", "read", "schema"],
            &["sections"],
            &["reader"],
            &["registry"],
            &["syntax"],
            &["overrides", "report"],
            &["key"],
            &["kinds"],
            &["name", "raw", "units"],
            &["problem", "shown", "variables"],
        ],
    ),
    (
        "chaos",
        &[
            &["agree", "incident", "sweep"],
            &["run"],
            &["live", "simulated"],
            &["judge", "play", "report"],
            &["output", "record"],
            &["scenario"],
            &["by_hand", "load", "proc"],
            &["clock", "http", "verdict"],
        ],
    ),
    (
        "chaos/plots",
        &[
            &["figure"],
            &["lanes", "plot"],
            &["axis", "label", "span", "steps"],
            &["unit"],
        ],
    ),
    (
        "fixtures",
        &[
            &["fakes"],
            &["control", "server"],
            &["answer"],
            &["body"],
            &["fake"],
            &["conditions"],
            &["toxic"],
            &["behaviour"],
            &["catalogue", "draw", "latency", "workers"],
            &[
                "bad_behaviour",
                "clock",
                "ledger",
                "rng",
                "service",
                "units",
            ],
        ],
    ),
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

/// A file of the crate longer than this, tests apart, holds more than one thing.
const MOST_LINES: &[(&str, usize)] = &[
    ("gateway", 420),
    ("gateway/settings", 300),
    ("chaos", 300),
    ("chaos/plots", 300),
    ("fixtures", 420),
];

#[test]
fn imports_go_one_way() {
    let upward: Vec<String> = [
        "gateway",
        "gateway/settings",
        "chaos",
        "chaos/plots",
        "fixtures",
    ]
    .into_iter()
    .flat_map(|folder| upward(folder, &Graph::of(&sources(folder))))
    .collect();
    assert!(upward.is_empty(), "{}", upward.join("\n"));
}

/// What a crate uses against its rules: those of [`FLOORS`], or of [`MAY_USE`].
fn upward(folder: &str, graph: &Graph) -> Vec<String> {
    let floors = FLOORS.iter().find(|(name, _)| *name == folder);
    let wrong = |from: &str, to: &str| match floors {
        Some((_, floors)) => {
            let floor = |module: &str| {
                let floor = floors.iter().position(|floor| floor.contains(&module));
                assert!(floor.is_some(), "{folder}: `{module}` is on no floor");
                floor
            };
            floor(from) >= floor(to)
        }
        None => {
            let rule = MAY_USE.iter().find(|(name, _)| *name == from);
            rule.is_some_and(|(_, allowed)| !allowed.contains(&to))
        }
    };
    let between = graph.between_tops().iter();
    between
        .filter(|(from, to, _)| wrong(from, to))
        .map(|(from, to, says)| format!("{from} may not use {to}: {says}"))
        .collect()
}

#[test]
fn imports_go_in_no_circle() {
    let graphs = [
        Graph::of(&sources("gateway")).of_tops(),
        Graph::of(&sources("gateway/settings")),
        Graph::of(&sources("chaos")),
        Graph::of(&sources("chaos/plots")),
        Graph::of_program(&sources_in("chaos/benches/acceptance")),
        Graph::of(&sources("fixtures")),
    ];
    for graph in graphs {
        let circles = graph.circles();
        assert!(circles.is_empty(), "{}", circles.join("\n"));
    }
}

/// Files of a crate that is not there.
fn invented(files: &[(&str, &str)]) -> Vec<Source> {
    let source = |(name, code): &(&str, &str)| Source {
        place: format!("{name}.rs"),
        name: (*name).to_owned(),
        code: (*code).to_owned(),
        lines: 1,
    };
    files.iter().map(source).collect()
}

/// Without these the tests above could pass because they see nothing.
#[test]
fn a_circle_on_purpose_is_found_with_the_places_that_tie_it() {
    let circle = [
        (
            "record",
            "use crate::scenario::{Text, file::{Scenario, self}};",
        ),
        (
            "scenario",
            "mod file;\npub use self::file::Scenario;\nuse gateway::record::Other;",
        ),
        ("scenario/file", "fn f(world: &crate::record::World) {}"),
        (
            "verdict",
            "use crate::{record::Record, scenario::Scenario};",
        ),
    ];
    let circles = Graph::of(&invented(&circle)).circles();
    let told = "a circle of 2:\n  record.rs -> scenario/file.rs, line 1: crate::scenario::file::Scenario\n  \
                scenario/file.rs -> record.rs, line 1: crate::record::World\n";
    assert_eq!(circles, [told]);
    let tops = Graph::of(&invented(&circle)).of_tops();
    assert_eq!(tops.circles().len(), 1);
}

#[test]
fn an_import_that_goes_up_on_purpose_is_found_also_where_a_name_is_passed_on() {
    let files = [
        ("behaviour", "pub use crate::latency::Latency;"),
        ("fakes", "use crate::{toxic, behaviour::Latency};"),
        ("latency", "use super::fakes::{Fakes};"),
    ];
    let found = upward("fixtures", &Graph::of(&invented(&files)));
    assert_eq!(
        found,
        ["latency may not use fakes: latency.rs, line 1: super::fakes::Fakes"]
    );
}

#[test]
fn what_has_one_home_is_nowhere_else() {
    for (text, homes) in HOMES {
        let mut seen = false;
        for source in sources("gateway")
            .iter()
            .filter(|source| source.code.contains(text))
        {
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
    for source in sources("gateway")
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
    for (folder, most) in MOST_LINES {
        for source in sources(folder) {
            let Source { place, lines, .. } = source;
            assert!(lines <= *most, "{place} has {lines} lines");
        }
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
