//! Resident memory: per page in flight and per idle client of each server, and per idle
//! pooled connection of the gateway.
//!
//! All are differences within one process, so that programs and shared libraries do not
//! count; what an allocator keeps for itself does.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use fixtures::Service;
use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::arms::{Arm, Bench};
use crate::load::{Client, Wanted};
use crate::process::Process;
use crate::roles::Role;
use crate::samples::Samples;
use crate::setup::Setup;

/// Pages that each client asks for, one after the other.
const TURNS: u32 = 3;

/// Between two looks at a process.
const PAUSE: Duration = Duration::from_millis(50);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    /// Pages in flight, and so clients.
    pub(crate) pages: u32,
    /// Milliseconds that each of them takes.
    pub(crate) latency: u64,
    /// Idle client connections.
    pub(crate) idle: u32,
    /// Pages at once of each wave that fills a pool of its own.
    pub(crate) wave: u32,
}

/// Waves; all pools but the first are weighed.
const WAVES: usize = 5;

/// Milliseconds of a page in a wave, whose pages begin within a quarter of that: all of them
/// overlap.
const WAVE_LATENCY: u64 = 200;

/// What was measured, in bytes.
pub(crate) struct Memory {
    crowd: Crowd,
    rows: Vec<(Arm, Row)>,
    /// Per idle pooled connection of the gateway.
    pub(crate) pooled: f64,
}

/// Of one server.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) per_page: f64,
    pub(crate) per_client: f64,
}

/// Each server over HTTP/1.1, with telemetry off.
///
/// # Errors
/// A server that does not start, the first answer that is wrong, or a gateway that keeps no
/// connections.
pub(crate) async fn measure(
    bench: &Bench,
    wanted: &Arc<Wanted>,
    crowd: Crowd,
) -> anyhow::Result<Memory> {
    let slow = fakes(crowd.latency)?;
    let quick = fakes(0)?;
    let mut rows = Vec::new();
    for arm in bench.servers() {
        let per_page = in_flight(bench, arm, &slow, wanted, crowd).await?;
        let per_client = idle_clients(bench, arm, &quick, wanted, crowd.idle).await?;
        let row = Row {
            per_page,
            per_client,
        };
        rows.push((arm, row));
    }
    Ok(Memory {
        crowd,
        rows,
        pooled: pooled(bench, wanted, crowd.wave).await?,
    })
}

fn fakes(latency: u64) -> anyhow::Result<Process> {
    let setup = Setup {
        latency,
        ..Setup::default()
    };
    Process::start(Role::Fakes, &setup)
}

/// Bytes per page in flight.
async fn in_flight(
    bench: &Bench,
    arm: Arm,
    fakes: &Process,
    wanted: &Arc<Wanted>,
    crowd: Crowd,
) -> anyhow::Result<f64> {
    let setup = Setup {
        downstreams: fakes.addresses.clone(),
        permits: Some(crowd.pages as usize),
        ..Setup::default()
    };
    let server = bench.start(arm, setup)?;
    let address = server.addresses[0];
    first_page(address, wanted).await?;
    let base = server.resident()?;

    let page = Duration::from_millis(crowd.latency);
    let mut clients = JoinSet::new();
    for nth in 0..crowd.pages {
        let begin = page * nth / crowd.pages;
        clients.spawn(visit(address, Arc::clone(wanted), begin));
    }
    // All clients are there from when the last has come until the first leaves: as long as
    // two of their pages take.
    sleep(page * 5 / 4).await;
    let mut seen = Samples::default();
    for _ in 0..(page * 3 / 2).div_duration_f64(PAUSE) as u32 {
        seen.0.push(server.resident()?);
        sleep(PAUSE).await;
    }
    while let Some(visited) = clients.join_next().await {
        visited??;
    }
    Ok((seen.median() - base) / f64::from(crowd.pages))
}

