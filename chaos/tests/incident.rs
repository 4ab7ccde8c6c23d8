//! One incident before and after: its picture, its table, and that they say the same.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::Command;

use chaos::incident::{Column, Incident, MEASURES};
use chaos::run::{Rehearsal, rehearse};
use chaos::scenario::{Scenario, Text};
use chaos::verdict::{Verdict, World};

const SHORT: &str = "title = \"t\"\nlength = \"3s\"\n[config.downstream.pricing]\npermits = 8\n\
    [[load]]\nrate = \"100/s\"\n[[fault]]\ndownstream = \"pricing\"\nfrom = \"1s\"\nuntil = \"2s\"\n\
    latency = { bimodal = { fast = \"20ms\", slow = \"1500ms\", slow_share = 0.5 } }\n[[expect]]\ngood_pages = \"== 100%\"\n";

/// Three times the same, where the second world is the first one with other dice.
fn incident(worlds: &[World]) -> Incident {
    let text = Text {
        name: "short.toml".to_owned(),
        text: SHORT.to_owned(),
    };
    let scenario = Scenario::load(&text, &Text::default_config()).unwrap();
    let run = |(seed, world): (u64, &World)| {
        let mut run = rehearse(&scenario.clone().with_seed(seed), false).unwrap();
        run.record.world = *world;
        run
    };
    let runs: Vec<Rehearsal> = (1..).zip(worlds).map(run).collect();
    let column = |heading| Column {
        heading,
        remark: "as it is",
        scenario: scenario.clone(),
        runs: runs.clone(),
    };
    Incident {
        columns: ["before", "after", "after all"].map(column).to_vec(),
    }
}

const BOTH: [World; 2] = [World::Simulated, World::Live];

/// The texts of this class, in the order in which they are drawn.
fn texts(svg: &str, class: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let all = document.descendants();
    all.filter(|node| node.tag_name().name() == "text")
        .filter(|node| node.attribute("class") == Some(class))
        .filter_map(|node| node.text().map(str::to_owned))
        .collect()
}

/// The cells of a Markdown table without its headings and labels.
fn cells(markdown: &str) -> Vec<String> {
    let lines = markdown.lines().skip(2);
    let cells = lines.flat_map(|line| line.trim_matches('|').split('|').skip(1));
    cells.map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn the_same_runs_give_the_same_bytes_and_nothing_is_loaded_from_anywhere() {
    let svg = incident(&[World::Simulated]).svg();
    assert_eq!(svg, incident(&[World::Simulated]).svg());
    let document = roxmltree::Document::parse(&svg).unwrap();
    assert_eq!(document.root_element().tag_name().name(), "svg");
    let namespace = "xmlns=\"http://www.w3.org/2000/svg\"";
    let rest = svg.replacen(namespace, "", 1);
    for loads in ["://", "url(", "href", "@import", "<script", "src="] {
        assert!(!rest.contains(loads), "{loads}");
    }
}

#[test]
fn picture_and_table_show_the_figures_that_verdicts_judge() {
    let incident = incident(&BOTH);
    let drawn = texts(&incident.svg(), "figure");
    assert_eq!(drawn, cells(&incident.markdown()));
    assert_eq!(drawn.len(), MEASURES.len() * 3 * BOTH.len());
    let column = &incident.columns[0];
    let in_time = |run: &Rehearsal| {
        let asked = run.record.pages.iter();
        let during: Vec<_> = asked
            .filter(|page| (1000..2000).contains(&page.at.as_millis()))
            .collect();
        let good = during.iter().filter(|page| page.is_good(&column.scenario));
        format!("{:.2}%", good.count() as f64 / during.len() as f64 * 100.0)
    };
    let shares: Vec<String> = column.runs.iter().map(in_time).collect();
    assert_eq!(drawn[..2], shares);
    assert_ne!(shares[0], shares[1]);
}

#[test]
fn worlds_differ_by_their_dashes_and_the_fault_is_named_once() {
    let both = incident(&BOTH).svg();
    // One in each of nine plots and one in the legend.
    assert_eq!(both.matches("class=\"curve dashed\"").count(), 10);
    assert_eq!(both.matches("class=\"curve\"").count(), 10);
    assert_eq!(both.matches("fault of pricing").count(), 1);
    let one = incident(&[World::Simulated]).svg();
    assert_eq!(one.matches("class=\"curve dashed\"").count(), 0);
}

#[test]
fn what_is_not_as_expected_is_told_of_each_run() {
    let mut incident = incident(&BOTH);
    let mut out = Vec::new();
    assert!(!incident.show_missed(&mut out).unwrap());
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(
        text.contains("after all, live: 0ms..3s: good_pages"),
        "{text}"
    );
    let nothing = Verdict {
        rows: Vec::new(),
        broken: Vec::new(),
    };
    let runs = incident
        .columns
        .iter_mut()
        .flat_map(|column| &mut column.runs);
    runs.for_each(|run| run.verdict = nothing.clone());
    assert!(incident.show_missed(&mut Vec::new()).unwrap());
}

#[test]
fn the_command_prints_a_table_and_writes_a_picture_of_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("docs/incident.svg");
    let output = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(["incident", "--simulated-only", "--svg"])
        .arg(&picture)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let svg = std::fs::read_to_string(&picture).unwrap();
    let printed = cells(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(printed, texts(&svg, "figure"));
    assert_eq!(texts(&svg, "heading")[0], "before: no limits");
}
