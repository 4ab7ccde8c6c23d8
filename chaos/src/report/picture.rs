//! The incident as one picture: a column for each scenario, both worlds in each plot, and the table
//! of its numbers below.
//!
//! What always holds: simulated is a solid line and live a dashed one, so that colour is not needed;
//! what was wrong is shaded in every plot and named once.

use std::time::Duration;

use gateway::outcome::PageOutcome;
use maud::{Markup, html};
use plots::axis::Axis;
use plots::figure::{Figure, Row, sheet};
use plots::label::{self, Anchor, SIZE, number};
use plots::plot::{Mark, Plot};
use plots::steps::Steps;
use plots::unit::Unit;

use super::colour;
use super::hardship;
use super::series::{self, good, quantile};
use crate::record::{PageEnd, Record};
use crate::scenario::Scenario;
use crate::verdict::World;

/// As wide as a README is shown.
const WIDTH: f64 = 840.0;
const LEFT: f64 = 16.0;
/// A line of text with its leading.
const LINE: f64 = 18.0;
/// Of one run; 100 pages are asked for in each.
const STEPS: u32 = 80;

/// One quantity of one run, step by step.
type Quantity = fn(&Scenario, &Record, &Steps) -> Vec<Option<f64>>;

/// What is drawn: never without columns, each of which was run in the same worlds.
pub(crate) struct Picture<'a> {
    /// From before to after.
    pub(crate) columns: Vec<PictureColumn<'a>>,
    /// What the figures of the table are, from top to bottom.
    pub(crate) labels: Vec<&'static str>,
}

/// One scenario, in one world or in both.
pub(crate) struct PictureColumn<'a> {
    /// What it stands for.
    pub(crate) heading: &'a str,
    /// What is different about it.
    pub(crate) remark: &'a str,
    /// What was run.
    pub(crate) scenario: &'a Scenario,
    /// Simulated; then live, if it was.
    pub(crate) runs: Vec<PictureRun<'a>>,
}

/// What happened in one run, and its line of figures in the table.
pub(crate) struct PictureRun<'a> {
    pub(crate) record: &'a Record,
    pub(crate) figures: Vec<String>,
}

impl Picture<'_> {
    /// The picture, an SVG document that needs nothing else.
    pub(crate) fn svg(&self) -> String {
        draw(self)
    }
}

fn draw(picture: &Picture<'_>) -> String {
    let columns = &picture.columns;
    let figure = figure(columns);
    let mut y = 10.0;
    let mut parts = vec![legend(columns, &figure, &mut y)];
    for (at, column) in columns.iter().enumerate() {
        let (left, _) = figure.column(at);
        let start = |y, class, text| label::text(left, y, Anchor::Start, class, text);
        parts.push(start(y + SIZE, "heading", column.heading));
        parts.push(start(y + SIZE + LINE - 2.0, "tick", column.remark));
    }
    y += 2.0 * LINE + 4.0;
    parts.extend(figure.parts(&mut y));
    parts.push(table(picture, &mut y));
    sheet(&figure.title, (WIDTH, y), &parts).into_string()
}

