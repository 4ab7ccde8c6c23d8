//! CPU per page of each server, side by side.
//!
//! One server works at a time, in turns: A B C, A B C. So what the machine does
//! besides falls on all of them, and ratios are taken within a round. Rounds are short:
//! the machine must be the same for all of one, not for all of the run.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::load::{CONNECTIONS, Load, Wanted};
use crate::process::Process;
use crate::roles::Role;
use crate::samples::Samples;
use crate::setup::{Setup, Telemetry};

/// After the last answer, the server's threads go to sleep, and their accounts are settled.
const SETTLE: Duration = Duration::from_millis(5);

/// Traces leave within a fifth of a second. Until they have, the next server would be
/// measured beside their leaving.
const LEFT: Duration = Duration::from_millis(250);

/// Metrics leave within about two seconds.
const METRICS_LEFT: Duration = Duration::from_secs(2);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Turns of each server.
    pub(crate) rounds: usize,
    /// Pages in a turn.
    pub(crate) pages: usize,
    /// Steps that are timed in one batch.
    pub(crate) steps: u32,
}

impl Effort {
    /// Enough for figures: about a minute and a half.
    pub(crate) const FULL: Self = Self {
        rounds: 25,
        pages: 1000,
        steps: 100_000,
    };
    /// Enough to show that everything works.
    pub(crate) const SMOKE: Self = Self {
        rounds: 1,
        pages: 80,
        steps: 100,
    };
}

/// What came out.
pub(crate) struct Figures {
    /// Gateway over bare fan-out, telemetry off, HTTP/1.1: the median of the rounds, as
    /// all of these.
    pub(crate) beside_bare: f64,
    /// `sample = 0.01` over telemetry off.
    pub(crate) sampled: f64,
    /// `sample = 1.0` over telemetry off.
    pub(crate) all: f64,
    /// For people.
    pub(crate) table: String,
}

struct Kind {
    role: Role,
    http2: bool,
    telemetry: Telemetry,
    /// The arm it is compared with.
    beside: usize,
    name: &'static str,
}

const fn plain(role: Role, http2: bool, beside: usize, name: &'static str) -> Kind {
    Kind {
        role,
        http2,
        telemetry: Telemetry::Off,
        beside,
        name,
    }
}

const fn telling(telemetry: Telemetry, name: &'static str) -> Kind {
    Kind {
        telemetry,
        ..plain(Role::Gateway, false, GATEWAY, name)
    }
}

/// Where the servers that others are compared with stand among the arms.
const BARE: usize = 0;
const GATEWAY: usize = 2;
const BARE_HTTP2: usize = 3;
const SAMPLED: usize = 6;
const ALL: usize = 7;

const ARMS: [Kind; 9] = [
    plain(Role::Bare, false, BARE, "HTTP/1.1  bare fan-out, hyper"),
    plain(
        Role::BareReqwest,
        false,
        BARE,
        "          bare fan-out, reqwest",
    ),
    plain(Role::Gateway, false, BARE, "          gateway"),
    plain(
        Role::Bare,
        true,
        BARE_HTTP2,
        "HTTP/2    bare fan-out, hyper",
    ),
    plain(
        Role::BareReqwest,
        true,
        BARE_HTTP2,
        "          bare fan-out, reqwest",
    ),
    plain(Role::Gateway, true, BARE_HTTP2, "          gateway"),
    telling(Telemetry::Sampled, "gateway   sample = 0.01"),
    telling(Telemetry::All, "          sample = 1.0"),
    telling(Telemetry::Logged, "          sample = 0.01, JSON lines"),
];

struct Arm {
    process: Process,
    load: Load,
    settle: Duration,
    /// Its account at the begin of each turn, and at the end of all.
    ns_before: Vec<u64>,
}

/// Starts all servers and takes turns.
///
/// # Errors
/// A server that does not start, or the first answer that is wrong.
pub(crate) fn measure(effort: Effort) -> anyhow::Result<Figures> {
    let fakes = Process::start(Role::Fakes, &Setup::default())?;
    let agent = Process::start(Role::Agent, &Setup::default())?;
    let wanted = Wanted::all()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let arms = runtime.block_on(take_turns([&fakes, &agent], &wanted, effort))?;
    let samples: Vec<_> = arms.iter().map(|arm| arm.us_per_page(effort)).collect();
    let over = |arm: usize, other: usize| samples[arm].over(&samples[other]).median();
    Ok(Figures {
        beside_bare: over(GATEWAY, BARE),
        sampled: over(SAMPLED, GATEWAY),
        all: over(ALL, GATEWAY),
        table: table(&samples, &wanted, effort),
    })
}

async fn take_turns(
    [fakes, agent]: [&Process; 2],
    wanted: &Arc<Wanted>,
    effort: Effort,
) -> anyhow::Result<Vec<Arm>> {
    let mut arms = Vec::new();
    for kind in &ARMS {
        let setup = Setup {
            downstreams: fakes.addresses.clone(),
            http2: kind.http2,
            telemetry: kind.telemetry,
            agent: agent.addresses.clone(),
        };
        let process = Process::start(kind.role, &setup)?;
        let mut load = Load::connect(process.addresses[0], Arc::clone(wanted)).await?;
        load.run(effort.pages).await?;
        arms.push(Arm {
            process,
            load,
            settle: match kind.telemetry {
                Telemetry::Off => SETTLE,
                Telemetry::Sampled | Telemetry::All | Telemetry::Logged => LEFT,
            },
            ns_before: Vec::new(),
        });
    }
    tokio::time::sleep(METRICS_LEFT).await;
    for _ in 0..effort.rounds {
        for arm in &mut arms {
            arm.turn(effort.pages).await?;
        }
    }
    tokio::time::sleep(METRICS_LEFT).await;
    for arm in &mut arms {
        arm.ns_before.push(arm.process.cpu_ns()?);
    }
    Ok(arms)
}

impl Arm {
    async fn turn(&mut self, pages: usize) -> anyhow::Result<()> {
        self.ns_before.push(self.process.cpu_ns()?);
        self.load.run(pages).await?;
        tokio::time::sleep(self.settle).await;
        Ok(())
    }

    /// A turn's account ends where the next begins: what leaves after the last answer is
    /// paid for too, and so is what the process does while it waits for its turn.
    fn us_per_page(&self, effort: Effort) -> Samples {
        let turns = self.ns_before.windows(2);
        let used = turns.map(|turn| (turn[1] - turn[0]) as f64 / 1e3 / effort.pages as f64);
        Samples(used.collect())
    }
}

fn table(samples: &[Samples], wanted: &Wanted, effort: Effort) -> String {
    let Effort { rounds, pages, .. } = effort;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut text = format!(
        "Page of five parts, {:.1} kB: {rounds} rounds of {pages} pages per server, {} in all,\n\
         {CONNECTIONS} at once, services without latency, {cores} cores. Every answer was compared.\n\n\
         {:<34}{:>8} {:>15}   {:>8} {:>15}\n",
        wanted.mean_bytes() as f64 / 1e3,
        rounds * pages * ARMS.len(),
        "CPU per page, us",
        "median",
        "range",
        "times",
        "range",
    );
    for (arm, Kind { name, beside, .. }) in samples.iter().zip(&ARMS) {
        let times = arm.over(&samples[*beside]);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<34}{arm:.1}   {times:.2}");
    }
    text.push_str("The last three are beside the gateway with telemetry off, over HTTP/1.1.\n");
    text
}
