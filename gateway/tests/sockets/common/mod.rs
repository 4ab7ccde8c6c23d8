//! What the tests share: a client that writes exact bytes, a gateway in this
//! process, a downstream that follows a script, the real binary.

pub(crate) mod agent;
pub(crate) mod binary;
pub(crate) mod client;
pub(crate) mod exposition;
pub(crate) mod gateway;
pub(crate) mod http2;
pub(crate) mod receiver;
pub(crate) mod reloading;
pub(crate) mod scripted;
pub(crate) mod secured;

use std::fmt::Display;
use std::process::Command;
use std::time::Duration;

use ::gateway::page::deadline::{Deadline, now};

/// Longest wait for anything that must happen. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Whether this is a process in which the test of this name runs alone. If it is not, it has run in
/// one, and passed.
pub(crate) fn alone(name: &str) -> bool {
    const ALONE: &str = "GATEWAY_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut test = Command::new(std::env::current_exe().unwrap());
    let output = test.args(["--exact", name]).env(ALONE, "1").output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "there is no such test: {said}");
    false
}

/// The result of `work`, which must come within [`PATIENCE`].
pub(crate) async fn soon<F: Future>(what: &str, work: F) -> F::Output {
    let limit = Deadline::after(now(), PATIENCE);
    limit
        .limit(work)
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// Waits until `holds` does.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    until_nothing(what, async || (!holds().await).then_some("not yet")).await;
}

/// Waits until `in_the_way` finds nothing; a failure says what it found last.
pub(crate) async fn until_nothing<T: Display>(
    what: &str,
    mut in_the_way: impl AsyncFnMut() -> Option<T>,
) {
    let mut last = None;
    let gone = async {
        loop {
            last = in_the_way().await;
            if last.is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let limit = Deadline::after(now(), PATIENCE);
    if limit.limit(gone).await.is_err() {
        let last = last.map_or_else(|| "no answer".to_owned(), |last| format!("{last:#}"));
        panic!("not within {PATIENCE:?}: {what}: {last}");
    }
}

/// Bytes of a process's memory that are resident; a number, or `self`.
pub(crate) fn resident(process: impl Display) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}
