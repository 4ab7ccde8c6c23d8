//! The report: its bytes, its markup, and what is in it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use chaos::report::{Report, Run};
use chaos::run::{Rehearsal, rehearse};
use chaos::scenario::{Scenario, Text};
use gateway::config::load_text;

const ODD: &str = r#"
title = "a < b & \"c\" </title><script>alert(1)</script>"
about = "</style><img src=x onerror=alert(1)>\u0001"
length = "2s"
[[load]]
rate = "200/s"
retries = 2
[[load]]
rate = "20/s"
from = "1s"
client = "<b>greedy</b>"
[[fault]]
downstream = "pricing"
from = "500ms"
until = "1500ms"
flaps = "100ms"
latency = { fixed = "1500ms" }
[[expect]]
client = "<b>greedy</b>"
good_pages = ">= 99.5%"
[[expect]]
goodput = ">= 40/s"
p99 = "<= 310ms"
in_flight_max = "<= 4"
calls = "<= 100000/s"
[[expect]]
from = "1s"
compared_to = "0s..1s"
in_flight_max = "<= 1.5x"
recovery = "<= 500ms"
"#;

/// Over before anybody asks for anything.
const EMPTY: &str = "title = \"t\"\nlength = \"1s\"\n[config.downstream.pricing]\npermits = 0\n\
                     [[load]]\nrate = \"1/s\"\nfrom = \"999ms\"\n";

/// One run for each config.
struct Runs(Vec<(String, Scenario, Rehearsal)>);

impl Runs {
    fn of(scenario: &str, configs: &[&str]) -> Self {
        let run = |config: &&str| {
            let base = Text {
                name: "<config>.toml".to_owned(),
                text: (*config).to_owned(),
            };
            let text = Text {
                name: "odd.toml".to_owned(),
                text: scenario.to_owned(),
            };
            let scenario = Scenario::load(&text, &base).unwrap();
            let rehearsal = rehearse(&scenario, false).unwrap();
            (base.name, scenario, rehearsal)
        };
        Self(configs.iter().map(run).collect())
    }

    fn report<T>(&self, look: impl for<'a> FnOnce(&Report<'a>) -> T) -> T {
        let base = load_text("base", &Text::default_config().text, &[]).unwrap();
        let each = self.0.iter().map(|(name, scenario, rehearsal)| Run {
            name,
            scenario,
            record: &rehearsal.record,
            verdict: &rehearsal.verdict,
        });
        let runs: Vec<Run<'_>> = each.collect();
        look(&Report {
            command: "chaos run 'odd & even.toml' --seed 1",
            base: ("<config>.toml", &base.effective),
            runs: &runs,
        })
    }

    fn html(&self) -> String {
        self.report(|report| report.html())
    }

    fn svgs(&self) -> Vec<(&'static str, String)> {
        self.report(|report| report.svgs())
    }
}

fn default() -> String {
    Text::default_config().text
}

fn tight() -> String {
    default().replace("max_in_flight = 1024", "max_in_flight = 7")
}

/// HTML as XML: without the document type, and with the few empty elements closed.
fn as_xml(html: &str) -> String {
    let body = html.strip_prefix("<!DOCTYPE html>").unwrap();
    let parts = body.split("<meta ").enumerate().map(|(at, part)| match at {
        0 => part.to_owned(),
        _ => format!("<meta {}", part.replacen('>', "/>", 1)),
    });
    parts.collect()
}

