//! Behind proxies: whose quota a page is, as they say who asked them.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

use crate::common::client::{Client, ask, get};
use crate::common::exposition::Exposition;
use crate::common::gateway::{Gateway, PAGE, shop};

/// Two pages for each client, and none for a long time.
const TWO: [&str; 2] = ["clients.rate=1/min", "clients.burst=2"];

async fn behind(client_address: &str, trusted: &str) -> (Gateway, fixtures::Fakes) {
    let changes = [
        format!("server.client_address={client_address}"),
        format!("server.trusted_proxies={trusted}"),
    ];
    let changes: Vec<&str> = TWO
        .iter()
        .copied()
        .chain(changes.iter().map(String::as_str))
        .collect();
    shop(&changes).await
}

/// The statuses of so many pages that are asked for with these headers.
async fn pages(gateway: &Gateway, headers: &str, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(ask(gateway.public, get(PAGE, headers)).await.status);
    }
    statuses
}

#[tokio::test]
async fn two_clients_behind_a_trusted_proxy_have_two_quotas() {
    for (by, one, other) in [
        (
            "x-forwarded-for",
            "X-Forwarded-For: 203.0.113.1",
            "X-Forwarded-For: 6.6.6.6, 203.0.113.2",
        ),
        (
            "forwarded",
            "Forwarded: for=203.0.113.1;proto=https",
            "Forwarded: for=\"203.0.113.2:4711\"",
        ),
    ] {
        let (gateway, _fakes) = behind(by, "127.0.0.0/8").await;
        for headers in [one, other] {
            let headers = format!("{headers}\r\n");
            assert_eq!(
                pages(&gateway, &headers, 3).await,
                [200, 200, 429],
                "{headers}"
            );
        }
        // Without the header the proxy itself is the client.
        assert_eq!(pages(&gateway, "", 3).await, [200, 200, 429]);
    }
}

#[tokio::test]
async fn what_an_untrusted_peer_says_of_itself_changes_nothing() {
    for by in ["peer", "x-forwarded-for", "forwarded"] {
        let (gateway, _fakes) = behind(by, "10.0.0.0/8").await;
        let mut statuses = Vec::new();
        for nth in 1..=3 {
            let headers =
                format!("X-Forwarded-For: 203.0.113.{nth}\r\nForwarded: for=203.0.113.{nth}\r\n");
            statuses.extend(pages(&gateway, &headers, 1).await);
        }
        assert_eq!(statuses, [200, 200, 429], "{by}");
    }
}

/// The status of a page that is asked for on a connection that begins so.
async fn page_after(gateway: &Gateway, beginning: &[u8]) -> u16 {
    let request = [beginning, get(PAGE, "").as_bytes()].concat();
    ask(gateway.public, request).await.status
}

fn version_2(last: u8) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([203, 0, 113, last, 10, 0, 0, 1, 0x12, 0x34, 0, 80]);
    header
}

#[tokio::test]
async fn a_proxy_that_speaks_the_proxy_protocol_says_for_whom_each_connection_is() {
    let (gateway, _fakes) = behind("proxy-protocol", "127.0.0.1").await;
    let first = b"PROXY TCP4 203.0.113.1 10.0.0.1 4711 80\r\n";
    for beginning in [&first[..], &version_2(2)] {
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(page_after(&gateway, beginning).await);
        }
        assert_eq!(statuses, [200, 200, 429]);
    }
    // One connection may carry many pages of its client.
    let mut client = Client::connect(gateway.public).await;
    client.send(version_2(3)).await;
    for _ in 0..2 {
        client
            .send(get(PAGE, "X-Forwarded-For: 203.0.113.1\r\n"))
            .await;
        assert_eq!(client.answer().await.status, 200);
    }
    // A proxy asks for itself: its health probe.
    assert_eq!(page_after(&gateway, b"PROXY UNKNOWN\r\n").await, 200);
    gateway.at_rest().await;
}

