//! Which quantities a report shows: each as a row of plots, one for each run, on one axis.

use gateway::config::{DownstreamId, PageId};
use gateway::telemetry::names::PageOutcome;

use super::Run;
use super::axis::Axis;
use super::bounds;
use super::colour;
use super::figure::{Key, Row};
use super::plot::{Line, Mark, Plot};
use super::series::{Ending, Steps, good, quantile, rates};
use crate::record::PageEnd;
use crate::scenario::{Metric, Unit};

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
        let steps = Steps::new(run.scenario.length, PAGE_STEPS);
        rates(run.scenario, &steps, &steps.pages(run.record, page))
    });
    let rates: Vec<Vec<Vec<f64>>> = rates.collect();
    let seen: Vec<usize> = (0..Ending::ALL.len())
        .filter(|at| {
            rates
                .iter()
                .any(|rates| rates[*at].iter().any(|rate| *rate > 0.0))
        })
        .collect();
    let plot = |(run, rates): (&Run<'_>, &Vec<Vec<f64>>)| {
        let steps = Steps::new(run.scenario.length, PAGE_STEPS);
        let mut lower = vec![0.0; steps.count()];
        let bands = seen.iter().map(|at| {
            let upper: Vec<f64> = lower.iter().zip(&rates[*at]).map(|(a, b)| a + b).collect();
            Mark::Band {
                colour: colour::of(Ending::ALL[*at]),
                lower: std::mem::replace(&mut lower, upper.clone()),
                upper,
            }
        });
        Plot {
            title: String::new(),
            steps,
            marks: bands.collect(),
            lines: bounds::lines(run.scenario, run.verdict, &[Metric::Goodput], page),
            if_empty: "no page was asked for",
        }
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
            "Pages asked for per second{}, by how they ended",
            of_page(runs, page)
        ),
        keys: keys.collect(),
        axis: Axis::linear(most(tops, values(&plots)), Unit::PerSecond, 4),
        height: 200.0,
        plots,
    }
}

fn values(plots: &[Plot]) -> impl Iterator<Item = f64> {
    plots
        .iter()
        .flat_map(|plot| plot.lines.iter().map(|line| line.value))
}

/// The share of good pages.
pub(super) fn share_of_good(runs: &[Run<'_>], page: Option<PageId>) -> Row {
    let plot = |run: &Run<'_>| {
        let steps = Steps::new(run.scenario.length, PAGE_STEPS);
        let metrics = [Metric::GoodPages, Metric::Recovery];
        Plot {
            title: String::new(),
            steps,
            marks: vec![Mark::Curve {
                colour: colour::GOOD,
                width: 2.0,
                values: good(run.scenario, &steps.pages(run.record, page)),
            }],
            lines: bounds::lines(run.scenario, run.verdict, &metrics, page),
            if_empty: "no page was asked for",
        }
    };
    Row {
        heading: format!(
            "Good pages{}, as a share of those asked for",
            of_page(runs, page)
        ),
        keys: Vec::new(),
        axis: Axis::linear(1.0, Unit::Share, 2),
        height: 100.0,
        plots: runs.iter().map(plot).collect(),
    }
}

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
        "p99 of refusals for load",
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

