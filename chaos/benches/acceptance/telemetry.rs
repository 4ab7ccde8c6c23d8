//! An agent that does not answer, or is not there, costs traces and never a page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::calm::about_the_load;
use crate::config::Setup;
use crate::table::Table;
use crate::world::{World, now};

const LATENCY: Duration = Duration::from_millis(20);
const RATE: f64 = 500.0;

/// Each arm is loaded so often, in turn; three of these are the thirty seconds of a stall.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(10);

/// More resident memory than with traces off: the queue's 8 MiB, one request of some 2000
/// spans in both its forms, and what an allocator keeps.
const MEMORY: f64 = 48.0;

/// A drain without pages lasts a second, and telemetry may take two more; the rest is slack.
const END: Duration = Duration::from_millis(3_500);

/// Receives traces over HTTP, or accepts requests and never answers them.
pub(crate) struct Agent {
    address: SocketAddr,
    stalled: Arc<AtomicBool>,
    traces: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

impl Agent {
    /// One that answers; it is gone once this is dropped.
    pub(crate) async fn well() -> Result<Self> {
        let agent = Self::start().await?;
        agent.stalled.store(false, Ordering::Relaxed);
        Ok(agent)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (stalled, traces) = (Arc::new(AtomicBool::new(true)), Arc::default());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&stalled), Arc::clone(&traces)));
        Ok(Self {
            address,
            stalled,
            traces,
            _serving: serving,
        })
    }
}

async fn serve(listener: TcpListener, stalled: Arc<AtomicBool>, traces: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (stalled, traces) = (Arc::clone(&stalled), Arc::clone(&traces));
        let answer =
            service_fn(move |request| receive(request, Arc::clone(&stalled), Arc::clone(&traces)));
        connections.spawn(async move {
            // The gateway gives up on an agent that stalls: a broken connection is expected.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn receive(
    request: Request<Incoming>,
    stalled: Arc<AtomicBool>,
    traces: Arc<AtomicU64>,
) -> Result<Response<Full<Bytes>>> {
    if stalled.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    // Statistics are no traces.
    let count: u64 = match request.headers().get("x-datadog-trace-count") {
        Some(count) => count.to_str()?.parse()?,
        None if request.uri().path() == "/v0.6/stats" => 0,
        None => bail!("no trace count"),
    };
    request.into_body().collect().await?;
    traces.fetch_add(count, Ordering::Relaxed);
    Ok(Response::new(Full::default()))
}

/// Pages are as fast as with traces off; what is lost is counted, told of once, and bounded.
pub(crate) async fn agent_away(table: &mut Table) -> Result<()> {
    let agent = Agent::start().await?;
    let absent = TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
    let mut off = arm(None).await?;
    let mut absent = arm(Some(absent)).await?;
    let mut stalled = arm(Some(agent.address)).await?;
    for _ in 0..ROUNDS {
        off.round(table).await?;
        absent.round(table).await?;
        stalled.round(table).await?;
    }
    let memory = off.resident()?;
    for (arm, name) in [(&absent, "absent"), (&stalled, "stalled 30 s")] {
        table.at_most(
            &format!("agent {name}: p99 of pages, times off"),
            arm.against(&off),
            1.1,
        );
        table.at_most(
            &format!("agent {name}: MiB resident above off"),
            arm.resident()? - memory,
            MEMORY,
        );
    }
    recovers(table, &mut stalled, &agent).await?;
    ends_in_time(table, &mut stalled, &agent).await?;
    let lost = absent
        .world
        .metric("gateway_telemetry_dropped_total", "traces")
        .await?;
    let kept = absent
        .world
        .metric("gateway_telemetry_traces_total", "kept")
        .await?;
    table.info("agent absent: traces kept", kept);
    table.info("agent absent: dropped so far, the rest waits", lost);
    table.exactly(
        "agent absent: log lines about it",
        absent.lines("traces are"),
        1u64,
    );
    Ok(())
}

/// The agent answers again: every trace was received or counted as lost, and the log says
/// once that it began and once that it is over.
async fn recovers(table: &mut Table, arm: &mut Arm, agent: &Agent) -> Result<()> {
    agent.stalled.store(false, Ordering::Relaxed);
    // What waits leaves first; "over" takes 25 rounds of 200 ms without a loss.
    arm.world
        .run(arm.world.load(50.0, Duration::from_secs(9))?)
        .await?;
    sleep(Duration::from_secs(1)).await;
    let kept = arm
        .world
        .metric("gateway_telemetry_traces_total", "kept")
        .await?;
    let lost = arm
        .world
        .metric("gateway_telemetry_dropped_total", "traces")
        .await?;
    let received = agent.traces.load(Ordering::Relaxed);
    table.info("agent stalled: traces dropped", lost);
    table.exactly(
        "agent stalled: traces received + dropped",
        received + lost,
        kept,
    );
    table.exactly(
        "log lines when dropping began",
        arm.lines("traces are dropped"),
        1u64,
    );
    table.exactly(
        "log lines when it was over",
        arm.lines("traces are received again"),
        1u64,
    );
    Ok(())
}

/// An agent that stalls again does not hold up the end.
async fn ends_in_time(table: &mut Table, arm: &mut Arm, agent: &Agent) -> Result<()> {
    agent.stalled.store(true, Ordering::Relaxed);
    arm.world
        .run(arm.world.load(200.0, Duration::from_secs(1))?)
        .await?;
    let began = now();
    arm.world.gateway.terminate()?;
    let exit = arm.world.gateway.exit(Duration::from_secs(10)).await?;
    table.within(
        "SIGTERM while the agent stalls: to the exit",
        Some(began.elapsed()),
        END,
    );
    table.exactly("ended with exit code 0", u64::from(exit.success()), 1u64);
    Ok(())
}

/// One gateway with its fakes, loaded in turn with others.
struct Arm {
    world: World,
    p99: Vec<Duration>,
}

async fn arm(agent: Option<SocketAddr>) -> Result<Arm> {
    let setup = Setup {
        agent,
        ..Setup::default()
    };
    Ok(Arm {
        world: World::start(setup, LATENCY).await?,
        p99: Vec::new(),
    })
}

impl Arm {
    async fn round(&mut self, table: &mut Table) -> Result<()> {
        let measured = self.world.run(self.world.load(RATE, ROUND)?).await?;
        let pages = measured.report.latency(|answer| answer.is(200));
        self.p99.push(pages.p99().context("no page was answered")?);
        if self.p99.len() == ROUNDS {
            about_the_load(table, &measured);
        }
        Ok(())
    }

    /// The median over the rounds of how many times the other's p99 its own was.
    fn against(&self, other: &Self) -> f64 {
        let pairs = self.p99.iter().zip(&other.p99);
        let mut ratios: Vec<f64> = pairs
            .map(|(a, b)| a.as_secs_f64() / b.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }

    /// Resident memory, in MiB.
    fn resident(&self) -> Result<f64> {
        Ok(self.world.gateway.usage()?.resident as f64 / 1_048_576.0)
    }

    fn lines(&self, words: &str) -> u64 {
        let output = self.world.gateway.output();
        output.lines().filter(|line| line.contains(words)).count() as u64
    }
}
