//! The `chaos` command: flags, files, exit codes.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use chaos::agree::{self, Pair};
use chaos::by_hand;
use chaos::http::Origin;
use chaos::incident::Incident;
use chaos::live::{Interrupted, Programs};
use chaos::report::{self, Wanted};
use chaos::run::{self, Rehearsal};
use chaos::scenario::{Arm, SHIPPED, Scenario, Text};
use chaos::sweep;
use chaos::verdict::Verdict;
use clap::{Args, Parser, Subcommand};
use gateway::colours;
use gateway::config::{Report, load_text};

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
    /// Play random scenarios and check what must always hold. Exit 0; 1 when something did not.
    Sweep(Sweep),
    /// Run scenarios in simulated time and on sockets, and show how far apart the results are. Each
    /// takes its full length. Exit 0; 1 when one is too far apart.
    Agree(Agree),
    /// One incident before and after, in simulated time and on sockets: prints its numbers as a
    /// Markdown table, and draws a picture. Exit 0; 1 when an expectation is missed.
    Incident(BeforeAndAfter),
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
struct BeforeAndAfter {
    /// Write the picture to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// In simulated time only, not on sockets.
    #[arg(long, conflicts_with_all = ["gateway", "fakes"])]
    simulated_only: bool,
    #[command(flatten)]
    programs: ProgramPaths,
}

#[derive(Args)]
struct Slow {
    /// product, pricing, inventory, reviews or recommendations.
    downstream: String,
    /// Added latency, such as 1500ms.
    #[arg(value_parser = time)]
    latency: Duration,
    /// Ends by itself after this time, such as 30s.
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
    let wrong =
        |_| format!("`{text}` is not a duration; write a number and a unit, such as 1500ms");
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
    /// Run with this many seeds, counted up from the first, and show the spread.
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
    #[command(flatten)]
    wanted: Wanted,
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
        Command::Agree(flags) => agree_all(&flags, &mut out),
        Command::Incident(flags) => incident(&flags, &mut out),
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
        Command::Sweep(flags) => sweep_all(&flags, &mut out),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let mut err = std::io::stderr().lock();
            let colours = colours::wanted_on(&err);
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
    flags.wanted.check(names.len())?;
    let mut all_ok = true;
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        all_ok &= run_one(flags, name, out)?;
    }
    Ok(all_ok)
}

fn run_one(flags: &Run, name: &str, out: &mut dyn Write) -> Result<bool> {
    let text = &run::find(name)?;
    let base = match &flags.config {
        Some(path) => run::read(path)?,
        None => run::default_config(),
    };
    if let Some(path) = &flags.compare {
        return compare(flags, name, text, [&base, &run::read(path)?], out);
    }
    let scenario = load(flags, text, &base)?;
    if flags.all && flags.live && scenario.admission == Arm::PartByPart {
        writeln!(out, "{}: in simulated time only", scenario.title)?;
        return Ok(true);
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
    let ok = run::show(&scenario, &run, out)?;
    keep(flags, name, [&base, &base], &[(&scenario, &run)], out)?;
    Ok(ok)
}

fn compare(
    flags: &Run,
    name: &str,
    text: &Text,
    configs: [&Text; 2],
    out: &mut dyn Write,
) -> Result<bool> {
    let [before, after] = configs;
    let scenarios = [load(flags, text, before)?, load(flags, text, after)?];
    let first = play(flags, &scenarios[0])?;
    let second = play(flags, &scenarios[1])?;
    let named = [
        (before.name.as_str(), &first),
        (after.name.as_str(), &second),
    ];
    let ok = run::show_both(&scenarios[0], named, out)?;
    let runs = [(&scenarios[0], &first), (&scenarios[1], &second)];
    keep(flags, name, configs, &runs, out)?;
    Ok(ok)
}

/// Writes the report, if one is wanted, and says where it is.
fn keep(
    flags: &Run,
    name: &str,
    configs: [&Text; 2],
    runs: &[(&Scenario, &Rehearsal)],
    out: &mut dyn Write,
) -> Result<()> {
    if !flags.wanted.is_any() {
        return Ok(());
    }
    let runs: Vec<report::Run<'_>> = configs
        .iter()
        .zip(runs)
        .map(|(config, (scenario, run))| report::Run {
            name: &config.name,
            scenario,
            record: &run.record,
            verdict: &run.verdict,
        })
        .collect();
    let report = report::Report {
        command: &command(flags, name, runs[0].record.seed),
        base: (
            &configs[0].name,
            &load_text(&configs[0].name, &configs[0].text, &[])?.effective,
        ),
        runs: &runs,
    };
    for written in flags.wanted.write(name, &report)? {
        writeln!(out, "{written}")?;
    }
    Ok(())
}

/// What runs the same again.
fn command(flags: &Run, name: &str, seed: u64) -> String {
    let paths = [("--config", &flags.config), ("--compare", &flags.compare)];
    let mut words = vec!["chaos".to_owned(), "run".to_owned(), name.to_owned()];
    for (flag, path) in paths {
        words.extend(
            path.iter()
                .flat_map(|path| [flag.to_owned(), path.display().to_string()]),
        );
    }
    words.extend(flags.live.then(|| "--live".to_owned()));
    words.extend(["--seed".to_owned(), seed.to_string()]);
    report::shell(&words)
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

fn incident(flags: &BeforeAndAfter, out: &mut dyn Write) -> Result<bool> {
    let programs = match flags.simulated_only {
        true => None,
        false => Some(flags.programs.find()?),
    };
    let incident = Incident::play(programs.as_ref())?;
    write!(out, "{}", incident.markdown())?;
    if let Some(path) = &flags.svg {
        incident.write(path)?;
    }
    // Apart from the table, which may be on its way into a file.
    Ok(incident.show_missed(&mut std::io::stderr())?)
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
        writeln!(
            err,
            "{}\n",
            scenario.warnings.render(colours::wanted_on(&err))
        )?;
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
