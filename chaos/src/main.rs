//! The `chaos` command: flags, files, exit codes.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use chaos::agree::{self, Pair};
use chaos::by_hand;
use chaos::http::Origin;
use chaos::live::{Interrupted, Programs};
use chaos::run::{self, Rehearsal};
use chaos::scenario::{Arm, SHIPPED, Scenario, Text};
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
    /// Run scenarios, in simulated time or on sockets. Exit 0; 1 when an expectation is missed; 2 for
    /// a bad file; 130 when interrupted.
    Run(Run),
    /// Run scenarios in simulated time and on sockets, and tell how far apart they are. Takes their
    /// length each. Exit 0; 1 when one is too far apart.
    Agree(Agree),
    /// Make a running fake slow.
    Slow(Slow),
    /// Undo every fault of running fakes.
    Heal {
        #[command(flatten)]
        fakes: RunningFakes,
    },
}

#[derive(Args)]
struct Agree {
    /// Names from `chaos list`, or paths of scenario files; without any, six that come with it.
    scenarios: Vec<String>,
    #[command(flatten)]
    programs: ProgramPaths,
}

#[derive(Args)]
struct Slow {
    /// product, pricing, inventory, reviews or recommendations.
    downstream: String,
    /// How much later it answers than usual: 1500ms.
    #[arg(value_parser = time)]
    latency: Duration,
    /// It heals by itself after this long: 30s.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    lasts: Option<Duration>,
    #[command(flatten)]
    fakes: RunningFakes,
}

#[derive(Args)]
struct RunningFakes {
    /// Where the fakes' control API listens.
    #[arg(long, value_name = "URL", default_value = by_hand::CONTROL)]
    control: Origin,
}

#[derive(Args)]
struct ProgramPaths {
    /// The gateway of a live run; without it, the one beside this program.
    #[arg(long, value_name = "PATH")]
    gateway: Option<PathBuf>,
    /// The fakes of a live run; without it, those beside this program.
    #[arg(long, value_name = "PATH")]
    fakes: Option<PathBuf>,
}

impl ProgramPaths {
    fn find(&self) -> Result<Programs> {
        Programs::find(self.gateway.as_deref(), self.fakes.as_deref())
    }
}

/// A time on the command line.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = |_| format!("`{text}` is no time; write a number and a unit, such as 1500ms");
    gateway::config::units::duration(text).map_err(wrong)
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
    #[arg(long, conflicts_with_all = ["compare", "seeds", "live"])]
    events: Option<PathBuf>,
    /// On sockets: starts a gateway and fakes on free ports, and stops them.
    #[arg(long, conflicts_with = "seeds")]
    live: bool,
    #[command(flatten)]
    programs: ProgramPaths,
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let result = match Flags::parse().command {
        Command::List => run::list(&mut out).map(|()| true),
        Command::Run(flags) => run_all(&flags, &mut out),
        Command::Agree(flags) => agree_all(&flags, &mut out),
        Command::Slow(flags) => {
            let Slow {
                downstream,
                latency,
                lasts,
                fakes,
            } = flags;
            let slow = by_hand::slow(fakes.control, &downstream, latency, lasts);
            say(slow, &mut out)
        }
        Command::Heal { fakes } => say(by_hand::heal(fakes.control), &mut out),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let mut err = std::io::stderr().lock();
            let colours = err.is_terminal();
            let interrupted = error.is::<Interrupted>();
            // If stderr is gone, nobody can be told.
            let _ = match error.downcast_ref::<Report>() {
                Some(report) => writeln!(err, "{}", report.render(colours)),
                None => writeln!(err, "error: {error:#}"),
            };
            // As shells have it: 128 and the number of SIGINT.
            ExitCode::from(if interrupted { 130 } else { 2 })
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
    if flags.all && flags.live && scenario.admission == Arm::PartByPart {
        writeln!(out, "{}: in simulated time only", scenario.title)?;
        return Ok(true);
    }
    if let Some(path) = &flags.compare {
        let other = run::read(path)?;
        let second = load(flags, text, &other)?;
        let first = play(flags, &scenario)?;
        let second = play(flags, &second)?;
        let runs = [(base.name.as_str(), &first), (other.name.as_str(), &second)];
        return Ok(run::show_both(&scenario, runs, out)?);
    }
    if flags.seeds > 1 {
        return Ok(run::show_spread(
            &scenario,
            &spread(&scenario, flags.seeds)?,
            out,
        )?);
    }
    let run = play(flags, &scenario)?;
    write_events(flags, &run)?;
    Ok(run::show(&scenario, &run, out)?)
}

fn play(flags: &Run, scenario: &Scenario) -> Result<Rehearsal> {
    if flags.live {
        return run::live(scenario, &flags.programs.find()?);
    }
    run::rehearse(scenario, flags.events.is_some())
}

fn agree_all(flags: &Agree, out: &mut dyn Write) -> Result<bool> {
    let programs = flags.programs.find()?;
    let names = match flags.scenarios.is_empty() {
        true => agree::SIX.map(str::to_owned).to_vec(),
        false => flags.scenarios.clone(),
    };
    let mut simulated = Vec::new();
    for name in &names {
        let scenario = Scenario::load(&run::find(name)?, &run::default_config())?;
        let run = run::rehearse(&scenario, false)?;
        simulated.push((name, scenario, run.record));
    }
    let mut pairs = Vec::new();
    for (name, scenario, record) in &simulated {
        let live = run::live(scenario, &programs)?.record;
        let records = [record, &live];
        for broken in records.iter().flat_map(|record| &record.broken) {
            writeln!(std::io::stderr(), "{name}: INVARIANT BROKEN {broken}")?;
        }
        pairs.push(Pair::of(name, scenario, records));
    }
    Ok(agree::show(&pairs, out)?)
}

/// Does one thing and prints what it says it did.
fn say(done: impl Future<Output = Result<String>>, out: &mut dyn Write) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    writeln!(out, "{}", runtime.block_on(done)?)?;
    Ok(true)
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

/// The verdicts of so many seeds, on all cores: each run has one thread.
fn spread(scenario: &Scenario, seeds: u64) -> Result<Vec<Verdict>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(0);
    let work = || {
        let mut verdicts = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= seeds {
                return Ok(verdicts);
            }
            let scenario = scenario.clone().with_seed(scenario.seed.wrapping_add(n));
            verdicts.push((n, run::rehearse(&scenario, false)?.verdict));
        }
    };
    let mut all: Vec<(u64, Verdict)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| {
            let ended: Result<Vec<_>> = worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            ended
        });
        ended.collect::<Result<Vec<_>>>()
    })?
    .concat();
    all.sort_by_key(|(n, _)| *n);
    Ok(all.into_iter().map(|(_, verdict)| verdict).collect())
}
