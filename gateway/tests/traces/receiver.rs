//! The receiver itself: that it notices what it should, or no other test shows anything.

use std::net::TcpStream;

use crate::agent::Agent;
use crate::common::client::{Answer, ask};
use crate::payload::one_span;

/// Sends a payload as an exporter would, but with this many traces announced.
async fn send(agent: &Agent, payload: &[u8], announced: &str) -> Answer {
    let length = payload.len();
    let head = format!(
        "POST /v0.5/traces HTTP/1.1\r\nHost: agent\r\nContent-Type: application/msgpack\r\n\
         Datadog-Meta-Tracer-Version: 1\r\nX-Datadog-Trace-Count: {announced}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    ask(agent.address(), [head.as_bytes(), payload].concat()).await
}

#[tokio::test]
async fn a_good_payload_passes_every_check_and_can_be_read_back() {
    let agent = Agent::start(&[]).await;
    let id = u64::MAX - 1;
    let meta = [("_dd.p.tid", "4bf92f3577b34da6"), ("events", "[]")];
    assert_eq!(send(&agent, &one_span(id, &meta), "1").await.status, 200);
    let trace = agent.trace(u128::from(id)).await;
    assert_eq!(trace.tree(), "GET / []\n");
    assert_eq!(trace.id(), 0x4bf9_2f35_77b3_4da6_ffff_ffff_ffff_fffe);
    assert_eq!((agent.all().await.len(), agent.chunks().await), (1, 1));
}

#[tokio::test]
async fn a_check_that_fails_is_remembered() {
    let agent = Agent::start(&[]).await;
    assert_eq!(agent.failures().await, None);
    let bad = [
        (one_span(1, &[]), "2", "trace_count_header"),
        (
            one_span(2, &[("events", "{")]),
            "1",
            "meta_events_is_valid_json",
        ),
    ];
    for (payload, announced, check) in bad {
        assert_eq!(send(&agent, &payload, announced).await.status, 400);
        let failures = agent.failures().await.unwrap();
        assert!(failures.contains(check), "{failures}");
    }
    assert_eq!(send(&agent, &one_span(3, &[]), "1").await.status, 200);
    assert!(agent.failures().await.is_some());
}

#[tokio::test]
async fn a_payload_that_cannot_be_decoded_spoils_every_later_answer() {
    let agent = Agent::start(&[]).await;
    let good = one_span(1, &[]);
    let cut = &good[..good.len() - 1];
    let longer = [&good[..], b"more"].concat();
    for bad in [cut, &longer] {
        // What is too long is taken, with 200.
        send(&agent, bad, "1").await;
        assert_eq!(agent.look("/test/traces").await.status, 400);
        assert_eq!(agent.look("/test/session/clear").await.status, 200);
        assert_eq!(agent.look("/test/traces").await.status, 200);
    }
}

#[tokio::test]
async fn an_agent_ends_with_its_owner() {
    let agent = Agent::start(&[]).await;
    let address = agent.address();
    drop(agent);
    assert!(TcpStream::connect(address).is_err());
}
