//! What there is to say of one page, in sentences, and which keys would have changed it.
//!
//! Everything said is in the page's record; nothing is guessed. A sentence that does not apply is
//! left out.

use serde_json::{Value, json};

use super::shown::time;
use crate::outcome::{PageOutcome, PartStatus, Scope, Turn};
use crate::telemetry::names::configured::{Configured, PageNames, PartNames};
use crate::telemetry::record::{
    AttemptRecord, CallRecord, Occupancy, PageRecord, PartRecord, Use, milliseconds,
};

/// Lag below this, in milliseconds, explains nothing.
const LAG_WORTH_A_WORD: f64 = 2.0;

/// The page in sentences, in the order in which things happened to it.
pub(super) fn sentences(record: &PageRecord) -> Vec<String> {
    let names = &*record.names;
    let page = names.page(record.page);
    let parts: Vec<_> = page.parts.iter().zip(&record.parts).collect();
    let mut all = vec![ending(names, page, record)];
    all.extend(wait(names, record));
    let of_load = record.shed_by().is_some() || record.waited_for.is_some();
    let occupancy = record.occupancy.filter(|_| of_load);
    all.extend(occupancy.map(|occupancy| stood(names, page, &occupancy)));
    all.extend(parts.iter().filter_map(|(names, part)| lost(names, part)));
    all.extend(last(&parts, record));
    all.extend(cancelled(&parts));
    all.extend(record.would_shed.map(|by| {
        let (reason, scope) = (by.reason(), names.scope(by.scope()));
        format!("A limit that is only watched would have refused it: {reason}, {scope}.")
    }));
    if milliseconds(record.lag) >= LAG_WORTH_A_WORD {
        all.push(format!(
            "What could run in the gateway waited up to {} to run meanwhile: so much of each time may be the gateway's own.",
            time(record.lag)
        ));
    }
    all
}

fn ending(names: &Configured, page: &PageNames, record: &PageRecord) -> String {
    let (name, took) = (&page.name, time(record.total()));
    let status = record
        .status
        .map_or_else(String::new, |status| format!(" with {status}"));
    let limit = match (record.reason, record.scope) {
        (Some(reason), Some(scope)) => format!("{reason}, {}", names.scope(scope)),
        (reason, _) => reason.map_or_else(String::new, |reason| reason.to_string()),
    };
    let mut said = match record.outcome {
        PageOutcome::Complete => format!("{name} was served whole after {took}"),
        PageOutcome::Partial => format!("{name} was served in part after {took}"),
        PageOutcome::Shed | PageOutcome::Quota | PageOutcome::BadRequest => {
            format!("{name} was refused{status} after {took}: {limit}")
        }
        PageOutcome::Late | PageOutcome::Failed | PageOutcome::NotFound | PageOutcome::Denied => {
            format!("{name} was lost{status} after {took}: {limit}")
        }
        PageOutcome::ClientBudget => {
            format!(
                "{name} was ended{status} after {took}, when the time that its client gave it was over: {limit}"
            )
        }
        PageOutcome::Cancelled if record.standing.abandoned => {
            format!("{name}: its client gave up after {took}, longer than a healthy page takes")
        }
        PageOutcome::Cancelled => format!("{name}: its client left after {took}"),
    };
    if record.standing.answered_late {
        said.push_str(", after its deadline");
    }
    said.push('.');
    said
}

fn wait(names: &Configured, record: &PageRecord) -> Option<String> {
    let took = time(record.admission?.took);
    Some(match record.waited_for {
        Some(downstream) => format!(
            "It waited {took} for permits of {}.",
            names.downstream(downstream).name
        ),
        None if record.parts.is_empty() => "It did not wait for permits.".to_owned(),
        None => "It had its permits at once.".to_owned(),
    })
}

fn stood(names: &Configured, page: &PageNames, occupancy: &Occupancy) -> String {
    let shown = |used: Use| match used.limit {
        Some(limit) => format!("{} of {limit}", used.taken),
        None => format!("{} (no limit)", used.taken),
    };
    let permits = occupancy.permits.map(|(downstream, used)| {
        format!(
            "{} permits of {}, ",
            shown(used),
            names.downstream(downstream).name
        )
    });
    format!(
        "Taken at that moment: {}{} places in the queue of {}, {} tickets.",
        permits.unwrap_or_default(),
        shown(occupancy.queue),
        page.name,
        shown(occupancy.tickets)
    )
}

