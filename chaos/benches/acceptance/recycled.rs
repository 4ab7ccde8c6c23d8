//! A service that closes its connections after so many answers, and does not say so before.
//!
//! As servers do that replace their workers. A call that meets the close was never looked at,
//! and may be sent again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::config::{DEADLINE, Setup};
use crate::fakes::Fakes;
use crate::table::Table;
use crate::world::{Place, World};

/// Answers on one connection.
const ANSWERS: [u32; 2] = [1, 10];

/// How long one answer takes, how many clients ask at once, and for how long.
const CALL: Duration = Duration::from_millis(3);
const CLIENTS: usize = 8;
const LENGTH: Duration = Duration::from_secs(3);

/// Pages meet connections that are just being closed, and none is lost by it.
pub(crate) async fn recycled(table: &mut Table) -> Result<()> {
    for answers in ANSWERS {
        let service = Service::start(answers).await?;
        let place = Place {
            endpoints: Some(vec![service.address]),
            ..Place::default()
        };
        let setup = Setup {
            required: 1,
            optional: 0,
            ..Setup::default()
        };
        let fakes = Fakes::start(Duration::ZERO).await?;
        let world = World::start_in(place, fakes, setup).await?;
        let report = world.load(1.0, LENGTH)?.run_closed(CLIENTS).await?;
        let with = |what: &str| format!("closed after {answers}: {what}");
        table.exactly(
            &with("pages answered 502"),
            report.count(|a| a.is(502)) as u64,
            0u64,
        );
        table.exactly(
            &with("pages not good"),
            report.count(|a| !a.is_good(DEADLINE)) as u64,
            0u64,
        );
        let connections = service.connections.load(Ordering::Relaxed) as f64;
        let most = report.answers.len() as f64 / f64::from(answers);
        // Otherwise none was closed, and nothing has been shown.
        table.at_least(&with("connections opened"), connections, most * 0.9);
        table.info(&with("pages"), report.answers.len());
    }
    Ok(())
}

struct Service {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

impl Service {
    async fn start(answers: u32) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let connections = Arc::<AtomicU64>::default();
        let accepted = Arc::clone(&connections);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                open.spawn(serve(stream, answers));
                while open.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            connections,
            _serving: serving,
        })
    }
}

/// Ends by closing the connection. A gateway that leaves first is its own affair.
async fn serve(mut stream: TcpStream, answers: u32) {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                            content-length: 7\r\n\r\n{\"a\":1}";
    let _ = stream.set_nodelay(true);
    for _ in 0..answers {
        if !matches!(read_head(&mut stream).await, Ok(true)) {
            return;
        }
        sleep(CALL).await;
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

/// Whether a whole request came, which has no body, before the connection ended.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<bool> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
