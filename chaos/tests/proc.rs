//! Child processes: started, watched, ended, and never left behind.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chaos::http::Origin;
use chaos::proc::Process;

const BOUND: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// The discard port, where nothing listens.
fn nobody() -> Origin {
    Origin::from(std::net::SocketAddr::from(([127, 0, 0, 1], 9)))
}

/// `exec`, so that the signal meets the program and not a shell around it.
fn sleeper() -> Process {
    Process::start(shell("exec sleep 60")).unwrap()
}

#[tokio::test]
async fn a_terminated_child_is_waited_for_and_its_signal_is_seen() {
    let mut child = sleeper();
    child.terminate().unwrap();
    let status = child.exit(BOUND).await.unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(15)
    );
}

#[tokio::test]
async fn a_child_that_does_not_end_is_an_error_within_the_bound() {
    let mut child = sleeper();
    let error = child.exit(Duration::from_millis(20)).await.unwrap_err();
    assert!(
        error.to_string().contains("did not end within 20ms"),
        "{error}"
    );
}

#[tokio::test]
async fn dropping_the_process_leaves_none_behind() {
    // The shell writes its id and becomes the sleeper.
    let child = Process::start(shell("echo pid $$; exec sleep 60")).unwrap();
    let proc = format!("/proc/{}", child.says("pid ", BOUND).await.unwrap());
    assert!(Path::new(&proc).exists());
    drop(child);
    assert!(!Path::new(&proc).exists());
}

#[tokio::test]
async fn a_child_that_ends_before_it_is_ready_shows_what_it_wrote() {
    let mut child = Process::start(shell("echo config.toml is wrong >&2; exit 2")).unwrap();
    child.exit(BOUND).await.unwrap();
    child.says("config.toml", BOUND).await.unwrap();
    let text = child
        .ready(nobody(), "/", BOUND)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("ended before it was ready (exit status: 2)"),
        "{text}"
    );
    assert!(text.contains("config.toml is wrong"), "{text}");
}

#[tokio::test]
async fn a_child_that_never_listens_is_an_error_within_the_bound() {
    let mut child = sleeper();
    let error = child
        .ready(nobody(), "/", Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("not ready within 50ms"),
        "{error}"
    );
}

#[tokio::test]
async fn only_the_latest_output_is_kept() {
    let script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo the end";
    let mut child = Process::start(shell(script)).unwrap();
    child.exit(BOUND).await.unwrap();
    child.says("the end", BOUND).await.unwrap();
    assert_eq!(child.output().len(), 16 * 1024);
}

#[tokio::test]
async fn a_busy_child_shows_its_cpu_time_and_memory() {
    let child = Process::start(shell("while :; do :; done")).unwrap();
    let shows = async {
        while child.usage().unwrap().cpu < Duration::from_millis(20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(BOUND, shows).await.unwrap();
    assert!(child.usage().unwrap().resident > 100 * 1024);
}

#[tokio::test]
async fn a_child_that_does_not_say_what_is_waited_for_shows_what_it_said_instead() {
    let child = Process::start(shell("echo something else; exec sleep 60")).unwrap();
    let error = child
        .says("control", Duration::from_millis(500))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("something else"), "{error}");
}

#[tokio::test]
async fn a_child_that_ends_before_its_line_shows_its_last_words() {
    for _ in 0..20 {
        let mut child = Process::start(shell("echo no luck today >&2; exit 3")).unwrap();
        let told = child.tells(|line| line.strip_prefix("ready").map(drop), BOUND);
        let text = told.await.unwrap_err().to_string();
        assert!(text.contains("exit status: 3"), "{text}");
        assert!(text.contains("no luck today"), "{text}");
    }
}