/// Of a part that the page lost, or that cost it the page.
fn lost(names: &PartNames, part: &PartRecord) -> Option<String> {
    let name = &names.name;
    let needed = if names.required {
        "required"
    } else {
        "optional"
    };
    let call = part.call.as_ref();
    let (took, at) = (call.map(|call| time(call.span.took)), call.map(carried));
    let (took, at) = (took.unwrap_or_default(), at.unwrap_or_default());
    let failure = call.and_then(|call| call.failure.as_ref());
    match part.status {
        PartStatus::Ok | PartStatus::Cancelled => None,
        PartStatus::Shed => Some(format!(
            "{name} ({needed}) was left out: no permit was free, so no call was made."
        )),
        PartStatus::Late => Some(format!(
            "{name} ({needed}) had not answered after {took}{at}."
        )),
        PartStatus::Failed => {
            let words = failure.map_or("no usable answer", |(_, words)| words);
            Some(format!(
                "{name} ({needed}) failed after {took}{at}: {words}."
            ))
        }
        PartStatus::NotFound | PartStatus::Denied | PartStatus::Busy => {
            let answered = call.and_then(CallRecord::answered).unwrap_or_default();
            Some(format!("{name} ({needed}) {answered} after {took}{at}."))
        }
    }
}

/// Of the parts that came, the one that came last.
fn last(parts: &[(&PartNames, &PartRecord)], record: &PageRecord) -> Option<String> {
    let came = parts
        .iter()
        .filter(|(_, part)| part.status == PartStatus::Ok);
    let calls = came.filter_map(|(names, part)| Some((names, part.call.as_ref()?)));
    let (names, call) = calls.max_by_key(|(_, call)| call.span.end())?;
    let share = 100.0 * call.span.took.as_secs_f64() / record.total().as_secs_f64().max(1e-9);
    Some(format!(
        "Of the parts that came, {} was the last: {}{}, {share:.0} % of the page's time.",
        names.name,
        time(call.span.took),
        carried(call)
    ))
}

fn cancelled(parts: &[(&PartNames, &PartRecord)]) -> Option<String> {
    let cut = parts
        .iter()
        .filter(|(_, part)| part.status == PartStatus::Cancelled);
    let names: Vec<_> = cut.map(|(names, _)| names.name.as_str()).collect();
    match names.as_slice() {
        [] => None,
        names => Some(format!("Cancelled while under way: {}.", names.join(", "))),
    }
}

/// Where a call ran: ` at 10.0.0.1:80 on a new connection, which it waited 3.1 ms for`.
fn carried(call: &CallRecord) -> String {
    let Some(attempt) = call.attempts.last() else {
        return ", without a connection".to_owned();
    };
    let again = match call.attempts.len() {
        1 => String::new(),
        attempts => format!(" (attempt {attempts})"),
    };
    format!(" at {}{again}{}", attempt.endpoint, connection(attempt))
}

fn connection(attempt: &AttemptRecord) -> String {
    let used = attempt.connection;
    let kind = if used.is_new { "new" } else { "kept" };
    match used.waited.is_zero() {
        true => format!(" on a {kind} connection"),
        false => format!(
            " on a {kind} connection, which it waited {} for",
            time(used.waited)
        ),
    }
}

/// The keys that would have changed what became of the page, the likeliest first.
pub(super) fn keys(record: &PageRecord) -> Vec<Value> {
    let names = &*record.names;
    let page = names.page(record.page);
    let mut all: Vec<Value> = Vec::new();
    let mut add = |turn: &Turn, part: &str, downstream: &str| {
        let key = turn.key_of(&page.name, part, downstream);
        if all.iter().all(|one| one["key"] != key) {
            all.push(json!({ "key": key, "advice": turn.advice, "runbook": turn.entry }));
        }
    };
    if let Some(reason) = record.reason {
        let (part, downstream) = blamed(names, page, record.scope);
        for turn in reason.turns() {
            add(turn, part, downstream);
        }
        return all;
    }
    for (part_names, part) in page.parts.iter().zip(&record.parts) {
        let downstream = &names.downstream(part_names.downstream).name;
        for turn in part.status.turns() {
            add(turn, &part_names.name, downstream);
        }
    }
    all
}

/// The part and the downstream that a refusal is about.
fn blamed<'a>(
    names: &'a Configured,
    page: &'a PageNames,
    scope: Option<Scope>,
) -> (&'a str, &'a str) {
    let Some(Scope::Downstream(id)) = scope else {
        return ("", "");
    };
    let mut parts = page.parts.iter();
    let part = parts.find(|part| part.downstream == id && part.required);
    (
        part.map_or("", |part| &part.name),
        &names.downstream(id).name,
    )
}