/// How long pages took.
pub(super) fn times(runs: &[Run<'_>], page: Option<PageId>) -> Row {
    let curves = |run: &Run<'_>| {
        let steps = Steps::new(run.scenario.length, PAGE_STEPS);
        let pages = steps.pages(run.record, page);
        QUANTILES.map(|(.., share, wanted)| quantile(&pages, share, wanted))
    };
    let curves: Vec<[Vec<Option<f64>>; 4]> = runs.iter().map(curves).collect();
    let seen = |at: usize| {
        curves
            .iter()
            .any(|curves| curves[at].iter().any(Option::is_some))
    };
    let plot = |(run, curves): (&Run<'_>, &[Vec<Option<f64>>; 4])| {
        let curves = QUANTILES.iter().zip(curves);
        let mut marks: Vec<Mark> = curves
            .map(|((_, colour, width, ..), values)| Mark::Curve {
                colour,
                width: *width,
                values: values.clone(),
            })
            .collect();
        let in_time = run
            .scenario
            .in_time(page.unwrap_or(run.scenario.loads[0].page));
        marks.extend(in_time.map(|limit| Mark::Level {
            value: limit.as_secs_f64(),
            label: format!(
                "good: within {}",
                gateway::config::units::show_duration(limit)
            ),
        }));
        let metrics = [
            Metric::P50,
            Metric::P99,
            Metric::Slowest,
            Metric::RefusalP99,
        ];
        Plot {
            title: String::new(),
            steps: Steps::new(run.scenario.length, PAGE_STEPS),
            marks,
            lines: bounds::lines(run.scenario, run.verdict, &metrics, page),
            if_empty: "no page was answered",
        }
    };
    let plots: Vec<Plot> = runs.iter().zip(&curves).map(plot).collect();
    let medians = curves.iter().flat_map(|curves| curves[3].iter().flatten());
    let usual = medians.copied().reduce(f64::min);
    let measured = curves.iter().flatten().flatten().flatten().copied();
    let least = measured.clone().fold(f64::MAX, f64::min);
    let most = most(measured, values(&plots).chain(levels(&plots)));
    let keys = QUANTILES.iter().enumerate().filter(|(at, _)| seen(*at));
    let keys = keys.map(|(_, (label, colour, ..))| Key {
        label: (*label).to_owned(),
        colour,
        filled: false,
    });
    Row {
        heading: format!("Time to an answer{}", of_page(runs, page)),
        keys: keys.collect::<Vec<_>>().into_iter().rev().collect(),
        axis: Axis::times(least, usual.unwrap_or(most), most, 4),
        height: 180.0,
        plots,
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
        let steps = Steps::new(run.scenario.length, SLICE_STEPS);
        Plot {
            title: String::new(),
            steps,
            marks: vec![Mark::Curve {
                colour: colour::IN_FLIGHT,
                width: 1.6,
                values: steps.most(run.record, |slice| f64::from(slice.in_flight)),
            }],
            lines: bounds::lines(run.scenario, run.verdict, &[Metric::InFlightMax], None),
            if_empty: "no page was in flight",
        }
    };
    let plots: Vec<Plot> = runs.iter().map(plot).collect();
    let measured = plots.iter().flat_map(|plot| &plot.marks).flat_map(highest);
    let steps = Steps::new(runs[0].scenario.length, SLICE_STEPS);
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

/// What the curves of [`downstreams`] are, for their legend.
pub(super) fn downstream_keys() -> Vec<Key> {
    let key = |label: &str, colour, filled| Key {
        label: label.to_owned(),
        colour,
        filled,
    };
    vec![
        key("permits in use", colour::PERMITS, true),
        key("pages that wait for a permit", colour::QUEUED, false),
        key(
            "calls running, where there is no bulkhead",
            colour::RUNNING,
            false,
        ),
    ]
}

/// Permits in use and pages that wait for them: one plot for each downstream and run, in the order
/// of the config.
pub(super) fn downstreams(runs: &[Run<'_>], steps: u32) -> Vec<Plot> {
    let ids = (0..runs[0].scenario.config.downstreams.len()).map(DownstreamId);
    ids.flat_map(|id| runs.iter().map(move |run| downstream(run, id, steps)))
        .collect()
}

/// One axis for these plots.
pub(super) fn common_axis(plots: &[Plot]) -> Axis {
    let marks = plots.iter().flat_map(|plot| &plot.marks);
    Axis::linear(
        most(marks.filter_map(highest), levels(plots)),
        Unit::Number,
        3,
    )
}

fn downstream(run: &Run<'_>, id: DownstreamId, steps: u32) -> Plot {
    let config = &run.scenario.config.downstreams[id.0];
    let steps = Steps::new(run.scenario.length, steps);
    let most = |of: fn(&crate::record::DownstreamSlice) -> f64| {
        steps.most(run.record, |slice| {
            slice.downstreams.get(id.0).map_or(0.0, of)
        })
    };
    let curve = |colour, values| Mark::Curve {
        colour,
        width: 1.6,
        values,
    };
    let (limit, marks) = match config.permits {
        None => {
            let running = most(|slice| f64::from(slice.running));
            (
                "no bulkhead".to_owned(),
                vec![curve(colour::RUNNING, running)],
            )
        }
        Some(permits) => {
            let in_use = most(|slice| f64::from(slice.permits));
            let upper: Vec<f64> = in_use.iter().map(|value| value.unwrap_or(0.0)).collect();
            let band = Mark::Band {
                colour: colour::PERMITS,
                lower: vec![0.0; upper.len()],
                upper,
            };
            let level = Mark::Level {
                value: f64::from(permits.get()),
                label: "limit".to_owned(),
            };
            let queued = most(|slice| slice.queued as f64);
            let plural = if permits.get() == 1 { "" } else { "s" };
            (
                format!("{permits} permit{plural}"),
                vec![band, level, curve(colour::QUEUED, queued)],
            )
        }
    };
    Plot {
        title: format!("{}: {limit}", config.name),
        steps,
        marks,
        lines: Vec::<Line>::new(),
        if_empty: "not used",
    }
}
