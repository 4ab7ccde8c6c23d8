//! Verdicts as tables: of one run, of two, of many seeds, of many seeds of two configs.
//!
//! Always holds: every line says how many pages it was judged by; of several runs the fewest.

use std::io::{self, Write};

use super::Rehearsal;
use super::table::Table;
use crate::scenario::Scenario;
use crate::verdict::{Judgement, Row, Verdict, World};

/// Prints what came of one run. Returns whether all was as expected.
///
/// # Errors
/// Only those of `out`.
pub fn show(scenario: &Scenario, run: &Rehearsal, out: &mut dyn Write) -> io::Result<bool> {
    heading(scenario, out)?;
    let mut table = Table::new(["window", "figure", "expected", "measured", "pages", ""]);
    for row in &run.verdict.rows {
        table.row([
            &row.window,
            row.metric.name(),
            &row.bound.to_string(),
            &row.shown(),
            &row.pages.to_string(),
            &row.judgement.to_string(),
        ]);
    }
    expected(&run.verdict, &table, out)?;
    broken(&run.verdict, out)?;
    footing(run, out)?;
    Ok(run.verdict.is_ok())
}

/// Prints two runs of the same arrivals side by side. Returns whether all was as expected in the
/// second, which is the one that may ship.
///
/// # Errors
/// Only those of `out`.
pub fn show_both(
    scenario: &Scenario,
    runs: [(&str, &Rehearsal); 2],
    out: &mut dyn Write,
) -> io::Result<bool> {
    heading(scenario, out)?;
    let [(first_name, first), (second_name, second)] = runs;
    let mut table = Table::new([
        "window",
        "figure",
        "expected",
        first_name,
        "pages",
        "",
        second_name,
        "pages",
        "",
    ]);
    for (a, b) in first.verdict.rows.iter().zip(&second.verdict.rows) {
        table.row([
            &a.window,
            a.metric.name(),
            &a.bound.to_string(),
            &a.shown(),
            &a.pages.to_string(),
            &a.judgement.to_string(),
            &b.shown(),
            &b.pages.to_string(),
            &b.judgement.to_string(),
        ]);
    }
    expected(&first.verdict, &table, out)?;
    for (name, run) in runs {
        write!(out, "{name}: ")?;
        broken(&run.verdict, out)?;
        footing(run, out)?;
    }
    Ok(second.verdict.is_ok())
}

/// Prints the spread over several seeds. Returns whether all was as expected in each.
///
/// # Errors
/// Only those of `out`.
pub fn show_spread(scenario: &Scenario, runs: &[Verdict], out: &mut dyn Write) -> io::Result<bool> {
    heading(scenario, out)?;
    let mut table = Table::new([
        "window", "figure", "expected", "least", "median", "most", "pages", "",
    ]);
    let first = runs.first();
    for (at, row) in first.iter().flat_map(|first| first.rows.iter().enumerate()) {
        let spread = Spread::of(runs, at);
        table.row([
            &row.window,
            row.metric.name(),
            &row.bound.to_string(),
            &spread.shown(0),
            &spread.shown(spread.middle()),
            &spread.shown(spread.last()),
            &spread.pages.to_string(),
            &spread.mark,
        ]);
    }
    if let Some(first) = first {
        expected(first, &table, out)?;
    }
    broken_seeds(scenario, "", runs, out)?;
    Ok(runs.iter().all(Verdict::is_ok))
}

/// Prints the spread over several seeds of two configs, and of what lies between the two in each
/// seed: the same arrivals and the same draws. Returns whether all was as expected in each seed of
/// the second, which is the one that may ship.
///
/// # Errors
/// Only those of `out`.
pub fn show_spreads(
    scenario: &Scenario,
    [first, second]: [(&str, &[Verdict]); 2],
    out: &mut dyn Write,
) -> io::Result<bool> {
    heading(scenario, out)?;
    let mut table = Table::new([
        "window", "figure", "expected", first.0, "", second.0, "", "apart", "pages",
    ]);
    let one = first.1.first();
    for (at, row) in one.iter().flat_map(|one| one.rows.iter().enumerate()) {
        let spreads = [Spread::of(first.1, at), Spread::of(second.1, at)];
        let pages = spreads[0].pages.min(spreads[1].pages);
        table.row([
            &row.window,
            row.metric.name(),
            &row.bound.to_string(),
            &spreads[0].in_short(),
            &spreads[0].mark,
            &spreads[1].in_short(),
            &spreads[1].mark,
            &apart(first.1, second.1, at),
            &pages.to_string(),
        ]);
    }
    if let Some(one) = one {
        expected(one, &table, out)?;
    }
    for (name, runs) in [first, second] {
        broken_seeds(scenario, name, runs, out)?;
    }
    Ok(second.1.iter().all(Verdict::is_ok))
}

