//! A scenario in simulated time: the gateway's own pages on a paused clock.
//!
//! What always holds: the same scenario and seed give the same events, byte for byte; arrivals are
//! fixed before the first page (open loop; but for users, who ask when they were answered); instants are whole milliseconds, the resolution of
//! tokio's timers, so that a deadline is met exactly or missed visibly. Every run ends: what is
//! still under way [`GRACE`] after the last arrival is cut off.
//!
//! In reading order: `client` is one client's visit, `downstream` the transport to the modelled
//! downstreams, `own_load` what the gateway itself costs, on a modelled `cpu`, `probe` how its lag is found,
//! `recorder` what is
//! written down and the invariants that are checked meanwhile. Not modelled: bytes on the wire, and
//! of connections only what opening one costs.

mod arm;
mod client;
mod control;
mod cpu;
mod downstream;
mod own_load;
mod probe;
mod recorder;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use gateway::page::Pages;
use gateway::page::admission::Admission;
use gateway::page::downstream::only::Only;
use gateway::telemetry::Telemetry;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until, timeout_at};

pub use self::control::NegativeControl;

use self::client::Clients;
use self::downstream::Modelled;
use self::own_load::OwnLoad;
use self::recorder::Recorder;
use crate::clock::now;
use crate::play::{GRACE, Happening, Sample, Watch, end_of, samples, timeline};
use crate::record::Record;
use crate::scenario::{Arm, Scenario};

/// How often quotas of quiet clients are forgotten, as the gateway itself does.
const FORGET_EVERY: u32 = 600;

/// Plays the scenario from its first arrival to the end of its last page.
///
/// # Errors
/// When the config cannot be played: a pattern of a path parameter that no sample value matches.
pub fn play(scenario: &Scenario, watch: &Watch<'_>) -> Result<Record> {
    play_with(scenario, watch, None)
}

/// The same with a gateway that may be broken on purpose.
///
/// # Errors
/// Those of [`play`].
pub fn play_with(
    scenario: &Scenario,
    watch: &Watch<'_>,
    control: Option<NegativeControl>,
) -> Result<Record> {
    let samples = samples(&scenario.config)?;
    // What the gateway draws, it draws from this thread's generator.
    fastrand::seed(scenario.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .context("cannot build a runtime")?;
    runtime.block_on(async {
        let world = World::new(scenario, samples, watch.keep_events, control)?;
        Ok(world.play(watch).await)
    })
}

struct World<'a> {
    scenario: &'a Scenario,
    start: Instant,
    clients: Arc<Clients>,
    recorder: Arc<Recorder>,
    visits: JoinSet<()>,
    probes: JoinSet<()>,
}

impl<'a> World<'a> {
    fn new(
        scenario: &'a Scenario,
        samples: Vec<Sample>,
        keep_events: bool,
        control: Option<NegativeControl>,
    ) -> Result<Self> {
        let start = now();
        let recorder = Arc::new(Recorder::new(scenario, start, keep_events));
        let own_load = Arc::new(OwnLoad::new(scenario, start));
        let pages = pages(scenario, &recorder, &own_load, control)?;
        let clients = Clients::new(
            scenario,
            pages,
            own_load,
            Arc::clone(&recorder),
            samples,
            control,
        );
        let clients = Arc::new(clients);
        let mut probes = JoinSet::new();
        probes.spawn(probe::probe(Arc::clone(&clients), control));
        Ok(Self {
            scenario,
            start,
            clients,
            recorder,
            visits: JoinSet::new(),
            probes,
        })
    }

    async fn play(mut self, watch: &Watch<'_>) -> Record {
        for (at, happening) in timeline(self.scenario) {
            sleep_until(self.start + at).await;
            if matches!(happening, Happening::Slice(_)) {
                settle().await;
            }
            self.happen(at, happening);
            if matches!(happening, Happening::Slice(_)) {
                (watch.progress)(at.as_secs_f64() / self.scenario.length.as_secs_f64());
            }
        }
        self.end().await
    }

    fn happen(&mut self, at: Duration, happening: Happening) {
        match happening {
            Happening::Arrival(visit) => {
                while let Some(visit) = self.visits.try_join_next() {
                    end_of(visit);
                }
                self.visits
                    .spawn(Arc::clone(&self.clients).visit(visit, at));
            }
            Happening::Change(index) => self.clients.pages.transport().answers().change(index),
            // Pages are served as before.
            Happening::Stop => {}
            Happening::Drain => self.clients.pages.drain(),
            Happening::CutOff => self.visits.abort_all(),
            Happening::Slice(number) => {
                let pages = &self.clients.pages;
                let calls = pages.transport().answers().bulkheads();
                self.recorder.slice(
                    &pages.admission().view(),
                    calls.map(|calls| calls.view()).as_ref(),
                    pages.would_shed(),
                );
                if number % FORGET_EVERY == 0 {
                    self.clients.pages.quota().drop_idle();
                }
            }
        }
    }

    async fn end(mut self) -> Record {
        let last = self.start + self.scenario.length + GRACE;
        let all = async {
            while let Some(visit) = self.visits.join_next().await {
                end_of(visit);
            }
        };
        if timeout_at(last, all).await.is_err() {
            self.visits.shutdown().await;
        }
        if let Some(Err(error)) = self.probes.try_join_next() {
            end_of(Err(error));
        }
        self.probes.shutdown().await;
        let pages = &self.clients.pages;
        self.recorder.finish(
            self.scenario.seed,
            &pages.admission().view(),
            pages.telemetry().counts(),
        )
    }
}

/// Lets everything that can run at this instant run: a permit that was just released is granted,
/// the page that got it starts its calls, and so on. The clock stands still meanwhile.
async fn settle() {
    /// Far more than the longest such chain.
    const TURNS: usize = 16;
    for _ in 0..TURNS {
        yield_now().await;
    }
}

/// The one place where the gateway is put together.
fn pages(
    scenario: &Scenario,
    recorder: &Arc<Recorder>,
    own_load: &Arc<OwnLoad>,
    control: Option<NegativeControl>,
) -> Result<Pages<Only<Modelled>>> {
    let part_by_part = scenario.admission == Arm::PartByPart;
    let bulkheads = part_by_part.then(|| Admission::new(&arm::of_each_call(&scenario.config)));
    let modelled = Modelled::new(
        scenario,
        Arc::clone(recorder),
        Arc::clone(own_load),
        bulkheads,
    )?;
    let transport = Only::new(modelled, scenario.config.downstreams.len());
    let config = match scenario.admission {
        Arm::WholePage => control::config(control, &scenario.config),
        Arm::PartByPart => arm::of_no_page(&scenario.config),
    };
    let admission = control::admission(control, &config);
    let telemetry = Arc::new(Telemetry::new(&config));
    Ok(Pages::with_admission(
        &config, transport, telemetry, admission,
    ))
}
