//! Expectations held against what happened.
//!
//! Always holds: what was expected and could not be judged, because too few pages came for the
//! figure, is not as expected.

use std::fmt;

use crate::record::{Measured, Record};
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
    /// How many pages the figure was computed from; of a factor, in the window with fewer.
    pub pages: usize,
    /// Whether it is as expected.
    pub judgement: Judgement,
}

/// What became of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The figure is as expected.
    Met,
    /// It is not.
    Missed,
    /// There were fewer pages than the figure needs to mean anything.
    NotEnough {
        /// How many it needs: see [`Metric::needs`].
        needs: usize,
    },
}

/// As verdict tables have it.
impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Judgement::Met => f.write_str("ok"),
            Judgement::Missed => f.write_str("MISSED"),
            Judgement::NotEnough { needs } => write!(f, "NOT ENOUGH, needs {needs}"),
        }
    }
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

    /// Whether everything is as expected. Of a run of which nothing is expected that says little:
    /// see [`Verdict::expects_nothing`].
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.broken.is_empty() && self.rows.iter().all(Row::is_ok)
    }

    /// Whether there is nothing that could have been missed.
    #[must_use]
    pub fn expects_nothing(&self) -> bool {
        self.rows.is_empty()
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
            window: expectation.window.describe(scenario),
            metric,
            bound,
            measured: measured.value,
            reference,
            pages,
            judgement: judge(metric, bound, Measured { pages, ..measured }, reference),
        }
    }

    /// Whether it is as expected.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.judgement == Judgement::Met
    }

    /// The figure as text.
    #[must_use]
    pub fn shown(&self) -> String {
        let unit = self.metric.unit();
        match (self.measured, self.reference) {
            (None, _) => "nothing".to_owned(),
            (Some(measured), None) => unit.show(measured),
            (Some(measured), Some(0.0)) => format!("{} (of 0)", unit.show(measured)),
            (Some(measured), Some(reference)) => {
                let factor = measured / reference;
                format!("{} ({factor:.3}x)", unit.show(measured))
            }
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

/// One line for each bound that was not met and each invariant that was broken.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.rows.iter().filter(|row| !row.is_ok()) {
            let (name, shown) = (row.metric.name(), row.shown());
            write!(
                f,
                "{}: {name} is {shown}, expected {}",
                row.window, row.bound
            )?;
            match row.judgement {
                Judgement::NotEnough { needs } => {
                    writeln!(f, "; {} pages are not enough, it needs {needs}", row.pages)?;
                }
                Judgement::Met | Judgement::Missed => writeln!(f)?,
            }
        }
        for broken in &self.broken {
            writeln!(f, "invariant broken: {broken}")?;
        }
        Ok(())
    }
}
