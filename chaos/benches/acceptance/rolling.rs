//! A rolling restart, as an orchestrator does it: the next gateway is started and ready before the
//! one before gets SIGTERM, and a load balancer in front learns of both from `/readyz`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use chaos::http::Origin;
use chaos::load::{Answer, Ending, Report};
use parking_lot::Mutex;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::config::{DEADLINE, Setup};
use crate::fakes::Fakes;
use crate::table::{Table, millis};
use crate::world::{Instance, Place, World};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

const RATE: f64 = 300.0;
const RESTARTS: usize = 5;

/// The balancer looks so often, and so notices within it.
const LOOKS: Duration = Duration::from_secs(3);
/// The default of `server.drain_delay`.
const DRAIN_DELAY: Duration = Duration::from_secs(5);
/// What a restart may take: the start, the balancer's look, the delay, and the drain.
const EACH: Duration = Duration::from_secs(11);

/// Passes connections on to gateways that were ready when it looked last.
struct Balancer {
    address: Origin,
    known: Mutex<Vec<(Origin, Origin)>>,
    ready: Mutex<Vec<Origin>>,
}

impl Balancer {
    /// Listening; passes nothing on before [`look`](Self::look).
    async fn listen() -> Result<(Arc<Self>, TcpListener)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let balancer = Self {
            address: Origin::from(listener.local_addr()?),
            known: Mutex::default(),
            ready: Mutex::default(),
        };
        Ok((Arc::new(balancer), listener))
    }

    fn add(&self, gateway: &Instance) {
        self.known.lock().push((gateway.page, gateway.admin));
    }

    async fn look(&self) {
        let known = self.known.lock().clone();
        let mut ready = Vec::new();
        for (page, admin) in known {
            if admin.text("/readyz").await.is_ok() {
                ready.push(page);
            }
        }
        *self.ready.lock() = ready;
    }

    async fn look_on(self: Arc<Self>) {
        loop {
            sleep(LOOKS).await;
            self.look().await;
        }
    }

    /// Each connection goes to one gateway for as long as it lasts, to all of them in turn.
    async fn pass_on(self: Arc<Self>, listener: TcpListener) {
        let mut passing = JoinSet::new();
        let mut turn = 0;
        while let Ok((mut client, _)) = listener.accept().await {
            let gateway = {
                let ready = self.ready.lock();
                turn += 1;
                ready.get(turn % ready.len().max(1)).copied()
            };
            passing.spawn(async move {
                // Without one, or one that refuses, the client's connection closes: its page is lost.
                if let Some(gateway) = gateway
                    && let Ok(mut gateway) = TcpStream::connect(gateway.addr()).await
                {
                    let _ = client.set_nodelay(true);
                    let _ = gateway.set_nodelay(true);
                    let _ = copy_bidirectional(&mut client, &mut gateway).await;
                }
            });
            while passing.try_join_next().is_some() {}
        }
    }
}

/// Five restarts under load: no page is lost, and a gateway that does not wait loses some.
///
/// Lost by a restart is what was refused as draining or had no whole answer. A machine that is
/// short of CPU makes pages late besides; how many is shown, and judged by whoever reads it.
pub(crate) async fn restarts(table: &mut Table) -> Result<()> {
    let report = roll(table, DRAIN_DELAY, RESTARTS).await?;
    table.info("pages", report.answers.len());
    table.exactly("pages lost by five restarts", lost(&report), 0u64);
    let others = report.count(|a| !a.is_good(DEADLINE)) as u64 - lost(&report);
    table.info("pages not good for other reasons", others);
    let late = report.lag().p99();
    table.info(
        "generator late, p99",
        late.map_or("nothing".to_owned(), millis),
    );
    let report = roll(table, Duration::ZERO, 1).await?;
    let lost = lost(&report) as f64;
    table.at_least("without a drain_delay: pages lost by one", lost, 1.0);
    Ok(())
}

fn lost(report: &Report) -> u64 {
    let lost = |a: &Answer| match a.ending {
        Ending::Status(_) => a.reason.as_deref() == Some("draining"),
        Ending::Left | Ending::Hung | Ending::Reset | Ending::ConnectFailed => true,
    };
    report.count(lost) as u64 + report.not_sent
}

async fn roll(table: &mut Table, drain_delay: Duration, restarts: usize) -> Result<Report> {
    let setup = Setup {
        drain_delay,
        ..Setup::default()
    };
    let fakes = Fakes::start(20 * MS).await?;
    let place = Place::default();
    let (balancer, listener) = Balancer::listen().await?;
    let mut gateway = Instance::start(&place, &fakes, setup).await?;
    balancer.add(&gateway);
    balancer.look().await;
    let mut balancing = JoinSet::new();
    balancing.spawn(Arc::clone(&balancer).look_on());
    balancing.spawn(Arc::clone(&balancer).pass_on(listener));

    let length = EACH * u32::try_from(restarts)?;
    let load = World::load_on(balancer.address, RATE, length)?.run();
    let roll = async {
        let mut exits = Vec::new();
        for _ in 0..restarts {
            let next = Instance::start(&place, &fakes, setup).await?;
            balancer.add(&next);
            // Ready in the eyes of the balancer.
            sleep(LOOKS).await;
            gateway.process.terminate()?;
            exits.push(gateway.process.exit(drain_delay + 4 * SECOND).await?);
            gateway = next;
        }
        anyhow::Ok(exits)
    };
    let (report, exits) = tokio::join!(load, roll);
    let (report, exits) = (report?, exits.context("a restart")?);
    let well = exits.iter().filter(|exit| exit.success()).count();
    table.exactly(
        "restarts that ended with exit code 0",
        well as u64,
        restarts as u64,
    );
    Ok(report)
}
