//! One page as JSON, for views and for the commands that read them.
//!
//! What always holds: what log line and trace say of a page is here under the same or a plainer
//! name with the same value; times are milliseconds, begins are counted from the page's arrival.
//! The shape stands in `admin::pages`.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::in_flight::{PageInFlight, Stage};
use super::retention::Class;
use super::{Recent, story};
use crate::outcome::{PartStatus, Reason};
use crate::telemetry::names::configured::{Configured, PartNames};
use crate::telemetry::record::{
    AttemptRecord, CallRecord, Occupancy, PageRecord, PartRecord, TimeSpan, Use, milliseconds,
};

/// Shows pages with their names.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Who clients are, as far as that is shown.
    pub recent: &'a Recent,
}

impl Shown<'_> {
    /// A page that has ended.
    pub fn kept(self, class: Class, record: &PageRecord) -> Value {
        let mut page = self.page(record);
        page["kept_as"] = class.as_str().into();
        page
    }

    /// A page that has ended, and what there is to say of it.
    pub fn told(self, class: Class, record: &PageRecord) -> Value {
        let mut page = self.kept(class, record);
        page["story"] = story::sentences(record).into();
        page["keys"] = story::keys(record).into();
        page
    }

    /// A page in flight, as it is at `now`.
    pub fn in_flight(self, page: &PageInFlight, now: Instant) -> Value {
        let record = &page.record;
        let mut shown = self.page(record);
        shown["in_flight"] = true.into();
        shown["stage"] = page.stage.as_str().into();
        shown["waits_for"] = self.waits_for(page).into();
        let age = now.saturating_duration_since(record.origin.arrived);
        shown["total_ms"] = milliseconds(age).into();
        let left = |deadline: Instant| milliseconds(deadline.saturating_duration_since(now));
        shown["budget_left_ms"] = record.deadline.map(left).into();
        if page.stage != Stage::Writing {
            for unknown in ["outcome", "owed", "good", "ended_at", "lag_ms"] {
                shown[unknown] = Value::Null;
            }
            let running = page.running.iter().enumerate().filter(|(_, runs)| **runs);
            for (part, _) in running {
                shown["parts"][part]["outcome"] = "running".into();
                if !page.connected[part] {
                    let attempts = &mut shown["parts"][part]["call"]["attempts"];
                    if let Some(attempt) = attempts.get_mut(0) {
                        attempt["connection"] = Value::Null;
                    }
                }
            }
        }
        shown
    }

    fn waits_for(self, page: &PageInFlight) -> Vec<Value> {
        let configured = &page.record.names;
        let permits = page.waits.map(|(_, downstream)| {
            json!({ "what": "permits", "downstream": configured.downstream(downstream).name })
        });
        let names = &page.record.names.page(page.record.page).parts;
        let parts = names.iter().zip(&page.record.parts);
        let running = parts.enumerate().filter(|(part, _)| page.running[*part]);
        let calls = running.map(|(index, (names, part))| {
            let attempt = part.call.as_ref().and_then(|call| call.attempts.last());
            json!({
                "what": if page.connected[index] { "answer" } else { "connection" },
                "part": names.name,
                "downstream": configured.downstream(names.downstream).name,
                "endpoint": attempt.map(|attempt| &*attempt.endpoint),
            })
        });
        let client = (page.stage == Stage::Writing).then(|| json!({ "what": "client" }));
        permits.into_iter().chain(calls).chain(client).collect()
    }

    fn page(self, record: &PageRecord) -> Value {
        let (origin, names) = (&record.origin, record.names.page(record.page));
        let trace = &origin.trace;
        let since = Since(origin.arrived);
        let until = record.deadline.map(|deadline| since.to(deadline));
        let parts = names.parts.iter().zip(&record.parts);
        let parts: Vec<_> = parts
            .map(|(names, part)| shown_part(&record.names, since, names, part))
            .collect();
        let standing = record.standing;
        let would_shed = record.would_shed;
        json!({
            "request_id": origin.request_id.as_ref().and_then(|id| id.to_str().ok()),
            "trace_id": trace.trace_id_hex(),
            "span_id": format!("{:016x}", trace.span_id),
            "dd.trace_id": (trace.trace_id as u64).to_string(),
            "dd.span_id": trace.span_id.to_string(),
            "page": names.name,
            "route": names.route,
            "method": origin.method,
            "client": record.client.map(|client| self.recent.client_tag(client)),
            "in_flight": false,
            "arrived_at": moment(record.ended_at.checked_sub(record.total())),
            "ended_at": moment(Some(record.ended_at)),
            "outcome": record.outcome.as_str(),
            "http_status": record.status,
            "reason": record.reason.map(Reason::as_str),
            "scope": record.scope.map(|scope| record.names.scope(scope)),
            "would_shed": would_shed.map(|by| by.reason().as_str()),
            "would_shed_scope": would_shed.map(|by| record.names.scope(by.scope())),
            "owed": standing.owed,
            "good": standing.good,
            "abandoned": standing.abandoned,
            "answered_late": standing.answered_late,
            "complete": record.complete(),
            "total_ms": milliseconds(record.total()),
            "lag_ms": milliseconds(record.lag),
            "deadline_ms": until,
            "admission": record.admission.map(|wait| admission(record, since, wait)),
            "occupancy": record.occupancy.map(|occupancy| shown_occupancy(&record.names, &occupancy)),
            "parts": parts,
            "assembly": record.assembly.map(|span| since.span(span)),
        })
    }
}

