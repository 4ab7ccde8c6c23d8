//! Permits in use and the pages that wait for them.

use std::num::NonZeroU32;

use gateway::config::DownstreamId;
use plots::axis::Axis;
use plots::figure::Key;
use plots::plot::{Mark, Plot};
use plots::unit::Unit;

use super::{highest, levels, most};
use crate::record::DownstreamSlice;
use crate::report::colour;
use crate::report::series;
use crate::report::subject::Run;

/// What the curves of [`downstreams`] are, for their legend.
pub(in crate::report) fn downstream_keys() -> Vec<Key> {
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
pub(in crate::report) fn downstreams(runs: &[Run<'_>], steps: u32) -> Vec<Plot> {
    let ids = (0..runs[0].scenario.config.downstreams.len()).map(DownstreamId);
    ids.flat_map(|id| runs.iter().map(move |run| downstream(run, id, steps)))
        .collect()
}

/// One axis for these plots.
pub(in crate::report) fn common_axis(plots: &[Plot]) -> Axis {
    let marks = plots.iter().flat_map(|plot| &plot.marks);
    Axis::linear(
        most(marks.filter_map(highest), levels(plots)),
        Unit::Number,
        3,
    )
}

fn downstream(run: &Run<'_>, id: DownstreamId, steps: u32) -> Plot {
    let config = &run.scenario.config.downstreams[id.0];
    let steps = series::steps(run.scenario.length, steps);
    let most = |of: fn(&DownstreamSlice) -> f64| {
        series::most(&steps, run.record, |slice| {
            slice.downstreams.get(id.0).map_or(0.0, of)
        })
    };
    let (limit, marks) = match config.permits.map(NonZeroU32::get) {
        None => {
            let running = most(|slice| f64::from(slice.running));
            (
                "no bulkhead".to_owned(),
                vec![curve(colour::RUNNING, running)],
            )
        }
        Some(permits) => {
            let in_use = most(|slice| f64::from(slice.permits));
            let queued = most(|slice| slice.queued as f64);
            let limit = Mark::Level {
                value: f64::from(permits),
                label: "limit".to_owned(),
            };
            let plural = if permits == 1 { "" } else { "s" };
            let marks = vec![filled(&in_use), limit, curve(colour::QUEUED, queued)];
            (format!("{permits} permit{plural}"), marks)
        }
    };
    let used = marks.iter().filter_map(highest).any(|most| most > 0.0);
    Plot {
        title: format!("{}: {limit}", config.name),
        steps,
        marks: if used { marks } else { Vec::new() },
        lines: Vec::new(),
        if_empty: "not used",
    }
}

fn curve(colour: &'static str, values: Vec<Option<f64>>) -> Mark {
    Mark::Curve {
        colour,
        dashed: false,
        width: 1.6,
        values,
    }
}

fn filled(in_use: &[Option<f64>]) -> Mark {
    Mark::Band {
        colour: colour::PERMITS,
        lower: vec![0.0; in_use.len()],
        upper: in_use.iter().map(|value| value.unwrap_or(0.0)).collect(),
    }
}
