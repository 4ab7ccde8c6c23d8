//! Exchanges in memory, with a peer that does as the test says.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::config::{Notation, Propagation};
use crate::page::deadline::{Deadline, now};
use crate::page::downstream::{CallRequest, OwnFields};
use crate::telemetry::context::TraceContext;

const ROOM: usize = 1 << 20;

fn head() -> Vec<u8> {
    let shared = HeaderMap::new();
    let request = CallRequest {
        path: "/x/1",
        shared: &shared,
        own: OwnFields::default(),
    };
    request::write("a:1", "", &request)
}

/// Reads one request and answers it with `bytes`.
async fn answering(mut peer: DuplexStream, bytes: &'static [u8]) -> DuplexStream {
    let mut request = vec![0; 4096];
    let read = peer.read(&mut request).await.unwrap();
    assert!(request[..read].ends_with(b"\r\n\r\n"));
    peer.write_all(bytes).await.unwrap();
    peer
}

#[test]
fn a_request_is_its_line_its_host_and_its_fields() {
    let mut shared = HeaderMap::new();
    shared.insert("x-request-id", HeaderValue::from_static("r"));
    let trace = TraceContext {
        trace_id: 0xa,
        propagation: Propagation::new(&[Notation::TraceContext]),
        ..TraceContext::new()
    };
    let own = OwnFields {
        span: Some((&trace, 7)),
        budget_left: Some(Duration::from_millis(30)),
    };
    let request = CallRequest {
        path: "/x?y=%20",
        shared: &shared,
        own,
    };
    let written = String::from_utf8(request::write("a:1", "/v2", &request)).unwrap();
    assert_eq!(
        written,
        "GET /v2/x?y=%20 HTTP/1.1\r\nhost: a:1\r\naccept: application/json\r\n\
         accept-encoding: identity\r\nx-request-id: r\r\n\
         traceparent: 00-0000000000000000000000000000000a-0000000000000007-01\r\n\
         x-envoy-expected-rq-timeout-ms: 30\r\n\r\n"
    );
}

#[tokio::test]
async fn one_connection_carries_one_exchange_after_the_other() {
    let (mut here, mut there) = duplex(ROOM);
    for _ in 0..3 {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let (read, peer) = tokio::join!(exchange(&mut here, head(), 10), answering(there, answer));
        there = peer;
        let read = read.unwrap();
        assert!(read.reusable && is_silent(&mut here));
        assert_eq!(read.body, "{}");
    }
}

#[tokio::test]
async fn a_peer_that_closes_without_a_byte_has_not_answered() {
    let (mut here, there) = duplex(ROOM);
    let closing = async { drop(answering(there, b"").await) };
    let (read, ()) = tokio::join!(exchange(&mut here, head(), 10), closing);
    assert!(matches!(read, Err(ExchangeError::Unanswered)), "{read:?}");

    let (mut here, there) = duplex(ROOM);
    drop(there);
    let read = exchange(&mut here, head(), 10).await;
    assert!(matches!(read, Err(ExchangeError::Unanswered)), "{read:?}");
}

#[tokio::test]
async fn a_peer_that_closes_within_its_answer_has_truncated_it() {
    let (mut here, there) = duplex(ROOM);
    let part = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{";
    let closing = async { drop(answering(there, part).await) };
    let (read, ()) = tokio::join!(exchange(&mut here, head(), 10), closing);
    assert!(matches!(read, Err(ExchangeError::Truncated)), "{read:?}");
}

#[tokio::test]
async fn an_idle_connection_that_said_something_or_ended_is_not_silent() {
    let (mut here, mut there) = duplex(ROOM);
    assert!(is_silent(&mut here));
    there
        .write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        .await
        .unwrap();
    assert!(!is_silent(&mut here));

    let (mut here, there) = duplex(ROOM);
    drop(there);
    assert!(!is_silent(&mut here));
}

#[tokio::test]
async fn a_dead_connection_is_seen_by_a_task_that_has_used_up_its_budget() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut here = tokio::net::TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    drop(listener.accept().await.unwrap());
    here.readable().await.unwrap();
    let seen = poll_fn(|cx| {
        while let Poll::Ready(progress) = tokio::task::coop::poll_proceed(cx) {
            progress.made_progress();
        }
        Poll::Ready(!is_silent(&mut here))
    });
    assert!(seen.await);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_interim_answers_neither_lasts_nor_holds_up_a_deadline() {
    let (mut here, mut there) = duplex(ROOM);
    let flood = async {
        let hints = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
        while there.write_all(&hints).await.is_ok() {}
    };
    let read = async {
        let limit = Deadline::after(now(), Duration::from_millis(100));
        let read = limit.limit(exchange(&mut here, head(), 10)).await;
        drop(here);
        read
    };
    let (read, ()) = tokio::join!(read, flood);
    let malformed = matches!(
        read,
        Ok(Err(ExchangeError::Malformed(Malformed::Framing(_))))
    );
    assert!(malformed, "{read:?}");
}
