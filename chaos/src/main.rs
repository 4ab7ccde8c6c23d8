//! The `chaos` command: flags, files, exit codes.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use chaos::run::{self, Rehearsal};
use chaos::scenario::{SHIPPED, Scenario, Text};
use chaos::sweep;
use chaos::verdict::Verdict;
use clap::{Args, Parser, Subcommand};
use gateway::config::Report;

/// Rehearses hardship: what happens to pages when services, clients or limits misbehave.
#[derive(Parser)]
#[command(name = "chaos", version)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The scenarios that come with this program.
    List,
    /// Run scenarios in simulated time. Exit 0; 1 when an expectation is missed; 2 for a bad file.
    Run(Run),
    /// Play random scenarios and check what must always hold. Exit 0; 1 when something did not.
    Sweep(Sweep),
}

#[derive(Args)]
struct Run {
    /// Names from `chaos list`, or paths of scenario files.
    #[arg(required_unless_present = "all")]
    scenarios: Vec<String>,
    /// Every scenario of `chaos list`.
    #[arg(long, conflicts_with = "scenarios")]
    all: bool,
    /// Rehearse this config instead of the gateway's defaults; the scenario's `[config]` goes on top.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Run a second config on the same arrivals, and show both.
    #[arg(long)]
    compare: Option<PathBuf>,
    /// Another seed than the scenario's.
    #[arg(long)]
    seed: Option<u64>,
    /// Run with so many seeds, counted from the first, and show the spread.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000), conflicts_with = "compare")]
    seeds: u64,
    /// Write the event log to this file.
    #[arg(long, conflicts_with_all = ["compare", "seeds"])]
    events: Option<PathBuf>,
}

#[derive(Args)]
struct Sweep {
    /// How many seeds.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=u64::MAX >> 2))]
    from: u64,
    /// Play nothing; write the config and the scenario of each seed into this folder, for `chaos run`.
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let result = match Flags::parse().command {
        Command::List => run::list(&mut out).map(|()| true),
        Command::Run(flags) => run_all(&flags, &mut out),
        Command::Sweep(flags) => sweep_all(&flags, &mut out),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let mut err = std::io::stderr().lock();
            let colours = err.is_terminal();
            // If stderr is gone, nobody can be told.
            let _ = match error.downcast_ref::<Report>() {
                Some(report) => writeln!(err, "{}", report.render(colours)),
                None => writeln!(err, "error: {error:#}"),
            };
            ExitCode::from(2)
        }
    }
}

fn run_all(flags: &Run, out: &mut dyn Write) -> Result<bool> {
    let shipped = SHIPPED.iter().map(|(name, _)| (*name).to_owned());
    let names = match flags.all {
        true => shipped.collect(),
        false => flags.scenarios.clone(),
    };
    let mut all_ok = true;
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        all_ok &= run_one(flags, &run::find(name)?, out)?;
    }
    Ok(all_ok)
}

fn run_one(flags: &Run, text: &Text, out: &mut dyn Write) -> Result<bool> {
    let base = match &flags.config {
        Some(path) => run::read(path)?,
        None => run::default_config(),
    };
    let scenario = load(flags, text, &base)?;
    if let Some(path) = &flags.compare {
        let other = run::read(path)?;
        let second = load(flags, text, &other)?;
        let runs = [&scenario, &second].map(|scenario| run::rehearse(scenario, false));
        let [first, second] = runs;
        let runs = [
            (base.name.as_str(), &first?),
            (other.name.as_str(), &second?),
        ];
        return Ok(run::show_both(&scenario, runs, out)?);
    }
    if flags.seeds > 1 {
        return Ok(run::show_spread(
            &scenario,
            &spread(&scenario, flags.seeds)?,
            out,
        )?);
    }
    let run = run::rehearse(&scenario, flags.events.is_some())?;
    write_events(flags, &run)?;
    Ok(run::show(&scenario, &run, out)?)
}

fn load(flags: &Run, text: &Text, base: &Text) -> Result<Scenario> {
    let scenario = Scenario::load(text, base)?;
    if flags.config.is_some() && !scenario.warnings.is_empty() {
        let mut err = std::io::stderr().lock();
        writeln!(err, "{}\n", scenario.warnings.render(err.is_terminal()))?;
    }
    let seed = flags.seed.unwrap_or(scenario.seed);
    Ok(scenario.with_seed(seed))
}

fn write_events(flags: &Run, run: &Rehearsal) -> Result<()> {
    let (Some(path), Some(text)) = (&flags.events, &run.record.events.text) else {
        return Ok(());
    };
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The verdicts of so many seeds.
fn spread(scenario: &Scenario, seeds: u64) -> Result<Vec<Verdict>> {
    let verdict = |seed| Ok(run::rehearse(&scenario.clone().with_seed(seed), false)?.verdict);
    let first = scenario.seed;
    run::each_seed(first..first.saturating_add(seeds), verdict, &|_| {})
}

fn sweep_all(flags: &Sweep, out: &mut dyn Write) -> Result<bool> {
    let seeds = flags.from..flags.from + flags.seeds;
    let Some(folder) = &flags.write else {
        return sweep::sweep(seeds, out);
    };
    for seed in seeds {
        sweep::Case::of(seed).write(folder)?;
    }
    Ok(true)
}
