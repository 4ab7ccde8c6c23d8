//! The document around the plots: verdict, outcomes, configs, and how to repeat it.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use plots::label::plain;
use settings::units::show_duration;
use similar::ChangeTag;

use super::series;
use super::subject::{Report, Run};
use super::{diff, rows};
use crate::verdict::{Judgement, Row};

const STYLE: &str = include_str!("style.css");

/// The whole document.
pub(super) fn page(report: &Report<'_>) -> Markup {
    let scenario = report.first().scenario;
    let title = plain(&scenario.title);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="color-scheme" content="light";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                @for paragraph in plain(&scenario.about).split("\n\n") {
                    @if !paragraph.trim().is_empty() { p.about { (paragraph.trim()) } }
                }
                @for run in report.runs { (summary(report, run)) }
                h2 { "Expectations" }
                (verdicts(report))
                h2 { "Over time" }
                (report.overview().draw())
                (caption(report))
                h2 { "Downstreams" }
                (report.downstreams().draw())
                p.caption {
                    "The most in each step. "
                    @if report.runs.len() > 1 { "Plots beside each other have the same axes. " }
                    @else { "All plots have the same axes. " }
                    "A limit far beyond what was in use is not drawn."
                }
                h2 { "Pages" }
                (outcomes(report))
                h2 { "Configuration" }
                (configs(report))
                h2 { "To repeat it" }
                (repeat(report))
            }
        }
    }
}

/// In one sentence, whether all is well.
fn summary(report: &Report<'_>, run: &Run<'_>) -> Markup {
    let rows = &run.verdict.rows;
    let missed = rows.iter().filter(|row| !row.is_ok()).count();
    let broken = &run.verdict.broken;
    html! {
        p class=(if run.verdict.is_ok() { "summary" } else { "summary bad" }) {
            @if report.runs.len() > 1 { strong { (plain(run.name)) ": " } }
            @match (rows.len(), missed) {
                (0, _) => { "nothing was expected" }
                (all, 0) => { "all " (all) " expectations met" }
                (all, missed) => { (missed) " of " (all) " expectations missed" }
            }
            @if broken.is_empty() { "; all invariants held." } @else { "; invariants broken:" }
        }
        @if !broken.is_empty() {
            ul.bad { @for broken in broken { li { (plain(broken)) } } }
        }
    }
}

fn mark(judgement: Judgement) -> String {
    match judgement {
        Judgement::Met => "✓ ok".to_owned(),
        Judgement::Missed => "✗ missed".to_owned(),
        Judgement::NotEnough { needs } => format!("✗ not enough, needs {needs}"),
    }
}

fn verdicts(report: &Report<'_>) -> Markup {
    let first = &report.first().verdict.rows;
    if first.is_empty() {
        return html! { p { "The scenario expects nothing." } };
    }
    let measured = |run: &Run<'_>, at: usize| {
        let row: Option<Row> = run.verdict.rows.get(at).cloned();
        html! {
            @if let Some(row) = row {
                td.number { (row.shown()) }
                td.number { (row.pages) }
                td class=(if row.is_ok() { "ok" } else { "missed" }) { (mark(row.judgement)) }
            }
        }
    };
    html! {
        table {
            thead { tr {
                th { "window" } th { "figure" } th.number { "expected" }
                @for run in report.runs {
                    th.number { (if report.runs.len() > 1 { plain(run.name) } else { "measured".to_owned() }) }
                    th.number { "pages" }
                    th {}
                }
            } }
            tbody {
                @for (at, row) in first.iter().enumerate() {
                    tr {
                        td { (plain(&row.window)) }
                        td { (row.metric.name()) }
                        td.number { (row.bound.to_string()) }
                        @for run in report.runs { (measured(run, at)) }
                    }
                }
            }
        }
    }
}

fn caption(report: &Report<'_>) -> Markup {
    let scenario = report.first().scenario;
    let steps = series::steps(scenario.length, rows::PAGE_STEPS);
    let after = report.runs.iter().flat_map(|run| &run.record.pages);
    let after = after.filter(|page| page.at >= scenario.length).count();
    html! {
        p.caption {
            "Pages are drawn at the instant they were requested, in steps of "
            (steps.width.as_secs_f64()) " s; percentiles are those of each step. "
            "Dashed lines are expectations. Grey is the time of a fault. "
            @if after > 0 {
                (after) " pages were requested again after the last load had ended; "
                "they are in the tables and not in the plots."
            }
        }
    }
}

fn outcomes(report: &Report<'_>) -> Markup {
    let counts: Vec<_> = report
        .runs
        .iter()
        .map(|run| run.record.by_outcome())
        .collect();
    let mut keys: Vec<_> = counts
        .iter()
        .flat_map(|counts| counts.keys().copied())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    html! {
        table {
            thead { tr {
                th { "outcome" } th { "reason" }
                @for run in report.runs {
                    th.number { (if report.runs.len() > 1 { plain(run.name) } else { "pages".to_owned() }) }
                }
            } }
            tbody {
                @for key in &keys {
                    tr {
                        td { (key.0) } td { (key.1) }
                        @for counts in &counts {
                            td.number { (counts.get(key).copied().unwrap_or(0)) }
                        }
                    }
                }
            }
        }
    }
}

fn configs(report: &Report<'_>) -> Markup {
    let (name, base) = report.base;
    let first = report.first();
    let set = format!("{name} with the scenario's [config]");
    html! {
        @if let [before, after] = report.runs {
            h3 { "From before to after" }
            (difference(
                [before.name, after.name],
                [&before.scenario.effective, &after.scenario.effective],
                "The two are the same in effect.",
            ))
        }
        h3 { "What the scenario sets" }
        (difference(
            [name, &set],
            [base, &first.scenario.effective],
            "Nothing: the config is run as it is.",
        ))
    }
}

fn difference(names: [&str; 2], configs: [&serde_json::Value; 2], none: &str) -> Markup {
    let lines = diff::unified(names, configs);
    let class = |tag: &Option<ChangeTag>| match tag {
        None => "place",
        Some(ChangeTag::Equal) => "equal",
        Some(ChangeTag::Delete) => "old",
        Some(ChangeTag::Insert) => "new",
    };
    html! {
        @if lines.is_empty() { p { (none) } } @else {
            pre.diff {
                @for (tag, line) in &lines { span class=(class(tag)) { (plain(line)) "\n" } }
            }
        }
    }
}

fn repeat(report: &Report<'_>) -> Markup {
    let scenario = report.first().scenario;
    html! {
        pre { (plain(report.command)) }
        table {
            tbody {
                tr { td { "seed" } td { (report.first().record.seed) } }
                tr { td { "length" } td { (show_duration(scenario.length)) } }
                // All crates of this workspace have one version.
                tr { td { "gateway" } td { (env!("CARGO_PKG_VERSION")) } }
                @for run in report.runs {
                    tr {
                        td { "events with " (plain(run.name)) }
                        td { (run.record.events.count) ", hash " (format!("{:016x}", run.record.events.hash)) }
                    }
                }
            }
        }
    }
}
