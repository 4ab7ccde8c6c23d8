//! Certificates that change in their files while clients are connected.

use std::os::unix::fs::symlink;

use fixtures::{Fakes, Options};
use gateway::app::reload::Trigger;
use gateway::config;
use gateway::telemetry::names::ReloadOutcome;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::common::client::{Client, get};
use crate::common::gateway::{PAGE, shop_changes};
use crate::common::reloading::Reloading;
use crate::common::secured::{Authority, Identity, shown};
use crate::common::until;

async fn start(changes: Vec<String>) -> (Reloading, Fakes) {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
    let all = shop_changes(&fakes, &changes);
    let world = Reloading::start(config::default_text(), &all).await;
    (world, fakes)
}

async fn connected(world: &Reloading, authority: &Authority) -> TlsStream<TcpStream> {
    let client = authority.client(&[], None);
    client.connect(world.gateway.public).await.unwrap()
}

async fn until_shown(world: &Reloading, authority: &Authority, identity: &Identity) {
    until("the other certificate to be shown", async || {
        shown(&connected(world, authority).await) == *identity.certificate.der()
    })
    .await;
}

fn of_certificates(world: &Reloading) -> Vec<ReloadOutcome> {
    let changes = world.reloader.changes().into_iter();
    let of = changes.filter(|change| change.trigger == Trigger::Certificate);
    of.map(|change| change.outcome).collect()
}

#[tokio::test]
async fn a_renewed_pair_is_shown_to_new_connections_and_open_ones_go_on() {
    let authority = Authority::new();
    let (world, _fakes) = start(authority.changes()).await;
    let mut open = Client::over(connected(&world, &authority).await);
    // Somebody else's mistake must not keep a certificate from being renewed.
    std::fs::write(&world.file, "no toml").unwrap();
    world.noticed(ReloadOutcome::Refused).await;
    let renewed = authority.signs("gateway.example");
    authority.write(&renewed);
    until_shown(&world, &authority, &renewed).await;
    open.send(get(PAGE, "")).await;
    assert_eq!(open.answer().await.status, 200);
    assert_eq!(of_certificates(&world)[0], ReloadOutcome::Applied);
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_changes_nothing_until_it_can() {
    let authority = Authority::new();
    let (world, _fakes) = start(authority.changes()).await;
    let before = shown(&connected(&world, &authority).await);
    let renewed = authority.signs("gateway.example");
    // Half of a renewal.
    std::fs::write(authority.file("cert.pem"), renewed.certificate.pem()).unwrap();
    until("it to be noticed", async || {
        !of_certificates(&world).is_empty()
    })
    .await;
    assert_eq!(of_certificates(&world), [ReloadOutcome::Refused]);
    assert_eq!(shown(&connected(&world, &authority).await), before);
    let why = world.reloader.changes()[0].error.clone().unwrap();
    assert!(why.contains("is not the key of the certificate"), "{why}");
    std::fs::write(authority.file("key.pem"), renewed.key.serialize_pem()).unwrap();
    until_shown(&world, &authority, &renewed).await;
}

/// `cert.pem -> ..data/cert.pem`, `..data -> ..1`: what Kubernetes mounts, and how it changes it.
#[tokio::test]
async fn a_secret_that_kubernetes_swaps_is_followed_again_and_again() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    let swap = |round: u32| {
        let identity = authority.signs("gateway.example");
        let version = folder.join(format!("..{round}"));
        std::fs::create_dir(&version).unwrap();
        std::fs::write(version.join("key.pem"), identity.key.serialize_pem()).unwrap();
        std::fs::write(version.join("cert.pem"), identity.certificate.pem()).unwrap();
        symlink(&version, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        identity
    };
    swap(0);
    for name in ["cert.pem", "key.pem"] {
        std::fs::remove_file(folder.join(name)).unwrap();
        symlink(folder.join("..data").join(name), folder.join(name)).unwrap();
    }
    let (world, _fakes) = start(authority.changes()).await;
    for round in 1..4 {
        let identity = swap(round);
        std::fs::remove_dir_all(folder.join(format!("..{}", round - 1))).unwrap();
        until_shown(&world, &authority, &identity).await;
    }
    assert!(!of_certificates(&world).contains(&ReloadOutcome::Refused));
}

#[tokio::test]
async fn who_was_trusted_before_cannot_resume_when_others_are() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut changes = authority.changes();
    changes.push(format!(
        "server.tls.client_ca={}",
        authority.file("ca.pem").display()
    ));
    changes.push("server.tls.client_auth=required".to_owned());
    let (world, _fakes) = start(changes).await;
    let identity = authority.signs("client");
    let client = authority.client(&[], Some(&identity));
    let asks = async || {
        let Ok(stream) = client.connect(world.gateway.public).await else {
            return None;
        };
        let mut client = Client::over(stream);
        client.send(get(PAGE, "")).await;
        Some(client.answer_or_end().await?.status)
    };
    // Tickets come with the answer.
    assert_eq!([asks().await, asks().await], [Some(200), Some(200)]);
    std::fs::copy(other.file("ca.pem"), authority.file("ca.pem")).unwrap();
    until("the other authority", async || {
        of_certificates(&world).contains(&ReloadOutcome::Applied)
    })
    .await;
    assert_eq!(asks().await, None);
}
