//! The command: what it prints, and its exit codes.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::PathBuf;
use std::process::{Command, Output};

const SHORT: &str = "title = \"short\"\nlength = \"1s\"\n[[load]]\nrate = \"50/s\"\n[[expect]]\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn chaos(args: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(args)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn what_is_expected_exits_with_0_and_what_is_missed_with_1() {
    let folder = Folder::new();
    let met = folder.file("met.toml", &format!("{SHORT}good_pages = \"== 100%\"\n"));
    let (code, out, _) = chaos(&["run", met.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("100.00%   55     ok"), "{out}");
    let missed = folder.file("missed.toml", &format!("{SHORT}p50 = \"<= 1ms\"\n"));
    let (code, out, _) = chaos(&["run", met.to_str().unwrap(), missed.to_str().unwrap()]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("MISSED"), "{out}");
}

#[test]
fn a_bad_file_and_a_name_that_is_none_exit_with_2_and_say_why() {
    let folder = Folder::new();
    let bad = folder.file("bad.toml", "title = 5\n");
    let (code, out, err) = chaos(&["run", bad.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("bad.toml:1:9"), "{err}");
    let (code, _, err) = chaos(&["run", "no-such-scenario"]);
    assert_eq!(code, 2);
    assert!(err.contains("`chaos list`"), "{err}");
}

#[test]
fn two_configs_are_shown_side_by_side_and_the_second_one_decides() {
    let folder = Folder::new();
    let scenario = folder.file("s.toml", &format!("{SHORT}good_pages = \"== 100%\"\n"));
    let default = gateway::config::default_text();
    let tight = folder.file(
        "tight.toml",
        &default.replace("max_in_flight = 1024", "max_in_flight = 1"),
    );
    let (scenario, tight) = (scenario.to_str().unwrap(), tight.to_str().unwrap());
    let (code, out, err) = chaos(&["run", scenario, "--compare", tight]);
    assert_eq!(code, 1, "{out}{err}");
    let row = out
        .lines()
        .find(|line| line.contains("good_pages"))
        .unwrap();
    assert!(row.contains("ok") && row.ends_with("MISSED"), "{out}");
    let (code, _, _) = chaos(&[
        "run",
        scenario,
        "--config",
        tight,
        "--compare",
        "../config.toml",
    ]);
    assert_eq!(code, 0);
}

#[test]
fn many_seeds_show_their_spread_and_events_are_written_where_they_are_wanted() {
    let folder = Folder::new();
    let scenario = folder.file("s.toml", &format!("{SHORT}p50 = \"<= 300ms\"\n"));
    let scenario = scenario.to_str().unwrap();
    let (code, out, _) = chaos(&["run", scenario, "--seeds", "3"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("median"), "{out}");
    let events = folder.0.path().join("events.txt");
    let (code, ..) = chaos(&["run", scenario, "--events", events.to_str().unwrap()]);
    assert_eq!(code, 0);
    let events = std::fs::read_to_string(events).unwrap();
    assert!(
        events.lines().any(|line| line.ends_with(" 0 complete ")),
        "{events}"
    );
}

#[test]
fn the_list_has_every_scenario_with_its_title() {
    let (code, out, _) = chaos(&["list"]);
    assert_eq!(code, 0);
    for (name, _) in chaos::scenario::SHIPPED {
        assert!(
            out.lines().any(|line| line.starts_with(name)),
            "{name}: {out}"
        );
    }
}

#[test]
fn a_run_of_which_nothing_is_expected_exits_with_3_unless_somebody_only_looks() {
    let folder = Folder::new();
    let silent = SHORT.replace("[[expect]]\n", "");
    let silent = folder.file("silent.toml", &silent);
    let silent = silent.to_str().unwrap();
    let met = folder.file("met.toml", &format!("{SHORT}good_pages = \"== 100%\"\n"));
    let missed = folder.file("missed.toml", &format!("{SHORT}p50 = \"<= 1ms\"\n"));
    let (met, missed) = (met.to_str().unwrap(), missed.to_str().unwrap());
    for (args, expected) in [
        (&["run", silent][..], 3),
        (&["run", silent, "--explore"], 0),
        (&["run", silent, "--seeds", "2"], 3),
        (&["run", silent, "--compare", "../config.toml"], 3),
        (&["run", met, silent], 3),
        (&["run", missed, silent], 1),
        (&["run", met, "--explore"], 0),
        (&["run", missed, "--explore"], 1),
    ] {
        let (code, out, err) = chaos(args);
        assert_eq!(code, expected, "{args:?}: {out}{err}");
    }
    let (_, out, _) = chaos(&["run", silent]);
    assert!(
        out.contains("nothing was proved") && out.contains("[[expect]]"),
        "{out}"
    );
}

#[test]
fn too_few_pages_are_no_green_and_the_line_says_how_many_there_were() {
    let folder = Folder::new();
    let few = folder.file("few.toml", &format!("{SHORT}p999 = \"<= 1s\"\n"));
    let (code, out, _) = chaos(&["run", few.to_str().unwrap()]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("55     NOT ENOUGH, needs 1000"), "{out}");
}

#[test]
fn two_configs_are_compared_over_many_seeds_each_on_the_same_draws() {
    let folder = Folder::new();
    let scenario = folder.file("s.toml", &format!("{SHORT}good_pages = \">= 50%\"\n"));
    let same = folder.file("same.toml", gateway::config::default_text());
    let args = [
        "run",
        scenario.to_str().unwrap(),
        "--compare",
        same.to_str().unwrap(),
        "--seeds",
        "3",
    ];
    let (code, out, err) = chaos(&args);
    assert_eq!(code, 0, "{out}{err}");
    let row = out
        .lines()
        .find(|line| line.contains("good_pages"))
        .unwrap();
    assert!(row.contains("+0.00%"), "{out}");
}

#[test]
fn an_output_path_that_cannot_be_meant_is_refused_before_anything_is_run() {
    let folder = Folder::new();
    let scenario = folder.file("s.toml", &format!("{SHORT}p50 = \"<= 300ms\"\n"));
    let scenario = scenario.to_str().unwrap();
    let here = folder.0.path().to_str().unwrap();
    for args in [
        &["run", scenario, "--events", scenario][..],
        &["run", scenario, "--events", here],
        &["run", scenario, "--events", "resets"],
        &["run", scenario, "--report", "run.png"],
        &["run", scenario, "--report", scenario],
        &["run", scenario, "--svg", scenario],
        &["run", scenario, "--svg", "plot.svg"],
        &["run", scenario, scenario, "--events", "events.txt"],
        &["incident", "--simulated-only", "--svg", "picture.html"],
        &["sweep", "--seeds", "1", "--write", scenario],
    ] {
        let (code, out, err) = chaos(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(
            err.contains("write") || err.contains("run one"),
            "{args:?}: {err}"
        );
    }
    let kept = std::fs::read_to_string(scenario).unwrap();
    assert!(kept.starts_with("title"), "{kept}");
}
