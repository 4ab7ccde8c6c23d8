//! HTTP/2 from clients: the same answers, streams that end by themselves, connections that are told to end.

use std::time::Duration;

use fixtures::{Behaviour, Fakes, Fault, Service};
use gateway::page::deadline::now;
use h2::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::client::{Answer, Client, ask, get};
use crate::common::gateway::{Gateway, PAGE, shop};
use crate::common::http2::{Http2, request, taken};
use crate::common::{soon, until};

async fn multiplexed(changes: &[&str]) -> (Gateway, Fakes) {
    shop(&[&["server.http2=true"], changes].concat()).await
}

/// Status, header fields by name, and the body, without what differs from one answer to the next and what
/// only one of the two protocols has.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let of_one = [
        "connection",
        "date",
        "server-timing",
        "traceparent",
        "x-request-id",
        "etag",
        "ratelimit",
    ];
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !of_one.contains(&name.as_str()));
    headers.retain(|(name, _)| name != "content-length" || answer.body.is_empty());
    headers.sort();
    let body = match serde_json::from_slice::<serde_json::Value>(&answer.body) {
        Ok(mut body) => {
            for id in ["instance", "request_id", "trace_id", "timing", "meta"] {
                body.as_object_mut().map(|body| body.remove(id));
            }
            body.to_string()
        }
        Err(_) => format!("{} bytes", answer.body.len()),
    };
    (answer.status, headers, body)
}

#[tokio::test]
async fn answers_are_those_of_http_1() {
    let (gateway, _fakes) = multiplexed(&[]).await;
    let mut client = Http2::connect(gateway.public).await;
    let long = "x".repeat(20_000);
    for (method, path, headers) in [
        ("GET", PAGE, vec![]),
        ("GET", "/nothing", vec![]),
        ("POST", PAGE, vec![]),
        ("GET", PAGE, vec![("x-request-timeout-ms", "soon")]),
        ("GET", PAGE, vec![("x-long", long.as_str())]),
        ("GET", PAGE, vec![("origin", "https://shop.example")]),
    ] {
        let lines: String = headers
            .iter()
            .map(|(n, v)| format!("{n}: {v}\r\n"))
            .collect();
        let first = get(path, &lines).replacen("GET", method, 1);
        let first = comparable(&ask(gateway.public, first).await);
        let second = comparable(&client.ask(request(method, path, &headers)).await);
        assert_eq!(first, second, "{method} {path}");
    }
    let mut first = Client::connect(gateway.public).await;
    first
        .send(get(PAGE, "").replacen("GET", "OPTIONS", 1))
        .await;
    let first = comparable(&first.answer_to_head().await);
    let second = comparable(&client.ask(request("OPTIONS", PAGE, &[])).await);
    assert_eq!(first, second);
    let compressed = client
        .ask(request("GET", PAGE, &[("accept-encoding", "gzip")]))
        .await;
    assert_eq!(
        (compressed.status, compressed.header("content-encoding")),
        (200, Some("gzip"))
    );
    gateway.at_rest().await;
}

#[tokio::test]
async fn the_answer_to_head_has_the_length_and_no_body() {
    let (gateway, _fakes) = multiplexed(&[]).await;
    let mut client = Http2::connect(gateway.public).await;
    let whole = client.page("/nothing").await;
    let head = client.ask(request("HEAD", "/nothing", &[])).await;
    assert_eq!((head.status, head.body.len()), (404, 0));
    let length = whole.header("content-length").unwrap();
    assert_eq!(head.header("content-length"), Some(length));
    assert_eq!(whole.body.len().to_string(), length);
}

#[tokio::test]
async fn what_http_2_forbids_is_not_there_and_two_hosts_are_refused() {
    let (mut gateway, fakes) = multiplexed(&["server.drain_delay=3s"]).await;
    let mut client = Http2::connect(gateway.public).await;
    let same = client.ask(request("GET", PAGE, &[("host", "shop")])).await;
    let other = client
        .ask(request("GET", PAGE, &[("host", "evil.example")]))
        .await;
    assert_eq!((same.status, other.status), (200, 400));
    gateway.stop();
    let last = client.page(PAGE).await;
    for answer in [same, other, last] {
        assert_eq!(
            (answer.header("connection"), answer.header("keep-alive")),
            (None, None)
        );
    }
    gateway.ended().await;
    drop(fakes);
}