/// A client that comes after a while, and leaves after a few pages.
async fn visit(address: SocketAddr, wanted: Arc<Wanted>, begin: Duration) -> anyhow::Result<()> {
    sleep(begin).await;
    let mut client = Client::connect(address).await?;
    for turn in 0..TURNS {
        client.page(&wanted, turn as usize).await?;
    }
    Ok(())
}

/// Bytes per idle client, each of which has had one page, one after the other.
async fn idle_clients(
    bench: &Bench,
    arm: Arm,
    fakes: &Process,
    wanted: &Arc<Wanted>,
    count: u32,
) -> anyhow::Result<f64> {
    let setup = Setup {
        downstreams: fakes.addresses.clone(),
        ..Setup::default()
    };
    let server = bench.start(arm, setup)?;
    let address = server.addresses[0];
    first_page(address, wanted).await?;
    let base = server.resident()?;
    let mut clients = Vec::new();
    for nth in 0..count {
        let mut client = Client::connect(address).await?;
        client.page(wanted, nth as usize).await?;
        clients.push(client);
    }
    sleep(PAUSE).await;
    Ok((server.resident()? - base) / f64::from(count))
}

async fn first_page(address: SocketAddr, wanted: &Wanted) -> anyhow::Result<()> {
    Client::connect(address).await?.page(wanted, 0).await?;
    sleep(PAUSE).await;
    Ok(())
}

/// Bytes per idle pooled connection of the gateway.
///
/// A pool only grows while calls are made, and what they needed would count. So the same
/// clients ask for several pages, one after the other, whose downstreams differ: each wave
/// uses again what the first has allocated, and adds a pool.
async fn pooled(bench: &Bench, wanted: &Arc<Wanted>, wave: u32) -> anyhow::Result<f64> {
    let fakes = fakes(WAVE_LATENCY)?;
    let setup = Setup {
        downstreams: fakes.addresses.clone(),
        permits: Some(wave as usize),
        more_pages: WAVES,
        ..Setup::default()
    };
    let server = bench.start(Arm::GATEWAY, setup)?;
    let connect = (0..wave).map(|_| Client::connect(server.addresses[0]));
    let mut clients = try_join_all(connect).await?;
    let mut resident = Vec::new();
    for which in 1..=WAVES {
        let pages = clients.iter_mut().enumerate();
        let pages = pages.map(async |(nth, client)| {
            let begin = Duration::from_millis(WAVE_LATENCY / 4) * nth as u32 / wave;
            sleep(begin).await;
            client.other_page(wanted, nth, which).await
        });
        try_join_all(pages).await?;
        sleep(PAUSE).await;
        resident.push(server.resident()?);
    }
    let of_a_wave = wave as usize * Service::ALL.len();
    let open = server.sockets()?;
    ensure!(
        open >= of_a_wave * WAVES,
        "the gateway keeps only {open} of {} connections, so that none can be weighed",
        of_a_wave * WAVES
    );
    Ok((resident[WAVES - 1] - resident[0]) / (of_a_wave * (WAVES - 1)) as f64)
}

impl Memory {
    /// What this server held.
    pub(crate) fn of(&self, arm: Arm) -> Option<Row> {
        let found = self.rows.iter().find(|(is, _)| *is == arm);
        found.map(|(_, row)| *row)
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:<34}{:>16}{:>16}\n",
            "Resident memory, KiB", "page in flight", "idle client"
        );
        for (arm, row) in &self.rows {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:<34}{:>16.1}{:>16.1}",
                arm.name(),
                row.per_page / 1024.0,
                row.per_client / 1024.0,
            );
        }
        let Crowd {
            pages,
            latency,
            idle,
            wave,
        } = self.crowd;
        let _ = writeln!(
            text,
            "An idle pooled connection of the gateway: {:.1} KiB.\n\
             {pages} pages in flight, each {latency} ms; {idle} idle clients; {} idle pooled connections.",
            self.pooled / 1024.0,
            wave as usize * Service::ALL.len() * (WAVES - 1),
        );
        text
    }
}
