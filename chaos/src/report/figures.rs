//! The figures of a report: which rows of plots stand together.

use plots::figure::{Figure, Row};
use plots::label::plain;

use super::subject::Report;
use super::{hardship, rows};

/// Of the drawings of a report.
const WIDTH: f64 = 1120.0;

impl Report<'_> {
    pub(super) fn overview(&self) -> Figure {
        let of_pages = self.pages().flat_map(|page| {
            let rows = [rows::pages, rows::share_of_good, rows::times];
            rows.map(|row| row(self.runs, page))
        });
        let rows = of_pages.chain([rows::in_flight(self.runs)]);
        self.figure("over time", rows.collect())
    }

    pub(super) fn figure(&self, what: &str, rows: Vec<Row>) -> Figure {
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
            title: format!("{}: {what}", plain(&scenario.title)),
            columns: names.iter().map(|name| plain(name)).collect(),
            length: scenario.length,
            spans: hardship::spans(scenario),
            rows,
        }
    }

    /// One run: three downstreams beside each other, all on one axis. Two: a row for each
    /// downstream with an axis of its own, since limits may make all the difference.
    pub(super) fn downstreams(&self) -> Figure {
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
