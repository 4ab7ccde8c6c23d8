//! Recent pages and those in flight, as JSON.
//!
//! - `GET /pages/in-flight`: `{"at", "pages": [page]}`, the oldest first.
//! - `GET /pages?outcome=&slower_than=&downstream=&client=&page=&limit=`: `{"at", "kept": [class],
//!   "found", "pages": [page]}`, the last to end first, `limit` (50) of the `found` that match all
//!   parameters.
//! - `GET /pages/{id}`: `{"at", "found", "pages": [page]}`, those in flight first, then the last to end;
//!   404 without one. `id` is a request id, a trace id (32 hex digits, or Datadog's decimal), or a span id (16
//!   hex digits). Several pages may have one id: a trace has as many pages as were asked for in it.
//!
//! A page. Times are milliseconds; a `begin_ms` counts from the page's arrival:
//!
//! ```text
//! request_id trace_id span_id dd.trace_id dd.span_id page route method client   client: a tag, or null
//! in_flight            true: then also stage ("admission" "calls" "assembling" "writing"),
//!                      budget_left_ms (until calls must have ended; null: no deadline) and waits_for:
//!                      [{what: "permits" "connection" "answer" "client", part?, downstream?, endpoint?}];
//!                      outcome, owed, good, ended_at and lag_ms are null before "writing"
//! kept_as              "lost" "refused" "partial" "slow" "sample" "whole" "client"; not in flight
//! arrived_at ended_at outcome http_status reason scope would_shed would_shed_scope owed good abandoned answered_late complete
//! total_ms lag_ms deadline_ms   total: in flight its age; deadline: of its calls, null for none
//! admission            null, or {begin_ms, ms, waited_for: a downstream or null, budget_left_ms}
//! occupancy            null, or what was taken when it was admitted (itself included) or refused:
//!                      {tickets: {taken, limit}, queue: {taken, limit},
//!                       permits: null or {downstream, taken, limit: null without one}}
//! parts: [{part, downstream, required, outcome: as in the log, or "running",
//!          call: null or {begin_ms, ms, span_id, lag_ms, budget_left_ms, http_status, body_bytes, cause, detail,
//!                attempts: [{endpoint, begin_ms, ms, connection: "new" "kept" or null while it waits for one,
//!                            connected_after_ms, failure}]}}]
//! assembly             null, or {begin_ms, ms}
//! story keys           with an id only, not in flight: sentences; [{key, advice, runbook}]
//! ```
//!
//! A class: `{class, pages, bytes, most_bytes, all_since}`; of its class every page that ended later than
//! `all_since` is there (null: every one since the start).
//!
//! Nothing here names a client: a tag stands for one as long as the process runs.

mod query;

use std::time::SystemTime;

use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::query::{Names, Query};
use super::answer::{AdminBody, text, view};
use crate::page::Pages;
use crate::page::deadline::{now, wall_clock};
use crate::page::downstream::Transport;
use crate::telemetry::recent::Holding;
use crate::telemetry::recent::shown::Shown;
use crate::telemetry::record::PageRecord;

/// Pages of one id that are shown at most.
const OF_ONE_ID: usize = 20;

/// The pages in flight.
pub(super) fn in_flight<T: Transport>(pages: &Pages<T>) -> Response<AdminBody> {
    let at = now();
    let telemetry = pages.telemetry();
    let listed = telemetry.recent().in_flight().list(at);
    let shown = shown(pages);
    let listed: Vec<_> = listed
        .iter()
        .map(|page| shown.in_flight(page, at))
        .collect();
    view(&json!({ "at": moment(wall_clock()), "pages": listed }))
}

/// Recent pages that match `query`.
pub(super) fn recent<T: Transport>(pages: &Pages<T>, query: Option<&str>) -> Response<AdminBody> {
    let shown = shown(pages);
    let all = shown.recent.all();
    let names = Names::of(pages.telemetry().names(), &all);
    let query = match Query::parse(query.unwrap_or_default(), &names) {
        Ok(query) => query,
        Err(problem) => return text(StatusCode::BAD_REQUEST, format!("{problem}\n")),
    };
    let tag = |record: &PageRecord| Some(shown.recent.client_tag(record.client?));
    let matching = all.iter().filter(|(_, record)| query.matches(record, tag));
    let matching: Vec<_> = matching.collect();
    let first = matching.iter().take(query.limit);
    let listed: Vec<_> = first
        .map(|(class, record)| shown.kept(*class, record))
        .collect();
    let (at, wall) = (now(), wall_clock());
    let kept = shown.recent.holdings();
    let kept: Vec<_> = kept.iter().map(|one| holding(one, at, wall)).collect();
    view(&json!({
        "at": moment(wall),
        "kept": kept,
        "found": matching.len(),
        "pages": listed,
    }))
}

/// The pages with this id.
pub(super) fn one<T: Transport>(pages: &Pages<T>, id: &str) -> Response<AdminBody> {
    let at = now();
    let shown = shown(pages);
    let flying = shown.recent.in_flight().list(at);
    let mut found: Vec<Value> = flying
        .iter()
        .filter(|page| has_id(&page.record, id))
        .map(|page| shown.in_flight(page, at))
        .collect();
    let all = shown.recent.all();
    let ended: Vec<_> = all
        .iter()
        .filter(|(_, record)| has_id(record, id))
        .collect();
    let count = found.len() + ended.len();
    let told = ended.iter().take(OF_ONE_ID.saturating_sub(found.len()));
    found.extend(told.map(|(class, record)| shown.told(*class, record)));
    if found.is_empty() {
        let words = format!(
            "no page with the id {id:?} is in flight or kept: of {} recent pages, none; whole ones go first \
             (telemetry.recent)\n",
            all.len()
        );
        return text(StatusCode::NOT_FOUND, words);
    }
    view(&json!({ "at": moment(wall_clock()), "found": count, "pages": found }))
}

fn shown<T>(pages: &Pages<T>) -> Shown<'_>
where
    T: Transport,
{
    Shown {
        recent: pages.telemetry().recent(),
    }
}

/// A request id, or one of the ids of its trace as logs and headers write them.
fn has_id(record: &PageRecord, id: &str) -> bool {
    let trace = &record.origin.trace;
    let request = record.origin.request_id.as_ref();
    request.is_some_and(|own| own.as_bytes() == id.as_bytes())
        || id.parse() == Ok(trace.trace_id as u64)
        || (id.len() == 32 && u128::from_str_radix(id, 16) == Ok(trace.trace_id))
        || (id.len() == 16 && u64::from_str_radix(id, 16) == Ok(trace.span_id))
}

fn holding(one: &Holding, now: Instant, wall: SystemTime) -> Value {
    let since = one
        .forgotten
        .map(|at| wall - now.saturating_duration_since(at));
    json!({
        "class": one.class.as_str(),
        "pages": one.pages,
        "bytes": one.bytes,
        "most_bytes": one.most,
        "all_since": since.map(moment),
    })
}

fn moment(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at.max(SystemTime::UNIX_EPOCH)).to_string()
}
