//! What happened, as named functions: the one place that decides how loudly.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::time::Duration;

use tracing::Level;

use crate::config::KeyChange;
use crate::outcome::{PageOutcome, Reason};
use crate::telemetry::log;
use crate::telemetry::names::Unreadable;
use crate::telemetry::names::configured::{Configured, PageNames};
use crate::telemetry::record::{PageRecord, PartRecord, milliseconds};

/// Target of the lines of pages: `RUST_LOG=info,gateway::page=warn` leaves them out.
pub(super) const PAGE: &str = "gateway::page";

/// The gateway serves.
pub fn serving(listen: SocketAddr, admin: &str) {
    tracing::info!(%listen, admin, "serving");
}

/// A listening socket was passed to this process: it is served on, whatever is configured.
pub fn socket_passed(listener: impl Display, address: SocketAddr, configured: &dyn Display) {
    tracing::info!(
        %listener,
        %address,
        %configured,
        "the service manager passed a socket: it is used in place of the configured address"
    );
}

/// The service manager cannot be told how the gateway is.
pub fn manager_not_told(error: &dyn Display) {
    tracing::warn!(%error, "the service manager (NOTIFY_SOCKET) cannot be told how the gateway is");
}

/// The public socket is left to the next gateway.
pub fn handing_over() {
    tracing::info!("handing over: new connections wait in the public socket for the next gateway");
}

/// A downstream could not be reached when its connections were warmed.
pub fn not_warmed(downstream: &str, error: &dyn Display) {
    tracing::warn!(downstream, %error, "no connection yet; the first calls will open one");
}

/// A downstream's name could not be resolved; said once until it can.
pub fn not_resolved(downstream: &str, host: &str, error: &dyn Display) {
    tracing::warn!(downstream, name = host, %error, "the name cannot be resolved; its last addresses are used, if there are any");
}

/// It can be again.
pub fn resolved_again(downstream: &str, host: &str) {
    tracing::info!(downstream, name = host, "the name can be resolved again");
}

/// A listener stopped accepting connections, and nobody had told it to.
pub fn listener_ended(listener: impl Display, reason: &str) {
    tracing::error!(%listener, reason, "a listener ended by itself: shutting down");
}

/// A task ended that lasts as long as the gateway, and nobody had told it to.
pub fn task_ended(does: &str, reason: &str) {
    tracing::error!(task = does, reason, "a task ended by itself");
}

/// This process may open fewer files than the configuration may need.
pub fn few_files(may_open: usize, may_need: usize, clients: usize, calls: usize) {
    tracing::warn!(
        may_open,
        may_need,
        clients,
        calls,
        "server.max_connections and the permits may need more open files than this process may have; connections are limited to what it has; raise the limit (ulimit -n)"
    );
}

/// The gateway is short of CPU: from now on there are fewer tickets, until [`tickets_back`].
/// If they are only `observed` nobody is refused for it.
pub fn tickets_shrink(tickets: u32, most: u32, lag: Duration, observed: bool) {
    let lag_ms = milliseconds(lag);
    if observed {
        let what = "short of CPU: what could run waits longer than admission.max_lag, and fewer pages would be admitted if this were not only observed";
        tracing::warn!(tickets, most, lag_ms, "{what}");
    } else {
        let what = "short of CPU: what could run waits longer than admission.max_lag, so fewer pages are admitted";
        tracing::warn!(tickets, most, lag_ms, "{what}");
    }
}

/// There are as many tickets as ever, after so long with fewer.
pub fn tickets_back(most: u32, after: Duration) {
    tracing::info!(
        most,
        after_ms = milliseconds(after),
        "no longer short of CPU: all tickets are back"
    );
}

/// Readiness follows what is refused, and has turned.
pub fn unready_when_shedding(unready: bool) {
    if unready {
        tracing::warn!(
            "not ready for now: most pages are refused for load (admin.unready_when_shedding)"
        );
    } else {
        tracing::info!("ready again (admin.unready_when_shedding)");
    }
}

/// A shutdown was asked for; pages are served on.
pub fn turning_away(delay: Duration) {
    tracing::info!(
        drain_delay_ms = milliseconds(delay),
        "shutdown requested: no longer ready, still serving while load balancers turn away"
    );
}

/// Somebody asked for the state: `limits` is what `/limits` shows.
pub fn state(limits: &dyn Display) {
    tracing::info!(%limits, "state");
}

/// Keys of one change that have a line each: who changes more knows that it is another configuration.
const MOST_KEYS: usize = 64;