fn figure(columns: &[PictureColumn<'_>]) -> Figure {
    let scenario = columns[0].scenario;
    let lengths = columns.iter().map(|column| column.scenario.length);
    Figure {
        title: "The incident before and after, simulated and live".to_owned(),
        width: WIDTH,
        columns: vec![String::new(); columns.len()],
        length: lengths.max().unwrap_or(Duration::ZERO),
        spans: hardship::spans(scenario),
        rows: rows(columns),
    }
}

fn rows(columns: &[PictureColumn<'_>]) -> Vec<Row> {
    let every = milliseconds(steps(columns[0].scenario).width);
    let row = |heading: String, axis, plots| Row {
        heading,
        keys: Vec::new(),
        axis,
        height: 110.0,
        plots,
    };
    let share = plots(columns, |scenario, record, steps| {
        good(scenario, &series::pages(steps, record, None))
    });
    let mut times = plots(columns, |_, record, steps| {
        let answered = |page: &PageEnd| page.outcome != PageOutcome::Cancelled;
        quantile(&series::pages(steps, record, None), 0.99, answered)
    });
    for (plot, column) in times.iter_mut().zip(columns) {
        plot.marks.extend(limit(column.scenario));
    }
    let in_flight = plots(columns, |_, record, steps| {
        series::most(steps, record, |slice| f64::from(slice.in_flight))
    });
    vec![
        row(
            format!("Good pages in each {every}: every required part, in time"),
            Axis::linear(1.0, Unit::Share, 2),
            share,
        ),
        row(
            format!("Time to an answer of any kind, p99 of each {every}"),
            logarithmic(&times, Unit::Time),
            times,
        ),
        row(
            format!("Pages in flight, the most in each {every}"),
            logarithmic(&in_flight, Unit::Number),
            in_flight,
        ),
    ]
}

fn steps(scenario: &Scenario) -> Steps {
    series::steps(scenario.length, STEPS)
}

fn plots(columns: &[PictureColumn<'_>], quantity: Quantity) -> Vec<Plot> {
    let plot = |column: &PictureColumn<'_>| {
        let steps = steps(column.scenario);
        let mark = |run: &PictureRun<'_>| {
            let values = quantity(column.scenario, run.record, &steps);
            curve(run.record.world, values)
        };
        Plot {
            title: String::new(),
            steps,
            marks: column.runs.iter().map(mark).collect(),
            lines: Vec::new(),
            if_empty: "no page was requested",
        }
    };
    columns.iter().map(plot).collect()
}

/// Live is drawn later, and thinner, so that the other is seen on both sides of it.
fn curve(world: World, values: Vec<Option<f64>>) -> Mark {
    let (colour, dashed, width) = style(world);
    Mark::Curve {
        colour,
        dashed,
        width,
        values,
    }
}

fn style(world: World) -> (&'static str, bool, f64) {
    match world {
        World::Simulated => (colour::SIMULATED, false, 3.5),
        World::Live => (colour::LIVE, true, 1.5),
    }
}

/// The page's deadline, or what a page without one is measured by.
fn limit(scenario: &Scenario) -> Option<Mark> {
    let page = scenario.loads.first()?.page;
    let limit = scenario.in_time(page)?;
    let what = match scenario.config.pages[page.0].deadline {
        Some(_) => "deadline",
        None => "good: within",
    };
    Some(Mark::Level {
        value: limit.as_secs_f64(),
        label: format!("{what} {}", milliseconds(limit)),
    })
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// An axis for all that is more than nothing.
fn logarithmic(plots: &[Plot], unit: Unit) -> Axis {
    let marks = plots.iter().flat_map(|plot| &plot.marks);
    let values = marks.flat_map(|mark| match mark {
        Mark::Curve { values, .. } => values.iter().copied().flatten().collect(),
        Mark::Level { value, .. } => vec![*value],
        Mark::Band { .. } => Vec::new(),
    });
    let some: Vec<f64> = values.filter(|value| *value > 0.0).collect();
    let least = some.iter().copied().reduce(f64::min).unwrap_or(1.0);
    let most = some.iter().copied().reduce(f64::max).unwrap_or(1.0);
    Axis::logarithmic(least, most.max(least * 2.0), unit)
}

/// What the lines are, and what is shaded.
fn legend(columns: &[PictureColumn<'_>], figure: &Figure, y: &mut f64) -> Markup {
    const SWATCH: f64 = 30.0;
    let baseline = *y + SIZE;
    *y += LINE + 8.0;
    let (mut x, _) = figure.column(0);
    let mut place = |text: &str| {
        let here = x;
        x += SWATCH + 6.0 + label::width(text) + 16.0;
        here
    };
    let words =
        |x: f64, text: &str| label::text(x + SWATCH + 6.0, baseline, Anchor::Start, "key", text);
    let lines = columns[0]
        .runs
        .iter()
        .map(|run| (style(run.record.world), run.record.world.name()));
    let lines: Vec<_> = lines
        .map(|(style, text)| (style, text, place(text)))
        .collect();
    let shaded = figure.spans.iter().filter(|span| span.shaded);
    let shaded: Vec<_> = shaded
        .map(|span| format!("fault of {}", span.label))
        .map(|text| (place(&text), text))
        .collect();
    html! {
        @for ((colour, dashed, width), text, x) in lines {
            path class=(if dashed { "curve dashed" } else { "curve" }) stroke=(colour)
                stroke-width=(width) d={ "M" (number(x)) "," (number(baseline - 4.0)) "h" (SWATCH) } {}
            (words(x, text))
        }
        @for (x, text) in &shaded {
            rect class="shade" x=(number(*x)) y=(number(baseline - 11.0)) width=(SWATCH) height="14" {}
            (words(*x, text))
        }
    }
}

/// The numbers: a line each, and for each column as many cells as it has runs.
fn table(picture: &Picture<'_>, y: &mut f64) -> Markup {
    const LABELS: f64 = 250.0;
    const GAP: f64 = 8.0;
    let columns = &picture.columns;
    let each = (WIDTH - 2.0 * LEFT - LABELS) / columns.len() as f64;
    let left = |column: usize| LEFT + LABELS + column as f64 * each;
    let right = |column: usize, run: usize| {
        let share = (run + 1) as f64 / columns[column].runs.len() as f64;
        left(column) + share * each - GAP
    };
    let runs = |column: usize| columns[column].runs.iter().enumerate();
    let top = *y + SIZE;
    let first = top + LINE;
    let rule = first + 6.0;
    let line = |n: usize| rule + LINE * (n + 1) as f64 - 3.0;
    *y = line(picture.labels.len() - 1) + 14.0;
    let end = |x, y, class, text: &str| label::text(x, y, Anchor::End, class, text);
    html! {
        @for (at, column) in columns.iter().enumerate() {
            (end(left(at) + each - GAP, top, "heading", column.heading))
            @for (n, run) in runs(at) { (end(right(at, n), first, "tick", run.record.world.name())) }
        }
        line class="axis" x1=(number(LEFT)) y1=(number(rule)) x2=(number(WIDTH - LEFT)) y2=(number(rule)) {}
        @for (n, name) in picture.labels.iter().enumerate() {
            (label::text(LEFT, line(n), Anchor::Start, "key", name))
            @for at in 0..columns.len() {
                @for (run_at, run) in runs(at) {
                    (end(right(at, run_at), line(n), "figure", &run.figures[n]))
                }
            }
        }
    }
}
