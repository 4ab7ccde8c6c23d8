//! The real binary under a service manager: what it tells it, and sockets that it is passed.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fixtures::{Fakes, Options};
use gateway::config;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::common::binary::Binary;
use crate::common::client::{ask, get};
use crate::common::gateway::{PAGE, shop_changes, variables};
use crate::common::until;
use crate::process::file;

/// The shop for a gateway that a service manager starts: arguments, variables, what they need.
struct Shop {
    path: String,
    variables: Vec<(String, String)>,
    _kept: (Fakes, TempDir),
}

async fn shop(more: &[(&str, &str)]) -> Shop {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let (directory, path) = file(config::default_text());
    let mut variables = variables(&shop_changes(&fakes, &["clients.rate=none"]));
    variables.extend(more.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())));
    Shop {
        path,
        variables,
        _kept: (fakes, directory),
    }
}

impl Shop {
    fn run(&self) -> [&str; 3] {
        ["run", "--config", &self.path]
    }
}

/// What came at `socket` until something began with `last`.
async fn told(socket: &UnixDatagram, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    until(last, async || {
        let mut bytes = [0; 256];
        while let Ok(length) = socket.recv(&mut bytes) {
            all.push(String::from_utf8(bytes[..length].to_vec()).unwrap());
        }
        all.iter().any(|state| state.starts_with(last))
    })
    .await;
    all
}

#[tokio::test]
async fn a_service_manager_is_told_of_the_start_reloads_the_end_and_of_life_in_between() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let notify = path.to_str().unwrap();
    let shop = shop(&[("NOTIFY_SOCKET", notify), ("WATCHDOG_USEC", "200000")]).await;
    let mut binary = Binary::start(&shop.run(), &shop.variables);
    told(&socket, "READY=1").await;
    // Pages are served by then.
    let (public, _) = binary.serving().await;
    assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
    told(&socket, "WATCHDOG=1").await;
    binary.signal("HUP");
    let mut states = told(&socket, "RELOADING=1\nMONOTONIC_USEC=").await;
    states.extend(told(&socket, "READY=1").await);
    let at = |state: &str| states.iter().position(|told| told.starts_with(state));
    assert!(at("RELOADING=1") < at("READY=1"), "{states:?}");
    binary.signal("TERM");
    told(&socket, "STOPPING=1").await;
    assert_eq!(binary.ended().await.code(), Some(0), "{}", binary.said());
}

#[tokio::test]
async fn a_restart_behind_a_passed_socket_loses_no_connection() {
    let shop = shop(&[]).await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let public = socket.local_addr().unwrap();
    let start = || Binary::start_with_socket(&socket, &shop.run(), &shop.variables);
    let mut binary = start();
    assert_eq!(binary.serving().await.0, public);
    assert!(
        binary.said().contains("passed a socket"),
        "{}",
        binary.said()
    );

    let (enough, served) = (CancellationToken::new(), Arc::new(AtomicU32::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (enough, served) = (enough.clone(), Arc::clone(&served));
        clients.spawn(async move {
            while !enough.is_cancelled() {
                assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for _ in 0..3 {
        binary.signal("TERM");
        assert_eq!(binary.ended().await.code(), Some(0), "{}", binary.said());
        // Meanwhile they wait in the socket.
        binary = start();
        binary.serving().await;
        let before = served.load(Ordering::Relaxed);
        until("pages", async || {
            served.load(Ordering::Relaxed) > before + 50
        })
        .await;
    }
    enough.cancel();
    clients.join_all().await;
}

#[tokio::test]
async fn a_passed_socket_that_cannot_be_used_is_an_error_and_nothing_starts() {
    let mut shop = shop(&[("LISTEN_FDNAMES", "public:admin")]).await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut binary = Binary::start_with_socket(&socket, &shop.run(), &shop.variables);
    assert_eq!(binary.ended().await.code(), Some(1));
    let said = binary.said();
    assert!(said.contains("FileDescriptorName="), "{said}");
    assert!(!said.contains("serving"), "{said}");

    // Nothing is at the descriptor that is announced.
    shop.variables.extend([
        ("LISTEN_FDS".into(), "1".into()),
        ("LISTEN_FDNAMES".into(), "public".into()),
    ]);
    let mut binary = Binary::start(&shop.run(), &shop.variables);
    assert_eq!(binary.ended().await.code(), Some(1));
    let said = binary.said();
    assert!(said.contains("server.listen"), "{said}");
}
