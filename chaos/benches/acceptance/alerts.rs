//! Ten real faults on sockets: does the first alert name the right kind of cause, and does the
//! runbook find it, in three commands at most?
//!
//! For each fault: a fleet of two gateways under load is scraped, first well and then at fault. The scrapes become
//! series with their time stretched ([`series::STRETCH`]), behind an hour in which all was as well as it
//! was at first, and promtool evaluates the shipped rules on them. While the fault lasts, the
//! commands of the alert's entry in the runbook are typed as they stand there.
//!
//! What must hold: an alert fires within two minutes of evaluated time; the first ones say the fault's
//! kind, and one by then names it, with the service where a service is at fault; nobody is called for
//! another kind; the commands' answer names it too, and first.

mod acts;
mod fault;
mod fleet;
mod promtool;
mod runbook;
mod series;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use self::fault::{FAULTS, Fault};
use self::fleet::Fleet;
use self::promtool::{Firing, Promtool};
use self::series::{Scrapes, TICK};
use crate::table::Table;

/// Looks before the fault, and with it: two minutes of evaluated time.
const WELL: usize = 5;
const AT_FAULT: usize = 8;

/// Of them, those before the runbook's commands are typed.
const FELT: usize = 2;

/// All of the ten.
pub(crate) async fn first_alert(table: &mut Table) -> Result<()> {
    let promtool = Promtool::find()?;
    every_command(table).await?;
    for fault in &FAULTS {
        if let Err(error) = one(table, &promtool, fault).await {
            table.broken(&error.context(fault.name));
        }
    }
    Ok(())
}

/// Those of the whole runbook, typed before any fault.
async fn every_command(table: &mut Table) -> Result<()> {
    let fleet = Fleet::start(&FAULTS[0]).await?;
    let target = &fleet.admins()[0];
    let all = runbook::every_command()?;
    ensure!(all.len() >= 4, "only {all:?}");
    let mut failed = 0u64;
    for command in &all {
        if let Err(error) = runbook::works(command, target).await {
            failed += 1;
            table.info("  does not work as typed", format!("{command}: {error:#}"));
        }
    }
    table.exactly("commands of the runbook that fail as typed", failed, 0u64);
    Ok(())
}

async fn one(table: &mut Table, promtool: &Promtool, fault: &Fault) -> Result<()> {
    let mut fleet = Fleet::start(fault).await?;
    let _load = fleet.load(fault);
    sleep(2 * TICK).await;
    let mut scrapes = Scrapes::default();
    for _ in 0..WELL {
        scrapes.take(&fleet.admins()).await;
    }
    fault.begin(&mut fleet).await?;
    let admins = fleet.admins();
    let said = tokio::select! {
        said = watch(&mut scrapes, &admins, fault) => said?,
        ended = fault.hold(&fleet) => match ended? {},
    };
    let fired = promtool.evaluate(&scrapes.to_series(WELL), series::times(WELL, AT_FAULT))?;
    ensure!(
        fired[0].is_empty(),
        "before the fault: {}; this machine is too busy to tell",
        all(&fired[0])
    );
    judge(table, fault, &fired, &said);
    Ok(())
}

/// Scrapes while the fault lasts; what the runbook's commands say meanwhile.
async fn watch(scrapes: &mut Scrapes, admins: &[fleet::Target], fault: &Fault) -> Result<String> {
    for _ in 0..FELT {
        scrapes.take(admins).await;
    }
    let looks = async {
        for _ in FELT..AT_FAULT {
            scrapes.take(admins).await;
        }
    };
    let entry = fault.entry();
    let (said, ()) = tokio::join!(runbook::follow(&entry, &admins[fault.seen_at]), looks);
    said.context("the runbook's commands")
}

/// `fired[0]` is just before the fault, `fired[n]` what fires at the n-th look after it.
fn judge(table: &mut Table, fault: &Fault, fired: &[Vec<Firing>], said: &str) {
    let first = fired.iter().position(|alerts| !alerts.is_empty());
    let alerts: &[Firing] = first.map_or(&[], |look| &fired[look]);
    let after = first.map(|look| TICK * u32::try_from(look).unwrap_or(u32::MAX) * series::STRETCH);
    table.within(
        &format!("{}: first alert, evaluated time", fault.name),
        after,
        Duration::from_mins(2),
    );
    table.info(&format!("{}: it is", fault.name), all(alerts));
    let kind = !alerts.is_empty() && alerts.iter().all(|alert| alert.fault == fault.kind);
    table.exactly(
        &format!("{}: the first alert has its kind", fault.name),
        u64::from(kind),
        1u64,
    );
    let named = fired.iter().flatten().any(|alert| fault.is_named_by(alert));
    table.exactly(
        &format!("{}: within two minutes one names it", fault.name),
        u64::from(named),
        1u64,
    );
    let others = fired
        .iter()
        .flatten()
        .filter(|alert| fault.is_outranked_by(alert));
    table.exactly(
        &format!("{}: calls for another cause", fault.name),
        others.count() as u64,
        0u64,
    );
    let found = fault.is_found_in(said);
    table.exactly(
        &format!("{}: the runbook's commands name it", fault.name),
        u64::from(found),
        1u64,
    );
    if !found {
        table.info("  it said", said);
    }
}

fn all(alerts: &[Firing]) -> String {
    let shown: Vec<String> = alerts.iter().map(ToString::to_string).collect();
    shown.join(", ")
}
