//! How long pages took.

use gateway::config::PageId;
use gateway::outcome::PageOutcome;
use plots::axis::Axis;
use plots::figure::{Key, Row};
use plots::plot::{Mark, Plot};
use settings::units::show_duration;

use super::{PAGE_STEPS, levels, most, of_page, values};
use crate::record::PageEnd;
use crate::report::series::{self, quantile};
use crate::report::subject::Run;
use crate::report::{bounds, colour};
use crate::verdict::Metric;

/// One curve of [`times`]: what it is, its colour, its share and whose.
type Quantile = (&'static str, &'static str, f64, f64, fn(&PageEnd) -> bool);

const QUANTILES: [Quantile; 4] = [
    (
        "slowest answer of any kind",
        colour::SLOWEST,
        1.2,
        1.0,
        |page| page.outcome != PageOutcome::Cancelled,
    ),
    (
        "p99 of refusals: load, or drain",
        colour::REFUSED,
        1.6,
        0.99,
        |page| page.outcome == PageOutcome::Shed,
    ),
    (
        "p99 of pages served",
        colour::P99,
        2.0,
        0.99,
        PageEnd::is_served,
    ),
    (
        "p50 of pages served",
        colour::P50,
        2.0,
        0.5,
        PageEnd::is_served,
    ),
];

/// The quantiles of one run, step by step.
type Curves = [Vec<Option<f64>>; QUANTILES.len()];

/// The place of the median of pages served, which is what is usual.
const MEDIAN: usize = 3;

/// How long pages took to be answered.
pub(in crate::report) fn times(runs: &[Run<'_>], page: Option<PageId>) -> Row {
    let curves: Vec<Curves> = runs.iter().map(|run| curves(run, page)).collect();
    let plots = runs.iter().zip(&curves);
    let plots: Vec<Plot> = plots.map(|(run, curves)| plot(run, page, curves)).collect();
    let seen = |at: usize| curves.iter().any(|run| run[at].iter().any(Option::is_some));
    // The legend begins with what is drawn last, and on top.
    let keys = QUANTILES.iter().enumerate().rev();
    let keys = keys.filter(|(at, _)| seen(*at));
    Row {
        heading: format!("Time to an answer{}", of_page(runs, page)),
        keys: keys
            .map(|(_, (label, colour, ..))| Key {
                label: (*label).to_owned(),
                colour,
                filled: false,
            })
            .collect(),
        axis: axis(&curves, &plots),
        height: 180.0,
        plots,
    }
}

fn curves(run: &Run<'_>, page: Option<PageId>) -> Curves {
    let steps = series::steps(run.scenario.length, PAGE_STEPS);
    let pages = series::pages(&steps, run.record, page);
    QUANTILES.map(|(.., share, wanted)| quantile(&pages, share, wanted))
}

fn plot(run: &Run<'_>, page: Option<PageId>, curves: &Curves) -> Plot {
    let curves = QUANTILES.iter().zip(curves);
    let mut marks: Vec<Mark> = curves
        .map(|((_, colour, width, ..), values)| Mark::Curve {
            colour,
            dashed: false,
            width: *width,
            values: values.clone(),
        })
        .collect();
    let page_or_first = page.unwrap_or(run.scenario.loads[0].page);
    let in_time = run.scenario.in_time(page_or_first);
    marks.extend(in_time.map(|limit| Mark::Level {
        value: limit.as_secs_f64(),
        label: format!("good: within {}", show_duration(limit)),
    }));
    let metrics = [
        Metric::P50,
        Metric::P99,
        Metric::Slowest,
        Metric::RefusalP99,
    ];
    Plot {
        title: String::new(),
        steps: series::steps(run.scenario.length, PAGE_STEPS),
        marks,
        lines: bounds::lines(run.scenario, run.verdict, &metrics, page),
        if_empty: "no page was answered",
    }
}

fn axis(curves: &[Curves], plots: &[Plot]) -> Axis {
    let measured = curves.iter().flatten().flatten().flatten().copied();
    let least = measured.clone().fold(f64::MAX, f64::min);
    let most = most(measured, values(plots).chain(levels(plots)));
    let medians = curves.iter().flat_map(|run| run[MEDIAN].iter().flatten());
    let usual = medians.copied().reduce(f64::min);
    Axis::times(least, usual.unwrap_or(most), most, 4)
}