/// One line of a verdict over several seeds.
struct Spread<'a> {
    row: &'a Row,
    /// In order.
    figures: Vec<f64>,
    /// Of the seed with the fewest.
    pages: usize,
    mark: String,
}

impl<'a> Spread<'a> {
    /// Of line `at` of each verdict; there is one at least.
    fn of(runs: &'a [Verdict], at: usize) -> Self {
        let same: Vec<&Row> = runs.iter().map(|run| &run.rows[at]).collect();
        let mut figures: Vec<f64> = same.iter().filter_map(|row| row.measured).collect();
        figures.sort_by(f64::total_cmp);
        let worst = same.iter().find(|row| !row.is_ok());
        let missed = same.iter().filter(|row| !row.is_ok()).count();
        let mark = match worst.map(|row| row.judgement) {
            None => Judgement::Met.to_string(),
            Some(worst) => format!("{worst} by {missed} of {}", same.len()),
        };
        let pages = same.iter().map(|row| row.pages).min().unwrap_or(0);
        Self {
            row: same[0],
            figures,
            pages,
            mark,
        }
    }

    fn last(&self) -> usize {
        self.figures.len().saturating_sub(1)
    }

    fn middle(&self) -> usize {
        self.last() / 2
    }

    fn shown(&self, at: usize) -> String {
        let unit = self.row.metric.unit();
        let figure = self.figures.get(at);
        figure.map_or_else(|| "nothing".to_owned(), |figure| unit.show(*figure))
    }

    /// `98.1% (97.2%..99.0%)`
    fn in_short(&self) -> String {
        let [least, middle, most] = [0, self.middle(), self.last()].map(|at| self.shown(at));
        format!("{middle} ({least}..{most})")
    }
}

/// The median of what the second has more than the first, seed by seed.
fn apart(first: &[Verdict], second: &[Verdict], at: usize) -> String {
    let figure = |run: &Verdict| run.rows[at].measured.filter(|figure| figure.is_finite());
    let pairs = first.iter().zip(second);
    let mut apart: Vec<f64> = pairs
        .filter_map(|(a, b)| Some(figure(b)? - figure(a)?))
        .collect();
    apart.sort_by(f64::total_cmp);
    let Some(median) = apart.get(apart.len().saturating_sub(1) / 2) else {
        return "nothing".to_owned();
    };
    let sign = if *median < 0.0 { "-" } else { "+" };
    let unit = first[0].rows[at].metric.unit();
    format!("{sign}{}", unit.show(median.abs()))
}

/// The table of what was expected; without anything expected, how to expect something.
fn expected(verdict: &Verdict, table: &Table, out: &mut dyn Write) -> io::Result<()> {
    match verdict.expects_nothing() {
        false => write!(out, "{table}"),
        true => writeln!(
            out,
            "nothing is expected of this run, so nothing was proved: add `[[expect]]` with a bound such as \
             `good_pages = \">= 99%\"`, or explore with --explore"
        ),
    }
}

fn broken_seeds(
    scenario: &Scenario,
    name: &str,
    runs: &[Verdict],
    out: &mut dyn Write,
) -> io::Result<()> {
    for (n, run) in (0..).zip(runs) {
        let seed = scenario.seed.wrapping_add(n);
        if !run.broken.is_empty() {
            write!(out, "{name} seed {seed}: ")?;
            broken(run, out)?;
        }
    }
    Ok(())
}

fn heading(scenario: &Scenario, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}\n", scenario.title)?;
    if !scenario.about.is_empty() {
        writeln!(out, "{}\n", scenario.about)?;
    }
    Ok(())
}

fn broken(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    if verdict.broken.is_empty() {
        return writeln!(out, "invariants: all held");
    }
    for broken in &verdict.broken {
        writeln!(out, "INVARIANT BROKEN {broken}")?;
    }
    Ok(())
}

fn footing(run: &Rehearsal, out: &mut dyn Write) -> io::Result<()> {
    let counts = run.record.by_outcome().into_iter();
    let counts = counts.map(|((outcome, reason), count)| {
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(" ({reason})")
        };
        format!("{count} {outcome}{reason}")
    });
    let record = &run.record;
    let how = match record.world {
        World::Simulated => format!(
            "{} events with hash {:016x}, played",
            record.events.count, record.events.hash
        ),
        World::Live => format!(
            "clients late by {:.1} ms at p99, played on sockets",
            record.lag.as_secs_f64() * 1e3
        ),
    };
    writeln!(
        out,
        "pages: {}\nseed {}, {how} in {:.1} s",
        counts.collect::<Vec<_>>().join(", "),
        record.seed,
        run.took.as_secs_f64()
    )
}
