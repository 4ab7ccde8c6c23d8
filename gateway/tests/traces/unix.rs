//! Traces to an agent on a socket of the file system: one that is there, one that comes
//! later, and one that never does.

use fixtures::{Fakes, Options};
use gateway::config;

use crate::agent::Agent;
use crate::common::binary::Binary;
use crate::common::client::{ask, get};
use crate::common::gateway::{Gateway, PAGE, shop_changes, variables};
use crate::common::until;
use crate::traced::{Via, telemetry};

#[tokio::test]
async fn traces_reach_an_agent_on_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("apm.socket");
    let agent = Agent::start_on_socket(&socket).await;
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let address = format!("unix://{}", socket.display());
    let all = [telemetry(Via::Datadog, &address), shop_changes(&fakes, &[])].concat();
    let gateway = Gateway::start(config::default_text(), &all).await;
    let answer = ask(gateway.public, get(PAGE, "")).await;
    assert_eq!(answer.status, 200);
    until("the trace at the agent", async || {
        !agent.all().await.is_empty()
    })
    .await;
    agent.assert_all_checks_passed().await;
    let traces = agent.all().await;
    assert_eq!(traces.len(), 1);
    traces[0].assert_told_by(&answer);
    until("statistics at the agent", async || {
        !agent.requests("/v0.6/stats").await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_is_not_there_costs_traces_until_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("apm.socket");
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, config::default_text()).unwrap();
    let mut variables = variables(&shop_changes(&fakes, &[]));
    let address = format!("unix://{}", socket.display());
    variables.push(("DD_TRACE_AGENT_URL".into(), address));
    let arguments = ["run", "--config", config.to_str().unwrap()];
    let mut gateway = Binary::start(&arguments, &variables);
    let (public, _) = gateway.serving().await;
    assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
    until("the loss to be told", async || {
        gateway.said().contains("traces are dropped")
    })
    .await;
    let told = format!("receiver=\"unix:{}\"", socket.display());
    assert!(gateway.said().contains(&told), "{}", gateway.said());
    let agent = Agent::start_on_socket(&socket).await;
    until("a trace at the agent", async || {
        assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        !agent.all().await.is_empty()
    })
    .await;
    gateway.signal("TERM");
    assert_eq!(gateway.ended().await.code(), Some(0));
    agent.assert_all_checks_passed().await;
}
