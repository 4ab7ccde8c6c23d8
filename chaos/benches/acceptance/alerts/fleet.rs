//! Two gateways before the same five services, and who asks them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use chaos::http::Origin;
use chaos::load::Load;
use chaos::proc::Process;
use http::{HeaderMap, HeaderValue};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::fault::{Fault, SERVICE, USUAL, What};
use crate::binaries::{START, binary};
use crate::config::Setup;
use crate::fakes::Fakes;
use crate::telemetry::Agent;
use crate::world::free_port;

/// What the runbook's commands call it.
const CONFIG: &str = "config.toml";

/// Pages per second at each gateway, and of the greedy client besides.
const RATE: f64 = 40.0;
const GREED: f64 = 200.0;
/// What a client may ask for.
const QUOTA: &str =
    "clients.rate = \"60/s\"\nclients.burst = 60\nclients.identify_by = \"header:x-api-key\"";

/// Longer than any fault is looked at; the load ends with its [`JoinSet`].
const LONG: Duration = Duration::from_mins(1);
/// How long clients wait that leave.
const PATIENCE: Duration = Duration::from_millis(200);

/// Clients, as long as this lives.
pub(super) type Clients = JoinSet<()>;

/// A gateway of the fleet, as an operator knows it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) admin: Origin,
    /// Where its config.toml is.
    pub(super) directory: PathBuf,
}

pub(super) struct Fleet {
    pub(super) fakes: Fakes,
    /// A second address of [`SERVICE`], where the fault is about one of two.
    _other: Option<Fakes>,
    pub(super) agent: Option<Agent>,
    pub(super) greedy: Option<Clients>,
    gateways: Vec<Gateway>,
    _files: TempDir,
}

struct Gateway {
    name: &'static str,
    page: Origin,
    admin: Origin,
    directory: PathBuf,
    process: Process,
}

impl Fleet {
    /// Both ready.
    pub(super) async fn start(fault: &Fault) -> Result<Self> {
        let fakes = Fakes::start(USUAL).await?;
        let other = if fault.what == What::EndpointDead {
            Some(Fakes::start(USUAL).await?)
        } else {
            None
        };
        let agent = if fault.what == What::AgentDead {
            Some(Agent::well().await?)
        } else {
            None
        };
        let setup = Setup {
            permits: 64,
            agent: agent.as_ref().map(Agent::address),
            ..Setup::default()
        };
        let files = TempDir::new()?;
        let mut gateways = Vec::new();
        for name in ["a", "b"] {
            let [page, admin] = [free_port()?, free_port()?];
            let at = |service: &str| addresses(service, &fakes, other.as_ref());
            let text = setup
                .to_toml(page, admin, at)
                .replace("clients.rate = \"none\"", QUOTA);
            let directory = files.path().join(name);
            fs::create_dir(&directory)?;
            fs::write(directory.join(CONFIG), text)?;
            gateways.push(Gateway::start(name, page.into(), admin.into(), directory).await?);
        }
        Ok(Self {
            fakes,
            _other: other,
            agent,
            greedy: None,
            gateways,
            _files: files,
        })
    }

    /// Where to scrape.
    pub(super) fn admins(&self) -> Vec<Target> {
        let target = |gateway: &Gateway| Target {
            name: gateway.name,
            admin: gateway.admin,
            directory: gateway.directory.clone(),
        };
        self.gateways.iter().map(target).collect()
    }

    /// The process of one of them.
    pub(super) fn process(&self, index: usize) -> u32 {
        self.gateways[index].process.id()
    }

    /// Usual clients of both; impatient ones where the fault is about those.
    pub(super) fn load(&self, fault: &Fault) -> Clients {
        let patience = (fault.what == What::ClientsLeave).then_some(PATIENCE);
        let mut clients = Clients::new();
        for gateway in &self.gateways {
            let load = Load {
                patience,
                ..load(gateway.page, RATE, "usual")
            };
            clients.spawn(offer(load));
        }
        clients
    }

    /// One client that asks the first gateway for more than its quota.
    pub(super) fn greedy_load(&self) -> Clients {
        let mut clients = Clients::new();
        clients.spawn(offer(load(self.gateways[0].page, GREED, "greedy")));
        clients
    }

    /// As a rollout does it that nobody checked: it does not come back.
    ///
    /// # Errors
    /// It does all the same, or not with exit status 2.
    pub(super) async fn restart_with_bad_config(&mut self, index: usize) -> Result<()> {
        let gateway = &mut self.gateways[index];
        gateway.edit(|text| text.replace("permits = ", "permit = "))?;
        gateway.process.terminate()?;
        gateway.process.exit(START).await?;
        gateway.process = Process::start(gateway.run()?)?;
        let status = gateway.process.exit(START).await?;
        ensure!(status.code() == Some(2), "it ended with {status}");
        Ok(())
    }

    /// A restart after the name of [`SERVICE`] has gone.
    pub(super) async fn restart_without_name(&mut self, index: usize) -> Result<()> {
        let at = format!("http://{}", self.fakes.address(SERVICE));
        let gateway = &mut self.gateways[index];
        gateway.edit(|text| text.replace(&at, "http://pricing.invalid"))?;
        gateway.process.terminate()?;
        gateway.process.exit(START).await?;
        gateway.process = Process::start(gateway.run()?)?;
        gateway.process.ready(gateway.admin, "/readyz", START).await
    }
}

impl Gateway {
    async fn start(
        name: &'static str,
        page: Origin,
        admin: Origin,
        directory: PathBuf,
    ) -> Result<Self> {
        let mut process = Process::start(run(&directory)?)?;
        process.ready(admin, "/readyz", START).await?;
        Ok(Self {
            name,
            page,
            admin,
            directory,
            process,
        })
    }

    fn run(&self) -> Result<Command> {
        run(&self.directory)
    }

    fn edit(&self, change: impl Fn(String) -> String) -> Result<()> {
        let file = self.directory.join(CONFIG);
        let before = fs::read_to_string(&file)?;
        let after = change(before.clone());
        ensure!(before != after, "nothing of {} was changed", file.display());
        Ok(fs::write(&file, after)?)
    }
}

/// With the file of that directory, which is the default.
fn run(directory: &Path) -> Result<Command> {
    let mut command = Command::new(binary("gateway")?);
    command.arg("run").current_dir(directory);
    // A line per page would be read by this program, which has a load to offer.
    command.env("RUST_LOG", "info,gateway::page=warn");
    Ok(command)
}

fn addresses(service: &str, fakes: &Fakes, other: Option<&Fakes>) -> Vec<SocketAddr> {
    let other = other.filter(|_| service == SERVICE);
    let all = [Some(fakes), other].into_iter().flatten();
    all.map(|fakes| fakes.address(service)).collect()
}

fn load(target: Origin, rate: f64, key: &'static str) -> Load {
    let path = http::uri::PathAndQuery::from_static("/product-page/p-1001");
    Load {
        headers: HeaderMap::from_iter([(
            http::HeaderName::from_static("x-api-key"),
            HeaderValue::from_static(key),
        )]),
        guard: Duration::from_secs(3),
        ..Load::new(target, path, rate, LONG)
    }
}

/// A gateway that is gone answers nobody: what clients see is not judged here.
async fn offer(load: Load) {
    let _ = load.run().await;
}
