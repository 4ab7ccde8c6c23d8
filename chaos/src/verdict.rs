//! Expectations held against what happened.

use std::fmt;

use crate::record::Record;
use crate::scenario::{Bound, Expectation, Metric, Scenario, Window};

/// All expectations of a scenario, judged on one run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// In the order of the file.
    pub rows: Vec<Row>,
    /// Invariants that did not hold.
    pub broken: Vec<String>,
}

/// One bound, judged.
#[derive(Clone, Debug)]
pub struct Row {
    /// The window, as text.
    pub window: String,
    /// The figure.
    pub metric: Metric,
    /// What was expected of it.
    pub bound: Bound,
    /// What was measured; `None` if there was nothing to measure.
    pub measured: Option<f64>,
    /// For a factor: the same figure in the window compared to.
    pub reference: Option<f64>,
    /// Whether it is as expected.
    pub ok: bool,
}

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

    /// Whether everything is as expected.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.broken.is_empty() && self.rows.iter().all(|row| row.ok)
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
        let figure = |window: &Window| record.figure(scenario, window, metric);
        let measured = figure(&expectation.window);
        let compared_to = expectation.compared_to.as_ref();
        let reference = compared_to
            .filter(|_| bound.unit.is_none())
            .and_then(figure);
        Self {
            window: expectation.window.describe(scenario),
            metric,
            bound,
            measured,
            reference,
            ok: measured.is_some_and(|measured| bound.holds(measured, reference)),
        }
    }

    /// The figure as text.
    #[must_use]
    pub fn shown(&self) -> String {
        let unit = self.metric.unit();
        match (self.measured, self.reference) {
            (None, _) => "nothing".to_owned(),
            (Some(measured), None) => unit.show(measured),
            (Some(measured), Some(reference)) => {
                let factor = measured / reference;
                format!("{} ({factor:.3}x)", unit.show(measured))
            }
        }
    }
}

impl Window {
    /// `10s..30s` and what else it is restricted to.
    #[must_use]
    pub fn describe(&self, scenario: &Scenario) -> String {
        use gateway::config::units::show_duration;
        let span = format!(
            "{}..{}",
            show_duration(self.from),
            show_duration(self.until)
        );
        let page = self
            .page
            .map(|id| scenario.config.pages[id.0].name.as_str());
        [Some(span.as_str()), page, self.client.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// One line for each bound that was missed and each invariant that was broken.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.rows.iter().filter(|row| !row.ok) {
            let (name, shown) = (row.metric.name(), row.shown());
            writeln!(
                f,
                "{}: {name} is {shown}, expected {}",
                row.window, row.bound
            )?;
        }
        for broken in &self.broken {
            writeln!(f, "invariant broken: {broken}")?;
        }
        Ok(())
    }
}
