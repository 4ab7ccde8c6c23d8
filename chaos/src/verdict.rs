//! What can be expected of a run, and what became of it: figures, bounds on them, and the worlds
//! in which they are judged.
//!
//! Always holds: what was expected and could not be judged, because too few pages came for the
//! figure, is not as expected. Not here: scenarios and records, which both are written in these
//! words; one is held against the other in [`judge`](crate::judge).

mod bound;
mod metric;
mod unit;
mod world;

use std::fmt;

pub use self::bound::{Bound, Comparison};
pub use self::metric::{Metric, RECOVERED, RECOVERY_LASTS, RECOVERY_PAGES};
pub use self::unit::Unit;
pub use self::world::World;

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
