//! A service that hangs or fails: what the page costs then, and that no call outlives it.

use std::time::Duration;

use anyhow::{Context, Result};
use chaos::load::{Answer, Report};
use serde_json::Value;
use tokio::time::sleep;

use crate::calm::about_the_load;
use crate::config::{DEADLINE, Setup};
use crate::fakes::fixed;
use crate::table::Table;
use crate::world::{World, now};

const MS: Duration = Duration::from_millis(1);
const RATE: f64 = 200.0;
const LENGTH: Duration = Duration::from_secs(5);

/// A required service hangs and its siblings are too slow to finish: every page ends at its
/// deadline, and with it every call it made.
pub(crate) async fn hang(table: &mut Table) -> Result<()> {
    let world = World::start(Setup::default(), 2000 * MS).await?;
    world.hang("pricing").await?;
    let load = world.run(world.load(RATE, LENGTH)?);
    let (measured, active) = tokio::join!(load, active_pages(&world));
    let (measured, active) = (measured?, active?);
    let report = &measured.report;
    let quiet = world.quiet_after(Duration::from_secs(1)).await?;
    let (early, late) = active.split_at(active.len() / 2);
    table.at_most(
        "active pages, mean of the second half",
        mean(late),
        mean(early) * 1.1,
    );
    table.exactly("pages not answered 504", others(report, 504), 0u64);
    table.within(
        "504 p99",
        report.latency(|a| a.is(504)).p99(),
        DEADLINE + 10 * MS,
    );
    table.within("no call in flight, after the last answer", quiet, 200 * MS);
    all_aborted(table, &world, None).await?;
    // Little's law, and half as much again for what is being closed.
    let level = RATE * DEADLINE.as_secs_f64() * 1.5;
    let most = world
        .stats()
        .await?
        .values()
        .map(|s| s.in_flight_max)
        .max()
        .unwrap_or(0);
    table.at_most("calls in flight at one fake, most", most as f64, level);
    about_the_load(table, &measured);
    Ok(())
}

/// Tickets in use while the load lasts, once the first pages have reached their deadline.
async fn active_pages(world: &World) -> Result<Vec<f64>> {
    sleep(2 * DEADLINE).await;
    let end = now() + LENGTH - 3 * DEADLINE;
    let mut seen = Vec::new();
    while now() < end {
        seen.push(world.in_flight().await? as f64);
        sleep(20 * MS).await;
    }
    Ok(seen)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// An optional service hangs: pages come in time, without that part.
pub(crate) async fn optional(table: &mut Table) -> Result<()> {
    let world = World::start(Setup::default(), 80 * MS).await?;
    world.hang("reviews").await?;
    let mut load = world.load(RATE, LENGTH)?;
    load.keep_bodies = true;
    let measured = world.run(load).await?;
    let report = &measured.report;
    table.exactly("pages not 200", others(report, 200), 0u64);
    table.exactly(
        "pages that lost anything but reviews",
        wrong_parts(report, &world)?,
        0u64,
    );
    table.within(
        "page latency, slowest",
        report.latency(|a| a.is(200)).max(),
        DEADLINE,
    );
    about_the_load(table, &measured);
    Ok(())
}

/// A required service fails at once: nobody waits for its siblings.
pub(crate) async fn error(table: &mut Table) -> Result<()> {
    let world = World::start(Setup::default(), 200 * MS).await?;
    world.behave("pricing", &fixed(5 * MS)).await?;
    world.fail("pricing", 500).await?;
    let measured = world.run(world.load(RATE, LENGTH)?).await?;
    let report = &measured.report;
    let quiet = world.quiet_after(Duration::from_secs(1)).await?;
    table.exactly("pages not answered 502", others(report, 502), 0u64);
    table.within("502 p99", report.latency(|a| a.is(502)).p99(), 30 * MS);
    table.within("no call in flight, after the last answer", quiet, 100 * MS);
    all_aborted(table, &world, Some("pricing")).await?;
    about_the_load(table, &measured);
    Ok(())
}

/// That every call the fakes saw ended because its caller went away.
pub(crate) async fn all_aborted(
    table: &mut Table,
    world: &World,
    except: Option<&str>,
) -> Result<()> {
    let stats = world.stats().await?;
    let seen = stats
        .iter()
        .filter(|(name, _)| Some(name.as_str()) != except)
        .map(|(_, s)| s);
    let (received, aborted) = seen.fold((0, 0), |sum, s| {
        (sum.0 + s.received, sum.1 + s.aborted_by_caller)
    });
    table.at_least("calls the fakes saw begin", received as f64, 1.0);
    table.exactly("of them ended by the gateway", aborted, received);
    Ok(())
}

fn others(report: &Report, status: u16) -> u64 {
    report.count(|a| !a.is(status)) as u64
}

fn wrong_parts(report: &Report, world: &World) -> Result<u64> {
    let mut wrong = 0;
    for answer in report.answers.iter().filter(|a| a.is(200)) {
        wrong += u64::from(!lost_only_reviews(answer, world)?);
    }
    Ok(wrong)
}

fn lost_only_reviews(answer: &Answer, world: &World) -> Result<bool> {
    let body = answer.body.as_ref().context("bodies were not kept")?;
    let page: Value = serde_json::from_slice(body)?;
    let status = |name: &str| {
        page["parts"][name]["status"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let as_expected = world
        .setup
        .services()
        .all(|name| status(name) == if name == "reviews" { "late" } else { "ok" });
    Ok(as_expected
        && answer.complete == Some(false)
        && page["missing"] == serde_json::json!(["reviews"]))
}
