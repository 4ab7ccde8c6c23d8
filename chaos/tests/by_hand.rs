//! Faults by hand, on fakes that run.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::Command;
use std::time::Duration;

use chaos::by_hand::{heal, slow};
use chaos::http::Origin;
use fixtures::{Fakes, Options, Ports, Service};
use tokio::time::{sleep, timeout};

const MS: Duration = Duration::from_millis(1);

async fn fakes() -> (Fakes, Origin) {
    let options = Options {
        ports: Ports::Ephemeral,
        ..Options::default()
    };
    let fakes = Fakes::start(options).await.unwrap();
    let control = fakes.control_url().parse().unwrap();
    (fakes, control)
}

fn toxics(fakes: &Fakes) -> Vec<String> {
    let conditions = fakes.fake(Service::Pricing).conditions();
    let toxics = conditions.toxics.iter();
    toxics
        .map(|toxic| serde_json::to_string(toxic).unwrap())
        .collect()
}

#[tokio::test]
async fn a_fake_is_slow_until_it_is_healed_and_a_second_call_changes_the_first() {
    let (fakes, control) = fakes().await;
    let said = slow(control, "pricing", 1500 * MS, None).await.unwrap();
    assert_eq!(said, "pricing answers 1500ms later until `chaos heal`");
    slow(control, "pricing", 700 * MS, None).await.unwrap();
    let now = toxics(&fakes);
    assert_eq!(now.len(), 1, "{now:?}");
    assert!(now[0].contains("\"latency\":700"), "{now:?}");
    heal(control).await.unwrap();
    assert!(toxics(&fakes).is_empty());
}

#[tokio::test]
async fn a_fake_that_is_slow_for_a_while_heals_by_itself() {
    let (fakes, control) = fakes().await;
    slow(control, "pricing", 500 * MS, Some(200 * MS))
        .await
        .unwrap();
    let healed = async {
        while !toxics(&fakes).is_empty() {
            sleep(5 * MS).await;
        }
    };
    timeout(Duration::from_secs(10), healed).await.unwrap();
}

#[tokio::test]
async fn a_fake_that_does_not_exist_is_told_with_those_that_do() {
    let (_fakes, control) = fakes().await;
    let error = slow(control, "pricng", MS, None).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`pricng`"), "{text}");
    assert!(
        text.contains("inventory") && text.contains("pricing"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_command_makes_and_undoes_the_fault_and_says_so() {
    let (fakes, control) = fakes().await;
    let chaos = |args: &[&str]| {
        let mut chaos = Command::new(env!("CARGO_BIN_EXE_chaos"));
        let done = chaos.args(args).args(["--control", &control.to_string()]);
        let done = done.output().unwrap();
        let err = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{err}");
        String::from_utf8(done.stdout).unwrap()
    };
    let said = chaos(&["slow", "pricing", "1500ms", "--for", "30s"]);
    assert_eq!(said, "pricing answers 1500ms later for 30s\n");
    assert_eq!(toxics(&fakes).len(), 1);
    chaos(&["heal"]);
    assert!(toxics(&fakes).is_empty());
}

#[test]
fn where_nobody_listens_the_remedy_is_told() {
    let mut chaos = Command::new(env!("CARGO_BIN_EXE_chaos"));
    // The discard port.
    let done = chaos.args(["heal", "--control", "http://127.0.0.1:9"]);
    let done = done.output().unwrap();
    assert_eq!(done.status.code(), Some(2));
    let err = String::from_utf8(done.stderr).unwrap();
    assert!(err.contains("start `fakes`"), "{err}");
}
