//! The gateway and the fakes as release binaries on free ports, and views into both.
//!
//! Always holds: both end with the [`World`]. Each check has its own, so counters start at zero.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use chaos::http::Origin;
use chaos::load::{Load, Report};
use chaos::proc::{Process, Usage};
use http::uri::PathAndQuery;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::binaries::{START, binary};
use crate::config::Setup;
use crate::cpu::Share;
use crate::fakes::{Fakes, Stats};

/// Asked for in turn.
const PRODUCTS: [&str; 3] = ["p-1001", "p-1002", "p-1003"];

pub(crate) struct World {
    pub(crate) gateway: Process,
    pub(crate) page: Origin,
    pub(crate) admin: Origin,
    pub(crate) setup: Setup,
    fakes: Fakes,
    config: TempDir,
}

/// Where a gateway stands, if not where all do.
#[derive(Default)]
pub(crate) struct Place<'a> {
    /// The endpoints of the first service, instead of its fake alone.
    pub(crate) endpoints: Option<Vec<SocketAddr>>,
    /// What CPU it gets.
    pub(crate) cpu: Option<&'a Share>,
}

/// One gateway that is ready.
pub(crate) struct Instance {
    pub(crate) process: Process,
    pub(crate) page: Origin,
    pub(crate) admin: Origin,
    _config: TempDir,
}

impl Instance {
    /// A gateway in this place, on free ports, with these fakes.
    pub(crate) async fn start(place: &Place<'_>, fakes: &Fakes, setup: Setup) -> Result<Self> {
        let first = setup.services().next();
        let at = |name: &str| match &place.endpoints {
            Some(endpoints) if first == Some(name) => endpoints.clone(),
            Some(_) | None => vec![fakes.address(name)],
        };
        let [page, admin] = [free_port()?, free_port()?];
        let config = TempDir::new()?;
        let file = config.path().join("config.toml");
        fs::write(&file, setup.to_toml(page, admin, at))?;
        let mut command = Command::new(binary("gateway")?);
        command.arg("run").arg("--config").arg(&file);
        // A line per page would be read by this program, which has a load to offer.
        command.env("RUST_LOG", "info,gateway::page=off");
        let command = match place.cpu {
            Some(share) => share.confine(command),
            None => command,
        };
        let mut process = Process::start(command)?;
        let (page, admin) = (Origin::from(page), Origin::from(admin));
        process.ready(admin, "/readyz", START).await?;
        Ok(Self {
            process,
            page,
            admin,
            _config: config,
        })
    }
}

impl World {
    /// Both processes running and ready; every fake answers after exactly `latency`.
    pub(crate) async fn start(setup: Setup, latency: Duration) -> Result<Self> {
        Self::start_in(Place::default(), Fakes::start(latency).await?, setup).await
    }

    /// A gateway in this place, with these fakes.
    pub(crate) async fn start_in(place: Place<'_>, fakes: Fakes, setup: Setup) -> Result<Self> {
        let Instance {
            process,
            page,
            admin,
            _config: config,
        } = Instance::start(&place, &fakes, setup).await?;
        Ok(Self {
            gateway: process,
            page,
            admin,
            setup,
            fakes,
            config,
        })
    }

    /// The gateway's configuration file.
    pub(crate) fn file(&self) -> PathBuf {
        self.config.path().join("config.toml")
    }

    /// Where a service is.
    pub(crate) fn address(&self, service: &str) -> SocketAddr {
        self.fakes.address(service)
    }

    /// Replaces the whole behaviour of one fake.
    pub(crate) async fn behave(&self, service: &str, behaviour: &Value) -> Result<()> {
        self.fakes.behave(service, behaviour).await
    }

    /// One fake never answers again.
    pub(crate) async fn hang(&self, service: &str) -> Result<()> {
        let toxic = json!({"name": "hang", "type": "timeout", "attributes": {"timeout": 0}});
        self.fakes.poison(service, &toxic).await
    }

