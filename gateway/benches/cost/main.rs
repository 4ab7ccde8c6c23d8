//! What a page costs: the gateway's CPU beside the least that could do its work.
//!
//! `cargo bench` prints one table. The claims are ratios: the gateway spends at
//! most [`MAX_RATIO`] times the CPU of a bare fan-out, which makes the same five
//! calls and writes the same bytes, and does nothing else; and telling an agent of all
//! it does costs at most [`MAX_ALL`] times that again.
//!
//! Processes keep the accounts apart: this executable starts itself again as the
//! fakes, the [`agent`], and as each server under test ([`roles`], [`bare`], [`setup`]). The process you
//! started is the load ([`load`]) and reads what the others used ([`process`]).
//! [`pages`] compares servers; [`parts`] times single steps in nanoseconds.
//!
//! Not here: latency, and what happens under overload. Those are `chaos`'s.

mod agent;
mod bare;
mod load;
mod pages;
mod parts;
mod process;
mod roles;
mod samples;
mod setup;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use self::pages::Effort;
use self::roles::Role;
use self::setup::Setup;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many times the bare fan-out's CPU the gateway may use, over HTTP/1.1.
const MAX_RATIO: f64 = 2.0;

/// How many times the CPU of a gateway that says nothing it may use with one trace of a
/// hundred leaving, and with all of them.
const MAX_SAMPLED: f64 = 1.10;
const MAX_ALL: f64 = 1.35;

/// CPU per page of the gateway, beside a bare fan-out.
#[derive(Parser)]
struct Flags {
    /// What `cargo bench` says. Without it (`cargo test --benches`) a few pages show that everything works.
    #[arg(long)]
    bench: bool,
    /// End with exit code 1 when a ratio is missed.
    #[arg(long)]
    check: bool,
    /// Be one of the servers instead, until standard input ends.
    #[arg(long)]
    role: Option<Role>,
    #[command(flatten)]
    setup: Setup,
}

fn main() -> anyhow::Result<ExitCode> {
    let flags = Flags::parse();
    if let Some(role) = flags.role {
        roles::play(role, &flags.setup)?;
        return Ok(ExitCode::SUCCESS);
    }
    let effort = if flags.bench {
        Effort::FULL
    } else {
        Effort::SMOKE
    };
    let pages = pages::measure(effort).context("no figures: pages could not be measured")?;
    let parts = parts::measure(effort)?;
    let claims = [
        (
            "gateway / bare, telemetry off",
            pages.beside_bare,
            MAX_RATIO,
        ),
        ("sample = 0.01 / telemetry off", pages.sampled, MAX_SAMPLED),
        ("sample = 1.0 / telemetry off", pages.all, MAX_ALL),
    ];
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}\n{parts}", pages.table)?;
    for (what, ratio, most) in claims {
        let verdict = if ratio <= most { "ok" } else { "MISSED" };
        writeln!(
            stdout,
            "{verdict}: {what} over HTTP/1.1 is {ratio:.2}, at most {most:.2} is allowed"
        )?;
    }
    let kept = claims.iter().all(|(_, ratio, most)| ratio <= most);
    Ok(if flags.check && !kept {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
