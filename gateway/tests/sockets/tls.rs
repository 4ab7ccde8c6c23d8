//! TLS towards clients: what is spoken, who may connect, and handshakes that come to nothing.

use std::time::Duration;

use fixtures::{Behaviour, Fakes, Service};
use gateway::edge::patience::SLOW_READER;
use gateway::page::deadline::now;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::client::{Client, ask, get};
use crate::common::exposition::Exposition;
use crate::common::gateway::{Gateway, PAGE, shop};
use crate::common::http2::Http2;
use crate::common::secured::{Authority, Identity, protocol};
use crate::common::until;

const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

async fn secured(authority: &Authority, changes: &[&str]) -> (Gateway, Fakes) {
    let tls = authority.changes();
    let tls = tls.iter().map(String::as_str);
    shop(&tls.chain(changes.iter().copied()).collect::<Vec<_>>()).await
}

async fn unreadable(gateway: &Gateway, kind: &str) -> f64 {
    let metrics = gateway.look("/metrics").await;
    let metrics = Exposition::read(std::str::from_utf8(&metrics.body).unwrap());
    metrics.sum("gateway_connections_unreadable_total", &[("kind", kind)])
}

async fn until_unreadable(gateway: &Gateway, kind: &str, count: f64) {
    until("it to be counted", async || {
        unreadable(gateway, kind).await == count
    })
    .await;
}

#[tokio::test]
async fn what_is_spoken_over_tls_is_negotiated() {
    let authority = Authority::new();
    for (http2, offered, expected) in [
        (true, BOTH, Some(&b"h2"[..])),
        (true, &BOTH[1..], Some(b"http/1.1")),
        (true, &[], None),
        (false, BOTH, Some(b"http/1.1")),
    ] {
        let (gateway, _fakes) = secured(&authority, &[&format!("server.http2={http2}")]).await;
        let client = authority.client(offered, None);
        let stream = client.connect(gateway.public).await.unwrap();
        assert_eq!(protocol(&stream).as_deref(), expected);
        let answers = match expected {
            Some(b"h2") => {
                let mut client = Http2::over(stream, &h2::client::Builder::new()).await;
                [client.page(PAGE).await, client.page(PAGE).await]
            }
            _ => {
                let mut client = Client::over(stream);
                client.send(get(PAGE, "")).await;
                let first = client.answer().await;
                client.send(get(PAGE, "")).await;
                [first, client.answer().await]
            }
        };
        for answer in answers {
            assert_eq!(
                (answer.status, answer.json()["complete"].as_bool()),
                (200, Some(true))
            );
        }
        gateway.at_rest().await;
    }
}

#[tokio::test]
async fn who_speaks_no_protocol_of_ours_is_no_client() {
    let authority = Authority::new();
    let (gateway, _fakes) = secured(&authority, &["server.http2=true"]).await;
    let other = authority.client(&[b"spdy/3"], None);
    assert!(other.connect(gateway.public).await.is_err());
    until_unreadable(&gateway, "tls_handshake", 1.0).await;
    // HTTP/2 has to be negotiated where something can be (RFC 9113 section 3.2).
    let stream = authority.client(&[], None);
    let mut stream = stream.connect(gateway.public).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    assert!(Client::over(stream).is_closed().await);
    until_unreadable(&gateway, "http2", 1.0).await;
}

#[tokio::test]
async fn a_client_without_tls_is_told_that_it_is_spoken() {
    let authority = Authority::new();
    let (gateway, _fakes) = secured(&authority, &[]).await;
    let answer = ask(gateway.public, get(PAGE, "")).await;
    answer.assert_refused(400, "bad_request", None);
    let problem = answer.json();
    assert_eq!(problem["detail"], "TLS is spoken here. Use https.");
    until_unreadable(&gateway, "plaintext", 1.0).await;
    // A balancer that looks whether the port is open has done nothing wrong.
    drop(TcpStream::connect(gateway.public).await.unwrap());
    let (page, stream) = (get(PAGE, ""), authority.client(&[], None));
    let mut client = Client::over(stream.connect(gateway.public).await.unwrap());
    client.send(page).await;
    assert_eq!(client.answer().await.status, 200);
    for kind in ["tls_handshake", "tls_timeout", "malformed"] {
        assert_eq!(unreadable(&gateway, kind).await, 0.0, "{kind}");
    }
}

