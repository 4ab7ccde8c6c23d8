//! Expectations as lines in plots: where a plot has the quantity that a bound is on.

use super::plot::Line;
use crate::scenario::{Comparison, Metric, Scenario};
use crate::verdict::Verdict;
use gateway::config::PageId;

/// The share of good pages that counts as recovered; see [`Metric::Recovery`].
const RECOVERED: f64 = 0.95;

/// The bounds on any of these figures of this page, or of all pages together. Bounds on a client's
/// pages are not drawn: no plot shows one client.
pub(super) fn lines(
    scenario: &Scenario,
    verdict: &Verdict,
    metrics: &[Metric],
    page: Option<PageId>,
) -> Vec<Line> {
    // Rows are in the order of the expectations and their bounds.
    let expected = scenario.expectations.iter().flat_map(|expectation| {
        let bounds = expectation.bounds.iter();
        bounds.map(move |(metric, bound)| (expectation, *metric, *bound))
    });
    let mut lines: Vec<Line> = Vec::new();
    for ((expectation, metric, bound), row) in expected.zip(&verdict.rows) {
        let window = &expectation.window;
        let only_page = scenario
            .loads
            .iter()
            .all(|load| load.page == scenario.loads[0].page);
        let same_page = window.page == page || only_page;
        if !metrics.contains(&metric) || !same_page || window.client.is_some() {
            continue;
        }
        let factor = if bound.unit.is_none() {
            row.reference
        } else {
            Some(1.0)
        };
        let Some(factor) = factor else { continue };
        let sign = match bound.comparison {
            Comparison::AtMost => "≤",
            Comparison::AtLeast => "≥",
            Comparison::Exactly => "=",
        };
        let shown = bound.to_string();
        let value = shown.split_once(' ').map_or("", |(_, value)| value);
        let missed = if row.ok { "" } else { " missed" };
        let (from, until) = (window.from.as_secs_f64(), window.until.as_secs_f64());
        // A recovery bounds when, not how much.
        let (until, value_at) = match metric {
            Metric::Recovery => ((from + bound.value).min(until), RECOVERED),
            _ => (until, bound.value * factor),
        };
        lines.push(Line {
            from,
            until,
            value: value_at,
            label: format!("{} {sign} {value}{missed}", metric.name()),
            ok: row.ok,
        });
    }
    lines
}
