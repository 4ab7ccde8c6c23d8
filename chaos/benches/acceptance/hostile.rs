//! Clients that leave, and clients that stay and say nothing.

use std::time::Duration;

use anyhow::Result;
use chaos::http::Origin;
use chaos::load::Ending;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::calm::about_the_load;
use crate::config::{DEADLINE, Setup};
use crate::faults::all_aborted;
use crate::table::Table;
use crate::world::{World, now};

const MS: Duration = Duration::from_millis(1);

/// Clients give up long before the services answer: the work stops, and all rights come home.
pub(crate) async fn leave(table: &mut Table) -> Result<()> {
    let world = World::start(Setup::default(), 200 * MS).await?;
    let (rate, patience) = (200.0, 50 * MS);
    let mut load = world.load(rate, Duration::from_secs(4))?;
    load.patience = Some(patience);
    let measured = world.run(load).await?;
    let report = &measured.report;
    let quiet = world.quiet_after(Duration::from_secs(1)).await?;
    table.exactly(
        "clients that did not leave",
        report.count(|a| a.ending != Ending::Left) as u64,
        0u64,
    );
    table.within(
        "no call in flight, after the last client left",
        quiet,
        100 * MS,
    );
    all_aborted(table, &world, None).await?;
    let most = world
        .stats()
        .await?
        .values()
        .map(|s| s.in_flight_max)
        .max()
        .unwrap_or(0);
    let level = rate * (patience + 100 * MS).as_secs_f64();
    table.at_most("calls in flight at one fake, most", most as f64, level);
    table.exactly(
        "tickets and permits still in use",
        world.in_use().await?,
        0u64,
    );
    about_the_load(table, &measured);
    Ok(())
}

/// How a stalling client spends its time.
#[derive(Clone, Copy)]
enum Stall {
    /// Says nothing at all.
    Silent,
    /// Stops in the middle of a header.
    HalfWay,
    /// One more byte of its header every 100 ms, for ever.
    Dripping,
}

/// Connections that never finish their headers are closed, and nobody waits for them.
pub(crate) async fn slowloris(table: &mut Table) -> Result<()> {
    const EACH: usize = 100;
    let header_read_timeout = Duration::from_secs(1);
    let world = World::start(
        Setup {
            header_read_timeout,
            ..Setup::default()
        },
        80 * MS,
    )
    .await?;
    let mut stalled = JoinSet::new();
    for stall in [Stall::Silent, Stall::HalfWay, Stall::Dripping] {
        for _ in 0..EACH {
            stalled.spawn(closed_after(world.page, stall));
        }
    }
    let measured = world.run(world.load(50.0, Duration::from_secs(3))?).await?;
    let report = &measured.report;
    let mut slowest = None;
    let mut open = 0u64;
    while let Some(closed) = stalled.join_next().await {
        match closed?? {
            Some(after) => slowest = slowest.max(Some(after)),
            None => open += 1,
        }
    }
    table.exactly(
        "pages not good meanwhile",
        report.count(|a| !a.is_good(DEADLINE)) as u64,
        0u64,
    );
    table.within(
        "page latency p99 meanwhile",
        report.latency(|a| a.is(200)).p99(),
        110 * MS,
    );
    table.exactly("stalled connections not closed", open, 0u64);
    table.within(
        "stalled connections closed, last",
        slowest,
        header_read_timeout + 500 * MS,
    );
    about_the_load(table, &measured);
    Ok(())
}

/// When the gateway closed a connection that stalls; `None` if it has not after 4 s.
async fn closed_after(page: Origin, stall: Stall) -> Result<Option<Duration>> {
    let mut stream = TcpStream::connect(page.addr()).await?;
    let start = now();
    let closed = timeout(
        Duration::from_secs(4),
        stall_until_closed(&mut stream, stall),
    )
    .await;
    Ok(closed.is_ok().then(|| start.elapsed()))
}

async fn stall_until_closed(stream: &mut TcpStream, stall: Stall) {
    let (mut read, mut write) = stream.split();
    let until_closed = async {
        let mut sink = [0; 512];
        // An answer such as 408 may come first.
        while let Ok(1..) = read.read(&mut sink).await {}
    };
    let talk = async {
        let head = b"GET /product-page/p-1001 HTTP/1.1\r\nHost: stalled\r\nX-Slow: ";
        if !matches!(stall, Stall::Silent) {
            write.write_all(head).await.ok();
        }
        while matches!(stall, Stall::Dripping) && write.write_all(b"z").await.is_ok() {
            sleep(100 * MS).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = until_closed => {}
        () = talk => {}
    }
}
