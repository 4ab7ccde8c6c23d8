//! What a page costs: the gateway's CPU and memory beside the least that could do its work.
//!
//! `cargo bench` prints a few tables, and says which [`claims`] hold. Those about CPU are
//! ratios to a bare fan-out, which makes the same five calls and writes the same bytes, and
//! does nothing else. `cargo bench -- --peers` measures [`peers`] beside them: nginx with
//! Lua, and Node with undici.
//!
//! Processes keep the accounts apart: this executable starts itself again as the
//! fakes, the [`agent`], and as each server under test ([`roles`], [`bare`], [`setup`]). The process you
//! started is the load ([`load`]) and reads what the others used ([`process`]).
//! [`pages`] compares the servers of [`arms`] in turns; [`connections`] does so for calls
//! that find no connection, and times refusals; [`memory`] weighs what is in flight and
//! what is idle; [`parts`] times single steps in nanoseconds.
//!
//! Not here: latency, and what happens under overload. Those are `chaos`'s.

mod agent;
mod arms;
mod bare;
mod claims;
mod closing;
mod coding;
mod configured;
mod connections;
mod front;
mod kept;
mod load;
mod memory;
mod pages;
mod parts;
mod peers;
mod process;
mod roles;
mod samples;
mod setup;
mod told;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::arms::Bench;
use self::claims::Claim;
use self::load::Wanted;
use self::memory::Crowd;
use self::pages::Turns;
use self::process::Process;
use self::roles::Role;
use self::setup::Setup;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// CPU and memory of a page in the gateway, beside a bare fan-out.
#[derive(Parser)]
struct Flags {
    /// What `cargo bench` says. Without it (`cargo test --benches`) a few pages show that everything works.
    #[arg(long)]
    bench: bool,
    /// End with exit code 1 when a bound is missed.
    #[arg(long)]
    check: bool,
    /// Measure nginx with Lua and Node with undici too, where they are installed.
    #[arg(long)]
    peers: bool,
    /// Time single steps only.
    #[arg(long)]
    steps: bool,
    /// Be one of the servers instead, until standard input ends.
    #[arg(long)]
    role: Option<Role>,
    #[command(flatten)]
    setup: Setup,
}

/// How much is measured.
struct Effort {
    warm: Turns,
    cold: Turns,
    refusals: Turns,
    crowd: Crowd,
    /// Steps that are timed in one batch.
    steps: u32,
}

/// Enough for figures: about two minutes.
const FULL: Effort = Effort {
    warm: Turns {
        rounds: 21,
        pages: 1000,
    },
    cold: Turns {
        rounds: 7,
        pages: 300,
    },
    refusals: Turns {
        rounds: 7,
        pages: 800,
    },
    crowd: Crowd {
        pages: 600,
        latency: 2000,
        idle: 1000,
        wave: 200,
    },
    steps: 100_000,
};

/// Enough to show that everything works.
const SMOKE: Effort = Effort {
    warm: Turns {
        rounds: 1,
        pages: 80,
    },
    cold: Turns {
        rounds: 1,
        pages: 16,
    },
    refusals: Turns {
        rounds: 1,
        pages: 16,
    },
    crowd: Crowd {
        pages: 20,
        latency: 300,
        idle: 10,
        wave: 20,
    },
    steps: 100,
};

fn main() -> anyhow::Result<ExitCode> {
    let flags = Flags::parse();
    if let Some(role) = flags.role {
        roles::play(role, &flags.setup)?;
        return Ok(ExitCode::SUCCESS);
    }
    allow_connections();
    let effort = if flags.bench { FULL } else { SMOKE };
    let mut stdout = std::io::stdout();
    if flags.steps {
        write!(stdout, "{}", parts::measure(effort.steps)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut peers = Vec::new();
    if flags.peers {
        let (found, missing) = peers::find();
        peers = found;
        for line in missing {
            writeln!(stdout, "{line}")?;
        }
    }
    let claims = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(measure(&effort, &Bench::new(peers)?, flags.peers))
        .context("no figures")?;
    writeln!(stdout, "{}", parts::measure(effort.steps)?)?;
    for claim in &claims {
        writeln!(stdout, "{claim}")?;
    }
    let kept = claims.iter().all(Claim::is_kept);
    Ok(if flags.check && !kept {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Raises the number of files that this process and those it starts may have open, as far
/// as it may: a crowd of pages is thousands of connections.
fn allow_connections() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Where it cannot be raised and is too low, a connection fails and says so.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Prints each table as soon as it is known.
async fn measure(effort: &Effort, bench: &Bench, peers: bool) -> anyhow::Result<Vec<Claim>> {
    let mut stdout = std::io::stdout();
    let wanted = Wanted::all()?;
    let fakes = Process::start(Role::Fakes, &Setup::default())?;
    let pages =
        pages::take_turns(bench, &bench.arms(), &fakes.addresses, &wanted, effort.warm).await?;
    writeln!(
        stdout,
        "{}\n{}Below the first eight all are beside the gateway with telemetry off, over HTTP/1.1.\n",
        pages.introduction(&wanted),
        pages.table("CPU per page, us")
    )?;
    let cold = connections::cold(bench, &wanted, effort.cold).await?;
    writeln!(stdout, "{}", cold.table("CPU per page, cold calls, us"))?;
    let refusals = connections::refusals(bench, &wanted, effort.refusals).await?;
    writeln!(stdout, "{}", refusals.table())?;
    let memory = memory::measure(bench, &wanted, effort.crowd).await?;
    writeln!(stdout, "{}", memory.table())?;
    Ok(claims::claims(&pages, &memory, peers))
}
