//! Two hundred reloads, and fifty files with errors in between, under load.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::calm::about_the_load;
use crate::config::{DEADLINE, Setup};
use crate::table::{Table, millis};
use crate::world::World;

const MS: Duration = Duration::from_millis(1);

const RATE: f64 = 500.0;
const RELOADS: u32 = 200;
const BROKEN: u32 = 50;

/// Seconds with and without reloads take turns, so that both see the same machine.
const TURN: Duration = Duration::from_secs(2);
const TURNS: u32 = 10;
/// From one reload to the next.
const EACH: Duration =
    Duration::from_millis((TURN.as_millis() * TURNS as u128 / 2) as u64 / RELOADS as u64);

/// No page fails for them, limits hold, and pages are no slower while they happen.
pub(crate) async fn two_hundred(table: &mut Table) -> Result<()> {
    let world = World::start(Setup::default(), 20 * MS).await?;
    let shipped = fs::read_to_string(world.file())?;
    let load = world.load(RATE, TURN * TURNS)?;
    let (measured, reloads) = tokio::join!(world.run(load), reload(&world, &shipped));
    let (measured, ()) = (measured?, reloads?);
    let report = &measured.report;
    let failed = report.count(|a| !(a.is_good(DEADLINE) && a.complete == Some(true)));
    table.exactly("pages not complete", failed as u64, 0u64);
    let reloading = |at: Duration| at.as_millis() / TURN.as_millis() % 2 == 1;
    let quiet = report.latency(|a| !reloading(a.scheduled)).p99();
    let busy = report.latency(|a| reloading(a.scheduled)).p99();
    let shown = |p99: Option<Duration>| p99.map_or("nothing".to_owned(), millis);
    table.info("page latency p99 without reloads", shown(quiet));
    table.info("page latency p99 with 20 reloads a second", shown(busy));
    let ratio = busy.unwrap_or_default().as_secs_f64() / quiet.unwrap_or(MS).as_secs_f64();
    table.at_most("p99 with reloads, as a multiple", ratio, 1.1);
    let outcome = |outcome: &'static str| world.metric("gateway_reloads_total", outcome);
    let applied = outcome("outcome=\"applied\"").await?;
    table.at_least("reloads applied", applied as f64, f64::from(RELOADS));
    let refused = outcome("outcome=\"refused\"").await?;
    table.at_least("files refused", refused as f64, f64::from(BROKEN));
    table.exactly("permits in use afterwards", world.in_use().await?, 0u64);
    about_the_load(table, &measured);
    Ok(())
}

async fn reload(world: &World, shipped: &str) -> Result<()> {
    let mut number = 0;
    for turn in 0..TURNS {
        if turn.is_multiple_of(2) {
            sleep(TURN).await;
            continue;
        }
        for _ in 0..2 * RELOADS / TURNS {
            number += 1;
            fs::write(world.file(), changed(world, shipped, number))?;
            world.gateway.hang_up()?;
            sleep(EACH / 2).await;
            if number.is_multiple_of(RELOADS / BROKEN) {
                fs::write(world.file(), "permits = \"none")?;
                world.gateway.hang_up()?;
            }
            sleep(EACH / 2).await;
        }
    }
    Ok(())
}

/// Other permits, queues and deadlines each time, and a page and a downstream that come and go.
fn changed(world: &World, shipped: &str, number: u32) -> String {
    let permits = Setup::default().permits;
    let mut text = shipped
        .replace(
            &format!("permits = {permits}"),
            &format!("permits = {}", permits - number % 2 * 100),
        )
        .replace(
            "max_wait = \"50ms\"",
            &format!(
                "max_wait = \"{}ms\"\nqueue = {}",
                50 + number % 7,
                64 + number % 5
            ),
        );
    if number.is_multiple_of(3) {
        text += &format!(
            "[page.other-{number}]\npath = \"/other/{{id}}\"\n\
             part.a = {{ downstream = \"other-{number}\", path = \"/products/{{id}}\" }}\n\
             [downstream.other-{number}]\nurl = \"http://{}\"\n",
            world.address("product")
        );
    }
    text
}
