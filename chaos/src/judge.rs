//! A scenario's expectations held against what happened.
//!
//! A figure that needs more pages than came for it is not judged, and so is not as expected.

use crate::record::{Measured, Record};
use crate::scenario::{Expectation, Scenario, Window};
use crate::verdict::{Bound, Judgement, Metric, Row, Verdict};

impl Verdict {
    /// Judges a run.
    #[must_use]
    pub fn of(scenario: &Scenario, record: &Record) -> Self {
        let rows = scenario.expectations.iter().flat_map(|expectation| {
            let bounds = expectation.bounds_in(record.world).into_iter();
            bounds.map(|(metric, bound)| Row::of(scenario, record, expectation, metric, bound))
        });
        Self {
            rows: rows.collect(),
            broken: record.broken.clone(),
        }
    }
}

impl Row {
    fn of(
        scenario: &Scenario,
        record: &Record,
        expectation: &Expectation,
        metric: Metric,
        bound: Bound,
    ) -> Self {
        let measure = |window: &Window| record.measure(scenario, window, metric);
        let measured = measure(&expectation.window);
        let compared_to = expectation.compared_to.as_ref();
        let reference = compared_to.filter(|_| bound.unit.is_none()).map(measure);
        let reference_pages = reference.map_or(usize::MAX, |reference| reference.pages);
        let pages = measured.pages.min(reference_pages);
        let reference = reference.and_then(|reference| reference.value);
        Self {
            window: expectation.window.describe(&scenario.config),
            metric,
            bound,
            measured: measured.value,
            reference,
            pages,
            judgement: judge(metric, bound, Measured { pages, ..measured }, reference),
        }
    }
}

fn judge(metric: Metric, bound: Bound, measured: Measured, reference: Option<f64>) -> Judgement {
    let needs = metric.needs();
    match measured.value {
        // Calls of one page are not known on sockets, however many pages there are.
        None if measured.pages >= needs => Judgement::Missed,
        Some(value) if measured.pages >= needs => match bound.holds(value, reference) {
            true => Judgement::Met,
            false => Judgement::Missed,
        },
        None | Some(_) => Judgement::NotEnough { needs },
    }
}