    /// One fake answers every call with this status.
    pub(crate) async fn fail(&self, service: &str, status: u16) -> Result<()> {
        let toxic = json!({"name": "fail", "type": "error", "attributes": {"status": status, "ratio": 1.0}});
        self.fakes.poison(service, &toxic).await
    }

    /// What each fake the page asks has counted.
    pub(crate) async fn stats(&self) -> Result<BTreeMap<String, Stats>> {
        let mut all = self.fakes.stats().await?;
        all.retain(|name, _| self.setup.services().any(|service| service == name));
        Ok(all)
    }

    /// How long from now until no fake has a call in flight, looked at every few milliseconds.
    pub(crate) async fn quiet_after(&self, give_up: Duration) -> Result<Option<Duration>> {
        let start = now();
        loop {
            let busy: u64 = self
                .stats()
                .await?
                .values()
                .map(|stats| stats.in_flight)
                .sum();
            match busy {
                0 => return Ok(Some(start.elapsed())),
                _ if start.elapsed() > give_up => return Ok(None),
                _ => sleep(Duration::from_millis(2)).await,
            }
        }
    }

    /// Tickets and permits in use, as the gateway itself says.
    pub(crate) async fn in_use(&self) -> Result<u64> {
        let limits = self.admin.get("/limits").await?;
        let mut held = number(&limits["gateway"]["in_flight"])?;
        for service in self.setup.services() {
            held += number(&limits["downstreams"][service]["in_use"])?;
        }
        Ok(held)
    }

    /// Tickets in use, as the gateway itself says.
    pub(crate) async fn in_flight(&self) -> Result<u64> {
        number(&self.admin.get("/limits").await?["gateway"]["in_flight"])
    }

    /// The sum of all series of a metric that have this label, as `/metrics` says.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> Result<u64> {
        let text = self.admin.text("/metrics").await?;
        let series = text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        let values = series.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<u64>());
        Ok(values.collect::<Result<Vec<_>, _>>()?.iter().sum())
    }

    /// Pages in turn, whose answers are bounded well above any deadline.
    pub(crate) fn load(&self, rate: f64, duration: Duration) -> Result<Load> {
        Self::load_on(self.page, rate, duration)
    }

    /// The same, on whatever is in front of gateways.
    pub(crate) fn load_on(target: Origin, rate: f64, duration: Duration) -> Result<Load> {
        let paths: Vec<PathAndQuery> = PRODUCTS
            .iter()
            .map(|id| format!("/product-page/{id}").parse())
            .collect::<Result<_, _>>()?;
        let load = Load::new(target, paths[0].clone(), rate, duration);
        Ok(Load {
            paths,
            guard: Duration::from_secs(3),
            ..load
        })
    }

    /// Runs the load and says what it cost in CPU time.
    pub(crate) async fn run(&self, load: Load) -> Result<Measured> {
        let before = (self.gateway.usage()?.cpu, own_cpu()?);
        let report = load.run().await?;
        let after = (self.gateway.usage()?.cpu, own_cpu()?);
        let pages = u32::try_from(report.answers.len().max(1))?;
        Ok(Measured {
            report,
            gateway_cpu: after.0.saturating_sub(before.0) / pages,
            load_cpu: after.1.saturating_sub(before.1) / pages,
        })
    }
}

/// A load's report, and the CPU time of each request.
pub(crate) struct Measured {
    pub(crate) report: Report,
    pub(crate) gateway_cpu: Duration,
    /// Of this program itself.
    pub(crate) load_cpu: Duration,
}

fn own_cpu() -> Result<Duration> {
    Ok(Usage::of(std::process::id())?.cpu)
}

#[expect(clippy::disallowed_methods, reason = "the clock of these measurements")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A port that was free a moment ago. Two programs that pick at once may collide; then one of
/// them says so when it starts.
pub(crate) fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().context("/limits: a number is missing")
}
