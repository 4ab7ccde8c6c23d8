//! `/limits`: how full everything is.

use serde_json::{Map, Value, json};

use super::throttling;
use crate::config::{DownstreamId, PageId};
use crate::outcome::{CallOutcome, PageOutcome};
use crate::page::Pages;
use crate::page::downstream::Transport;
use crate::page::downstream::attempt::EndpointView;
use crate::page::downstream::eject::Health;
use crate::page::quota::MAX_CLIENTS;
use crate::telemetry::record::milliseconds;

/// The cap on pages, and why it is what it is now.
fn gateway<T: Transport>(pages: &Pages<T>, max_in_flight: u32, in_flight: u32) -> Value {
    let own = pages.own_load().view();
    json!({
        "max_in_flight": max_in_flight,
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
    })
}

/// How full everything is, as `/limits` shows it.
pub fn limits<T: Transport>(pages: &Pages<T>) -> Value {
    let now = pages.admission().view();
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
            let value = json!({
                "permits": bulkhead.limit,
                "in_use": bulkhead.in_use,
                "queued": bulkhead.queued,
                "calls": Map::from_iter(calls),
                "endpoints": endpoints(pages, DownstreamId(index)),
            });
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
            let value = json!({
                "queue": queue.limit,
                "queued": queue.depth,
                "outcomes": Map::from_iter(outcomes),
            });
            (names.name.clone(), value)
        })
        .collect();
    json!({
        "gateway": gateway(pages, now.max_in_flight, now.in_flight),
        "clients": { "known": pages.quota().clients(), "max_known": MAX_CLIENTS },
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
