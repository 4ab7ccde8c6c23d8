//! One incident before and after: three scenarios that come with this program, side by side in
//! simulated time and on sockets, as one picture and one table.
//!
//! What always holds: both worlds play the same arrivals; all numbers are figures of the records, the
//! same that verdicts judge; picture and table show the same numbers. How the picture is drawn is in
//! [`report`], which is given no more than what it shows.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;

use crate::live::Programs;
use crate::output::write;
use crate::report;
use crate::run::{self, Rehearsal};
use crate::scenario::{Scenario, Text, Window};
use crate::verdict::{Metric, Unit};

/// Scenario, heading and what is different about it.
const COLUMNS: [(&str, &str, &str); 3] = [
    (
        "incident-unbounded",
        "before: no limits",
        "no permits, no deadline",
    ),
    (
        "incident-required",
        "after: pricing required",
        "permits and a deadline",
    ),
    (
        "incident-optional",
        "after: pricing optional",
        "permits, deadline, part timeout",
    ),
];

/// One scenario, in one world or in both.
#[derive(Clone, Debug)]
pub struct Column {
    /// What it stands for.
    pub heading: &'static str,
    /// What is different about it.
    pub remark: &'static str,
    /// What was run.
    pub scenario: Scenario,
    /// Simulated; then live, if it was.
    pub runs: Vec<Rehearsal>,
}

/// The whole story: never without columns, each of which was run in the same worlds.
#[derive(Clone, Debug)]
pub struct Incident {
    /// From before to after.
    pub columns: Vec<Column>,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// What it is.
    pub label: &'static str,
    /// The figure.
    pub metric: Metric,
    /// Of the time after the fault, or of that of the fault.
    pub after: bool,
}

const fn during(label: &'static str, metric: Metric) -> Measure {
    Measure {
        label,
        metric,
        after: false,
    }
}

/// The table, from top to bottom.
pub const MEASURES: [Measure; 5] = [
    during("good pages during the fault", Metric::GoodPages),
    during("p99 of all answers during the fault", Metric::AnyP99),
    during("p99 of refusals during the fault", Metric::RefusalP99),
    during("most pages in flight during the fault", Metric::InFlightMax),
    Measure {
        label: "good again after the fault",
        metric: Metric::Recovery,
        after: true,
    },
];

impl Incident {
    /// Plays everything in simulated time, and on sockets where there are programs for it.
    ///
    /// # Errors
    /// Those of [`run::rehearse`] and [`run::live`].
    pub fn play(programs: Option<&Programs>) -> Result<Self> {
        let column = |(name, heading, remark)| {
            let scenario = Scenario::load(&run::find(name)?, &Text::default_config())?;
            let mut runs = vec![run::rehearse(&scenario, false)?];
            if let Some(programs) = programs {
                runs.push(run::live(&scenario, programs)?);
            }
            Ok(Column {
                heading,
                remark,
                scenario,
                runs,
            })
        };
        let columns: Result<Vec<Column>> = COLUMNS.into_iter().map(column).collect();
        Ok(Self { columns: columns? })
    }

    /// The picture, an SVG document that needs nothing else.
    #[must_use]
    pub fn svg(&self) -> String {
        let picture = report::Picture {
            columns: self.columns.iter().map(Column::drawn).collect(),
            labels: MEASURES.map(|measure| measure.label).into(),
        };
        picture.svg()
    }

    /// Writes the picture.
    ///
    /// # Errors
    /// When the file or its folder cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write(path, &self.svg())
    }

    /// The table, in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line =
            |label: &str, cells: Vec<String>| format!("| {label} | {} |\n", cells.join(" | "));
        let runs = || {
            self.columns
                .iter()
                .flat_map(|c| c.runs.iter().map(move |run| (c, run)))
        };
        let headings =
            runs().map(|(column, run)| format!("{}, {}", column.heading, run.record.world.name()));
        let mut table = line("", headings.collect());
        table += &line(":--", runs().map(|_| "--:".to_owned()).collect());
        for measure in MEASURES {
            let figures = runs().map(|(column, run)| column.shown(run, measure));
            table += &line(measure.label, figures.collect());
        }
        table
    }

    /// Prints what is not as its scenario expects it, run by run. Returns whether all is.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn show_missed(&self, out: &mut dyn Write) -> io::Result<bool> {
        let mut all_ok = true;
        for column in &self.columns {
            for run in column.runs.iter().filter(|run| !run.verdict.is_ok()) {
                all_ok = false;
                let heading = format!("{}, {}", column.heading, run.record.world.name());
                for line in run.verdict.to_string().lines() {
                    writeln!(out, "{heading}: {line}")?;
                }
            }
        }
        Ok(all_ok)
    }
}

impl Column {
    /// What is drawn of it.
    fn drawn(&self) -> report::PictureColumn<'_> {
        report::PictureColumn {
            heading: self.heading,
            remark: self.remark,
            scenario: &self.scenario,
            runs: self.runs.iter().map(|run| self.drawn_run(run)).collect(),
        }
    }

    fn drawn_run<'a>(&self, run: &'a Rehearsal) -> report::PictureRun<'a> {
        report::PictureRun {
            record: &run.record,
            figures: MEASURES.map(|measure| self.shown(run, measure)).into(),
        }
    }

    /// The figure of one run; `None` if there was nothing to measure.
    #[must_use]
    pub fn figure(&self, run: &Rehearsal, measure: Measure) -> Option<f64> {
        let window = self.window(measure.after);
        run.record.figure(&self.scenario, &window, measure.metric)
    }

    /// The figure of one run as text.
    #[must_use]
    pub fn shown(&self, run: &Rehearsal, measure: Measure) -> String {
        let Some(figure) = self.figure(run, measure) else {
            return "none".to_owned();
        };
        let window = self.window(measure.after);
        let watched = (window.until - window.from).as_secs_f64();
        match measure.metric.unit() {
            // Pages were not good again before nobody asked any more.
            _ if measure.after && figure >= watched => format!("not in {watched} s"),
            Unit::Time if measure.after && figure <= 0.0 => "at once".to_owned(),
            Unit::Time if measure.after => format!("in {figure:.2} s"),
            Unit::Time if figure >= 1.0 => format!("{figure:.2} s"),
            Unit::Time => format!("{:.0} ms", figure * 1e3),
            unit @ (Unit::Share | Unit::PerSecond | Unit::Number) => unit.show(figure),
        }
    }

    /// The time of the fault, or that after it.
    fn window(&self, after: bool) -> Window {
        let begins = self.scenario.faults.iter().map(|fault| fault.from).min();
        let ends = self.scenario.faults.iter().map(|fault| fault.until).max();
        let end = ends.unwrap_or(self.scenario.length);
        let (from, until) = match after {
            true => (end, self.scenario.length),
            false => (begins.unwrap_or_default(), end),
        };
        Window {
            from,
            until,
            page: None,
            client: None,
        }
    }
}
