//! An agent that is absent, stalled or broken: pages do not notice, the gateway ends in
//! time, and what was lost is counted.

use std::net::SocketAddr;
use std::time::Duration;

use fixtures::{Fakes, Options};
use futures_util::future::join_all;
use gateway::config;
use gateway::lifecycle::REFUSING;
use gateway::page::deadline::now;
use gateway::telemetry::Telemetry;
use gateway::telemetry::names::Dropped;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::agent::{Agent, kept_port};
use crate::common::client::{Client, get};
use crate::common::gateway::{Gateway, PAGE, shop_changes};
use crate::common::scripted::{Script, Scripted, with_length};
use crate::common::until;
use crate::traced::{Via, telemetry};

/// Longest that a gateway may take to end after its drain because of its traces.
const AT_THE_END: Duration = Duration::from_secs(2);

/// For the machine.
const SLACK: Duration = Duration::from_secs(2);

async fn gateway_before(agent: &str, via: Via) -> (Gateway, Fakes) {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let changes = shop_changes(&fakes, &[]);
    let all = [telemetry(via, agent), changes].concat();
    (Gateway::start(config::default_text(), &all).await, fakes)
}

async fn serve(gateway: &Gateway, pages: usize) {
    let mut client = Client::connect(gateway.public).await;
    for _ in 0..pages {
        client.send(get(PAGE, "")).await;
        assert_eq!(client.answer().await.status, 200);
    }
}

/// Traces counted as lost, whatever the cause.
fn lost(telemetry: &Telemetry) -> u64 {
    let traces = Dropped::ALL
        .into_iter()
        .filter(|what| what.signal() == "traces");
    traces.map(|what| telemetry.counts().lost(what)).sum()
}

/// That pages are served before such an agent, their traces counted as lost, and the
/// end is not delayed.
async fn assert_only_traces_are_lost(agent: &str, via: Via) {
    const PAGES: usize = 50;
    const MORE: usize = 3;
    let (mut gateway, _fakes) = gateway_before(agent, via).await;
    let began = now();
    serve(&gateway, PAGES).await;
    let took = now() - began;
    assert!(took < Duration::from_secs(10), "{took:?} for {PAGES} pages");
    until("all traces to be counted as lost", async || {
        lost(&gateway.telemetry) == PAGES as u64
    })
    .await;
    serve(&gateway, MORE).await;
    let began = now();
    gateway.stop();
    gateway.ended().await;
    let took = now() - began;
    assert!(took < REFUSING + AT_THE_END + SLACK, "{took:?} to end");
    assert_eq!(lost(&gateway.telemetry), (PAGES + MORE) as u64);
}

#[tokio::test]
async fn an_agent_that_is_absent_costs_its_traces_only() {
    let (datadog, otlp) = (url(kept_port()), url(kept_port()));
    tokio::join!(
        assert_only_traces_are_lost(&datadog, Via::Datadog),
        assert_only_traces_are_lost(&otlp, Via::Otlp),
    );
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Accepts, reads, and never answers.
async fn stalled() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut buffer = [0; 4096];
                while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
            });
        }
    });
    (url(address), tasks)
}

#[tokio::test]
async fn an_agent_that_never_answers_costs_its_traces_only() {
    let (agent, _tasks) = stalled().await;
    tokio::join!(
        assert_only_traces_are_lost(&agent, Via::Datadog),
        assert_only_traces_are_lost(&agent, Via::Otlp),
    );
}

#[tokio::test]
async fn an_agent_that_refuses_or_talks_nonsense_costs_its_traces_only() {
    let answers = [
        Script::Say(with_length("400 Bad Request", "", b"{}")),
        Script::Say(with_length("413 Content Too Large", "", b"")),
        Script::Say(with_length("500 Internal Server Error", "", b"")),
        Script::SayAndClose(b"nonsense\r\n\r\n".to_vec()),
        Script::SayForever(b"HTTP/1.1 500 No\r\nX: ".to_vec(), vec![b'x'; 4096]),
    ];
    let all = answers.map(async |answer| {
        let agent = Scripted::start(answer).await;
        assert_only_traces_are_lost(&agent.url, Via::Datadog).await;
    });
    join_all(all).await;
}

#[tokio::test]
async fn an_agent_that_freezes_for_half_a_minute_does_not_delay_the_end() {
    let agent = Agent::start(&[("DD_TEST_STALL_REQUEST_SECONDS", "30")]).await;
    assert_only_traces_are_lost(&agent.url(), Via::Datadog).await;
}

#[tokio::test]
async fn traces_leave_again_when_the_agent_comes_back() {
    let address = kept_port();
    let (mut gateway, _fakes) = gateway_before(&url(address), Via::Datadog).await;
    serve(&gateway, 5).await;
    until("the first traces to be lost", async || {
        lost(&gateway.telemetry) == 5
    })
    .await;
    let agent = Agent::start_at(address, &[]).await;
    let mut served: u64 = 5;
    until("a trace to arrive", async || {
        serve(&gateway, 1).await;
        served += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
        !agent.all().await.is_empty()
    })
    .await;
    let lost = lost(&gateway.telemetry);
    serve(&gateway, 5).await;
    gateway.stop();
    gateway.ended().await;
    agent.assert_all_checks_passed().await;
    let received = agent.all().await.len() as u64;
    assert_eq!(
        received + lost,
        served + 5,
        "{received} received, {lost} lost"
    );
}
