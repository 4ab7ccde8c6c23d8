//! Healthy services: the price of the gateway, and its orderly end.

use std::time::Duration;

use anyhow::Result;
use chaos::load::{Ending, Report};
use tokio::time::sleep;

use crate::config::{DEADLINE, Setup};
use crate::table::{Table, millis};
use crate::world::{Measured, World};

const MS: Duration = Duration::from_millis(1);

/// What every check says about the load itself. A request that was not sent, or was sent late,
/// is this program's fault and not the gateway's.
pub(crate) fn about_the_load(table: &mut Table, measured: &Measured) {
    let Measured {
        report,
        gateway_cpu,
        load_cpu,
    } = measured;
    table.exactly("arrivals not sent", report.not_sent, 0u64);
    table.info(
        "generator late, p99",
        report.lag().p99().map_or("nothing".to_owned(), millis),
    );
    table.info(
        "CPU per page: gateway",
        format!("{} us", gateway_cpu.as_micros()),
    );
    table.info(
        "CPU per page: load generator",
        format!("{} us", load_cpu.as_micros()),
    );
}

/// Five services in parallel cost a page the slowest of them, not their sum.
pub(crate) async fn steady(table: &mut Table) -> Result<()> {
    let world = World::start(Setup::default(), 80 * MS).await?;
    let measured = world
        .run(world.load(200.0, Duration::from_secs(10))?)
        .await?;
    let report = &measured.report;
    table.exactly("pages not complete", failures(report), 0u64);
    let pages = report.latency(|a| a.is(200));
    table.within("page latency p50", pages.p50(), 90 * MS);
    table.within("page latency p99", pages.p99(), 110 * MS);
    about_the_load(table, &measured);
    Ok(())
}

fn failures(report: &Report) -> u64 {
    report.count(|a| !(a.is_good(DEADLINE) && a.complete == Some(true))) as u64
}

/// SIGTERM under load: every page that was let in gets its answer.
///
/// A client cannot tell whether a broken request had been admitted, but the fakes can: all are
/// healthy, so an admitted page calls each of them once and is answered 200.
pub(crate) async fn drain(table: &mut Table) -> Result<()> {
    let mut world = World::start(Setup::default(), 80 * MS).await?;
    let term = Duration::from_secs(2);
    let load = world.load(200.0, 2 * term)?.run();
    let stop = async {
        sleep(term).await;
        world.gateway.terminate()?;
        world.gateway.exit(Duration::from_secs(8)).await
    };
    let (report, exit) = tokio::join!(load, stop);
    let (report, exit) = (report?, exit?);
    table.exactly(
        "ended by itself with exit code 0",
        u64::from(exit.success()),
        1u64,
    );
    // 20 ms for requests that were on their way when the signal was.
    let before = report.count(|a| a.scheduled + 20 * MS < term && !a.is(200));
    table.exactly(
        "pages due before SIGTERM and not answered 200",
        before as u64,
        0u64,
    );
    let admitted = world.stats().await?["product"].received;
    let answered = report.count(|a| a.is(200)) as u64;
    table.exactly("pages answered 200, of those admitted", answered, admitted);
    table.exactly("arrivals not sent", report.not_sent, 0u64);
    table.info(
        "refused as draining",
        report.by_reason().get("draining").copied().unwrap_or(0),
    );
    table.info(
        "connects refused after the listener closed",
        report.count(|a| a.ending == Ending::ConnectFailed),
    );
    table.info(
        "connections broken before admission",
        report.count(|a| a.ending == Ending::Reset),
    );
    Ok(())
}
