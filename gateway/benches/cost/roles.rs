//! The servers this executable can be, each in a process of its own.
//!
//! A role prints [`LISTENING`] and its addresses on one line, and ends when its
//! standard input does, or after [`LIFE`]: none is left behind.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::ensure;
use fixtures::{Behaviour, Fakes, Latency, Options, Service};
use gateway::app::App;
use gateway::lifecycle::stop::StopSignal;
use gateway::page::deadline::{Deadline, now};
use gateway::telemetry::log;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;

use crate::agent;
use crate::bare::{Bare, Caller};
use crate::closing;
use crate::configured;
use crate::setup::Setup;

/// What comes before a role's addresses; log lines may come before it.
pub(crate) const LISTENING: &str = "listening on ";

/// Longer than any measurement.
pub(crate) const LIFE: Duration = Duration::from_secs(300);

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// The five services.
    Fakes,
    /// What traces and metrics are sent to.
    Agent,
    /// The gateway with the shipped `config.toml`.
    Gateway,
    /// The bare fan-out over hyper-util's client.
    Bare,
    /// The bare fan-out over reqwest.
    BareReqwest,
}

/// Plays `role` until standard input ends. Worker threads as in the shipped binary: one per core.
pub(crate) fn play(role: Role, setup: &Setup) -> anyhow::Result<()> {
    let downstreams = &setup.downstreams;
    ensure!(
        matches!(role, Role::Fakes | Role::Agent) || downstreams.len() == Service::ALL.len(),
        "--role needs --downstreams with five addresses, such as `--role fakes` prints"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match role {
            Role::Fakes if setup.closing => closing().await,
            Role::Fakes => fakes(setup.latency).await,
            Role::Agent => agent().await,
            Role::Gateway => gateway(setup).await,
            Role::Bare => bare(Caller::hyper(setup.http2), downstreams).await,
            Role::BareReqwest => bare(Caller::reqwest(setup.http2)?, downstreams).await,
        }
    })
}

async fn fakes(latency: u64) -> anyhow::Result<()> {
    let behaviour = Behaviour {
        latency: Latency::Fixed(Duration::from_millis(latency)),
        ..Behaviour::default()
    };
    let options = Options {
        behaviour,
        ..Options::default()
    };
    let fakes = Fakes::start(options).await?;
    announce(&Service::ALL.map(|service| fakes.addr(service)))?;
    told_to_end().await;
    fakes.stop().await;
    Ok(())
}

/// The fakes, except that none answers twice on one connection.
async fn closing() -> anyhow::Result<()> {
    let mut listeners = Vec::new();
    for service in Service::ALL {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        listeners.push((service, listener));
    }
    let addresses = listeners
        .iter()
        .map(|(_, listener)| listener.local_addr())
        .collect::<Result<Vec<_>, _>>()?;
    announce(&addresses)?;
    tokio::select! {
        ended = closing::serve(listeners) => ended,
        () = told_to_end() => Ok(()),
    }
}

async fn agent() -> anyhow::Result<()> {
    let traces = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let metrics = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(&[traces.local_addr()?, metrics.local_addr()?])?;
    tokio::select! {
        ended = agent::take_traces(traces) => ended.map(drop),
        ended = agent::take_metrics(metrics) => ended.map(drop),
        () = told_to_end() => Ok(()),
    }
}

async fn gateway(setup: &Setup) -> anyhow::Result<()> {
    let loaded = configured::load(setup)?;
    let _log = log::start(&loaded.config.telemetry)?;
    let app = App::bind(loaded).await?;
    announce(&[app.public_address()?])?;
    // Cut off, not drained: nothing is in flight any more.
    tokio::select! {
        ended = app.run(StopSignal::default()) => Ok(ended?),
        () = told_to_end() => Ok(()),
    }
}

async fn bare(caller: Caller, downstreams: &[SocketAddr]) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(&[listener.local_addr()?])?;
    tokio::select! {
        ended = Bare::new(caller, downstreams).serve(listener) => ended,
        () = told_to_end() => Ok(()),
    }
}

fn announce(addresses: &[SocketAddr]) -> anyhow::Result<()> {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    writeln!(std::io::stdout(), "{LISTENING}{}", addresses.join(","))?;
    Ok(())
}

/// Resolves when standard input ends. A thread waits for that, so that the runtime need not.
async fn told_to_end() {
    let (sender, told) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        // However it ends, it has ended.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(sender);
    });
    let _ = Deadline::after(now(), LIFE).limit(told).await;
}
