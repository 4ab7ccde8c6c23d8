//! What happened, as named functions: the one place that decides how loudly.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use crate::telemetry::names::PageOutcome;

/// The gateway serves.
pub fn serving(listen: SocketAddr, admin: SocketAddr) {
    tracing::info!(%listen, %admin, "serving");
}

/// A downstream could not be reached when its connections were warmed.
pub fn not_warmed(downstream: &str, error: &dyn Display) {
    tracing::warn!(downstream, %error, "no connection yet; the first calls will open one");
}

/// The task that accepts connections ended by itself: a defect.
pub fn listener_ended() {
    tracing::error!("the listener ended by itself: shutting down");
}

/// This process may open fewer files than the configuration may need.
pub fn few_files(may_open: u64, may_need: u64) {
    tracing::warn!(
        may_open,
        may_need,
        "server.max_connections and the permits may need more open files than this process may have; raise the limit (ulimit -n)"
    );
}

/// A shutdown was asked for.
pub fn draining(in_flight: u32) {
    tracing::info!(
        in_flight,
        "draining: no new pages, finishing those in flight"
    );
}

/// All pages in flight have ended.
pub fn drained(took: Duration) {
    tracing::info!(took_ms = took.as_millis(), "drained");
}

/// The drain timeout came before all pages had ended.
pub fn cut_off(in_flight: u32) {
    tracing::warn!(
        in_flight,
        "drain_timeout is over: cutting off what is still in flight"
    );
}

/// The system gave no connection; the accept loop pauses and goes on.
pub fn accept_failed(error: &std::io::Error) {
    tracing::warn!(%error, "cannot accept connections");
}

/// A connection ended with an error: mostly the client's doing.
pub fn connection_ended(peer: SocketAddr, error: &dyn Display) {
    tracing::debug!(%peer, %error, "connection ended");
}

/// Metrics do not reach the DogStatsD agent.
pub fn dogstatsd_away(agent: &str, error: &dyn Display) {
    tracing::warn!(agent, %error, "metrics do not reach the agent; they are dropped until they do");
}

/// Metrics reach the DogStatsD agent again, as far as a sender of datagrams can know.
pub fn dogstatsd_back(agent: &str) {
    tracing::info!(agent, "metrics reach the agent again");
}

/// A page ended.
pub fn page_ended(page: &str, outcome: PageOutcome, reason: Option<&str>, total: Duration) {
    let total_ms = total.as_secs_f64() * 1e3;
    tracing::debug!(page, outcome = outcome.as_str(), reason, total_ms, "page");
}

/// A call failed.
pub fn call_failed(downstream: &str, cause: &dyn Display) {
    tracing::debug!(downstream, %cause, "call failed");
}

/// A defect was caught on its way to the client.
pub fn panicked(panic: &str) {
    tracing::error!(panic, "a defect ended a request");
}
