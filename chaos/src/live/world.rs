//! The gateway and the fakes as processes on free ports.
//!
//! Always holds: both end with the [`World`], however it ends. Fields are dropped in their order: the
//! gateway first.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use fixtures::{Behaviour, Stats};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Deserialize;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::config::for_sockets;
use super::programs::Programs;
use crate::http::Origin;
use crate::proc::Process;
use crate::scenario::Scenario;

/// Longest start of either program, on a busy machine.
const START: Duration = Duration::from_secs(20);

pub(super) struct World {
    pub(super) gateway: Process,
    _fakes: Process,
    /// Where pages are served.
    pub(super) page: SocketAddr,
    admin: Origin,
    control: Origin,
    _config: NamedTempFile,
}

/// What the gateway says of itself, as far as it is asked here.
#[derive(Debug, Deserialize)]
pub(super) struct Limits {
    gateway: Tickets,
    pub(super) downstreams: BTreeMap<String, Bulkhead>,
    pages: BTreeMap<String, Outcomes>,
}

#[derive(Debug, Deserialize)]
struct Tickets {
    in_flight: u32,
    would_shed: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Bulkhead {
    pub(super) in_use: u32,
    pub(super) queued: usize,
}

#[derive(Debug, Deserialize)]
struct Outcomes {
    outcomes: BTreeMap<String, u64>,
}

impl World {
    /// Both ready, the fakes as the scenario has them at first.
    pub(super) async fn start(scenario: &Scenario, programs: &Programs) -> Result<Self> {
        raise_limit();
        let seed = scenario.seed.to_string();
        let mut fakes = start(&programs.fakes, &["--ephemeral", "--seed", &seed])?;
        let control = fakes.tells(control_of, START).await?;
        let at = addresses(control).await?;
        let config = for_sockets(&scenario.config, &scenario.config_text, &at)?;
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile()?;
        file.write_all(config.as_bytes())?;
        let path = file.path().to_string_lossy().into_owned();
        let mut gateway = start(&programs.gateway, &["run", "--config", &path])?;
        let (page, admin) = gateway.tells(listeners_of, START).await?;
        let world = Self {
            gateway,
            _fakes: fakes,
            page,
            admin: admin.into(),
            control,
            _config: file,
        };
        for (downstream, behaviour) in scenario.config.downstreams.iter().zip(&scenario.behaviours)
        {
            world.behave(downstream.name.as_str(), behaviour).await?;
        }
        Ok(world)
    }

    /// A fake behaves like this from now on.
    pub(super) async fn behave(&self, downstream: &str, behaviour: &Behaviour) -> Result<()> {
        let behaviour = serde_json::to_value(behaviour)?;
        let path = format!("/behaviour/{downstream}");
        self.control.put(&path, &behaviour).await
    }

    /// The gateway is told to stop: SIGTERM.
    pub(super) fn stop(&self) -> Result<()> {
        self.gateway.terminate()
    }

    /// The same, but nobody has to turn away first: SIGINT.
    pub(super) fn stop_without_delay(&self) -> Result<()> {
        self.gateway.interrupt()
    }

    pub(super) async fn limits(&self) -> Result<Limits> {
        Ok(serde_json::from_value(self.admin.get("/limits").await?)?)
    }

    /// What every fake has counted.
    pub(super) async fn stats(&self) -> Result<BTreeMap<String, Stats>> {
        Ok(serde_json::from_value(self.control.get("/stats").await?)?)
    }
}

impl Limits {
    /// Tickets and permits that somebody holds.
    pub(super) fn held(&self) -> u32 {
        let permits = self.downstreams.values().map(|bulkhead| bulkhead.in_use);
        self.gateway.in_flight + permits.sum::<u32>()
    }

    /// Pages that limits which are only watched would have refused so far.
    pub(super) fn would_shed(&self) -> u64 {
        self.gateway.would_shed
    }

    /// Pages that have ended so far.
    pub(super) fn ended(&self) -> u64 {
        let outcomes = self.pages.values().flat_map(|page| page.outcomes.values());
        outcomes.sum()
    }
}

/// Nothing of this process's environment reaches a child: it would outweigh the scenario's config.
/// Lines about single pages are left out of the log; the record has them all.
fn start(program: &Path, args: &[&str]) -> Result<Process> {
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("RUST_LOG", "info,gateway::page=off");
    Process::start(command)
}

/// Children may open as many files as this process: without limits a page costs many. Where this is
/// refused, what there is has to do.
fn raise_limit() {
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised);
}

fn control_of(line: &str) -> Option<Origin> {
    let url = line.strip_prefix("control")?.trim();
    url.strip_suffix("/proxies")?.parse().ok()
}

/// Where the gateway says that it serves pages and operators.
fn listeners_of(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |key: &str| line.get(key)?.as_str()?.parse().ok();
    Some((address("listen")?, address("admin")?))
}

/// Where each fake listens, as Toxiproxy's `GET /proxies` says it.
async fn addresses(control: Origin) -> Result<BTreeMap<String, SocketAddr>> {
    #[derive(Deserialize)]
    struct Proxy {
        listen: SocketAddr,
    }
    let proxies: BTreeMap<String, Proxy> = serde_json::from_value(control.get("/proxies").await?)?;
    let at = proxies.into_iter();
    Ok(at.map(|(name, proxy)| (name, proxy.listen)).collect())
}