#[tokio::test]
async fn the_preface_may_come_in_pieces_and_what_only_begins_like_it_is_http_1() {
    let (gateway, _fakes) = multiplexed(&[]).await;
    let mut stream = TcpStream::connect(gateway.public).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for byte in bytes {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut header = [0; 9];
    soon("settings", stream.read_exact(&mut header))
        .await
        .unwrap();
    assert_eq!(header[3], 4, "no frame of settings: {header:?}");
    for pieces in [["PR", "I "], ["P", "RI * HTTP/1.1\r\n"], ["PROPFI", "ND "]] {
        let mut client = Client::connect(gateway.public).await;
        client.send(pieces[0]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.send(pieces[1]).await;
        client
            .send(format!("{PAGE} HTTP/1.1\r\nHost: shop\r\n\r\n"))
            .await;
        let status = client.answer().await.status;
        assert!(status == 405 || status == 400, "{pieces:?}: {status}");
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_takes_its_calls_along_and_leaves_its_siblings() {
    let (gateway, fakes) = multiplexed(&["page.product-page.deadline=60s"]).await;
    fakes
        .set(Service::Pricing, Behaviour::failing(Fault::Hang))
        .unwrap();
    let mut client = Http2::connect(gateway.public).await;
    let mut left = client.open(request("GET", PAGE, &[]), true).await.unwrap();
    let stays = client.open(request("GET", PAGE, &[]), true).await.unwrap();
    let stats = || fakes.stats(Service::Pricing);
    until("both calls", async || stats().in_flight == 2).await;
    let began = now();
    left.body.send_reset(Reason::CANCEL);
    until("one call to be aborted", async || stats().in_flight == 1).await;
    assert_eq!(stats().aborted_by_caller, 1);
    assert!(now() - began < Duration::from_secs(5));
    gateway.until_in_flight(1).await;
    fakes.heal();
    assert_eq!(taken(stays.answer).await.unwrap().status, 200);
    gateway.at_rest().await;
}

#[tokio::test]
async fn a_connection_that_ends_takes_all_its_streams_along() {
    let (gateway, fakes) = multiplexed(&["page.product-page.deadline=60s"]).await;
    fakes
        .set(Service::Pricing, Behaviour::failing(Fault::Hang))
        .unwrap();
    let mut client = Http2::connect(gateway.public).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(client.open(request("GET", PAGE, &[]), true).await.unwrap());
    }
    gateway.until_in_flight(20).await;
    drop((client, open));
    gateway.at_rest().await;
    until("the calls to be aborted", async || {
        fakes.stats(Service::Pricing).aborted_by_caller == 20
    })
    .await;
}

#[tokio::test]
async fn a_body_that_never_ends_holds_nothing() {
    let (gateway, _fakes) = multiplexed(&[]).await;
    let mut client = Http2::connect(gateway.public).await;
    for _ in 0..3 {
        let mut open = Vec::new();
        for _ in 0..100 {
            open.push(client.open(request("GET", PAGE, &[]), false).await.unwrap());
        }
        for open in open {
            let (answer, body) = (open.answer, open.body);
            taken(answer)
                .await
                .unwrap()
                .assert_refused(400, "bad_request", None);
            drop(body);
        }
    }
    assert_eq!(client.page(PAGE).await.status, 200);
    gateway.at_rest().await;
}

#[tokio::test]
async fn an_idle_client_and_an_old_one_are_told_to_leave() {
    let (gateway, _fakes) = multiplexed(&["server.keep_alive=700ms"]).await;
    let mut client = Http2::connect(gateway.public).await;
    let began = now();
    assert_eq!(client.page(PAGE).await.status, 200);
    // GOAWAY without an error, and then the end.
    client.end().await.unwrap();
    let took = now() - began;
    assert!(
        took >= Duration::from_millis(700) && took < Duration::from_secs(9),
        "{took:?}"
    );

    let (gateway, _fakes) = multiplexed(&["server.max_age=1s"]).await;
    let mut client = Http2::connect(gateway.public).await;
    assert_eq!(client.page(PAGE).await.status, 200);
    // A tenth more at most.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(client.page(PAGE).await.status, 200);
    client.end().await.unwrap();
}

#[tokio::test]
async fn while_draining_streams_in_flight_end_and_the_client_is_told_to_leave() {
    let (mut gateway, fakes) = multiplexed(&["page.product-page.deadline=60s"]).await;
    fakes
        .set(Service::Pricing, Behaviour::failing(Fault::Hang))
        .unwrap();
    let mut client = Http2::connect(gateway.public).await;
    let open = client.open(request("GET", PAGE, &[]), true).await.unwrap();
    // One that has never asked for anything does not hold up the end.
    let mut silent = Http2::connect(gateway.public).await;
    gateway.until_in_flight(1).await;
    gateway.stop();
    silent.end().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    fakes.heal();
    assert_eq!(taken(open.answer).await.unwrap().status, 200);
    client.end().await.unwrap();
    gateway.ended().await;
}