/// Another configuration is in force; `keys` are those that changed, and `certificates` whether
/// others are shown to clients or asked for.
pub fn reloaded(trigger: &str, keys: &[KeyChange], certificates: bool) {
    tracing::info!(
        trigger,
        keys = keys.len(),
        certificates,
        "reloaded: another configuration is in force"
    );
    for change in keys.iter().take(MOST_KEYS) {
        tracing::info!(%change, "changed");
    }
}

/// The configuration was read again, and says what is in force.
pub fn reload_unchanged(trigger: &str) {
    tracing::info!(trigger, "read again: the configuration has not changed");
}

/// It was read again, and nothing of it is in force.
pub fn reload_refused(trigger: &str, error: &dyn Display) {
    tracing::error!(trigger, %error, "not reloaded: nothing has changed");
}

/// One of the errors for which it is not.
pub fn reload_error(error: &str) {
    tracing::error!(error, "not reloaded for this");
}

/// Nobody notices when the configuration file changes.
pub fn file_not_watched(file: &dyn Display, error: &dyn Display) {
    tracing::warn!(%file, %error, "the file cannot be watched: changes of it take effect with SIGHUP");
}

/// What is in force now is legal, but probably not meant so.
pub fn reload_warning(warning: &str) {
    tracing::warn!(warning, "in the configuration in force");
}

/// A key was overridden.
pub fn override_set(key: &str, value: &str, lasts: Duration) {
    let lasts_s = lasts.as_secs_f64();
    tracing::info!(key, value, lasts_s, "override set");
}

/// An override was ended before its time.
pub fn override_unset(key: &str) {
    tracing::info!(key, "override unset");
}

/// The time of an override is over.
pub fn override_ended(key: &str) {
    tracing::info!(key, "override ended");
}

/// An override ended since the configuration cannot be used with it any more.
pub fn override_dropped(key: &str, why: &str) {
    tracing::warn!(
        key,
        why,
        "override ended: the configuration cannot be used with it"
    );
}

/// A signal without a meaning here.
pub fn signal_ignored(signal: &str) {
    tracing::info!(signal, "ignored: this signal has no meaning here");
}

/// New pages are refused from now on.
pub fn draining(in_flight: u32) {
    tracing::info!(
        in_flight,
        "draining: no new pages, finishing those in flight"
    );
}

/// All pages in flight have ended.
pub fn drained(took: Duration) {
    tracing::info!(took_ms = milliseconds(took), "drained");
}

/// The drain timeout came before all pages had ended.
pub fn cut_off(in_flight: u32) {
    tracing::warn!(
        in_flight,
        "drain_timeout is over: cutting off what is still in flight"
    );
}

/// The system gave no connection; the accept loop pauses and goes on.
pub fn accept_failed(listener: impl Display, error: &std::io::Error) {
    tracing::warn!(%listener, %error, "cannot accept connections");
}

/// As many connections are open as may be.
pub fn accept_waits(listener: impl Display, connections: usize, limited_by: &str) {
    tracing::warn!(
        %listener,
        connections,
        limited_by,
        "no room for more connections; further ones wait in the backlog"
    );
}

/// For some time no connection had to wait to be accepted.
pub fn accepts_again(listener: impl Display) {
    tracing::info!(%listener, "accepting connections without a wait again");
}

/// Bytes came that are no request; `more` others since it was said last.
pub fn unreadable(listener: impl Display, peer: SocketAddr, what: Unreadable, more: u64) {
    tracing::warn!(
        %listener,
        %peer,
        kind = what.as_str(),
        more,
        "received what is no request, or a flood of them: closing the connection"
    );
}

/// A client opened more connections than it may have; `more` others since it was said last.
pub fn too_many_connections(listener: impl Display, client: SocketAddr, more: u64) {
    tracing::warn!(
        %listener,
        %client,
        more,
        "the client has as many connections as it may (server.max_connections_per_client): closing another"
    );
}

/// A connection ended with an error: mostly the client's doing.
pub fn connection_ended(peer: SocketAddr, error: &dyn Display) {
    tracing::debug!(%peer, %error, "connection ended");
}

