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

/// After the last answer, the server's threads go to sleep, and their accounts are settled.
const SETTLE: Duration = Duration::from_millis(5);

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
    /// Enough for figures: under a minute.
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
    /// Gateway over bare fan-out, HTTP/1.1: the median of the rounds.
    pub(crate) ratio: f64,
    /// For people.
    pub(crate) table: String,
}

const ARMS: [(Role, bool, &str); 6] = [
    (Role::Bare, false, "HTTP/1.1  bare fan-out, hyper"),
    (Role::BareReqwest, false, "          bare fan-out, reqwest"),
    (Role::Gateway, false, "          gateway"),
    (Role::Bare, true, "HTTP/2    bare fan-out, hyper"),
    (Role::BareReqwest, true, "          bare fan-out, reqwest"),
    (Role::Gateway, true, "          gateway"),
];

/// Where the bare fan-out and the gateway stand among the arms of one protocol.
const BARE: usize = 0;
const GATEWAY: usize = 2;
const PER_PROTOCOL: usize = 3;

struct Arm {
    process: Process,
    load: Load,
    us_per_page: Samples,
}

/// Starts all servers and takes turns.
///
/// # Errors
/// A server that does not start, or the first answer that is wrong.
pub(crate) fn measure(effort: Effort) -> anyhow::Result<Figures> {
    let fakes = Process::start(Role::Fakes, &[], false)?;
    let wanted = Wanted::all()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let arms = runtime.block_on(take_turns(&fakes, &wanted, effort))?;
    let samples: Vec<_> = arms.into_iter().map(|arm| arm.us_per_page).collect();
    Ok(Figures {
        ratio: samples[GATEWAY].over(&samples[BARE]).median(),
        table: table(&samples, &wanted, effort),
    })
}

async fn take_turns(
    fakes: &Process,
    wanted: &Arc<Wanted>,
    effort: Effort,
) -> anyhow::Result<Vec<Arm>> {
    let mut arms = Vec::new();
    for (role, http2, _) in ARMS {
        let process = Process::start(role, &fakes.addresses, http2)?;
        let mut load = Load::connect(process.addresses[0], Arc::clone(wanted)).await?;
        load.run(effort.pages).await?;
        arms.push(Arm {
            process,
            load,
            us_per_page: Samples::default(),
        });
    }
    for _ in 0..effort.rounds {
        for arm in &mut arms {
            arm.turn(effort.pages).await?;
        }
    }
    Ok(arms)
}

impl Arm {
    async fn turn(&mut self, pages: usize) -> anyhow::Result<()> {
        let before = self.process.cpu_ns()?;
        self.load.run(pages).await?;
        tokio::time::sleep(SETTLE).await;
        let used = self.process.cpu_ns()? - before;
        self.us_per_page.0.push(used as f64 / 1e3 / pages as f64);
        Ok(())
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
    for (nth, (arm, (_, _, name))) in samples.iter().zip(ARMS).enumerate() {
        let bare = &samples[nth / PER_PROTOCOL * PER_PROTOCOL + BARE];
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<34}{arm:.1}   {:.2}", arm.over(bare));
    }
    text
}
