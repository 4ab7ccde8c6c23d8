//! `/limits`: how full everything is.

use serde_json::{Map, Value, json};

use super::throttling;
use crate::config::{DownstreamId, PageId};
use crate::outcome::{CallOutcome, PageOutcome};
use crate::page::Pages;
use crate::page::admission::observer::ObservedView;
use crate::page::admission::observer::share::{Seen, WINDOW};
use crate::page::downstream::Transport;
use crate::page::downstream::attempt::EndpointView;
use crate::page::downstream::eject::Health;
use crate::page::quota::MAX_CLIENTS;
use crate::telemetry::record::milliseconds;

/// Adds what a limit that is only watched decided in the last minute; nothing for one that is
/// enforced.
fn watched(mut limit: Value, name: &str, seen: Option<Seen>) -> Value {
    if let (Some(members), Some(seen)) = (limit.as_object_mut(), seen) {
        let share = json!({
            "would_refuse": seen.share(),
            "refused": seen.refused,
            "of": seen.of,
            "window_s": WINDOW.as_secs(),
        });
        members.insert(name.to_owned(), share);
    }
    limit
}

/// The cap on pages, and why it is what it is now.
fn gateway<T: Transport>(pages: &Pages<T>, in_flight: u32, observed: &ObservedView) -> Value {
    let own = pages.own_load().view();
    let gateway = json!({
        "max_in_flight": own.most,
        "would_shed": pages.telemetry().counts().all_would_shed(),
        "tickets": own.tickets,
        "tickets_because": own.reason.as_str(),
        "in_flight": in_flight,
        "lag_p50_ms": milliseconds(own.lag_p50),
        "lag_p90_ms": milliseconds(own.lag_p90),
        "max_lag_ms": own.max_lag.map(milliseconds),
        "pid": std::process::id(),
        "cpu_limit": throttling::throttling().map(|cpu| json!({
            "periods": cpu.periods,
            "throttled": cpu.throttled,
        })),
    });
    watched(gateway, "observed", observed.tickets)
}

/// How full everything is, as `/limits` shows it.
pub fn limits<T: Transport>(pages: &Pages<T>) -> Value {
    let now = pages.admission().view();
    let observed = pages.admission().observed();
    let (names, counts) = (pages.telemetry().names(), pages.telemetry().counts());
    let downstreams = names.downstreams.iter().zip(&now.bulkheads).enumerate();
    let downstreams: Map<_, _> = downstreams
        .map(|(index, (names, bulkhead))| {
            let calls = CallOutcome::ALL.map(|outcome| {
                (
                    outcome.as_str().into(),
                    counts.calls(DownstreamId(index), outcome).into(),
                )
            });
            let watches = observed.downstreams[index].as_ref();
            let value = json!({
                "permits": watches.map_or(bulkhead.limit, |watched| watched.limit),
                "in_use": bulkhead.in_use,
                "queued": bulkhead.queued,
                "calls": Map::from_iter(calls),
                "endpoints": endpoints(pages, DownstreamId(index)),
            });
            let value = watched(value, "observed", watches.map(|watched| watched.pages));
            let value = watched(
                value,
                "observed_parts",
                watches.map(|watched| watched.parts),
            );
            (names.name.clone(), value)
        })
        .collect();
    let by_page: Map<_, _> = names
        .pages
        .iter()
        .zip(&now.queues)
        .enumerate()
        .map(|(index, (names, queue))| {
            let outcomes = PageOutcome::ALL.map(|outcome| {
                (
                    outcome.as_str().into(),
                    counts.pages(PageId(index), outcome).into(),
                )
            });
            let watches = observed.pages[index].as_ref();
            let value = json!({
                "queue": watches.map_or(queue.limit, |watched| watched.limit),
                "queued": queue.depth,
                "outcomes": Map::from_iter(outcomes),
            });
            let value = watched(value, "observed", watches.map(|watched| watched.seen));
            (names.name.clone(), value)
        })
        .collect();
    let clients = json!({ "known": pages.quota().clients(), "max_known": MAX_CLIENTS });
    json!({
        "gateway": gateway(pages, now.in_flight, &observed),
        "clients": watched(clients, "observed", observed.clients),
        "downstreams": downstreams,
        "pages": by_page,
    })
}

fn endpoints<T: Transport>(pages: &Pages<T>, downstream: DownstreamId) -> Map<String, Value> {
    let endpoints = pages.downstreams().endpoints(downstream);
    let one = |endpoint: EndpointView| {
        let state = endpoint_state(endpoint.health);
        let value = json!({ "state": state, "in_flight": endpoint.in_flight });
        (endpoint.address.to_string(), value)
    };
    endpoints.into_iter().map(one).collect()
}

/// As operators read it.
pub(super) fn endpoint_state(health: Health) -> &'static str {
    match health {
        Health::InUse { .. } => "in use",
        Health::Ejected { .. } => "ejected",
        Health::Probing { .. } => "probing",
    }
}
