//! Commands and their flags.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use chaos::by_hand;
use chaos::http::Origin;
use chaos::live::Programs;
use chaos::report::Wanted;
use clap::{Args, Parser, Subcommand};

/// Rehearses hardship: what happens to pages when services, clients or limits misbehave.
#[derive(Parser)]
#[command(name = "chaos", version)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The scenarios that come with this program.
    List,
    /// Run scenarios, in simulated time or on sockets. Exit 0; 1 when an expectation is missed, or has
    /// too few pages to be judged; 2 for a bad file or path; 3 when nothing was expected; 130 when
    /// interrupted.
    Run(Run),
    /// Play random scenarios and check what must always hold. Exit 0; 1 when something did not.
    Sweep(Sweep),
    /// Run scenarios in simulated time and on sockets, and show how far apart the results are. Each
    /// takes its full length. Exit 0; 1 when one is too far apart.
    Agree(Agree),
    /// One incident before and after, in simulated time and on sockets: prints its numbers as a
    /// Markdown table, and draws a picture. Exit 0; 1 when an expectation is missed.
    Incident(BeforeAndAfter),
    /// Print the JSON Schema of scenario files, for editors.
    Schema,
    /// Make a running fake slow.
    Slow(Slow),
    /// Undo every fault of running fakes.
    Heal {
        #[command(flatten)]
        fakes: RunningFakes,
    },
}

#[derive(Args)]
pub(crate) struct Agree {
    /// Names from `chaos list`, or paths of scenario files; without any, ten that come with it.
    pub(crate) scenarios: Vec<String>,
    #[command(flatten)]
    pub(crate) programs: ProgramPaths,
}

#[derive(Args)]
pub(crate) struct BeforeAndAfter {
    /// Write the picture to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// In simulated time only, not on sockets.
    #[arg(long, conflicts_with_all = ["gateway", "fakes"])]
    pub(crate) simulated_only: bool,
    #[command(flatten)]
    pub(crate) programs: ProgramPaths,
}

#[derive(Args)]
pub(crate) struct Slow {
    /// product, pricing, inventory, reviews or recommendations.
    pub(crate) downstream: String,
    /// Added latency, such as 1500ms.
    #[arg(value_parser = time)]
    pub(crate) latency: Duration,
    /// Ends by itself after this time, such as 30s.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) lasts: Option<Duration>,
    #[command(flatten)]
    pub(crate) fakes: RunningFakes,
}

#[derive(Args)]
pub(crate) struct RunningFakes {
    /// Where the fakes' control API listens.
    #[arg(long, value_name = "URL", default_value = by_hand::CONTROL)]
    pub(crate) control: Origin,
}

#[derive(Args)]
pub(crate) struct ProgramPaths {
    /// The gateway of a live run; without it, the one beside this program.
    #[arg(long, value_name = "PATH")]
    pub(crate) gateway: Option<PathBuf>,
    /// The fakes of a live run; without it, those beside this program.
    #[arg(long, value_name = "PATH")]
    pub(crate) fakes: Option<PathBuf>,
}

impl ProgramPaths {
    pub(crate) fn find(&self) -> Result<Programs> {
        Programs::find(self.gateway.as_deref(), self.fakes.as_deref())
    }
}

/// A time on the command line.
fn time(text: &str) -> Result<Duration, String> {
    let wrong =
        |_| format!("`{text}` is not a duration; write a number and a unit, such as 1500ms");
    settings::units::duration(text).map_err(wrong)
}

#[derive(Args)]
pub(crate) struct Run {
    /// Names from `chaos list`, or paths of scenario files.
    #[arg(required_unless_present = "all")]
    pub(crate) scenarios: Vec<String>,
    /// Every scenario of `chaos list`.
    #[arg(long, conflicts_with = "scenarios")]
    pub(crate) all: bool,
    /// Rehearse this config instead of the gateway's defaults; the scenario's `[config]` goes on top.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Run a second config on the same arrivals and draws, and show both; with --seeds, how far they
    /// are apart.
    #[arg(long)]
    pub(crate) compare: Option<PathBuf>,
    /// Another seed than the scenario's.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Run with this many seeds, counted up from the first, and show the spread.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,
    /// Only look: exit 0 also when the scenario expects nothing.
    #[arg(long)]
    pub(crate) explore: bool,
    /// Write the event log to this file.
    #[arg(long, conflicts_with_all = ["compare", "seeds", "live"])]
    pub(crate) events: Option<PathBuf>,
    /// On sockets: starts a gateway and fakes on free ports, and stops them.
    #[arg(long, conflicts_with = "seeds")]
    pub(crate) live: bool,
    #[command(flatten)]
    pub(crate) programs: ProgramPaths,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
}

#[derive(Args)]
pub(crate) struct Sweep {
    /// How many seeds.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=u64::MAX >> 2))]
    pub(crate) from: u64,
    /// Play nothing; write the config and the scenario of each seed into this folder, for `chaos run`
    /// with --explore, since they expect nothing.
    #[arg(long)]
    pub(crate) write: Option<PathBuf>,
}
