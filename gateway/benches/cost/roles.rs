//! The servers this executable can be, each in a process of its own.
//!
//! A role prints [`LISTENING`] and its addresses on one line, and ends when its
//! standard input does, or after [`LIFE`]: none is left behind.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{anyhow, ensure};
use fixtures::{Behaviour, Fakes, Latency, Options, Service};
use gateway::app::App;
use gateway::config::{self, Loaded};
use gateway::lifecycle::stop::StopSignal;
use gateway::page::deadline::{Deadline, now};
use gateway::telemetry::log;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;

use crate::agent;
use crate::bare::{Bare, Caller};
use crate::closing;
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
    let loaded = configured(setup)?;
    let _log = log::start(&loaded.config.telemetry);
    let app = App::bind(loaded.config, loaded.effective).await?;
    announce(&[app.public_address()?])?;
    // Cut off, not drained: nothing is in flight any more.
    tokio::select! {
        ended = app.run(StopSignal::default()) => Ok(ended?),
        () = told_to_end() => Ok(()),
    }
}

/// The shipped configuration on free ports. Without a quota, as one address sends all
/// pages; with more time, so that a machine that stalls costs time and not the figures,
/// and connections outlive the others' turns: a timer costs the same whatever it is set to.
fn configured(setup: &Setup) -> anyhow::Result<Loaded> {
    let key = |key: &str, value: String| (format!("GATEWAY__{key}"), value);
    let mut overrides = vec![
        key("SERVER__LISTEN", "127.0.0.1:0".into()),
        key("ADMIN__LISTEN", "127.0.0.1:0".into()),
        key("CLIENTS__RATE", "none".into()),
        key("SERVER__HEADER_READ_TIMEOUT", "60s".into()),
        key("PAGE__PRODUCT_PAGE__DEADLINE", "60s".into()),
        key("PAGE__PRODUCT_PAGE__PART__REVIEWS__TIMEOUT", "5s".into()),
        key(
            "PAGE__PRODUCT_PAGE__PART__RECOMMENDATIONS__TIMEOUT",
            "5s".into(),
        ),
    ];
    if let Some(tickets) = setup.tickets {
        overrides.push(key("ADMISSION__MAX_IN_FLIGHT", tickets.to_string()));
    }
    for (name, value) in setup.telemetry.keys(&setup.agent) {
        overrides.push(key(&format!("TELEMETRY__{name}"), value));
    }
    for (service, address) in Service::ALL.into_iter().zip(&setup.downstreams) {
        let name = service.name().to_uppercase();
        overrides.push(key(
            &format!("DOWNSTREAM__{name}__URL"),
            format!("http://{address}"),
        ));
        overrides.push(key(
            &format!("DOWNSTREAM__{name}__HTTP2"),
            setup.http2.to_string(),
        ));
        if let Some(permits) = setup.permits {
            overrides.push(key(
                &format!("DOWNSTREAM__{name}__PERMITS"),
                permits.to_string(),
            ));
        }
    }
    let text = config::default_text().to_owned() + &more_pages(setup);
    config::load_text("config.toml", &text, &overrides).map_err(|report| anyhow!("{report}"))
}

/// Pages with the parts of the first, at `/product-page-N/`, from downstreams of their own.
fn more_pages(setup: &Setup) -> String {
    let mut text = String::new();
    let permits = setup.permits.unwrap_or(64);
    for n in 1..=setup.more_pages {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "[page.product-page-{n}]\npath = \"/product-page-{n}/{{id}}\"\ndeadline = \"60s\"\n\
             params.id = \"^[A-Za-z0-9_-]{{1,64}}$\""
        );
        for (service, address) in Service::ALL.into_iter().zip(&setup.downstreams) {
            let (name, path) = (service.name(), service.path("{id}"));
            let _ = writeln!(
                text,
                "[downstream.{name}-{n}]\nurl = \"http://{address}\"\npermits = {permits}\n\
                 [page.product-page-{n}.part.{name}]\ndownstream = \"{name}-{n}\"\n\
                 path = \"{path}\"\nrequired = true"
            );
        }
    }
    text
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
