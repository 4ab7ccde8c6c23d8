//! A rolling restart, as an orchestrator does it: the new gateway is started and ready before the
//! old one gets SIGTERM, and a load balancer goes by `/readyz`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::common::client::{Client, get};
use crate::common::gateway::PAGE;
use crate::process::run;

/// How often the load balancer looks.
const LOOKS: Duration = Duration::from_millis(200);

/// The public and admin addresses of gateways that are there, and which of them are ready.
#[derive(Default)]
struct Balancer {
    known: Mutex<Vec<(SocketAddr, SocketAddr)>>,
    ready: Mutex<Vec<SocketAddr>>,
}

impl Balancer {
    async fn look(&self) {
        let known = self.known.lock().clone();
        let mut ready = Vec::new();
        for (public, admin) in known {
            if status(admin, "/readyz").await == Some(200) {
                ready.push(public);
            }
        }
        *self.ready.lock() = ready;
    }

    async fn run(self: Arc<Self>) {
        loop {
            self.look().await;
            tokio::time::sleep(LOOKS).await;
        }
    }

    fn add(&self, (public, admin): (SocketAddr, SocketAddr)) {
        self.known.lock().push((public, admin));
    }

    fn forget(&self, public: SocketAddr) {
        self.known.lock().retain(|known| known.0 != public);
    }
}

/// Of an answer; one that has ended, or ends just now, has none.
async fn status(to: SocketAddr, path: &str) -> Option<u16> {
    let mut client = Client::on(TcpStream::connect(to).await.ok()?);
    client.send(get(path, "")).await;
    client.answer_or_end().await.map(|answer| answer.status)
}

/// Pages served and not, over two restarts of gateways with this `server.drain_delay`.
async fn restarted(drain_delay: &str) -> (u32, u32) {
    let changes = [drain_delay, "clients.rate=none"];
    let (mut old, _fakes, _directory) = run(&changes).await;
    let balancer = Arc::new(Balancer::default());
    let mut address = old.serving().await;
    balancer.add(address);
    balancer.look().await;
    let mut looking = JoinSet::new();
    looking.spawn(Arc::clone(&balancer).run());

    let enough = CancellationToken::new();
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (balancer, enough) = (Arc::clone(&balancer), enough.clone());
        clients.spawn(async move {
            let (mut served, mut lost) = (0, 0);
            while !enough.is_cancelled() {
                let to = balancer.ready.lock().last().copied();
                let Some(to) = to else {
                    lost += 1;
                    tokio::time::sleep(LOOKS).await;
                    continue;
                };
                match status(to, PAGE).await {
                    Some(200) => served += 1,
                    _ => lost += 1,
                }
            }
            (served, lost)
        });
    }
    let mut kept = Vec::new();
    for _ in 0..2 {
        let (mut new, fakes, directory) = run(&changes).await;
        let next = new.serving().await;
        balancer.add(next);
        old.signal("TERM");
        assert_eq!(old.ended().await.code(), Some(0), "{}", old.said());
        balancer.forget(address.0);
        kept.push((fakes, directory));
        (old, address) = (new, next);
    }
    enough.cancel();
    let ended = clients.join_all().await;
    (
        ended.iter().map(|one| one.0).sum(),
        ended.iter().map(|one| one.1).sum(),
    )
}

#[tokio::test]
async fn a_rolling_restart_loses_no_page_if_the_balancer_has_time_to_notice() {
    let (served, lost) = restarted("server.drain_delay=4s").await;
    assert_eq!(lost, 0, "of {served}");
    assert!(served > 100, "{served}");
}

#[tokio::test]
async fn a_rolling_restart_without_that_time_loses_pages() {
    let (served, lost) = restarted("server.drain_delay=0s").await;
    assert!(lost > 0, "none of {served}");
}
