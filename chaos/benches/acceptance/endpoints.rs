//! A service at two addresses, one of which is slow, swallows connects, or dies and returns.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chaos::load::Report;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::calm::about_the_load;
use crate::config::{DEADLINE, Setup};
use crate::fakes::{Fakes, Stats, fixed};
use crate::table::Table;
use crate::world::{Place, World};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The service with two addresses; the page has no other part.
const SERVICE: &str = "product";
const SETUP: Setup = Setup {
    required: 1,
    optional: 0,
    permits: 512,
    header_read_timeout: Duration::from_secs(5),
    drain_delay: Duration::ZERO,
    agent: None,
};

const RATE: f64 = 200.0;
const FAST: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_millis(200);

/// A slow endpoint is known as one by then.
const KNOWN: Duration = SECOND;
/// One that is well again has its share by then.
const RETURNED: Duration = Duration::from_secs(5);
/// Per cent of calls that count as a share at least, where 50 would be even.
const SHARE: f64 = 30.0;
/// Per cent of calls that the better one gets at least.
const NEARLY_ALL: f64 = 99.0;

/// The default of `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(100);

/// A gateway whose page comes from either of two fakes.
struct Pair {
    world: World,
    /// The other one's process.
    other: Fakes,
}

impl Pair {
    async fn start() -> Result<Self> {
        let (fakes, other) = (Fakes::start(FAST).await?, Fakes::start(FAST).await?);
        let place = Place {
            endpoints: Some(vec![fakes.address(SERVICE), other.address(SERVICE)]),
            ..Place::default()
        };
        let world = World::start_in(place, fakes, SETUP).await?;
        Ok(Self { world, other })
    }

    /// What the first endpoint has counted, and the other.
    async fn stats(&self) -> Result<[Stats; 2]> {
        let of = |all: std::collections::BTreeMap<String, Stats>| {
            all.get(SERVICE).copied().context("no stats of the service")
        };
        Ok([
            of(self.world.stats().await?)?,
            of(self.other.stats().await?)?,
        ])
    }

    /// The other's share, in per cent, of all calls that arrive during `length`, which begins after `wait`.
    async fn others_share(&self, wait: Duration, length: Duration) -> Result<f64> {
        sleep(wait).await;
        let before = self.stats().await?;
        sleep(length).await;
        let after = self.stats().await?;
        let calls = |n: usize| (after[n].received - before[n].received) as f64;
        Ok(100.0 * calls(1) / (calls(0) + calls(1)))
    }
}

/// One endpoint takes ten times as long: it is left alone, and used again when it is well.
pub(crate) async fn slow(table: &mut Table) -> Result<()> {
    let pair = Pair::start().await?;
    let length = 5 * SECOND;
    let both_fast = pair.world.run(pair.world.load(RATE, length)?).await?;
    let fast = both_fast.report.latency(|a| a.is(200)).p99();
    let fast = fast.context("no page was answered")?;

    pair.other.behave(SERVICE, &fixed(SLOW)).await?;
    let load = pair.world.run(pair.world.load(RATE, length)?);
    let (one_slow, share) = tokio::join!(load, pair.others_share(KNOWN, length - KNOWN - 200 * MS));
    let (one_slow, share) = (one_slow?, share?);
    let known = one_slow
        .report
        .latency(|a| a.scheduled >= KNOWN && a.is(200));
    table.exactly("pages not good", failures(&one_slow.report), 0u64);
    table.at_least(
        "one 10x slower: % of calls to the other, after 1 s",
        100.0 - share,
        NEARLY_ALL,
    );
    table.at_most(
        "one 10x slower: p99 of pages, times both fast, after 1 s",
        known.p99().context("no page was answered")?.as_secs_f64() / fast.as_secs_f64(),
        1.3,
    );

    pair.other.behave(SERVICE, &fixed(FAST)).await?;
    let load = pair
        .world
        .run(pair.world.load(RATE, RETURNED + 3 * SECOND)?);
    let (well, share) = tokio::join!(load, pair.others_share(RETURNED, 2 * SECOND));
    let well = well?;
    table.at_least("well again: its % of calls after 5 s", share?, SHARE);
    table.exactly("well again: pages not good", failures(&well.report), 0u64);
    about_the_load(table, &well);
    Ok(())
}

/// One endpoint swallows connects: it costs no page once the first connect has timed out.
pub(crate) async fn black_hole(table: &mut Table) -> Result<()> {
    let hole = BlackHole::open().await?;
    let fakes = Fakes::start(FAST).await?;
    let place = Place {
        endpoints: Some(vec![fakes.address(SERVICE), hole.address]),
        ..Place::default()
    };
    let world = World::start_in(place, fakes, SETUP).await?;
    let measured = world.run(world.load(RATE, 8 * SECOND)?).await?;
    let lost = |a: &chaos::load::Answer| !a.is_good(DEADLINE);
    table.exactly(
        "pages lost after the first connect_timeout",
        measured
            .report
            .count(|a| a.scheduled > CONNECT_TIMEOUT && lost(a)) as u64,
        0u64,
    );
    table.info(
        "pages lost before",
        measured
            .report
            .count(|a| a.scheduled <= CONNECT_TIMEOUT && lost(a)),
    );
    about_the_load(table, &measured);
    Ok(())
}

/// One endpoint dies under load and returns: only calls that had begun are lost, and it is used
/// again soon.
pub(crate) async fn dies(table: &mut Table) -> Result<()> {
    let pair = Pair::start().await?;
    let (dies, returns) = (3 * SECOND, 7 * SECOND);
    let load = pair
        .world
        .run(pair.world.load(RATE, returns + RETURNED + 3 * SECOND)?);
    let fate = async {
        sleep(dies).await;
        pair.other.enable(SERVICE, false).await?;
        let [_, cut] = pair.stats().await?;
        sleep(returns - dies).await;
        pair.other.enable(SERVICE, true).await?;
        anyhow::Ok((cut.faulted, pair.others_share(RETURNED, 2 * SECOND).await?))
    };
    let (measured, fate) = tokio::join!(load, fate);
    let (measured, (cut, share)) = (measured?, fate?);
    let report = &measured.report;
    table.info("calls that had begun when it died", cut);
    table.at_most(
        "pages answered 502, of calls that had begun",
        report.count(|a| a.is(502)) as f64,
        cut as f64,
    );
    table.exactly(
        "pages neither good nor 502",
        report.count(|a| !a.is(502) && !a.is_good(DEADLINE)) as u64,
        0u64,
    );
    table.at_least("its % of calls 5 s after its return", share, SHARE);
    about_the_load(table, &measured);
    Ok(())
}

fn failures(report: &Report) -> u64 {
    report.count(|a| !a.is_good(DEADLINE)) as u64
}

/// An address where connects are neither accepted nor refused: nobody takes what waits in the
/// listener's backlog, and the kernel drops what finds it full.
struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: JoinSet<std::io::Result<TcpStream>>,
}

impl BlackHole {
    async fn open() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(1)?;
        let address = listener.local_addr()?;
        let mut waiting = JoinSet::new();
        // More than the kernel lets wait; those that connect stay open with the set.
        for _ in 0..8 {
            waiting.spawn(async move {
                let stream = TcpStream::connect(address).await?;
                std::future::pending::<()>().await;
                Ok(stream)
            });
        }
        sleep(50 * MS).await;
        let connect = timeout(2 * CONNECT_TIMEOUT, TcpStream::connect(address)).await;
        ensure!(
            connect.is_err(),
            "this kernel answers connects although a backlog is full"
        );
        Ok(Self {
            address,
            _listener: listener,
            _waiting: waiting,
        })
    }
}
