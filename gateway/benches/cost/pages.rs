//! CPU per page of each server, side by side.
//!
//! One server works at a time, in turns: A B C, A B C. So what the machine does
//! besides falls on all of them, and ratios are taken within a round. Rounds are short:
//! the machine must be the same for all of one, not for all of the run.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway::page::deadline::now;
use tokio::time::{Instant, sleep};

use crate::arms::{Arm, Bench};
use crate::load::{CONNECTIONS, Load, Wanted};
use crate::process::Process;
use crate::samples::Samples;
use crate::setup::{Setup, Telemetry};

/// After the last answer, the server's threads go to sleep, and their accounts are settled.
pub(crate) const SETTLE: Duration = Duration::from_millis(5);

/// Traces leave within a fifth of a second. Until they have, the next server would be
/// measured beside their leaving.
const LEFT: Duration = Duration::from_millis(250);

/// Metrics leave within about two seconds.
const METRICS_LEFT: Duration = Duration::from_secs(2);

/// How long servers are watched while nobody asks them for anything.
const IDLE: Duration = Duration::from_secs(2);

/// How many turns, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns {
    /// Turns of each server.
    pub(crate) rounds: usize,
    /// Pages in a turn.
    pub(crate) pages: usize,
}

/// CPU of each arm.
pub(crate) struct Figures {
    turns: Turns,
    rows: Vec<Row>,
}

struct Row {
    arm: Arm,
    /// Microseconds per page, round by round.
    us: Samples,
    /// Microseconds per second while idle.
    idle: f64,
}

struct Server {
    arm: Arm,
    process: Process,
    load: Load,
    /// Used by each turn, until the next begins.
    ns: Vec<f64>,
    /// Its account when its last turn began, and when it ended.
    turn: Option<(u64, Instant)>,
    /// What it uses while nobody asks for anything: nanoseconds per second.
    idle: f64,
}

/// Starts `arms` with the services at `downstreams`, and takes turns.
///
/// # Errors
/// A server that does not start, or the first answer that is wrong.
pub(crate) async fn take_turns(
    bench: &Bench,
    arms: &[Arm],
    downstreams: &[SocketAddr],
    wanted: &Arc<Wanted>,
    turns: Turns,
) -> anyhow::Result<Figures> {
    let mut servers = Vec::new();
    for &arm in arms {
        let setup = Setup {
            downstreams: downstreams.to_vec(),
            ..Setup::default()
        };
        let process = bench.start(arm, setup)?;
        let (address, certificates) = (process.addresses[0], bench.certificates());
        let load = Load::speaking(arm.front, address, certificates, Arc::clone(wanted)).await?;
        let mut load = load.taking(arm.coding);
        load.run(turns.pages).await?;
        servers.push(Server {
            arm,
            process,
            load,
            ns: Vec::new(),
            turn: None,
            idle: 0.0,
        });
    }
    sleep(METRICS_LEFT).await;
    watch_idle(&mut servers).await?;
    for _ in 0..turns.rounds {
        for server in &mut servers {
            server.turn(turns.pages).await?;
        }
    }
    sleep(METRICS_LEFT).await;
    for server in &mut servers {
        server.end_turn()?;
    }
    let row = |server: &Server| {
        let us = server.ns.iter().map(|ns| ns / 1e3 / turns.pages as f64);
        Row {
            arm: server.arm,
            us: Samples(us.collect()),
            idle: server.idle / 1e3,
        }
    };
    Ok(Figures {
        turns,
        rows: servers.iter().map(row).collect(),
    })
}

/// All at once: each has its own account.
async fn watch_idle(servers: &mut [Server]) -> anyhow::Result<()> {
    for server in &mut *servers {
        server.idle = -(server.process.cpu_ns()? as f64);
    }
    sleep(IDLE).await;
    for server in servers {
        server.idle += server.process.cpu_ns()? as f64;
        server.idle /= IDLE.as_secs_f64();
    }
    Ok(())
}

impl Server {
    /// A turn's account ends where the next begins: what leaves after the last answer is
    /// paid for too. What the process would have used anyway while it waited is not: how long
    /// that was depends on how many others there are.
    fn end_turn(&mut self) -> anyhow::Result<()> {
        if let Some((before, ended)) = self.turn.take() {
            let used = (self.process.cpu_ns()? - before) as f64;
            self.ns
                .push(used - self.idle * (now() - ended).as_secs_f64());
        }
        Ok(())
    }

    async fn turn(&mut self, pages: usize) -> anyhow::Result<()> {
        self.end_turn()?;
        // Connections that were closed since its last turn are opened again unaccounted.
        self.load.run(CONNECTIONS).await?;
        sleep(SETTLE).await;
        let before = self.process.cpu_ns()?;
        self.load.run(pages).await?;
        let is_silent = self.arm.telemetry == Telemetry::Off;
        let settle = if is_silent { SETTLE } else { LEFT };
        sleep(settle).await;
        self.turn = Some((before, now()));
        Ok(())
    }
}

impl Figures {
    /// How many times `other`'s CPU this arm used: the median of the rounds. `None` where
    /// one of them was not there.
    pub(crate) fn ratio(&self, arm: Arm, other: Arm) -> Option<f64> {
        Some(self.of(arm)?.over(self.of(other)?).median())
    }

    fn of(&self, arm: Arm) -> Option<&Samples> {
        let found = self.rows.iter().find(|row| row.arm == arm);
        found.map(|row| &row.us)
    }

    /// For people, under a heading that says what was asked.
    pub(crate) fn table(&self, heading: &str) -> String {
        let mut text = format!(
            "{heading:<34}{:>8} {:>15}   {:>8} {:>15} {:>10}\n",
            "median", "range", "times", "range", "idle, us/s"
        );
        for Row { arm, us, idle } in &self.rows {
            // Each is there if anything is.
            let other = self.of(arm.beside()).unwrap_or(us);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:<34}{us:.1}   {:.2} {idle:>10.0}",
                arm.name(),
                us.over(other)
            );
        }
        text
    }

    /// What was done, as an introduction of the table.
    pub(crate) fn introduction(&self, wanted: &Wanted) -> String {
        let Turns { rounds, pages } = self.turns;
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        format!(
            "Page of five parts, {:.1} kB: {rounds} rounds of {pages} pages per server, {} in all,\n\
             {CONNECTIONS} at once, services without latency, {cores} cores. Every answer was compared.\n",
            wanted.mean_bytes() as f64 / 1e3,
            rounds * pages * self.rows.len(),
        )
    }
}