/// All text, without markup.
fn words(document: &roxmltree::Document<'_>) -> String {
    let texts = document.descendants().filter_map(|node| node.text());
    texts.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let bytes = || {
        let runs = Runs::of(ODD, &[&default()]);
        (runs.html(), runs.svgs())
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn html_and_svg_are_well_formed_whatever_the_texts_and_load_nothing() {
    for runs in [
        Runs::of(ODD, &[&default()]),
        Runs::of(ODD, &[&default(), &tight()]),
        Runs::of(EMPTY, &[&default()]),
    ] {
        let mut documents = runs.svgs();
        documents.push(("html", as_xml(&runs.html())));
        for (name, text) in &documents {
            let document = roxmltree::Document::parse(text);
            let document = document.unwrap_or_else(|error| panic!("{name}: {error}"));
            for node in document.descendants() {
                let tag = node.tag_name().name();
                let loading = [
                    "script", "img", "image", "link", "iframe", "use", "a", "base",
                ];
                assert!(!loading.contains(&tag), "{name} has <{tag}>");
                for attribute in node.attributes() {
                    let (key, value) = (attribute.name(), attribute.value());
                    assert!(!["href", "src"].contains(&key), "{name}: {key}={value}");
                    assert!(!value.contains("://"), "{name}: {key}={value}");
                }
                let style = node.text().filter(|_| tag == "style").unwrap_or_default();
                assert!(
                    !style.contains("url(") && !style.contains("@import"),
                    "{style}"
                );
            }
        }
    }
}

#[test]
fn every_figure_of_the_verdict_is_there_and_every_key_that_differs() {
    let runs = Runs::of(ODD, &[&default(), &tight()]);
    let html = as_xml(&runs.html());
    let document = roxmltree::Document::parse(&html).unwrap();
    let words = words(&document);
    for (_, _, rehearsal) in &runs.0 {
        assert!(!rehearsal.verdict.rows.is_empty());
        for row in &rehearsal.verdict.rows {
            for text in [row.shown(), row.bound.to_string(), row.window.clone()] {
                assert!(words.contains(&text), "{text} is missing");
            }
        }
        assert!(words.contains(&format!("{:016x}", rehearsal.record.events.hash)));
    }
    for line in [
        "-admission.max_in_flight = 1024",
        "+admission.max_in_flight = 7",
    ] {
        assert!(words.contains(line), "{line} is missing");
    }
    assert!(words.contains("chaos run 'odd & even.toml' --seed 1"));
    assert!(words.contains("pricing: latency 1500ms, on and off every 100ms"));
}

#[test]
fn all_that_is_drawn_lies_within_the_drawing() {
    let runs = Runs::of(ODD, &[&default(), &tight()]);
    for (name, svg) in runs.svgs() {
        let document = roxmltree::Document::parse(&svg).unwrap();
        let size = document.root_element().attribute("viewBox").unwrap();
        let size: Vec<f64> = size.split(' ').map(|part| part.parse().unwrap()).collect();
        for node in document.descendants() {
            let within = |keys: &[&str], most: f64| {
                let values = keys.iter().filter_map(|key| node.attribute(*key));
                for value in values.filter_map(|value| value.parse::<f64>().ok()) {
                    assert!((0.0..=most).contains(&value), "{name}: {node:?}");
                }
            };
            within(&["x", "x1", "x2"], size[2]);
            within(&["y", "y1", "y2"], size[3]);
        }
    }
}

#[test]
fn a_downstream_without_a_bulkhead_says_so_and_what_has_no_data_has_a_note() {
    let svgs = Runs::of(EMPTY, &[&default()]).svgs();
    let find = |name: &str| {
        let svg = svgs.iter().find(|(each, _)| *each == name);
        svg.map(|(_, svg)| svg.as_str()).unwrap_or_default()
    };
    assert!(find("downstreams").contains("pricing: no bulkhead"));
    assert_eq!(find("downstreams").matches("not used").count(), 5);
    assert!(find("pages").contains("no page was requested"));
    assert!(find("times").contains("no page was answered"));
}

fn chaos(folder: &std::path::Path, args: &[&str]) -> (i32, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_chaos"))
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

#[test]
fn the_command_writes_a_report_for_each_run_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("odd.toml"), ODD).unwrap();
    std::fs::write(path.join("empty.toml"), EMPTY).unwrap();
    let (code, out) = chaos(
        path,
        &["run", "odd.toml", "--report", "r.html", "--svg", "plots"],
    );
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("report: r.html") && out.contains("6 files in plots"),
        "{out}"
    );
    let html = std::fs::read_to_string(path.join("r.html")).unwrap();
    assert!(html.contains("chaos run odd.toml --seed 1"));
    assert!(path.join("plots/odd.overview.svg").exists());
    let (code, out) = chaos(path, &["run", "odd.toml", "empty.toml", "--report", "all"]);
    assert_eq!(code, 1, "{out}");
    assert!(path.join("all/odd.html").exists() && path.join("all/empty.html").exists());
    let (code, out) = chaos(
        path,
        &["run", "odd.toml", "empty.toml", "--report", "r.html"],
    );
    assert_eq!(code, 2, "{out}");
    assert!(out.contains("name a folder"), "{out}");
}
