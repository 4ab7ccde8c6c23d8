//! Scenarios on sockets, with the programs themselves: what they show, and that nothing is left behind.
//!
//! Bounds are generous: what is judged here is that the hardship arrives, not how fast a machine is.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod programs;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chaos::proc::Process;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use programs::programs;

/// No test waits longer for anything.
const BOUND: Duration = Duration::from_secs(60);

/// A slow required part between two healthy seconds.
const SLOW_PART: &str = r#"
title = "slow part"
length = "6s"
config.page.product-page.deadline = "1s"
downstream.product.latency = { fixed = "20ms" }
downstream.pricing.latency = { fixed = "20ms" }
downstream.inventory.latency = { fixed = "20ms" }
[[load]]
rate = "30/s"
retries = 1
[[fault]]
downstream = "pricing"
from = "2s"
until = "4s"
latency = { fixed = "10s" }
[[expect]]
until = "1500ms"
good_pages = ">= 90%"
p50 = ">= 20ms"
calls_per_good_page = ">= 4.5"
[[expect]]
from = "2500ms"
until = "3s"
good_pages = "<= 10%"
# Those whose deadline is over.
[[expect]]
from = "3s"
until = "4s"
aborted = ">= 1%"
slowest = "== 0ms"
live.slowest = "none"
"#;

/// SIGTERM under load, with clients that leave, read slowly and have names.
const DEPLOY: &str = r#"
title = "deploy"
length = "9s"
drain_at = "2s"
[[load]]
rate = "30/s"
client = "shop"
patience = "30s"
[[load]]
rate = "5/s"
reads_for = "100ms"
# Five seconds are the default of server.drain_delay.
[[expect]]
until = "6800ms"
cancelled = "== 0%"
good_pages = ">= 80%"
[[expect]]
from = "7300ms"
refused = "== 100%"
"#;

const LONG: &str = "title = \"long\"\nlength = \"10m\"\n[[load]]\nrate = \"20/s\"\n";

/// A scenario, and programs that write down their process ids.
struct Stage {
    folder: TempDir,
}

impl Stage {
    fn new(scenario: &str) -> Self {
        let stage = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(stage.path("scenario.toml"), scenario).unwrap();
        for program in programs() {
            let name = program.file_name().unwrap().to_str().unwrap();
            stage.script(name, &format!("exec {} \"$@\"", program.display()));
        }
        stage
    }

    /// Replaces a program.
    fn script(&self, name: &str, then: &str) {
        let pid = self.path(&format!("{name}.pid"));
        let script = format!("#!/bin/sh\necho $$ > {}\n{then}\n", pid.display());
        let path = self.path(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self) -> Command {
        let mut chaos = Command::new(env!("CARGO_BIN_EXE_chaos"));
        chaos.arg("run").arg(self.path("scenario.toml"));
        chaos.arg("--live");
        chaos.arg("--gateway").arg(self.path("gateway"));
        chaos.arg("--fakes").arg(self.path("fakes"));
        chaos
    }

    fn passes(&self) -> String {
        let done = self.run().stdin(Stdio::null()).output().unwrap();
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        let err = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{out}\n{err}");
        self.left_nothing();
        out
    }

    /// Where proc(5) shows a program while it runs.
    fn process(&self, name: &str) -> Option<PathBuf> {
        let pid = fs::read_to_string(self.path(&format!("{name}.pid"))).ok()?;
        let pid = pid.strip_suffix('\n')?;
        Some(Path::new("/proc").join(pid))
    }

    fn left_nothing(&self) {
        for name in ["gateway", "fakes"] {
            let process = self.process(name).unwrap();
            assert!(!process.exists(), "{name} still runs");
        }
    }
}

#[test]
fn a_slow_part_shows_on_sockets_and_nothing_is_left_behind() {
    let out = Stage::new(SLOW_PART).passes();
    assert!(out.contains("invariants: all held"), "{out}");
    assert!(out.contains("(deadline)"), "{out}");
    assert!(out.contains("played on sockets"), "{out}");
}

#[test]
fn a_gateway_that_is_told_to_stop_under_load_cuts_nobody_off() {
    let out = Stage::new(DEPLOY).passes();
    assert!(out.contains("invariants: all held"), "{out}");
}

#[tokio::test]
async fn a_signal_ends_the_run_and_both_processes() {
    for signal in [Signal::INT, Signal::TERM] {
        let stage = Stage::new(LONG);
        let mut chaos = Process::start(stage.run()).unwrap();
        let both = async {
            while stage.process("gateway").is_none() || stage.process("fakes").is_none() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(BOUND, both).await.unwrap();
        kill(chaos.id(), signal);
        let status = chaos.exit(BOUND).await.unwrap();
        assert_eq!(status.code(), Some(130), "{}", chaos.output());
        stage.left_nothing();
    }
}

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[tokio::test]
async fn a_gateway_that_does_not_start_is_told_with_its_words_and_the_fakes_end() {
    let stage = Stage::new(LONG);
    stage.script("gateway", "echo no luck today >&2; exit 3");
    let mut chaos = Process::start(stage.run()).unwrap();
    let status = chaos.exit(BOUND).await.unwrap();
    let output = chaos.output();
    assert_eq!(status.code(), Some(2), "{output}");
    assert!(output.contains("no luck today"), "{output}");
    stage.left_nothing();
}

#[test]
fn programs_that_are_missing_and_models_that_no_gateway_has_are_told() {
    let stage = Stage::new(&format!("admission = \"part_by_part\"\n{LONG}"));
    let told = |command: &mut Command| {
        let done = command.output().unwrap();
        assert_eq!(done.status.code(), Some(2));
        String::from_utf8(done.stderr).unwrap()
    };
    let err = told(&mut stage.run());
    assert!(err.contains("run it without --live"), "{err}");
    fs::remove_file(stage.path("gateway")).unwrap();
    let err = told(&mut stage.run());
    assert!(err.contains("cargo build --release"), "{err}");
}
