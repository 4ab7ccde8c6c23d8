//! The end: what is in flight finishes, nothing new begins, and it does not take forever.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use fixtures::{Behaviour, Fakes, Options, Service};
use gateway::app::App;
use gateway::config;
use gateway::edge::patience::SLOW_READER;
use gateway::lifecycle::{Failure, Listener};
use gateway::page::deadline::now;
use tokio::net::TcpSocket;

use crate::common::client::{Client, get};
use crate::common::gateway::{Gateway, PAGE, shop, shop_changes, variables};
use crate::common::{soon, until};

/// A page of several MiB: more than the buffers of two sockets take.
const LARGE: u32 = 14 << 20;

async fn shop_with_a_large_page(changes: &[&str]) -> (Gateway, Fakes) {
    let all: Vec<&str> = ["downstream.product.max_body=16MiB"]
        .iter()
        .chain(changes)
        .copied()
        .collect();
    let (gateway, fakes) = shop(&all).await;
    let large = Behaviour {
        body_bytes: Some(LARGE),
        ..Behaviour::default()
    };
    fakes.set(Service::Product, large).unwrap();
    (gateway, fakes)
}

/// Asks for the large page and takes none of it; returns when nothing of it moves any more.
async fn stuck_reader(gateway: &Gateway, fakes: &Fakes) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = soon("a connection", socket.connect(gateway.public))
        .await
        .unwrap();
    soon("room for a request", stream.writable()).await.unwrap();
    assert!(stream.try_write(get(PAGE, "").as_bytes()).unwrap() > 0);
    until("all calls of the page to end", async || {
        Service::ALL
            .iter()
            .all(|&service| fakes.stats(service).completed == 1)
    })
    .await;
    soon("the first bytes", stream.readable()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_reader_that_stops_holds_its_ticket_until_it_leaves() {
    let (gateway, fakes) = shop_with_a_large_page(&[]).await;
    let reader = stuck_reader(&gateway, &fakes).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(gateway.in_flight().await, 1);
    // The calls are over: only the ticket is held.
    assert_eq!(
        gateway.limits().await["downstreams"]["product"]["in_use"],
        0
    );
    drop(reader);
    gateway.at_rest().await;
}

#[tokio::test]
async fn a_reader_that_stops_is_cut_off_in_the_end() {
    let (gateway, fakes) = shop_with_a_large_page(&[]).await;
    let began = now();
    let reader = stuck_reader(&gateway, &fakes).await;
    gateway.at_rest().await;
    let took = now() - began;
    assert!(
        took >= SLOW_READER && took < SLOW_READER + Duration::from_secs(10),
        "{took:?}"
    );
    drop(reader);
}

#[tokio::test]
async fn a_reader_that_is_slow_and_does_not_stop_gets_it_all() {
    let (gateway, _fakes) = shop_with_a_large_page(&[]).await;
    let mut client = Client::connect(gateway.public).await;
    client.send(get(PAGE, "")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() > LARGE as usize);
    gateway.at_rest().await;
}

#[tokio::test]
async fn while_draining_pages_in_flight_end_and_new_ones_are_refused() {
    let (mut gateway, fakes) = shop(&[]).await;
    let mut in_flight = gateway.hanging_page(&fakes).await;
    let mut idle = Client::connect(gateway.public).await;
    idle.send(get("/none", "")).await;
    assert_eq!(idle.answer().await.status, 404);

    gateway.stop();
    until("not ready", async || {
        gateway.look("/readyz").await.status == 503
    })
    .await;
    assert_eq!(gateway.look("/livez").await.status, 200);
    // On a new connection, and on one that was there before.
    for mut client in [Client::connect(gateway.public).await, idle] {
        client.send(get(PAGE, "")).await;
        let answer = client.answer().await;
        answer.assert_refused(503, "draining", Some("gateway"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed().await);
    }
    assert_eq!(gateway.in_flight().await, 1);
    fakes.heal();
    assert_eq!(in_flight.answer().await.status, 200);
    gateway.ended().await;
}

#[tokio::test]
async fn while_load_balancers_turn_away_pages_are_served_and_then_refused() {
    let (mut gateway, _fakes) = shop(&["server.drain_delay=3s"]).await;
    let mut kept = Client::connect(gateway.public).await;
    let mut idle = Client::connect(gateway.public).await;
    for client in [&mut kept, &mut idle] {
        client.send(get(PAGE, "")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (200, None));
    }
    gateway.stop();
    until("not ready", async || {
        gateway.look("/readyz").await.status == 503
    })
    .await;
    for mut client in [kept, Client::connect(gateway.public).await] {
        client.send(get(PAGE, "")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed().await);
    }
    until("refusals", async || {
        let mut client = Client::connect(gateway.public).await;
        client.send(get(PAGE, "")).await;
        client.answer().await.status == 503
    })
    .await;
    // One that was silent all the time is told as well.
    idle.send(get(PAGE, "")).await;
    let answer = idle.answer().await;
    answer.assert_refused(503, "draining", Some("gateway"));
    gateway.ended().await;
}

#[tokio::test]
async fn a_drain_waits_no_longer_than_its_timeout_for_a_reader_that_stopped() {
    let (mut gateway, fakes) = shop_with_a_large_page(&["server.drain_timeout=3s"]).await;
    let reader = stuck_reader(&gateway, &fakes).await;
    let began = now();
    gateway.stop();
    gateway.ended().await;
    let took = now() - began;
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(7),
        "{took:?}"
    );
    drop(reader);
}

#[tokio::test]
async fn a_drain_cuts_off_a_page_that_does_not_end_and_its_calls_with_it() {
    let changes = ["server.drain_timeout=1s", "page.product-page.deadline=none"];
    let (mut gateway, fakes) = shop(&changes).await;
    let mut client = gateway.hanging_page(&fakes).await;
    gateway.stop();
    gateway.ended().await;
    assert!(client.is_closed().await);
    until("pricing to notice", async || {
        fakes.stats(Service::Pricing).in_flight == 0
    })
    .await;
}

#[tokio::test]
async fn silent_and_idle_connections_do_not_hold_up_the_end() {
    let (mut gateway, _fakes) = shop(&["server.header_read_timeout=1h"]).await;
    let _operator = Client::connect(gateway.admin).await;
    let _silent = Client::connect(gateway.public).await;
    let mut idle = Client::connect(gateway.public).await;
    idle.send(get(PAGE, "")).await;
    assert_eq!(idle.answer().await.status, 200);
    let began = now();
    gateway.stop();
    gateway.ended().await;
    assert!(now() - began < Duration::from_secs(15));
}

#[tokio::test]
async fn half_a_request_holds_up_the_end_no_longer_than_a_head_may_take() {
    let (mut gateway, _fakes) = shop(&["server.header_read_timeout=2s"]).await;
    let mut half = Client::connect(gateway.public).await;
    half.send("GET /product").await;
    let began = now();
    gateway.stop();
    gateway.ended().await;
    assert!(now() - began < Duration::from_secs(15));
    assert!(half.is_closed().await);
}

/// A listener, and the same socket again, by which it can be broken: after shutdown(2)
/// the system gives no connection any more.
fn breakable() -> (tokio::net::TcpListener, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let again = OwnedFd::from(listener.try_clone().unwrap());
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    (listener, TcpStream::from(again))
}

#[tokio::test]
async fn a_listener_that_breaks_is_noticed_at_once_and_pages_in_flight_finish() {
    for broken in [Listener::Public, Listener::Operators] {
        let fakes = Fakes::start(Options::default()).await.unwrap();
        let variables = variables(&shop_changes(&fakes, &[]));
        let text = config::default_text();
        let loaded = config::load_text("test.toml", text, &variables).unwrap();
        let ((public, breaks_public), (operators, breaks_operators)) = (breakable(), breakable());
        let app = App::on(public, operators, loaded).unwrap();
        let mut gateway = Gateway::run(app).await;
        let mut in_flight = gateway.hanging_page(&fakes).await;
        // A connection of the operators that is there already.
        let mut operator = Client::connect(gateway.admin).await;
        operator.send(get("/readyz", "")).await;
        assert_eq!(operator.answer().await.status, 200);

        let breaks = match broken {
            Listener::Public => &breaks_public,
            Listener::Operators => &breaks_operators,
        };
        breaks.shutdown(Shutdown::Both).unwrap();
        until("not ready", async || {
            operator.send(get("/readyz", "")).await;
            operator.answer().await.status == 503
        })
        .await;
        fakes.heal();
        assert_eq!(in_flight.answer().await.status, 200, "{broken:?}");
        assert_eq!(gateway.end().await, Err(Failure::ListenerEnded(broken)));
    }
}
