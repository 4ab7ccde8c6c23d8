//! A running test agent, and what can be asked of it.
//!
//! Every test starts its own, so that it can say what arrived and that nothing else did.

use std::fs::File;
use std::io::{Read, Seek};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::client::{Answer, ask, get};
use crate::common::until;
use crate::installed::python;
use crate::otlp;
use crate::spans::Trace;

/// Every check it has. Those of `peer.service` and of the service look only at traces
/// that claim Datadog's naming schema v1; here tests assert both themselves.
const CHECKS: &str = "trace_count_header,meta_tracer_version_header,trace_content_length,\
    trace_stall,trace_peer_service,meta_events_is_valid_json,trace_dd_service";

/// Runs the agent, and ends it when standard input closes: then whoever started it is
/// gone, however it ended.
const UNTIL_STDIN_CLOSES: &str = "\
import os, sys, threading
def watch():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
from ddapm_test_agent.agent import main
main()
";

/// A running agent; it ends with this value, or with this process.
pub(crate) struct Agent {
    child: Child,
    said: File,
    traces: SocketAddr,
    otlp: SocketAddr,
}

impl Agent {
    /// Returns when it listens. The variables are further settings of its own.
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_at(kept_port(), variables).await
    }

    /// One that takes traces at this address.
    pub(crate) async fn start_at(traces: SocketAddr, variables: &[(&str, &str)]) -> Self {
        Self::start_with(traces, variables, &[]).await
    }

    /// One that takes traces on a socket of the file system too.
    pub(crate) async fn start_on_socket(path: &Path) -> Self {
        let flag = ["--trace-uds-socket", path.to_str().unwrap()];
        Self::start_with(kept_port(), &[], &flag).await
    }

    async fn start_with(traces: SocketAddr, variables: &[(&str, &str)], flags: &[&str]) -> Self {
        let [otlp, grpc] = [(); 2].map(|()| kept_port());
        let said = tempfile::tempfile().unwrap();
        let snapshots_must_exist = std::env::var("SNAPSHOT_CI").unwrap_or("1".to_owned());
        let child = Command::new(python())
            .args(["-c", UNTIL_STDIN_CLOSES])
            .args(flags)
            .env_clear()
            .envs([
                ("HOST", "127.0.0.1"),
                ("PORT", &traces.port().to_string()),
                ("OTLP_HTTP_PORT", &otlp.port().to_string()),
                ("OTLP_GRPC_PORT", &grpc.port().to_string()),
                ("ENABLED_CHECKS", CHECKS),
                // Without this it forgets the checks that failed.
                ("DD_POOL_TRACE_CHECK_FAILURES", "true"),
                ("SNAPSHOT_CI", &snapshots_must_exist),
                ("LOG_LEVEL", "ERROR"),
            ])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(said.try_clone().unwrap())
            .spawn()
            .unwrap();
        let mut agent = Self {
            child,
            said,
            traces,
            otlp,
        };
        agent.listening().await;
        agent
    }

    async fn listening(&mut self) {
        let (traces, otlp) = (self.traces, self.otlp);
        until("the test agent to listen", async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the test agent ended, {status}: {}", self.said());
            }
            // It opens the port of traces first.
            TcpStream::connect(otlp).is_ok() && TcpStream::connect(traces).is_ok()
        })
        .await;
        assert_eq!(self.look("/info").await.status, 200);
    }

    /// What it wrote to standard error.
    fn said(&mut self) -> String {
        let mut said = String::new();
        self.said.rewind().unwrap();
        self.said.read_to_string(&mut said).unwrap();
        said
    }

    /// For `telemetry.datadog_agent`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.traces)
    }

    /// For `telemetry.otlp_endpoint`.
    pub(crate) fn otlp_url(&self) -> String {
        format!("http://{}", self.otlp)
    }

    /// Where it takes OTLP.
    pub(crate) fn otlp_address(&self) -> SocketAddr {
        self.otlp
    }

    /// Where it takes traces, and answers questions about them.
    pub(crate) fn address(&self) -> SocketAddr {
        self.traces
    }

    /// What it answers to a question.
    pub(crate) async fn look(&self, path: &str) -> Answer {
        ask(self.traces, get(path, "")).await
    }

    /// All it received, one value per trace id. Panics when anything it was ever sent
    /// cannot be decoded.
    pub(crate) async fn all(&self) -> Vec<Trace> {
        Trace::all_from_datadog(self.read("/test/traces").await)
    }

    /// The trace with this id, as soon as it is there.
    pub(crate) async fn trace(&self, id: u128) -> Trace {
        let path = format!("/test/traces?trace_ids={}", id as u64);
        let mut found = None;
        until("the trace at the agent", async || {
            found = Trace::all_from_datadog(self.read(&path).await).pop();
            found.is_some()
        })
        .await;
        self.assert_all_checks_passed().await;
        found.unwrap()
    }

    /// How many chunks it was sent, by the headers of the requests, which a check holds
    /// against the payloads.
    pub(crate) async fn chunks(&self) -> usize {
        let requests = self.requests("/v0.5/traces").await;
        let count = |request: &Value| {
            let headers = request["headers"].as_object().unwrap();
            let count = headers.iter().find_map(|(name, value)| {
                name.eq_ignore_ascii_case("x-datadog-trace-count")
                    .then(|| value.as_str())
            });
            count.flatten().unwrap().parse::<usize>().unwrap()
        };
        requests.iter().map(count).sum()
    }

    /// The requests for this path, as it keeps them.
    pub(crate) async fn requests(&self, path: &str) -> Vec<Value> {
        let all = self.read("/test/session/requests").await;
        let all = all.as_array().unwrap().iter();
        let asked = all.filter(|request| {
            let url = request["url"].as_str().unwrap();
            url.ends_with(path)
        });
        asked.cloned().collect()
    }

    /// That its checks were made, and that no payload failed one.
    pub(crate) async fn assert_all_checks_passed(&self) {
        let failures = self.failures().await;
        assert_eq!(failures, None, "checks of the test agent failed");
        let summary = self.read("/test/trace_check/summary?return_all=true").await;
        for check in CHECKS.split(',') {
            let made = &summary[check];
            let named = ["trace_peer_service", "trace_dd_service"].contains(&check);
            let count = if named {
                "Skipped_Checks"
            } else {
                "Passed_Checks"
            };
            assert_eq!(made["Failed_Checks"], 0, "{check}: {summary}");
            assert!(made[count].as_u64() > Some(0), "{check}: {summary}");
        }
    }

    /// The checks that failed since it started, by name, as JSON.
    pub(crate) async fn failures(&self) -> Option<String> {
        let path = "/test/trace_check/failures?return_all=true&use_json=true";
        let answer = self.look(path).await;
        (answer.status != 200).then(|| String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// That what it received equals what stands in `snapshots/`, but for these keys. To
    /// take a snapshot anew, remove its file and run the test with `SNAPSHOT_CI=0`.
    pub(crate) async fn assert_is_as_in(&self, snapshot: &str, but: &[&str]) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traces/snapshots");
        let but = [&["start", "duration", "meta._dd.p.tid"], but]
            .concat()
            .join(",");
        let path =
            format!("/test/session/snapshot?file={folder}/{snapshot}&ignores={but}&removes={but}");
        let answer = self.look(&path).await;
        let said = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{said}");
    }

    /// What arrived on the OTLP port, one value per trace id.
    pub(crate) async fn all_otlp(&self) -> Vec<Trace> {
        let answer = ask(self.otlp, get("/test/session/traces", "")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        otlp::traces(&answer.json())
    }

    async fn read(&self, path: &str) -> Value {
        let answer = self.look(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends by itself; a test that failed should not wait to see it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that the system gives to nobody who does not name it, for a minute: the side
/// of a connection that closed first keeps it so long.
pub(crate) fn kept_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let caller = TcpStream::connect(address).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    drop(accepted);
    drop(caller);
    address
}
