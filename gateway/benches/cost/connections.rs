//! CPU of what is not a page on warm connections: a page whose calls all open one, and
//! the refusal of a page, on a connection that is there and on a new one.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::arms::{Arm, Bench};
use crate::load::{Client, Load, Wanted};
use crate::pages::{self, Figures, SETTLE, Turns};
use crate::process::Process;
use crate::roles::Role;
use crate::samples::Samples;
use crate::setup::Setup;

/// Why pages are refused.
const REASON: &str = "gateway_full";

/// Milliseconds for which the only ticket is taken: longer than refusals are measured, and
/// within the page's deadline.
const HELD: u64 = 30_000;

/// The page that holds the ticket has taken it by then.
const TAKEN: Duration = Duration::from_millis(200);

/// A refusal takes no longer, unless it is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pages of all servers, from services that close each connection after its first answer.
///
/// # Errors
/// As [`pages::take_turns`].
pub(crate) async fn cold(
    bench: &Bench,
    wanted: &Arc<Wanted>,
    turns: Turns,
) -> anyhow::Result<Figures> {
    let setup = Setup {
        closing: true,
        ..Setup::default()
    };
    let fakes = Process::start(Role::Fakes, &setup)?;
    pages::take_turns(bench, &bench.servers(), &fakes.addresses, wanted, turns).await
}

/// Microseconds of CPU per refusal.
pub(crate) struct Refusals {
    kept: Samples,
    new: Samples,
}

/// A gateway with one ticket, which a slow page holds.
///
/// # Errors
/// The first answer that is not the refusal it must be.
pub(crate) async fn refusals(
    bench: &Bench,
    wanted: &Arc<Wanted>,
    turns: Turns,
) -> anyhow::Result<Refusals> {
    let slow = Setup {
        latency: HELD,
        ..Setup::default()
    };
    let fakes = Process::start(Role::Fakes, &slow)?;
    let setup = Setup {
        downstreams: fakes.addresses.clone(),
        tickets: Some(1),
        ..Setup::default()
    };
    let gateway = bench.start(Arm::GATEWAY, setup)?;
    let address = gateway.addresses[0];
    let mut holder = Client::connect(address).await?;
    let mut holding = JoinSet::new();
    let page = Arc::clone(wanted);
    holding.spawn(async move { holder.page(&page, 0).await });
    sleep(TAKEN).await;

    let mut load = Load::connect(address, Arc::clone(wanted)).await?;
    let (mut kept, mut new) = (Samples::default(), Samples::default());
    let measured = async {
        for _ in 0..=turns.rounds {
            let before = gateway.cpu_ns()?;
            load.refused(turns.pages, REASON).await?;
            sleep(SETTLE).await;
            let between = gateway.cpu_ns()?;
            for _ in 0..turns.pages {
                Client::connect(address)
                    .await?
                    .refusal(wanted, REASON)
                    .await?;
            }
            sleep(SETTLE).await;
            let us = |ns: u64| ns as f64 / 1e3 / turns.pages as f64;
            kept.0.push(us(between - before));
            new.0.push(us(gateway.cpu_ns()? - between));
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, measured)
        .await
        .context("refusals took too long: was the ticket free?")??;
    // The first round paid for what is only done once.
    kept.0.remove(0);
    new.0.remove(0);
    Ok(Refusals { kept, new })
}

impl Refusals {
    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:<34}{:>8} {:>15}\n",
            "CPU per refusal, us", "median", "range"
        );
        let rows = [
            ("gateway   on a kept connection", &self.kept),
            ("          on a new connection", &self.new),
        ];
        for (name, samples) in rows {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<34}{samples:.1}");
        }
        text
    }
}
