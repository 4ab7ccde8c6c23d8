//! The real binary, told where to send its traces as Datadog tells it, and ended by a signal.

use fixtures::{Fakes, Options};
use gateway::config;

use crate::agent::Agent;
use crate::common::binary::Binary;
use crate::common::client::{ask, get};
use crate::common::gateway::{PAGE, shop_changes, variables};

#[tokio::test]
async fn the_binary_heeds_datadogs_variables_and_lets_its_last_trace_leave() {
    let agent = Agent::start(&[]).await;
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, config::default_text()).unwrap();
    let datadogs = [
        ("DD_TRACE_AGENT_URL", agent.url().as_str()),
        ("DD_SERVICE", "till"),
        ("DD_ENV", "prod"),
        ("DD_VERSION", "9.9.9"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let changes = shop_changes(&fakes, &["telemetry.dogstatsd="]);
    let all = [variables(&changes), datadogs.to_vec()].concat();
    let mut binary = Binary::start(&["run", "--config", path.to_str().unwrap()], &all);
    let (public, _) = binary.serving().await;
    let answer = ask(public, get(PAGE, "")).await;
    assert_eq!(answer.status, 200);
    binary.signal("TERM");
    assert_eq!(binary.ended().await.code(), Some(0), "{}", binary.said());
    agent.assert_all_checks_passed().await;
    let traces = agent.all().await;
    let [trace] = &traces[..] else {
        panic!("{traces:#?}");
    };
    trace.assert_told_by(&answer);
    for span in &trace.spans {
        assert_eq!(span.service, "till");
        span.assert_says(&[("env", "prod"), ("version", "9.9.9")]);
    }
}
