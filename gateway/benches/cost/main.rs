//! What a page costs: the gateway's CPU beside the least that could do its work.
//!
//! `cargo bench` prints one table. The claim is a ratio: the gateway spends at
//! most [`MAX_RATIO`] times the CPU of a bare fan-out, which makes the same five
//! calls and writes the same bytes, and does nothing else.
//!
//! Processes keep the accounts apart: this executable starts itself again as the
//! fakes, and as each server under test ([`roles`], [`bare`]). The process you
//! started is the load ([`load`]) and reads what the others used ([`process`]).
//! [`pages`] compares servers; [`parts`] times single steps in nanoseconds.
//!
//! Not here: latency, and what happens under overload. Those are `chaos`'s.

mod bare;
mod load;
mod pages;
mod parts;
mod process;
mod roles;
mod samples;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use self::pages::Effort;
use self::roles::Role;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many times the bare fan-out's CPU the gateway may use, over HTTP/1.1.
const MAX_RATIO: f64 = 2.0;

/// CPU per page of the gateway, beside a bare fan-out.
#[derive(Parser)]
struct Flags {
    /// What `cargo bench` says. Without it (`cargo test --benches`) a few pages show that everything works.
    #[arg(long)]
    bench: bool,
    /// End with exit code 1 when the ratio is missed.
    #[arg(long)]
    check: bool,
    /// Be one of the servers instead, until standard input ends.
    #[arg(long)]
    role: Option<Role>,
    /// With `--role`: where the five fakes listen, in the order of the page.
    #[arg(long, value_delimiter = ',')]
    downstreams: Vec<SocketAddr>,
    /// With `--role`: call the downstreams over HTTP/2.
    #[arg(long)]
    http2: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let flags = Flags::parse();
    if let Some(role) = flags.role {
        roles::play(role, &flags.downstreams, flags.http2)?;
        return Ok(ExitCode::SUCCESS);
    }
    let effort = if flags.bench {
        Effort::FULL
    } else {
        Effort::SMOKE
    };
    let pages = pages::measure(effort).context("no figures: pages could not be measured")?;
    let parts = parts::measure(effort)?;
    let kept = pages.ratio <= MAX_RATIO;
    let verdict = if kept { "ok" } else { "MISSED" };
    writeln!(
        std::io::stdout(),
        "{}\n{parts}\n{verdict}: gateway / bare over HTTP/1.1 is {:.2}, at most {MAX_RATIO:.1} is allowed",
        pages.table,
        pages.ratio,
    )?;
    Ok(if flags.check && !kept {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
