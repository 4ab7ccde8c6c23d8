//! One process of five fakes on free ports, and its control API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use chaos::http::Origin;
use chaos::proc::Process;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::binaries::{START, binary};

pub(crate) struct Fakes {
    control: Origin,
    addresses: BTreeMap<String, SocketAddr>,
    _process: Process,
}

/// What a fake has counted, as far as checks ask.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Stats {
    pub(crate) received: u64,
    pub(crate) faulted: u64,
    pub(crate) aborted_by_caller: u64,
    pub(crate) in_flight: u64,
    pub(crate) in_flight_max: u64,
}

impl Fakes {
    /// Each of them answers after exactly `latency`.
    pub(crate) async fn start(latency: Duration) -> Result<Self> {
        let mut command = Command::new(binary("fakes")?);
        command.args(["--seed", "1", "--ephemeral"]);
        let process = Process::start(command)?;
        let url = process.says("control", START).await?;
        let control: Origin = url.trim_end_matches("/proxies").parse()?;
        let fakes = Self {
            control,
            addresses: addresses(control).await?,
            _process: process,
        };
        for service in fakes.addresses.keys() {
            fakes.behave(service, &fixed(latency)).await?;
        }
        Ok(fakes)
    }

    /// Where a service listens.
    ///
    /// # Panics
    /// If there is no such service: names are constants of this program.
    pub(crate) fn address(&self, service: &str) -> SocketAddr {
        self.addresses[service]
    }

    /// Replaces the whole behaviour of one fake.
    pub(crate) async fn behave(&self, service: &str, behaviour: &Value) -> Result<()> {
        self.control
            .put(&format!("/behaviour/{service}"), behaviour)
            .await
    }

    /// Adds a toxic to one fake.
    pub(crate) async fn poison(&self, service: &str, toxic: &Value) -> Result<()> {
        self.control
            .post(&format!("/proxies/{service}/toxics"), toxic)
            .await
    }

    /// Takes a toxic away from one fake.
    pub(crate) async fn heal(&self, service: &str, toxic: &str) -> Result<()> {
        let path = format!("/proxies/{service}/toxics/{toxic}");
        self.control.delete(&path).await
    }

    /// Refuses connections and ends those that are open, or accepts them again.
    pub(crate) async fn enable(&self, service: &str, enabled: bool) -> Result<()> {
        self.control
            .post(&format!("/proxies/{service}"), &json!({"enabled": enabled}))
            .await
    }

    /// What each of them has counted.
    pub(crate) async fn stats(&self) -> Result<BTreeMap<String, Stats>> {
        Ok(serde_json::from_value(self.control.get("/stats").await?)?)
    }
}

/// A behaviour: every call takes exactly so long.
pub(crate) fn fixed(latency: Duration) -> Value {
    json!({"latency": {"fixed": format!("{}ms", latency.as_millis())}})
}

/// Where each fake listens, as Toxiproxy's `GET /proxies` says it.
async fn addresses(control: Origin) -> Result<BTreeMap<String, SocketAddr>> {
    #[derive(Deserialize)]
    struct Proxy {
        listen: SocketAddr,
    }
    let proxies: BTreeMap<String, Proxy> = serde_json::from_value(control.get("/proxies").await?)?;
    Ok(proxies
        .into_iter()
        .map(|(name, proxy)| (name, proxy.listen))
        .collect())
}
