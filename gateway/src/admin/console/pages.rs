//! The pages that a snapshot lists: those in flight, and of those that ended lately the slowest and the refused.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::since_1970;
use super::snapshot::{PageInFlight, SlowPage};
use crate::outcome::PartStatus;
use crate::telemetry::recent::Recent;
use crate::telemetry::recent::in_flight::{self, Stage};
use crate::telemetry::recent::retention::Class;
use crate::telemetry::record::{PageRecord, milliseconds};

/// Pages of each list: more than one sees at a glance helps nobody.
const MOST: usize = 12;

/// Of pages that were refused there may be very many, and they are alike.
const MOST_REFUSED: usize = 4;

/// Pages that ended longer ago are no longer shown.
const LATELY: Duration = Duration::from_secs(60);

/// Pages of a class that are looked at, the last to end first: looking must not hold up pages.
const LOOKED_AT: usize = 1000;

/// Pages without an answer yet, the oldest first.
pub(super) fn in_flight(recent: &Recent, now: Instant) -> Vec<PageInFlight> {
    let listed = recent.in_flight().list(now);
    let shown = |page: &in_flight::PageInFlight| {
        let record = &page.record;
        let left = |deadline: Instant| milliseconds(deadline.saturating_duration_since(now));
        PageInFlight {
            id: id(record),
            page: record.names.page(record.page).name.clone(),
            age_ms: milliseconds(now.saturating_duration_since(record.origin.arrived)),
            stage: stage(page, now),
            left_ms: record.deadline.map(left),
        }
    };
    listed.iter().take(MOST).map(shown).collect()
}

fn stage(page: &in_flight::PageInFlight, now: Instant) -> String {
    match (page.stage, page.waits) {
        (Stage::Admission, Some((since, downstream))) => {
            let waited = milliseconds(now.saturating_duration_since(since));
            let name = &page.record.names.downstream(downstream).name;
            format!("waits for permits of {name} since {waited:.0} ms")
        }
        (Stage::Admission, None) => "being admitted".into(),
        (Stage::Calls, _) => calls(page),
        (Stage::Assembling, _) => "being assembled".into(),
        (Stage::Writing, _) => "its client takes the answer".into(),
    }
}

fn calls(page: &in_flight::PageInFlight) -> String {
    let record = &page.record;
    let parts = record.names.page(record.page).parts.iter().enumerate();
    let running = parts.filter(|(part, _)| page.running.get(*part) == Some(&true));
    let words = running.map(|(part, names)| match page.connected.get(part) {
        Some(true) => names.name.clone(),
        _ => format!("a connection for {}", names.name),
    });
    format!("waits for {}", words.collect::<Vec<_>>().join(", "))
}

/// Of the pages that ended lately, the slowest and then the last that were refused.
pub(super) fn slow(recent: &Recent, now: Instant) -> Vec<SlowPage> {
    let since = now.checked_sub(LATELY);
    let of = |class| recent.lasting(class, since, LOOKED_AT);
    let mut slow: Vec<_> = [Class::Lost, Class::Partial, Class::Slow]
        .into_iter()
        .flat_map(of)
        .collect();
    slow.sort_by_key(|record| Reverse(record.total()));
    let mut refused = of(Class::Refused);
    refused.truncate(MOST_REFUSED);
    slow.truncate(MOST - refused.len());
    let shown = |record: &Arc<PageRecord>| SlowPage {
        id: id(record),
        page: record.names.page(record.page).name.clone(),
        at_ms: since_1970(record.ended_at),
        total_ms: milliseconds(record.total()),
        outcome: record.outcome.as_str().to_owned(),
        because: because(record),
    };
    slow.iter().chain(&refused).map(shown).collect()
}

/// What it was refused for, or lost; or else what it waited for longest.
fn because(record: &PageRecord) -> String {
    if let Some(reason) = record.reason {
        let scope = record.scope.map(|scope| record.names.scope(scope));
        return format!("{reason} {}", scope.unwrap_or_default())
            .trim_end()
            .to_owned();
    }
    let parts = record
        .names
        .page(record.page)
        .parts
        .iter()
        .zip(&record.parts);
    let is_answer = |status| {
        matches!(
            status,
            PartStatus::Ok | PartStatus::NotFound | PartStatus::Denied
        )
    };
    let lost = parts.clone().filter(|(_, part)| !is_answer(part.status));
    let lost: Vec<_> = lost
        .map(|(names, part)| format!("{} {}", names.name, part.status.as_str()))
        .collect();
    if !lost.is_empty() {
        return lost.join(", ");
    }
    let calls = parts.filter_map(|(names, part)| Some((names, part.call.as_ref()?.span.took)));
    let longest = calls.max_by_key(|(_, took)| *took);
    longest.map_or_else(String::new, |(names, took)| {
        format!("{} took {:.0} ms", names.name, milliseconds(took))
    })
}

/// What `/pages/{id}` finds it by.
fn id(record: &PageRecord) -> String {
    let given = record
        .origin
        .request_id
        .as_ref()
        .and_then(|id| id.to_str().ok());
    given.map_or_else(
        || record.origin.trace.trace_id_hex().to_string(),
        str::to_owned,
    )
}
