//! Which quantities a report shows: each as a row of plots, one for each run, on one axis.

mod bulkheads;
mod times;

use crate::verdict::Metric;
use gateway::config::PageId;
use plots::axis::Axis;
use plots::figure::{Key, Row};
use plots::plot::{Mark, Plot};
use plots::steps::Steps;
use plots::unit::Unit;

pub(super) use self::bulkheads::{common_axis, downstream_keys, downstreams};
pub(super) use self::times::times;

use super::bounds;
use super::colour;
use super::series::{self, Ending, good, rates};
use super::subject::Run;

/// Pages are counted in at most so many steps: enough pages in each for a percentile.
pub(super) const PAGE_STEPS: u32 = 100;

/// What is sampled anyway can be shown more finely.
const SLICE_STEPS: u32 = 400;

/// A bound or a limit this many times beyond all that was measured is not drawn: it would make
/// what was measured unreadable.
const FAR: f64 = 2.5;

/// What a page's name adds to a heading, if there is more than one page.
fn of_page(runs: &[Run<'_>], page: Option<PageId>) -> String {
    page.map_or_else(String::new, |page| {
        format!(" of {}", runs[0].scenario.config.pages[page.0].name)
    })
}

fn in_words(steps: &Steps) -> String {
    format!("{} s", steps.width.as_secs_f64())
}

/// The highest of what was measured, and of what bounds it if that is not far away.
fn most(measured: impl Iterator<Item = f64>, bounds: impl Iterator<Item = f64>) -> f64 {
    let most = measured.fold(0.0, f64::max);
    let near = bounds.filter(|bound| *bound <= most * FAR);
    near.fold(most, f64::max)
}

/// Pages per second, by how they ended.
pub(super) fn pages(runs: &[Run<'_>], page: Option<PageId>) -> Row {
    let rates = runs.iter().map(|run| {
        let steps = series::steps(run.scenario.length, PAGE_STEPS);
        rates(
            run.scenario,
            &steps,
            &series::pages(&steps, run.record, page),
        )
    });
    let rates: Vec<Vec<Vec<f64>>> = rates.collect();
    let seen: Vec<usize> = (0..Ending::ALL.len())
        .filter(|at| {
            rates
                .iter()
                .any(|rates| rates[*at].iter().any(|rate| *rate > 0.0))
        })
        .collect();
    let plot = |(run, rates): (&Run<'_>, &Vec<Vec<f64>>)| Plot {
        title: String::new(),
        steps: series::steps(run.scenario.length, PAGE_STEPS),
        marks: stack(rates, &seen),
        lines: bounds::lines(run.scenario, run.verdict, &[Metric::Goodput], page),
        if_empty: "no page was requested",
    };
    let plots: Vec<Plot> = runs.iter().zip(&rates).map(plot).collect();
    let tops = rates.iter().flat_map(|rates| {
        let steps = rates.first().map_or(0, Vec::len);
        (0..steps).map(|step| rates.iter().map(|rate| rate[step]).sum())
    });
    let keys = seen.iter().map(|at| Key {
        label: Ending::ALL[*at].label().to_owned(),
        colour: colour::of(Ending::ALL[*at]),
        filled: true,
    });
    Row {
        heading: format!(
            "Pages requested per second{}, by how they ended",
            of_page(runs, page)
        ),
        keys: keys.collect(),
        axis: Axis::linear(most(tops, values(&plots)), Unit::PerSecond, 4),
        height: 200.0,
        plots,
    }
}

/// The endings on top of each other, those at these places in [`Ending::ALL`].
fn stack(rates: &[Vec<f64>], seen: &[usize]) -> Vec<Mark> {
    let mut lower = vec![0.0; rates.first().map_or(0, Vec::len)];
    let band = |at: &usize| {
        let sums = lower.iter().zip(&rates[*at]).map(|(a, b)| a + b);
        let upper: Vec<f64> = sums.collect();
        Mark::Band {
            colour: colour::of(Ending::ALL[*at]),
            lower: std::mem::replace(&mut lower, upper.clone()),
            upper,
        }
    };
    seen.iter().map(band).collect()
}

fn values(plots: &[Plot]) -> impl Iterator<Item = f64> {
    plots
        .iter()
        .flat_map(|plot| plot.lines.iter().map(|line| line.value))
}

/// The share of good pages.
pub(super) fn share_of_good(runs: &[Run<'_>], page: Option<PageId>) -> Row {
    let plot = |run: &Run<'_>| {
        let steps = series::steps(run.scenario.length, PAGE_STEPS);
        let metrics = [Metric::GoodPages, Metric::Recovery];
        Plot {
            title: String::new(),
            steps,
            marks: vec![Mark::Curve {
                colour: colour::GOOD,
                dashed: false,
                width: 2.0,
                values: good(run.scenario, &series::pages(&steps, run.record, page)),
            }],
            lines: bounds::lines(run.scenario, run.verdict, &metrics, page),
            if_empty: "no page was requested",
        }
    };
    Row {
        heading: format!(
            "Good pages{}, as a share of those requested",
            of_page(runs, page)
        ),
        keys: Vec::new(),
        axis: Axis::linear(1.0, Unit::Share, 2),
        height: 100.0,
        plots: runs.iter().map(plot).collect(),
    }
}

fn levels(plots: &[Plot]) -> impl Iterator<Item = f64> {
    plots
        .iter()
        .flat_map(|plot| &plot.marks)
        .filter_map(|mark| match mark {
            Mark::Level { value, .. } => Some(*value),
            Mark::Band { .. } | Mark::Curve { .. } => None,
        })
}

/// Pages in flight.
pub(super) fn in_flight(runs: &[Run<'_>]) -> Row {
    let plot = |run: &Run<'_>| {
        let steps = series::steps(run.scenario.length, SLICE_STEPS);
        Plot {
            title: String::new(),
            steps,
            marks: vec![Mark::Curve {
                colour: colour::IN_FLIGHT,
                dashed: false,
                width: 1.6,
                values: series::most(&steps, run.record, |slice| f64::from(slice.in_flight)),
            }],
            lines: bounds::lines(run.scenario, run.verdict, &[Metric::InFlightMax], None),
            if_empty: "no page was in flight",
        }
    };
    let plots: Vec<Plot> = runs.iter().map(plot).collect();
    let measured = plots.iter().flat_map(|plot| &plot.marks).flat_map(highest);
    let steps = series::steps(runs[0].scenario.length, SLICE_STEPS);
    Row {
        heading: format!("Pages in flight, the most in each {}", in_words(&steps)),
        keys: Vec::new(),
        axis: Axis::linear(most(measured, values(&plots)), Unit::Number, 3),
        height: 120.0,
        plots,
    }
}

fn highest(mark: &Mark) -> Option<f64> {
    match mark {
        Mark::Band { upper, .. } => upper.iter().copied().reduce(f64::max),
        Mark::Curve { values, .. } => values.iter().flatten().copied().reduce(f64::max),
        Mark::Level { .. } => None,
    }
}
