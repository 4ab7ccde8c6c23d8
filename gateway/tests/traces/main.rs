//! Traces as a receiver sees them: Datadog's own APM test agent, which decodes
//! strictly, checks every payload and tells what it got. The tests install it from the
//! Python package index once and start it themselves; every wait has a bound.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

mod agent;
mod away;
#[path = "../sockets/common/mod.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of sockets; nobody needs all of it"
)]
mod common;
mod contexts;
mod cut_short;
mod hostile;
mod installed;
mod kept;
mod otlp;
mod pages;
mod payload;
mod process;
mod receiver;
mod refused;
mod secured;
mod sketches;
mod sound;
mod spans;
mod stats;
mod traced;
mod unix;
mod why;
