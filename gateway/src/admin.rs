//! Read-only views for operators, on their own listener.
//!
//! `/livez` the process answers · `/readyz` it takes pages (never asks a
//! downstream: one slow service must not take the whole gateway out of rotation) ·
//! `/metrics` for Prometheus · `/config` what is in force · `/limits` how full everything is.

mod throttling;

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use crate::config::{DownstreamId, PageId};
use crate::lifecycle::phase::{CurrentPhase, Phase};
use crate::outcome::{CallOutcome, PageOutcome};
use crate::page::Pages;
use crate::page::downstream::Transport;
use crate::page::downstream::attempt::EndpointView;
use crate::page::downstream::eject::Health;
use crate::page::quota::MAX_CLIENTS;
use crate::telemetry::record::milliseconds;

/// The text format's content type.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers operators.
#[derive(Debug)]
pub struct Admin<T> {
    phase: CurrentPhase,
    pages: Arc<Pages<T>>,
    effective: Value,
}

impl<T> Admin<T> {
    /// Views on `pages`; `effective` is the configuration in force, without secrets.
    pub fn new(phase: CurrentPhase, pages: Arc<Pages<T>>, effective: Value) -> Self {
        Self {
            phase,
            pages,
            effective,
        }
    }
}

impl<T: Transport> Admin<T> {
    /// Answers one request. Never waits. `is_own` says whether the request is for a host that
    /// only this gateway has: a page of a stranger's that a browser shows must read nothing.
    pub fn answer<B>(&self, request: &Request<B>, is_own: bool) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "read-only: GET or HEAD\n");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" => self.ready(),
            _ if !is_own => text(
                StatusCode::MISDIRECTED_REQUEST,
                "not for this host: ask by an address, or list the name in admin.hosts\n",
            ),
            "/metrics" => self.metrics(),
            "/config" => view(&self.effective),
            "/limits" => view(&limits(&self.pages)),
            _ => text(
                StatusCode::NOT_FOUND,
                "/livez /readyz /metrics /config /limits\n",
            ),
        }
    }

    /// Answers a request that is none, saying what is `wrong` with it.
    pub fn refuse(wrong: &dyn Display) -> Response<Full<Bytes>> {
        let words = format!("{wrong}\n");
        answer(StatusCode::BAD_REQUEST, PLAIN, words.into())
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match self.phase.get() {
            Phase::Starting => text(unavailable, "starting\n"),
            Phase::Ready => text(StatusCode::OK, "ready\n"),
            Phase::LameDuck | Phase::Draining => text(unavailable, "draining\n"),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        self.pages.publish();
        let text = self.pages.telemetry().prometheus();
        answer(StatusCode::OK, PROMETHEUS, text.into())
    }
}

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
        let state = match endpoint.health {
            Health::InUse { .. } => "in use",
            Health::Ejected { .. } => "ejected",
            Health::Probing { .. } => "probing",
        };
        let value = json!({ "state": state, "in_flight": endpoint.in_flight });
        (endpoint.address.to_string(), value)
    };
    endpoints.into_iter().map(one).collect()
}

fn text(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    answer(status, PLAIN, Bytes::from_static(words.as_bytes()))
}

fn view(value: &Value) -> Response<Full<Bytes>> {
    answer(
        StatusCode::OK,
        "application/json",
        format!("{value:#}\n").into(),
    )
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
