//! Scenarios run for a person at a terminal: once, with two configs, or with many seeds.
//!
//! Owns what is printed and nothing of what is measured. Where a run is longer than two seconds
//! and somebody looks, a bar on stderr shows how far it is; stdout has only results.

mod progress;
mod seeds;
pub(crate) mod table;

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub(crate) use self::progress::Progress;
pub use self::seeds::each_seed;
use self::table::Table;
use crate::clock::wall;
use crate::live::{self, Programs};
use crate::record::{Record, World};
use crate::scenario::{SHIPPED, Scenario, Text};
use crate::simulated::{self, Watch};
use crate::verdict::{Row, Verdict};

/// Largest scenario or config that is read.
const MAX_FILE: u64 = 1 << 20;

/// One scenario that was run, and what came of it.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// What happened.
    pub record: Record,
    /// Whether it is as expected.
    pub verdict: Verdict,
    /// How long this machine took.
    pub took: Duration,
}

/// The scenario of this name, or in this file.
///
/// # Errors
/// When it is neither, with what there is.
pub fn find(name: &str) -> Result<Text> {
    if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Ok(Text {
            name: format!("{name}.toml"),
            text: (*text).to_owned(),
        });
    }
    let path = Path::new(name);
    if path.extension().is_none() && !path.exists() {
        bail!(
            "there is no scenario `{name}`; `chaos list` shows those that come with it, and a path names any other"
        );
    }
    read(path)
}

/// A file as a text of this name.
///
/// # Errors
/// When it cannot be read, is not UTF-8, or is too large to be meant.
pub fn read(path: &Path) -> Result<Text> {
    let name = path.display().to_string();
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
    file.take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {name}"))?;
    if text.len() as u64 > MAX_FILE {
        bail!("{name} is larger than 1 MiB; check the path");
    }
    Ok(Text { name, text })
}

/// The config that comes with the gateway.
#[must_use]
pub fn default_config() -> Text {
    Text {
        name: "config.toml".to_owned(),
        text: gateway::config::default_text().to_owned(),
    }
}

/// Runs a scenario in simulated time.
///
/// # Errors
/// Those of [`simulated::play`].
pub fn rehearse(scenario: &Scenario, keep_events: bool) -> Result<Rehearsal> {
    watched(scenario, keep_events, |watch| {
        simulated::play(scenario, watch)
    })
}

/// Runs a scenario on sockets.
///
/// # Errors
/// Those of [`live::play`].
pub fn live(scenario: &Scenario, programs: &Programs) -> Result<Rehearsal> {
    watched(scenario, false, |watch| {
        live::play(scenario, programs, watch)
    })
}

fn watched(
    scenario: &Scenario,
    keep_events: bool,
    play: impl FnOnce(&Watch<'_>) -> Result<Record>,
) -> Result<Rehearsal> {
    let started = wall();
    let progress = Progress::new(&scenario.title);
    let watch = Watch {
        keep_events,
        progress: &|done| progress.show(done),
    };
    let record = play(&watch)?;
    Ok(Rehearsal {
        verdict: Verdict::of(scenario, &record),
        record,
        took: started.elapsed(),
    })
}

/// Prints what came of one run. Returns whether all was as expected.
///
/// # Errors
/// Only those of `out`.
pub fn show(scenario: &Scenario, run: &Rehearsal, out: &mut dyn Write) -> io::Result<bool> {
    heading(scenario, out)?;
    let mut table = Table::new(["window", "figure", "expected", "measured", ""]);
    for row in &run.verdict.rows {
        table.row([
            &row.window,
            row.metric.name(),
            &row.bound.to_string(),
            &row.shown(),
            mark(row.ok),
        ]);
    }
    write!(out, "{table}")?;
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
        "",
        second_name,
        "",
    ]);
    for (a, b) in first.verdict.rows.iter().zip(&second.verdict.rows) {
        let (bound, shown) = (a.bound.to_string(), [a.shown(), b.shown()]);
        table.row([
            &a.window,
            a.metric.name(),
            &bound,
            &shown[0],
            mark(a.ok),
            &shown[1],
            mark(b.ok),
        ]);
    }
    write!(out, "{table}")?;
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
        "window", "figure", "expected", "least", "median", "most", "",
    ]);
    let rows = runs.first().map_or(0, |first| first.rows.len());
    for at in 0..rows {
        let same: Vec<&Row> = runs.iter().map(|run| &run.rows[at]).collect();
        let row = same[0];
        let mut figures: Vec<f64> = same.iter().filter_map(|row| row.measured).collect();
        figures.sort_by(f64::total_cmp);
        let shown = |at: usize| {
            let figure = figures.get(at);
            figure.map_or_else(|| "nothing".to_owned(), |f| row.metric.unit().show(*f))
        };
        let missed = same.iter().filter(|row| !row.ok).count();
        let mark = match missed {
            0 => "ok".to_owned(),
            missed => format!("MISSED by {missed} of {}", same.len()),
        };
        let last = figures.len().saturating_sub(1);
        let (bound, shown) = (
            row.bound.to_string(),
            [shown(0), shown(last / 2), shown(last)],
        );
        table.row([
            &row.window,
            row.metric.name(),
            &bound,
            &shown[0],
            &shown[1],
            &shown[2],
            &mark,
        ]);
    }
    write!(out, "{table}")?;
    for (n, run) in (0..).zip(runs) {
        let seed = scenario.seed.wrapping_add(n);
        if !run.broken.is_empty() {
            write!(out, "seed {seed}: ")?;
            broken(run, out)?;
        }
    }
    Ok(runs.iter().all(Verdict::is_ok))
}

/// Prints every scenario that comes with this program.
///
/// # Errors
/// Those of `out`, and of a scenario that cannot be read, which would be a defect.
pub fn list(out: &mut dyn Write) -> Result<()> {
    let mut table = Table::new(["scenario", "length", "what happens"]);
    for (name, text) in SHIPPED {
        let text = Text {
            name: format!("{name}.toml"),
            text: (*text).to_owned(),
        };
        let scenario = Scenario::load(&text, &default_config())?;
        let length = gateway::config::units::show_duration(scenario.length);
        table.row([name, &length, &scenario.title]);
    }
    write!(out, "{table}")?;
    Ok(())
}

fn mark(ok: bool) -> &'static str {
    if ok { "ok" } else { "MISSED" }
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
