//! A scenario on sockets: the gateway and the fakes as processes, and clients that share this machine
//! with them.
//!
//! What always holds: the clients arrive at the instants they arrive at in simulated time, however
//! slow the answers are, and times count from then. Only loopback is used, on ports the system
//! chooses; nothing of this process's environment reaches the children. Every wait is bounded, and
//! both processes have ended when [`play`] returns, also by SIGINT, SIGTERM, SIGHUP or a panic.
//!
//! In reading order: `programs` finds the two programs, `config` is what the gateway is told,
//! `world` starts and ends both, `client` is one client's visit, `operator` makes faults and watches
//! counters, `recorder` is what is written down, `ending` is what must hold in the end. Not here: which of it is as expected (`verdict`).

mod client;
mod config;
mod ending;
mod operator;
mod outcome;
mod programs;
mod recorder;
mod world;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use self::client::Clients;
use self::operator::{Operator, Watching};
use self::recorder::Recorder;
use self::world::World;
use crate::clock::now;
use crate::play::{GRACE, Happening, Watch, end_of, timeline};
use crate::record::Record;
use crate::scenario::{Arm, Scenario, Visit};

pub use self::programs::Programs;

/// Between the last preparation and the first arrival.
const BREATH: Duration = Duration::from_millis(200);

/// A signal ended the run; its processes have been ended too.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted; the gateway and the fakes have been stopped")
    }
}

impl std::error::Error for Interrupted {}

/// Plays the scenario once, which takes its length and a little more.
///
/// # Errors
/// [`Interrupted`]; a scenario that exists in simulated time only; a program that does not start,
/// with what it last wrote.
pub fn play(scenario: &Scenario, programs: &Programs, watch: &Watch<'_>) -> Result<Record> {
    if scenario.admission == Arm::PartByPart {
        bail!(
            "`admission = \"part_by_part\"` is a model to compare with, which no gateway has: run it without --live"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot build a runtime")?;
    runtime.block_on(async {
        // Before anything is started that would have to be stopped.
        let told = told_to_stop()?;
        tokio::select! {
            record = run(scenario, programs, watch) => record,
            () = told => Err(Interrupted.into()),
        }
    })
}

/// Resolves at the first signal that would end this process.
fn told_to_stop() -> Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

async fn run(scenario: &Scenario, programs: &Programs, watch: &Watch<'_>) -> Result<Record> {
    let world = World::start(scenario, programs).await?;
    let start = now() + BREATH;
    let recorder = Arc::new(Recorder::new(start));
    let clients = Clients::new(scenario, world.page, Arc::clone(&recorder))?;
    let (arrivals, acts, slices) = split(scenario);
    let operator = Operator::new(scenario, &world, start);
    let mut watching = Watching::new(scenario, &world, &recorder);
    let progress = |at: Duration| {
        (watch.progress)(at.as_secs_f64() / scenario.length.as_secs_f64());
    };
    let ((), acted, ()) = tokio::join!(
        receive(Arc::new(clients), start, arrivals, scenario.length + GRACE),
        operator.act(acts),
        watching.watch(slices, &progress),
    );
    acted?;
    ending::end(world, &recorder, scenario).await;
    Ok(recorder.finish(scenario.seed))
}

/// Instants with what happens then, and which of all happenings it is.
type Timed<T> = Vec<(Duration, T)>;

/// Arrivals, what an operator does, and the ends of slices.
fn split(scenario: &Scenario) -> (Timed<Visit>, Timed<Happening>, Vec<Duration>) {
    let (mut arrivals, mut acts, mut slices) = (Vec::new(), Vec::new(), Vec::new());
    for (at, happening) in timeline(scenario) {
        match happening {
            Happening::Arrival(visit) => arrivals.push((at, visit)),
            Happening::Change(_) | Happening::Stop => acts.push((at, happening)),
            // The gateway does that by itself.
            Happening::Drain | Happening::CutOff => {}
            Happening::Slice(_) => slices.push(at),
        }
    }
    (arrivals, acts, slices)
}

/// Lets every client arrive in time, and waits for the last to leave.
async fn receive(clients: Arc<Clients>, start: Instant, arrivals: Timed<Visit>, longest: Duration) {
    let mut visits = JoinSet::new();
    for (at, visit) in arrivals {
        sleep_until(start + at).await;
        while let Some(visit) = visits.try_join_next() {
            end_of(visit);
        }
        visits.spawn(Arc::clone(&clients).visit(visit, at));
    }
    let all = async {
        while let Some(visit) = visits.join_next().await {
            end_of(visit);
        }
    };
    if timeout_at(start + longest, all).await.is_err() {
        visits.shutdown().await;
    }
}