#[tokio::test]
async fn a_handshake_takes_no_longer_than_a_head_may() {
    let authority = Authority::new();
    let (gateway, _fakes) = secured(&authority, &["server.header_read_timeout=600ms"]).await;
    // The first bytes of a handshake, and none.
    for (bytes, counted) in [(&b"\x16\x03\x01"[..], 1.0), (b"", 1.0)] {
        let began = now();
        let mut stream = TcpStream::connect(gateway.public).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap_or(0), 0);
        let took = now() - began;
        assert!(
            took >= Duration::from_millis(600) && took < Duration::from_secs(9),
            "{took:?}"
        );
        until_unreadable(&gateway, "tls_timeout", counted).await;
    }
    // What the handshake took is not taken from the head: both have the one limit, from the opening on.
    let began = now();
    let stream = authority.client(&[], None);
    let mut client = Client::over(stream.connect(gateway.public).await.unwrap());
    assert!(client.is_closed().await);
    assert!(now() - began < Duration::from_secs(9));
}

#[tokio::test]
async fn a_reader_that_stops_is_cut_off_in_the_end() {
    let authority = Authority::new();
    let changes = ["downstream.product.max_body=16MiB"];
    let (gateway, fakes) = secured(&authority, &changes).await;
    let large = Behaviour {
        body_bytes: Some(14 << 20),
        ..Behaviour::default()
    };
    fakes.set(Service::Product, large).unwrap();
    let client = authority.client(&[], None);
    let mut stream = client.connect(gateway.public).await.unwrap();
    stream.write_all(get(PAGE, "").as_bytes()).await.unwrap();
    gateway.until_in_flight(1).await;
    let began = now();
    gateway.at_rest().await;
    let took = now() - began;
    let slack = Duration::from_secs(10);
    assert!(
        took + slack / 10 >= SLOW_READER && took < SLOW_READER + slack,
        "{took:?}"
    );
    drop(stream);
}

#[tokio::test]
async fn clients_show_who_they_are_as_they_have_to() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (own, foreign) = (authority.signs("client"), stranger.signs("client"));
    let ca = format!(
        "server.tls.client_ca={}",
        authority.file("ca.pem").display()
    );
    for (auth, with_none, counted) in [("required", false, 2.0), ("optional", true, 1.0)] {
        let auth = format!("server.tls.client_auth={auth}");
        let (gateway, _fakes) = secured(&authority, &[&ca, &auth]).await;
        for (identity, good) in [
            (Some(&own), true),
            (None, with_none),
            (Some(&foreign), false),
        ] {
            assert_eq!(
                is_served(&gateway, &authority, identity).await,
                good,
                "{auth}"
            );
        }
        until_unreadable(&gateway, "tls_client_certificate", counted).await;
    }
}

/// In TLS 1.3 a client learns that its certificate is refused only when it reads.
async fn is_served(gateway: &Gateway, authority: &Authority, identity: Option<&Identity>) -> bool {
    let client = authority.client(&[], identity);
    let Ok(mut stream) = client.connect(gateway.public).await else {
        return false;
    };
    let _ = stream.write_all(get(PAGE, "").as_bytes()).await;
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.is_ok() && &begin == b"HTTP/1.1 200"
}

#[tokio::test]
async fn a_proxy_says_for_whom_it_is_before_tls_begins() {
    let authority = Authority::new();
    let changes = [
        "server.client_address=proxy-protocol",
        "server.trusted_proxies=127.0.0.0/8",
        "clients.rate=1/min",
        "clients.burst=2",
    ];
    let (gateway, _fakes) = secured(&authority, &changes).await;
    for address in ["203.0.113.1", "203.0.113.2"] {
        let mut stream = TcpStream::connect(gateway.public).await.unwrap();
        let header = format!("PROXY TCP4 {address} 10.0.0.1 4660 443\r\n");
        stream.write_all(header.as_bytes()).await.unwrap();
        let secured = authority.client(&[], None).over(stream).await.unwrap();
        let mut client = Client::over(secured);
        let mut statuses = Vec::new();
        for _ in 0..3 {
            client.send(get(PAGE, "")).await;
            statuses.push(client.answer().await.status);
        }
        assert_eq!(statuses, [200, 200, 429], "{address}");
    }
    // Without the header it is no client, whatever else it speaks.
    let stream = authority.client(&[], None).connect(gateway.public).await;
    assert!(stream.is_err());
    until_unreadable(&gateway, "proxy_protocol", 1.0).await;
}
