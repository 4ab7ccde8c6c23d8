//! A gateway that is itself short of CPU: it admits no more than it can finish.

use std::time::Duration;

use anyhow::Result;
use chaos::load::{Arrivals, Load, Report};
use tokio::time::sleep;

use crate::calm::about_the_load;
use crate::config::{DEADLINE, Setup};
use crate::cpu::Share;
use crate::fakes::Fakes;
use crate::table::Table;
use crate::world::{Measured, Place, World};

const SECOND: Duration = Duration::from_secs(1);

const CALL: Duration = Duration::from_millis(5);
const PERMITS: u32 = 64;

/// Clients that look for the peak, and how long they do.
const CLIENTS: [usize; 3] = [8, 16, 32];
const LOOK: Duration = Duration::from_secs(2);

/// How long each load lasts.
const LENGTH: Duration = Duration::from_secs(4);

/// A load that it can carry.
const LIGHT: f64 = 0.8;
/// Per cent of pages that are good then.
const CALM: f64 = 98.0;
/// After too much load it is as good again by then, and for as long as is looked at.
const BACK: Duration = Duration::from_secs(2);
const LOOKED_AT: Duration = Duration::from_secs(5);

/// Offered multiples of the peak, and the share of it that must come out as good pages.
const OVERLOADS: [(f64, f64); 2] = [(1.5, 0.85), (3.0, 0.75)];

/// What a client sees more of a page than the gateway does: its way through two sockets.
const WAY: Duration = Duration::from_millis(30);

/// A fifth of a core: what the gateway can do by itself, and what is left of that when more is
/// asked. Load and fakes have the rest of the machine.
pub(crate) async fn fifth_of_a_core(table: &mut Table) -> Result<()> {
    let share = Share::fifth_of_a_core()?;
    table.info("the gateway's CPU", &share);
    let setup = Setup {
        permits: PERMITS,
        ..Setup::default()
    };
    let place = Place {
        cpu: Some(&share),
        ..Place::default()
    };
    let world = World::start_in(place, Fakes::start(CALL).await?, setup).await?;
    let peak = look_for_peak(table, &world, LIGHT).await?;
    let light = offer(&world, peak, LIGHT, LENGTH, 1)?;
    let light = world.run(light).await?;
    about_the_load(table, &light);
    table.at_least(
        "% of pages good at 0.8x",
        per_cent_good(&light.report),
        CALM,
    );
    in_time(table, &light.report, LIGHT);
    for (times, least) in OVERLOADS {
        sleep(SECOND).await;
        let peak = look_for_peak(table, &world, times).await?;
        sleep(SECOND).await;
        let (heavy, after) = followed(&world, peak, times).await?;
        judge(table, &heavy, peak, times, least);
        let back: Report = Report {
            answers: after
                .answers
                .into_iter()
                .filter(|a| a.scheduled >= BACK)
                .collect(),
            not_sent: after.not_sent,
        };
        table.at_least(
            &format!("% of pages good at 0.8x, 2 s after {times}x"),
            per_cent_good(&back),
            CALM,
        );
    }
    Ok(())
}

/// The peak before a load of so many times of it: what a machine that is shared can do is not the
/// same a minute later, and a load is judged by what it could do when it came.
async fn look_for_peak(table: &mut Table, world: &World, times: f64) -> Result<f64> {
    let peak = peak(world).await?;
    let what = format!("good pages per second, peak of a closed loop before {times}x");
    table.at_least(&what, peak, 50.0);
    Ok(peak)
}

/// Good pages per second of a closed loop, with as many clients as serve it best.
async fn peak(world: &World) -> Result<f64> {
    let mut peak = 0.0_f64;
    // The first one only warms up.
    for clients in [CLIENTS[0]].into_iter().chain(CLIENTS) {
        let report = world.load(1.0, LOOK)?.run_closed(clients).await?;
        peak = peak.max(report.good(DEADLINE) as f64 / LOOK.as_secs_f64());
    }
    Ok(peak)
}

fn offer(world: &World, peak: f64, times: f64, length: Duration, seed: u64) -> Result<Load> {
    Ok(Load {
        arrivals: Arrivals::Poisson,
        seed,
        ..world.load(times * peak, length)?
    })
}

/// A heavy load, and the light one that goes on without a pause.
async fn followed(world: &World, peak: f64, times: f64) -> Result<(Measured, Report)> {
    let heavy = world.run(offer(world, peak, times, LENGTH, 2)?);
    let light = offer(world, peak, LIGHT, LOOKED_AT, 3)?;
    let after = async {
        sleep(LENGTH).await;
        light.run().await
    };
    let (heavy, after) = tokio::join!(heavy, after);
    Ok((heavy?, after?))
}

fn judge(table: &mut Table, measured: &Measured, peak: f64, times: f64, least: f64) {
    let report = &measured.report;
    about_the_load(table, measured);
    let good = report.good(DEADLINE) as f64 / LENGTH.as_secs_f64();
    table.at_least(
        &format!("good pages per second at {times}x, of the peak"),
        good / peak,
        least,
    );
    in_time(table, report, times);
    table.info(
        &format!("refused at {times}x, p99"),
        report
            .latency(|a| a.is(429))
            .p99()
            .map_or("none".to_owned(), crate::table::millis),
    );
}

fn in_time(table: &mut Table, report: &Report, times: f64) {
    table.within(
        &format!("pages answered 200 at {times}x, p99"),
        report.latency(|a| a.is(200)).p99(),
        DEADLINE + WAY,
    );
}

fn per_cent_good(report: &Report) -> f64 {
    100.0 * report.good(DEADLINE) as f64 / report.answers.len().max(1) as f64
}
