//! A run as a report: one HTML file that needs nothing else, and its plots as SVG.
//!
//! What always holds: the same run gives the same bytes; nothing is loaded from anywhere; every
//! text from a scenario or a config is escaped, because all markup is written by `maud`; two runs
//! are drawn on equal axes. No figure is computed here that the verdict also has.
//!
//! In reading order: `rows` is what is shown, `series` its numbers, `figure` and `plot` how it is
//! drawn. Not here: what is measured, and whether it is as expected.

mod axis;
mod bounds;
mod colour;
mod diff;
mod figure;
mod files;
mod hardship;
mod html;
mod incident;
mod label;
mod lanes;
mod plot;
mod rows;
mod series;

use gateway::config::PageId;
use serde_json::Value;

pub use files::{Wanted, shell};
pub(crate) use incident::picture;

use self::figure::{Figure, Row};
use crate::record::Record;
use crate::scenario::Scenario;
use crate::verdict::Verdict;

/// Of the drawings of a report.
const WIDTH: f64 = 1120.0;

/// Pages that have plots of their own; of more, there are only plots of all together.
const MOST_PAGES: usize = 4;

/// What a report is about: one run, or two of the same arrivals.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What repeats it.
    pub command: &'a str,
    /// The first run's config before the scenario's overrides: its name, and every key in effect.
    pub base: (&'a str, &'a Value),
    /// One; or two, before and after. Never empty.
    pub runs: &'a [Run<'a>],
}

/// A run and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What its config is called.
    pub name: &'a str,
    /// What was run.
    pub scenario: &'a Scenario,
    /// What happened.
    pub record: &'a Record,
    /// Whether it is as expected.
    pub verdict: &'a Verdict,
}

impl Report<'_> {
    /// The whole report as one HTML document.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(self).into_string()
    }

    /// Every plot as an SVG document, with a name for its file.
    #[must_use]
    pub fn svgs(&self) -> Vec<(&'static str, String)> {
        let all = |rows| self.figure("over time", rows);
        let pages = |row: fn(&[Run<'_>], Option<PageId>) -> Row| {
            all(self.pages().map(|page| row(self.runs, page)).collect())
        };
        let figures = [
            ("overview", self.overview()),
            ("pages", pages(rows::pages)),
            ("good", pages(rows::share_of_good)),
            ("times", pages(rows::times)),
            ("in-flight", all(vec![rows::in_flight(self.runs)])),
            ("downstreams", self.downstreams()),
        ];
        figures
            .map(|(name, figure)| (name, figure.draw().into_string()))
            .into()
    }

    /// Each page that is asked for if these are several, or all together.
    fn pages(&self) -> impl Iterator<Item = Option<PageId>> + use<> {
        let mut pages: Vec<PageId> = self
            .first()
            .scenario
            .loads
            .iter()
            .map(|load| load.page)
            .collect();
        pages.sort_by_key(|page| page.0);
        pages.dedup();
        let pages: Vec<_> = match pages.len() {
            2..=MOST_PAGES => pages.into_iter().map(Some).collect(),
            _ => vec![None],
        };
        pages.into_iter()
    }

    /// The run that the scenario's own texts are taken from.
    fn first(&self) -> &Run<'_> {
        &self.runs[0]
    }

    fn overview(&self) -> Figure {
        let of_pages = self.pages().flat_map(|page| {
            let rows = [rows::pages, rows::share_of_good, rows::times];
            rows.map(|row| row(self.runs, page))
        });
        let rows = of_pages.chain([rows::in_flight(self.runs)]);
        self.figure("over time", rows.collect())
    }

    fn figure(&self, what: &str, rows: Vec<Row>) -> Figure {
        let names = match self.runs {
            [first, second] => vec![
                format!("before: {}", first.name),
                format!("after: {}", second.name),
            ],
            _ => vec![String::new()],
        };
        let scenario = self.first().scenario;
        Figure {
            width: WIDTH,
            title: format!("{}: {what}", html::plain(&scenario.title)),
            columns: names.iter().map(|name| html::plain(name)).collect(),
            length: scenario.length,
            spans: hardship::spans(scenario),
            rows,
        }
    }

    /// One run: three downstreams beside each other, all on one axis. Two: a row for each
    /// downstream with an axis of its own, since limits may make all the difference.
    fn downstreams(&self) -> Figure {
        let (across, steps) = match self.runs {
            [_] => (3, 150),
            _ => (self.runs.len(), 200),
        };
        let plots = rows::downstreams(self.runs, steps);
        let all = rows::common_axis(&plots);
        let mut plots = plots.into_iter().peekable();
        let mut rows = Vec::new();
        while plots.peek().is_some() {
            let plots: Vec<_> = plots.by_ref().take(across).collect();
            rows.push(Row {
                heading: String::new(),
                keys: match rows.is_empty() {
                    true => rows::downstream_keys(),
                    false => Vec::new(),
                },
                axis: match self.runs {
                    [_] => all.clone(),
                    _ => rows::common_axis(&plots),
                },
                height: 90.0,
                plots,
            });
        }
        let figure = self.figure("downstreams", rows);
        Figure {
            columns: match self.runs {
                [_] => vec![String::new(); across],
                _ => figure.columns,
            },
            ..figure
        }
    }
}
