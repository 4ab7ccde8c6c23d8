//! Statistics as the agent takes them: `MessagePack`, `/v0.6/stats`.
//! <https://github.com/DataDog/datadog-agent/blob/main/pkg/proto/datadog/trace/stats.proto>
//!
//! Fields that the agent fills in by itself, and those of protocols the gateway does not
//! speak, are left out.

use std::sync::Arc;

use rmp::encode as msgpack;
use uuid::Uuid;

use super::Stats;
use super::bucket::{Bucket, Group};
use super::concentrator::BUCKET;
use super::resources::Resource;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::names::spans;

/// The agent's three-valued truth; 0 is unknown.
const TRUE: u64 = 1;
const FALSE: u64 = 2;

/// Who tells, and how often so far.
#[derive(Debug)]
pub(super) struct Sender {
    names: Arc<Configured>,
    /// Of this process.
    runtime: Uuid,
    pub(super) sequence: u64,
}

impl Sender {
    pub(super) fn new(names: Arc<Configured>) -> Self {
        Self {
            names,
            runtime: Uuid::now_v7(),
            sequence: 0,
        }
    }
}

/// One request's body. Buckets of two configurations may be of the same ten seconds: the agent
/// adds up what it is told of them.
pub(super) fn encode(from: &Sender, parts: &[(Arc<Stats>, Vec<Bucket>)]) -> Vec<u8> {
    let names = &from.names;
    let mut to = Vec::new();
    map(&mut to, 9);
    // The agent's own is meant, unless a tracer was told to say otherwise.
    text(&mut to, "Hostname", "");
    text(&mut to, "Env", &names.env);
    text(&mut to, "Version", &names.version);
    text(&mut to, "Lang", "rust");
    text(&mut to, "TracerVersion", env!("CARGO_PKG_VERSION"));
    text(&mut to, "RuntimeID", &from.runtime.to_string());
    text(&mut to, "Service", &names.service);
    number(&mut to, "Sequence", from.sequence);
    list(
        &mut to,
        "Stats",
        parts.iter().map(|(_, all)| all.len()).sum(),
    );
    let each = parts
        .iter()
        .flat_map(|(of, all)| all.iter().map(move |one| (&of.resources, one)));
    for (resources, bucket) in each {
        map(&mut to, 3);
        let length = BUCKET.as_nanos() as u64;
        number(&mut to, "Start", bucket.number * length);
        number(&mut to, "Duration", length);
        list(&mut to, "Stats", bucket.groups().count());
        for (id, spans) in bucket.groups() {
            group(&mut to, &names.service, &resources.all[id], spans);
        }
    }
    to
}

fn group(to: &mut Vec<u8>, service: &str, resource: &Resource, group: &Group) {
    let class = resource.class;
    map(to, 15);
    text(to, "Service", service);
    text(to, "Name", class.operation);
    text(to, "Resource", &resource.name);
    text(to, "Type", class.of_type.unwrap_or_default());
    text(to, "SpanKind", class.kind);
    list(to, "PeerTags", usize::from(resource.peer.is_some()));
    resource.peer.iter().for_each(|peer| string(to, peer));
    number(to, "HTTPStatusCode", group.key.status.into());
    number(to, "IsTraceRoot", if group.key.root { TRUE } else { FALSE });
    truth(to, "Synthetics", group.key.synthetic);
    number(to, "Hits", group.hits);
    // Of the spans of a service only the one that it was entered by is on top.
    let on_top = *class == spans::SERVER;
    number(to, "TopLevelHits", if on_top { group.hits } else { 0 });
    number(to, "Errors", group.errors);
    number(to, "Duration", group.duration);
    let mut sketch = Vec::new();
    group.ok_times.encode(&mut sketch);
    bytes(to, "OkSummary", &sketch);
    sketch.clear();
    group.error_times.encode(&mut sketch);
    bytes(to, "ErrorSummary", &sketch);
}

// Writing to a vector cannot fail, here and below.

fn map(to: &mut Vec<u8>, fields: u32) {
    let _ = msgpack::write_map_len(to, fields);
}

fn list(to: &mut Vec<u8>, key: &str, items: usize) {
    string(to, key);
    let _ = msgpack::write_array_len(to, items as u32);
}

fn string(to: &mut Vec<u8>, value: &str) {
    let _ = msgpack::write_str(to, value);
}

fn text(to: &mut Vec<u8>, key: &str, value: &str) {
    string(to, key);
    string(to, value);
}

fn number(to: &mut Vec<u8>, key: &str, value: u64) {
    string(to, key);
    let _ = msgpack::write_uint(to, value);
}

fn truth(to: &mut Vec<u8>, key: &str, value: bool) {
    string(to, key);
    let _ = msgpack::write_bool(to, value);
}

fn bytes(to: &mut Vec<u8>, key: &str, value: &[u8]) {
    string(to, key);
    let _ = msgpack::write_bin(to, value);
}
