//! Does the gateway keep its promises? Measured on the release binaries, over real sockets.
//!
//!     cargo build --release --workspace
//!     cargo bench -p chaos --bench acceptance [-- NAME...]
//!
//! Starts `gateway` and `fakes` for each check, offers open-loop load, and prints one row per
//! promise. Exit code 1 if one was missed. Names choose checks; without any, all run (about seven
//! minutes) but `first-alert`: ten faults, what alerts say of them, and what the runbook finds. Load, gateway and fakes share this machine: the rows "generator late" say when it
//! was too small for all three.

mod alerts;
mod binaries;
mod calm;
mod config;
mod cpu;
mod endpoints;
mod fakes;
mod faults;
mod hostile;
mod overload;
mod own_cpu;
mod recycled;
mod rehearsals;
mod reloads;
mod rolling;
mod table;
mod telemetry;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use table::Table;

/// In the order they run.
const CHECKS: [&str; 18] = [
    "steady",
    "hang",
    "optional",
    "error",
    "leave",
    "overload",
    "overload-80ms",
    "own-cpu",
    "endpoint-slow",
    "endpoint-hole",
    "endpoint-dies",
    "recycled",
    "slowloris",
    "agent-away",
    "drain",
    "rolling",
    "reloads",
    "rehearsals",
];

/// Only by its name: it needs promtool, and judges no milliseconds (about two and a half minutes).
const BY_NAME: &str = "first-alert";

#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::print_stderr,
    reason = "a program says on stderr why it could not start"
)]
async fn main() -> ExitCode {
    match measure().await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_missed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("acceptance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for; how many promises were missed.
async fn measure() -> Result<usize> {
    // `cargo bench` adds `--bench`. `cargo test --all-targets` does not, and builds nothing that
    // would be worth measuring.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(0);
    }
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    for name in &asked {
        ensure!(
            CHECKS.contains(&name.as_str()) || name == BY_NAME,
            "no check `{name}`: choose from {}, {BY_NAME}",
            CHECKS.join(", ")
        );
    }
    binaries::binary("gateway")?;
    binaries::binary("fakes")?;
    let mut table = Table::new();
    for check in CHECKS.into_iter().chain([BY_NAME]) {
        let by_default = asked.is_empty() && check != BY_NAME;
        if by_default || asked.iter().any(|name| name == check) {
            table.begin(check);
            if let Err(error) = run(check, &mut table).await {
                table.broken(&error);
            }
        }
    }
    Ok(table.missed())
}

async fn run(check: &str, table: &mut Table) -> Result<()> {
    match check {
        "steady" => calm::steady(table).await,
        "drain" => calm::drain(table).await,
        "rolling" => rolling::restarts(table).await,
        "reloads" => reloads::two_hundred(table).await,
        "hang" => faults::hang(table).await,
        "optional" => faults::optional(table).await,
        "error" => faults::error(table).await,
        "leave" => hostile::leave(table).await,
        "slowloris" => hostile::slowloris(table).await,
        BY_NAME => alerts::first_alert(table).await,
        "agent-away" => telemetry::agent_away(table).await,
        "overload" => overload::overload(table, Duration::from_millis(20)).await,
        "overload-80ms" => overload::overload(table, Duration::from_millis(80)).await,
        "own-cpu" => own_cpu::fifth_of_a_core(table).await,
        "endpoint-slow" => endpoints::slow(table).await,
        "endpoint-hole" => endpoints::black_hole(table).await,
        "endpoint-dies" => endpoints::dies(table).await,
        "recycled" => recycled::recycled(table).await,
        "rehearsals" => rehearsals::rehearsals(table),
        other => bail!("no check `{other}`"),
    }
}
