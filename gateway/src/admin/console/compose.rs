//! Puts a snapshot together from readings of what was counted and a look at what is in use.

use super::headline::headline;
use super::reading::{Between, Limit};
use super::snapshot::{Downstream, Endpoint, Gateway, Page, Refused, Snapshot, Turnable};
use super::{pages as listed, since_1970};
use crate::admin::endpoint_state;
use crate::config::{DownstreamId, PageId};
use crate::lifecycle::phase::Phase;
use crate::outcome::{Reason, Turn};
use crate::page::Pages;
use crate::page::admission::AdmissionView;
use crate::page::deadline::wall_clock;
use crate::page::downstream::Transport;
use crate::telemetry::meters::distribution::Distribution;
use crate::telemetry::names::configured::{Configured, PageNames};
use crate::telemetry::record::milliseconds;

/// What is counted between the last two readings, and between the last and one of some seconds before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans<'a> {
    pub(super) short: Between<'a>,
    pub(super) long: Between<'a>,
}

/// A snapshot of `pages` as it is now.
pub(super) fn snapshot<T: Transport>(
    pages: &Pages<T>,
    phase: Phase,
    spans: Spans<'_>,
    viewers: usize,
) -> Snapshot {
    let (now, names) = (pages.admission().view(), pages.telemetry().names());
    let each = |index| page(pages, PageId(index), &now, spans);
    let shown: Vec<Page> = (0..names.pages.len()).map(each).collect();
    let each = |index| downstream(pages, DownstreamId(index), &now, spans);
    let downstreams: Vec<Downstream> = (0..names.downstreams.len()).map(each).collect();
    let (refusals, recent, at) = (
        refusals(spans, names),
        pages.telemetry().recent(),
        spans.short.1.at,
    );
    Snapshot {
        number: 0,
        at_ms: since_1970(wall_clock()),
        rates_over_ms: milliseconds(spans.short.elapsed()),
        spread_over_ms: milliseconds(spans.long.elapsed()),
        headline: headline(phase, &shown, &downstreams, &refusals),
        gateway: gateway(pages, &now, viewers),
        pages: shown,
        downstreams,
        refusals,
        in_flight: listed::in_flight(recent, at),
        slow: listed::slow(recent, at),
        changes: Vec::new(),
    }
}

fn gateway<T: Transport>(pages: &Pages<T>, now: &AdmissionView, viewers: usize) -> Gateway {
    let (own, names) = (pages.own_load().view(), pages.telemetry().names());
    Gateway {
        service: names.service.clone(),
        env: names.env.clone(),
        version: names.version.clone(),
        instance: names.instance.clone(),
        viewers,
        in_flight: now.in_flight,
        tickets: own.tickets,
        max_in_flight: now.max_in_flight,
        tickets_because: own.reason.as_str().to_owned(),
        lag_p50_ms: milliseconds(own.lag_p50),
        lag_p90_ms: milliseconds(own.lag_p90),
        max_lag_ms: own.max_lag.map(milliseconds),
    }
}

fn page<T: Transport>(pages: &Pages<T>, id: PageId, now: &AdmissionView, spans: Spans<'_>) -> Page {
    let name = &pages.telemetry().names().page(id).name;
    let (good_per_s, owed_per_s) = spans.short.standing(name);
    let (p50_ms, p99_ms) = percentiles(&spans.long.page_took(name));
    let queue = now.queues[id.0];
    Page {
        name: name.clone(),
        deadline_ms: pages.plan(id).budget.map(milliseconds),
        good_per_s,
        owed_per_s,
        outcomes: spans.short.outcomes(name),
        p50_ms,
        p99_ms,
        queued: queue.depth,
        queue: queue.limit,
    }
}

fn downstream<T: Transport>(
    pages: &Pages<T>,
    id: DownstreamId,
    now: &AdmissionView,
    spans: Spans<'_>,
) -> Downstream {
    let names = pages.telemetry().names();
    let name = &names.downstream(id).name;
    let bulkhead = now.bulkheads[id.0];
    let (p50_ms, p99_ms) = percentiles(&spans.long.call_took(name));
    let endpoints = pages.downstreams().endpoints(id).into_iter();
    let endpoint = |view: crate::page::downstream::attempt::EndpointView| Endpoint {
        address: view.address.to_string(),
        state: endpoint_state(view.health).to_owned(),
        in_flight: view.in_flight,
    };
    Downstream {
        name: name.clone(),
        required_by: required_by(names, id),
        permits: bulkhead.limit,
        in_use: bulkhead.in_use,
        queued: bulkhead.queued,
        calls: spans.short.calls(name),
        parts_shed_per_s: spans.short.parts_shed(name),
        p50_ms,
        p99_ms,
        endpoints: endpoints.map(endpoint).collect(),
    }
}

fn required_by(names: &Configured, id: DownstreamId) -> Vec<String> {
    let pages = names.pages.iter().filter(|page| {
        let mut parts = page.parts.iter();
        parts.any(|part| part.required && part.downstream == id)
    });
    pages.map(|page| page.name.clone()).collect()
}

fn refusals(spans: Spans<'_>, names: &Configured) -> Vec<Refused> {
    let refused = spans.long.refused().into_iter();
    let one = |(limit, per_s): (Limit, f64)| Refused {
        reason: limit.reason.as_str().to_owned(),
        observed: limit.observed,
        per_s,
        keys: keys(limit.reason, &limit.scope, names),
        scope: limit.scope,
    };
    refused.map(one).collect()
}

/// What would have changed a refusal.
fn keys(reason: Reason, scope: &str, names: &Configured) -> Vec<Turnable> {
    let downstream = scope.strip_prefix("downstream:").unwrap_or_default();
    let turnable = |turn: &Turn| Turnable {
        key: turn.key_of(page_of(downstream, names), "PART", downstream),
        advice: turn.advice.to_owned(),
        runbook: turn.entry.to_owned(),
    };
    reason.turns().iter().map(turnable).collect()
}

/// The only page that needs a downstream; any of several may have been refused.
fn page_of<'a>(downstream: &str, names: &'a Configured) -> &'a str {
    let needs = |page: &&PageNames| {
        let mut parts = page.parts.iter().filter(|part| part.required);
        parts.any(|part| names.downstream(part.downstream).name == downstream)
    };
    let mut pages = names.pages.iter().filter(needs);
    match (pages.next(), pages.next()) {
        (Some(only), None) => &only.name,
        _ => "PAGE",
    }
}

fn percentiles(took: &Distribution) -> (Option<f64>, Option<f64>) {
    let at = |share| took.quantile(share).map(milliseconds);
    (at(0.5), at(0.99))
}
