//! Statistics read by Datadog's own code: the test agent counts what it can decode, and
//! says nothing of the sketches in it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::agent::Agent;
use crate::installed::python;

/// Decodes with the message types of Datadog's `ddsketch` package; a bin's value is that of
/// the reference implementations in Go and Java, in the middle of its edges.
const READ: &str = r#"
import base64, json, math, sys
import msgpack
from ddsketch.pb.ddsketch_pb2 import DDSketch

def sketch(encoded):
    read = DDSketch.FromString(encoded)
    gamma, store = read.mapping.gamma, read.positiveValues
    assert abs(gamma - 1.01 / 0.99) < 1e-12, gamma
    assert read.mapping.indexOffset == 0 and read.mapping.interpolation == 0
    assert not read.negativeValues.contiguousBinCounts and not store.binCounts
    count, total = read.zeroCount, 0
    for place, bin in enumerate(store.contiguousBinCounts):
        lower = math.pow(gamma, place + store.contiguousBinIndexOffset)
        count += bin
        total += bin * lower * (1 + (gamma - 1) / (gamma + 1))
    return {"count": int(count), "sum": total}

payloads = []
for request in json.load(sys.stdin):
    payload = msgpack.unpackb(base64.b64decode(request["body"]))
    for bucket in payload["Stats"]:
        for line in bucket["Stats"]:
            for key in ("OkSummary", "ErrorSummary"):
                line[key] = sketch(line[key])
    payloads.append(payload)
json.dump(payloads, sys.stdout)
"#;

/// What can be read from one.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sketch {
    pub(crate) count: u64,
    /// In nanoseconds; within 1 %.
    pub(crate) sum: f64,
}

/// All statistics that `agent` was sent, in that order.
pub(crate) async fn payloads<T: DeserializeOwned>(agent: &Agent) -> Vec<T> {
    let requests = agent.requests("/v0.6/stats").await;
    let mut child = Command::new(python())
        .args(["-c", READ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let written = serde_json::to_vec(&requests).unwrap();
    stdin.write_all(&written).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}