fn admission(record: &PageRecord, since: Since, wait: TimeSpan) -> Value {
    let mut shown = since.span(wait);
    let for_whose = record
        .waited_for
        .map(|id| &record.names.downstream(id).name);
    shown["waited_for"] = for_whose.cloned().into();
    let left = record
        .deadline
        .map(|deadline| deadline.saturating_duration_since(wait.began));
    shown["budget_left_ms"] = left.map(milliseconds).into();
    shown
}

fn shown_occupancy(configured: &Configured, occupancy: &Occupancy) -> Value {
    let shown = |used: Use| json!({ "taken": used.taken, "limit": used.limit });
    let permits = occupancy.permits.map(|(downstream, used)| {
        let mut shown = shown(used);
        shown["downstream"] = configured.downstream(downstream).name.clone().into();
        shown
    });
    json!({
        "tickets": shown(occupancy.tickets),
        "queue": shown(occupancy.queue),
        "permits": permits,
    })
}

fn shown_part(
    configured: &Configured,
    since: Since,
    names: &PartNames,
    part: &PartRecord,
) -> Value {
    json!({
        "part": names.name,
        "downstream": configured.downstream(names.downstream).name,
        "required": names.required,
        "outcome": part.status.as_str(),
        "call": part.call.as_ref().map(|call| shown_call(since, part.status, call)),
    })
}

fn shown_call(since: Since, status: PartStatus, call: &CallRecord) -> Value {
    let attempts: Vec<_> = call
        .attempts
        .iter()
        .map(|one| attempt(since, one))
        .collect();
    let mut shown = since.span(call.span);
    shown["span_id"] = format!("{:016x}", call.span_id).into();
    shown["lag_ms"] = milliseconds(call.lag).into();
    shown["budget_left_ms"] = call.budget_left.map(milliseconds).into();
    shown["http_status"] = call.http_status.into();
    shown["body_bytes"] = call.body.filter(|_| status == PartStatus::Ok).into();
    shown["cause"] = call.failure.as_ref().map(|(kind, _)| *kind).into();
    shown["detail"] = call.failure.as_ref().map(|(_, words)| words.clone()).into();
    shown["attempts"] = attempts.into();
    shown
}

fn attempt(since: Since, attempt: &AttemptRecord) -> Value {
    let mut shown = since.span(attempt.span);
    shown["endpoint"] = (*attempt.endpoint).into();
    let is_new = attempt.connection.is_new;
    shown["connection"] = if is_new { "new" } else { "kept" }.into();
    shown["connected_after_ms"] = milliseconds(attempt.connection.waited).into();
    shown["failure"] = attempt.failure.into();
    shown
}

/// When the page arrived: what begins are counted from.
#[derive(Clone, Copy)]
struct Since(Instant);

impl Since {
    fn to(self, at: Instant) -> f64 {
        milliseconds(at.saturating_duration_since(self.0))
    }

    fn span(self, span: TimeSpan) -> Value {
        json!({ "begin_ms": self.to(span.began), "ms": milliseconds(span.took) })
    }
}

/// As the log has it. A clock before 1970 has no such time.
pub(super) fn moment(at: Option<SystemTime>) -> Option<String> {
    let at = at.filter(|at| *at > SystemTime::UNIX_EPOCH)?;
    Some(humantime::format_rfc3339_micros(at).to_string())
}

/// `12.3 ms`, `250 ms`, `1.50 s`, `5.0 min`: as sentences have times.
pub(super) fn time(duration: Duration) -> String {
    match milliseconds(duration) {
        ms if ms >= 120_000.0 => format!("{:.1} min", ms / 60_000.0),
        ms if ms >= 1000.0 => format!("{:.2} s", ms / 1000.0),
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}