#[tokio::test]
async fn who_must_be_introduced_and_is_not_is_refused_and_who_is_not_trusted_cannot_be() {
    let (gateway, _fakes) = behind("proxy-protocol", "127.0.0.1").await;
    let answer = ask(gateway.public, get(PAGE, "")).await;
    answer.assert_refused(400, "bad_request", None);
    assert!(
        answer.json()["detail"]
            .to_string()
            .contains("PROXY protocol")
    );

    let (gateway, _fakes) = behind("proxy-protocol", "127.0.0.2").await;
    assert_eq!(page_after(&gateway, b"").await, 200);
    let answer = ask(gateway.public, version_2(1)).await;
    answer.assert_refused(400, "bad_request", None);
    let counted =
        Exposition::read(&String::from_utf8(gateway.look("/metrics").await.body).unwrap());
    let kind = [("kind", "proxy_protocol")];
    assert_eq!(
        counted.sum("gateway_connections_unreadable_total", &kind),
        1.0
    );
}

#[tokio::test]
async fn a_proxy_that_does_not_say_for_whom_is_not_waited_for_longer_than_for_a_head() {
    let changes = [
        "server.client_address=proxy-protocol",
        "server.trusted_proxies=127.0.0.1",
        "server.header_read_timeout=300ms",
    ];
    let (gateway, _fakes) = shop(&changes).await;
    let mut silent = Client::connect(gateway.public).await;
    let mut half = Client::connect(gateway.public).await;
    half.send("PROXY TCP4 203.0.113.1").await;
    assert!(silent.is_closed().await && half.is_closed().await);
}

/// A connection from another address of this machine.
async fn from(address: Ipv4Addr, to: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    Client::on(socket.connect(to).await.unwrap())
}

#[tokio::test]
async fn a_client_cannot_take_all_connections() {
    let (gateway, _fakes) = shop(&["server.max_connections_per_client=3"]).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Client::connect(gateway.public).await);
        held.last_mut().unwrap().send("GET ").await;
    }
    let mut further = Client::connect(gateway.public).await;
    assert!(further.is_closed().await);
    // Others have theirs.
    let mut other = from(Ipv4Addr::new(127, 0, 0, 2), gateway.public).await;
    other.send(get(PAGE, "")).await;
    assert_eq!(other.answer().await.status, 200);
    let metrics = gateway.look("/metrics").await.body;
    let counted = Exposition::read(&String::from_utf8(metrics).unwrap());
    assert_eq!(counted.sum("gateway_connections_refused_total", &[]), 1.0);
    // A place is free when its connection has ended.
    held.pop();
    crate::common::until("a place that was left", async || {
        let mut client = Client::connect(gateway.public).await;
        client.send(get(PAGE, "")).await;
        client
            .answer_or_end()
            .await
            .is_some_and(|answer| answer.status == 200)
    })
    .await;
}

#[tokio::test]
async fn connections_of_a_trusted_proxy_count_for_those_it_opens_them_for() {
    let changes = [
        "server.client_address=proxy-protocol",
        "server.trusted_proxies=127.0.0.1",
        "server.max_connections_per_client=2",
    ];
    let (gateway, _fakes) = shop(&changes).await;
    let mut held = Vec::new();
    for last in [1, 1, 2, 2] {
        let mut client = Client::connect(gateway.public).await;
        client.send(version_2(last)).await;
        client.send(get(PAGE, "")).await;
        assert_eq!(client.answer().await.status, 200);
        held.push(client);
    }
    let mut further = Client::connect(gateway.public).await;
    further.send(version_2(2)).await;
    assert!(further.is_closed().await);

    let changes = [
        "server.client_address=x-forwarded-for",
        "server.trusted_proxies=127.0.0.1",
        "server.max_connections_per_client=1",
    ];
    let (gateway, _fakes) = shop(&changes).await;
    let mut one = Client::connect(gateway.public).await;
    let mut another = Client::connect(gateway.public).await;
    for client in [&mut one, &mut another] {
        client.send(get(PAGE, "")).await;
        assert_eq!(client.answer().await.status, 200);
    }
}
