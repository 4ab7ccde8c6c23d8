//! The `chaos` command: flags, files, exit codes.

mod flags;
mod rehearse;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use chaos::agree::{self, Pair};
use chaos::by_hand;
use chaos::incident::Incident;
use chaos::live::Interrupted;
use chaos::output::{self, Kind};
use chaos::run;
use chaos::scenario::{self, Scenario, Text};
use chaos::sweep;
use clap::Parser;
use gateway::colours;

use flags::{Agree, BeforeAndAfter, Command, Flags, Slow, Sweep};
use settings::report::Report;

/// What a command came to, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    /// All is as expected.
    AsExpected,
    /// Nothing was expected, so nothing was proved.
    NothingExpected,
    /// Something is not as expected.
    Missed,
}

impl Exit {
    fn of(ok: bool) -> Self {
        match ok {
            true => Self::AsExpected,
            false => Self::Missed,
        }
    }

    fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::AsExpected => 0,
            Self::Missed => 1,
            Self::NothingExpected => 3,
        })
    }
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let result = match Flags::parse().command {
        Command::List => run::list(&mut out).map(|()| Exit::AsExpected),
        Command::Run(flags) => rehearse::all(&flags, &mut out),
        Command::Agree(flags) => agree_all(&flags, &mut out),
        Command::Incident(flags) => incident(&flags, &mut out),
        Command::Schema => schema(&mut out),
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
        Ok(exit) => exit.code(),
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

fn agree_all(flags: &Agree, out: &mut dyn Write) -> Result<Exit> {
    let programs = flags.programs.find()?;
    let names = match flags.scenarios.is_empty() {
        true => agree::TEN.map(str::to_owned).to_vec(),
        false => flags.scenarios.clone(),
    };
    let mut simulated = Vec::new();
    for name in &names {
        let scenario = Scenario::load(&run::find(name)?, &Text::default_config())?;
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
    Ok(Exit::of(agree::show(&pairs, out)?))
}

fn incident(flags: &BeforeAndAfter, out: &mut dyn Write) -> Result<Exit> {
    if let Some(path) = &flags.svg {
        output::check("--svg", path, Kind::File(".svg"), &[])?;
    }
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
    Ok(Exit::of(incident.show_missed(&mut std::io::stderr())?))
}

/// Does one thing and prints what it says it did.
fn say(done: impl Future<Output = Result<String>>, out: &mut dyn Write) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    writeln!(out, "{}", runtime.block_on(done)?)?;
    Ok(Exit::AsExpected)
}

fn schema(out: &mut dyn Write) -> Result<Exit> {
    let schema = scenario::json_schema().map_err(|report| anyhow!("{report}"))?;
    write!(out, "{schema}")?;
    Ok(Exit::AsExpected)
}

fn sweep_all(flags: &Sweep, out: &mut dyn Write) -> Result<Exit> {
    let seeds = flags.from..flags.from + flags.seeds;
    let Some(folder) = &flags.write else {
        return sweep::sweep(seeds, out).map(Exit::of);
    };
    output::check("--write", folder, Kind::Folder, &[])?;
    for seed in seeds {
        sweep::Case::of(seed).write(folder)?;
    }
    Ok(Exit::AsExpected)
}
