//! How each fault is done to a fleet.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::sleep;

use super::fault::{Fault, SERVICE, What};
use super::fleet::Fleet;
use crate::fakes::fixed;

const MS: Duration = Duration::from_millis(1);

/// Far beyond the deadline.
const SLOW: Duration = Duration::from_millis(1500);

impl Fault {
    /// Does it. What takes longer than it would in stretched time, a restart, is over by then.
    pub(super) async fn begin(&self, fleet: &mut Fleet) -> Result<()> {
        match self.what {
            What::Slow | What::ClientsLeave => fleet.fakes.behave(SERVICE, &fixed(SLOW)).await,
            What::Failing => fail(fleet).await,
            What::EndpointDead => fleet.fakes.enable(SERVICE, false).await,
            What::BadConfig => fleet.restart_with_bad_config(1).await,
            What::NameGone => fleet.restart_without_name(1).await,
            What::GreedyClient => {
                fleet.greedy = Some(fleet.greedy_load());
                Ok(())
            }
            What::AgentDead => {
                fleet.agent = None;
                Ok(())
            }
            What::Flapping | What::ShortOfCpu => Ok(()),
        }
    }

    /// Keeps doing it, until dropped.
    pub(super) async fn hold(&self, fleet: &Fleet) -> Result<Infallible> {
        match self.what {
            What::Flapping => loop {
                fail(fleet).await?;
                sleep(700 * MS).await;
                fleet.fakes.heal(SERVICE, "fail").await?;
                sleep(700 * MS).await;
            },
            What::ShortOfCpu => throttle(fleet.process(0)).await,
            What::Slow
            | What::Failing
            | What::EndpointDead
            | What::ClientsLeave
            | What::GreedyClient
            | What::AgentDead
            | What::BadConfig
            | What::NameGone => std::future::pending().await,
        }
    }
}

async fn fail(fleet: &Fleet) -> Result<()> {
    let toxic =
        json!({"name": "fail", "type": "error", "attributes": {"status": 500, "ratio": 1.0}});
    fleet.fakes.poison(SERVICE, &toxic).await
}

/// As a CPU limit does it whose period is long: a fifth of the time it runs, then it is stopped.
async fn throttle(process: u32) -> Result<Infallible> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| anyhow::anyhow!("no process {process}"))?;
    let _runs_on = RunsOn(pid);
    loop {
        kill_process(pid, Signal::STOP)?;
        sleep(80 * MS).await;
        kill_process(pid, Signal::CONT)?;
        sleep(20 * MS).await;
    }
}

/// A process that is not stopped any more once this is dropped.
struct RunsOn(Pid);

impl Drop for RunsOn {
    fn drop(&mut self) {
        // It may have ended: then nothing is stopped.
        let _ = kill_process(self.0, Signal::CONT);
    }
}
