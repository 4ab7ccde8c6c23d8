//! What goes wrong now, as JSON: `GET /incident?last=5m`.
//!
//! ```text
//! {at, last_ms, gateway: as in /limits,
//!  in_flight: {pages, oldest_ms, waits: [{what, downstream, pages}]},
//!  findings: [{downstream: null for the gateway's own, fault, since, or_before, until,
//!              pages: [{page, what, pages}], optional, cut, failed, answered, answered_before,
//!              permits: null or {permits, in_use, queued}, said: sentences, keys}]}
//! ```
//!
//! What costs most pages stands first. `cut`, `answered` and `answered_before` are
//! `{calls, median_ms}` or null.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Response, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::answer::{AdminBody, text, view};
use super::limits::limits;
use crate::config::units;
use crate::page::Pages;
use crate::page::deadline::{now, wall_clock};
use crate::page::downstream::Transport;
use crate::telemetry::recent::incident;
use crate::telemetry::recent::shown::Shown;
use crate::telemetry::record::milliseconds;

/// How far one looks back who does not say.
pub(super) const LAST: Duration = Duration::from_secs(5 * 60);

/// Answers.
pub(super) fn incident<T: Transport>(pages: &Pages<T>, query: Option<&str>) -> Response<AdminBody> {
    let last = match last(query) {
        Ok(last) => last,
        Err(problem) => return text(StatusCode::BAD_REQUEST, problem),
    };
    let (at, wall) = (now(), wall_clock());
    let recent = pages.telemetry().recent();
    let limits = limits(pages);
    let shown = |finding: &incident::Finding| {
        let mut shown = finding.shown(at, wall);
        let bulkhead = finding
            .downstream()
            .map(|name| &limits["downstreams"][name]);
        let stands = |one: &Value| {
            json!({
                "permits": one["permits"],
                "in_use": one["in_use"],
                "queued": one["queued"],
            })
        };
        shown["permits"] = bulkhead.map(stands).into();
        shown
    };
    let findings = incident::findings(recent, last, at);
    let flying = recent.in_flight().list(at);
    let flying: Vec<_> = flying
        .iter()
        .map(|page| Shown { recent }.in_flight(page, at))
        .collect();
    view(&json!({
        "at": humantime::format_rfc3339_millis(wall).to_string(),
        "last_ms": milliseconds(last),
        "gateway": limits["gateway"],
        "in_flight": in_flight(&flying),
        "findings": findings.iter().map(shown).collect::<Vec<_>>(),
    }))
}

/// The time of the query's only parameter.
pub(super) fn last(query: Option<&str>) -> Result<Duration, String> {
    let mut last = LAST;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "last" {
            return Err(format!("{name:?} is no parameter here; there is last\n"));
        }
        let duration = units::duration(&value).ok().filter(|last| !last.is_zero());
        last = duration.ok_or_else(|| {
            format!("\"last\" cannot be {value:?}: it is a duration above zero, such as 5m\n")
        })?;
    }
    Ok(last)
}

/// How many there are, and what they wait for; most wait for several things at once.
fn in_flight(pages: &[Value]) -> Value {
    let mut waits = BTreeMap::<(String, String), usize>::new();
    for page in pages {
        let waiting = page["waits_for"].as_array().into_iter().flatten();
        for one in waiting {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            *waits.entry((text("what"), text("downstream"))).or_default() += 1;
        }
    }
    let mut waits: Vec<_> = waits.into_iter().collect();
    waits.sort_by_key(|(_, pages)| std::cmp::Reverse(*pages));
    let waits = waits.into_iter().map(|((what, downstream), pages)| {
        json!({ "what": what, "downstream": downstream, "pages": pages })
    });
    json!({
        "pages": pages.len(),
        "oldest_ms": pages.first().map(|page| &page["total_ms"]),
        "waits": waits.collect::<Vec<_>>(),
    })
}
