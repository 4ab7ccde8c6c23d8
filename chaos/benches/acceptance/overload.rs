//! More load than the services can carry: what still gets through.

use std::time::Duration;

use anyhow::Result;
use chaos::load::{Arrivals, Report};
use serde_json::json;
use tokio::time::sleep;

use crate::calm::about_the_load;
use crate::config::{DEADLINE, MAX_WAIT, Setup};
use crate::table::Table;
use crate::world::World;

const MS: Duration = Duration::from_millis(1);

/// Calls one service works on at once.
const WORKERS: u32 = 20;
/// A few more than the workers, so that none of them waits for its next call.
const PERMITS: u32 = 24;

/// Share of the peak that must be left under any load.
const ENOUGH: f64 = 0.85;

/// What one level of load gave.
struct Level {
    times: f64,
    /// Good pages per second.
    good: f64,
    /// Calls per second that the fakes saw.
    calls: f64,
    report: Report,
}

/// Four required services of the same capacity, offered up to ten times of it: good pages stay
/// near their peak and no work is wasted on pages that cannot be finished.
///
/// Calls of 20 ms are 1000 pages per second, so that ten times of it are 10 000 arrivals per
/// second for gateway, fakes and load together. Where the machine is too small for that, calls
/// of 80 ms say the same with a quarter of the work.
pub(crate) async fn overload(table: &mut Table, call: Duration) -> Result<()> {
    let setup = Setup {
        required: 4,
        optional: 0,
        permits: PERMITS,
        ..Setup::default()
    };
    let world = World::start(setup, call).await?;
    let behaviour =
        json!({"latency": {"fixed": format!("{}ms", call.as_millis())}, "workers": WORKERS});
    for service in setup.services() {
        world.behave(service, &behaviour).await?;
    }
    let capacity = f64::from(WORKERS) / call.as_secs_f64();
    table.info("pages per second the services can carry", capacity);
    let mut levels = Vec::new();
    for times in [1.0, 2.0, 5.0, 10.0] {
        levels.push(offer(&world, table, times, capacity).await?);
        sleep(Duration::from_secs(1)).await;
    }
    let peak = levels.iter().map(|level| level.good).fold(0.0, f64::max);
    // Without this, a gateway that is equally bad at every level would do.
    table.at_least("good pages per second, peak", peak, ENOUGH * capacity);
    for level in &levels {
        judge(table, level, peak);
    }
    let most = world
        .stats()
        .await?
        .values()
        .map(|s| s.in_flight_max)
        .max()
        .unwrap_or(0);
    table.at_most(
        "calls in flight at one fake, most",
        most as f64,
        f64::from(PERMITS),
    );
    Ok(())
}

async fn offer(world: &World, table: &mut Table, times: f64, capacity: f64) -> Result<Level> {
    let length = Duration::from_secs(4);
    let before = received(world).await?;
    let mut load = world.load(times * capacity, length)?;
    load.arrivals = Arrivals::Poisson;
    load.seed = 1;
    let measured = world.run(load).await?;
    let calls = (received(world).await? - before) as f64 / length.as_secs_f64();
    table.info("offered, times the capacity", times);
    about_the_load(table, &measured);
    let report = measured.report;
    let good = report.good(DEADLINE) as f64 / length.as_secs_f64();
    Ok(Level {
        times,
        good,
        calls,
        report,
    })
}

async fn received(world: &World) -> Result<u64> {
    Ok(world
        .stats()
        .await?
        .values()
        .map(|stats| stats.received)
        .sum())
}

fn judge(table: &mut Table, level: &Level, peak: f64) {
    let at = |what: &str| format!("{what} at {}x", level.times);
    table.at_least(&at("good pages per second"), level.good, ENOUGH * peak);
    table.at_most(&at("calls per good page"), level.calls / level.good, 4.2);
    let refusals = level.report.latency(|a| a.is(429) || a.is(503));
    // At its capacity a service may well refuse nobody.
    if level.times > 1.0 {
        table.within(
            &at("refusals answered, p99"),
            refusals.p99(),
            MAX_WAIT + 20 * MS,
        );
    }
    let neither = level
        .report
        .count(|a| !a.is(200) && !a.is(429) && !a.is(503));
    table.at_most(
        &at("share of pages neither 200 nor refused"),
        share(neither, &level.report),
        0.01,
    );
}

fn share(count: usize, report: &Report) -> f64 {
    count as f64 / report.answers.len().max(1) as f64
}