/// The line of a page at a level, if anybody wants it.
macro_rules! page_line {
    ($level:expr, $names:ident, $record:ident) => {{
        if !tracing::enabled!(target: PAGE, $level) || log::page_ended($names, $record, $level) {
            return;
        }
        let origin = &$record.origin;
        let page = $names.page($record.page);
        let scope = $record.scope.map(|scope| $names.scope(scope));
        let would_shed = $record.would_shed;
        let would_shed_scope = would_shed.map(|by| $names.scope(by.scope()));
        let request_id = origin.request_id.as_ref().and_then(|id| id.to_str().ok());
        tracing::event!(
            target: PAGE,
            $level,
            page = page.name,
            outcome = $record.outcome.as_str(),
            owed = $record.standing.owed,
            abandoned = $record.standing.abandoned.then_some(true),
            answered_late = $record.standing.answered_late.then_some(true),
            http.status_code = $record.status,
            reason = $record.reason.map(Reason::as_str),
            scope = scope.as_deref(),
            would_shed = would_shed.map(|by| by.reason().as_str()),
            would_shed_scope = would_shed_scope.as_deref(),
            request_id,
            total_ms = milliseconds($record.total()),
            wait_ms = $record.admission.map(|wait| milliseconds(wait.took)),
            lag_ms = milliseconds($record.lag),
            parts = %Parts { page, record: $record },
            trace_id = %format_args!("{:032x}", origin.trace.trace_id),
            span_id = %format_args!("{:016x}", origin.trace.span_id),
            dd.trace_id = %(origin.trace.trace_id as u64),
            dd.span_id = %origin.trace.span_id,
            "page"
        )
    }};
}

/// Whether a page's end is a warning: its client was owed something and did not get it. A
/// refusal, and what is the client's own doing, is none; a defect of the gateway has a line of
/// its own.
fn is_incident(record: &PageRecord) -> bool {
    if record.standing.abandoned || record.standing.answered_late {
        return true;
    }
    match record.outcome {
        PageOutcome::Partial | PageOutcome::Late | PageOutcome::Failed => true,
        PageOutcome::Complete
        | PageOutcome::Shed
        | PageOutcome::Quota
        | PageOutcome::NotFound
        | PageOutcome::Denied
        | PageOutcome::BadRequest
        | PageOutcome::ClientBudget
        | PageOutcome::Cancelled => false,
    }
}

/// A page ended: one line, whatever became of it.
pub fn page_ended(names: &Configured, record: &PageRecord) {
    // Levels are constants to `tracing`, and asking costs less than making the fields.
    match is_incident(record) {
        true => page_line!(Level::WARN, names, record),
        false => page_line!(Level::INFO, names, record),
    }
}

/// There is no way out for traces: pages go on without.
pub fn traces_cannot_leave(error: &dyn Display) {
    tracing::warn!(%error, "no traces are exported");
}

/// Traces began to be lost.
pub fn traces_dropped(receiver: &str, why: &str) {
    tracing::warn!(
        receiver,
        why,
        "traces are dropped; gateway.telemetry.dropped counts them"
    );
}

/// No more of them are.
pub fn traces_leave_again(receiver: &str, dropped: u64) {
    tracing::info!(receiver, dropped, "traces are received again");
}

/// The process ends before these could leave.
pub fn traces_left_behind(count: u64) {
    tracing::warn!(
        count,
        "traces are lost at the shutdown: they were not received in time"
    );
}

/// Statistics of pages and calls began to be lost.
pub fn stats_dropped(why: &str) {
    tracing::warn!(
        why,
        "statistics for Datadog's service pages are dropped; gateway.telemetry.dropped counts them"
    );
}

/// They are received again, after so many times ten seconds.
pub fn stats_leave_again(dropped: u64) {
    tracing::info!(
        dropped,
        "statistics for Datadog's service pages are received again"
    );
}

/// The process ends before these, each of ten seconds, could leave.
pub fn stats_left_behind(count: u64) {
    tracing::warn!(
        count,
        "statistics for Datadog's service pages are lost at the shutdown: they were not received in time"
    );
}

/// Metrics do not reach the DogStatsD agent.
pub fn dogstatsd_away(agent: &str, error: &dyn Display) {
    tracing::warn!(agent, %error, "metrics do not reach the agent; they are dropped until they do");
}

/// Metrics reach the DogStatsD agent again, as far as a sender of datagrams can know.
pub fn dogstatsd_back(agent: &str) {
    tracing::info!(agent, "metrics reach the agent again");
}

/// A defect was caught on its way to the client.
pub fn panicked(panic: &str) {
    tracing::error!(panic, "a defect ended a request");
}

/// The parts of a page: `product ok 19.79, pricing failed 5.10 (answered 500)`.
struct Parts<'a> {
    page: &'a PageNames,
    record: &'a PageRecord,
}

impl Display for Parts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (part, names)) in self.record.parts.iter().zip(&self.page.parts).enumerate() {
            f.write_str(if index > 0 { ", " } else { "" })?;
            write_part(f, &names.name, part)?;
        }
        Ok(())
    }
}

fn write_part(f: &mut fmt::Formatter<'_>, name: &str, part: &PartRecord) -> fmt::Result {
    write!(f, "{name} {}", part.status.as_str())?;
    let Some(call) = &part.call else {
        return Ok(());
    };
    write!(f, " {:.2}", milliseconds(call.span.took))?;
    match &call.failure {
        Some((_, words)) => write!(f, " ({words})"),
        None => Ok(()),
    }
}
