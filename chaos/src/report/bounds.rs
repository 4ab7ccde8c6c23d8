//! Expectations as lines in plots: where a plot has the quantity that a bound is on.

use gateway::config::PageId;
use plots::plot::Line;

use crate::scenario::{Expectation, Scenario, Window};
use crate::verdict::{Comparison, Metric, RECOVERED, Row, Verdict};

/// The bounds on any of these figures of this page, or of all pages together. Bounds on a client's
/// pages are not drawn: no plot shows one client.
pub(super) fn lines(
    scenario: &Scenario,
    verdict: &Verdict,
    metrics: &[Metric],
    page: Option<PageId>,
) -> Vec<Line> {
    let mut loads = scenario.loads.iter();
    let one_page = loads.all(|load| load.page == scenario.loads[0].page);
    let drawn = |expectation: &Expectation, metric| {
        let window = &expectation.window;
        let here = window.page == page || one_page;
        metrics.contains(&metric) && here && window.client.is_none()
    };
    // Rows are in the order of the expectations and their bounds.
    let expected = scenario.expectations.iter().flat_map(|expectation| {
        let bounds = expectation.bounds.iter();
        bounds.map(move |(metric, _)| (expectation, *metric))
    });
    let rows = expected.zip(&verdict.rows);
    let wanted = rows.filter(|((expectation, metric), _)| drawn(expectation, *metric));
    wanted
        .filter_map(|((expectation, _), row)| line(&expectation.window, row))
        .collect()
}

/// `None` for a factor of nothing.
fn line(window: &Window, row: &Row) -> Option<Line> {
    let bound = row.bound;
    let factor = match bound.unit {
        Some(_) => 1.0,
        None => row.reference?,
    };
    let sign = match bound.comparison {
        Comparison::AtMost => "≤",
        Comparison::AtLeast => "≥",
        Comparison::Exactly => "=",
    };
    let shown = bound.to_string();
    let value = shown.split_once(' ').map_or("", |(_, value)| value);
    let missed = if row.is_ok() { "" } else { " missed" };
    let (from, until) = (window.from.as_secs_f64(), window.until.as_secs_f64());
    // A recovery bounds when, not how much.
    let (until, at) = match row.metric == Metric::Recovery {
        true => ((from + bound.value * factor).min(until), RECOVERED),
        false => (until, bound.value * factor),
    };
    Some(Line {
        from,
        until,
        value: at,
        label: format!("{} {sign} {value}{missed}", row.metric.name()),
        ok: row.is_ok(),
    })
}
