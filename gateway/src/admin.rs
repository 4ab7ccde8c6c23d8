//! Read-only views for operators, on their own listener.
//!
//! `/livez` the process answers · `/readyz` it takes pages (never asks a
//! downstream: one slow service must not take the whole gateway out of rotation) ·
//! `/metrics` for Prometheus · `/config` what is in force · `/limits` how full everything is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Map, Value, json};

use crate::config::{DownstreamId, PageId};
use crate::outcome::{CallOutcome, PageOutcome};
use crate::page::Pages;
use crate::page::downstream::Transport;
use crate::page::quota::MAX_CLIENTS;

/// The text format's content type.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where in its life the gateway is.
#[derive(Clone, Debug, Default)]
pub struct Phase(Arc<AtomicU8>);

/// The phases, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PhaseName {
    /// Connections are being warmed; no page is taken yet.
    Starting,
    /// Pages are taken.
    Ready,
    /// No new page is taken; those in flight finish.
    Draining,
}

impl Phase {
    /// Enters a phase.
    pub fn enter(&self, phase: PhaseName) {
        self.0.store(phase as u8, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == PhaseName::Ready as u8
    }

    fn line(&self) -> &'static str {
        match self.0.load(Ordering::Acquire) {
            0 => "starting\n",
            1 => "ready\n",
            _ => "draining\n",
        }
    }
}

/// Answers operators.
#[derive(Debug)]
pub struct Admin<T> {
    phase: Phase,
    pages: Arc<Pages<T>>,
    effective: Value,
}

impl<T> Admin<T> {
    /// Views on `pages`; `effective` is the configuration in force, without secrets.
    pub fn new(phase: Phase, pages: Arc<Pages<T>>, effective: Value) -> Self {
        Self {
            phase,
            pages,
            effective,
        }
    }
}

impl<T: Transport> Admin<T> {
    /// Answers one request. Never waits.
    pub fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "read-only: GET or HEAD\n");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" if self.phase.is_ready() => text(StatusCode::OK, "ready\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, self.phase.line()),
            "/metrics" => self.metrics(),
            "/config" => view(&self.effective),
            "/limits" => view(&self.limits()),
            _ => text(
                StatusCode::NOT_FOUND,
                "/livez /readyz /metrics /config /limits\n",
            ),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        self.pages.publish();
        let text = self.pages.telemetry().prometheus();
        answer(StatusCode::OK, PROMETHEUS, text.into())
    }

    fn limits(&self) -> Value {
        let now = self.pages.admission().view();
        let (names, counts) = (
            self.pages.telemetry().names(),
            self.pages.telemetry().counts(),
        );
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
                });
                (names.name.clone(), value)
            })
            .collect();
        let pages: Map<_, _> = names
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
            "gateway": { "max_in_flight": now.max_in_flight, "in_flight": now.in_flight },
            "clients": { "known": self.pages.quota().clients(), "max_known": MAX_CLIENTS },
            "downstreams": downstreams,
            "pages": pages,
        })
    }
}

fn text(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    answer(
        status,
        "text/plain; charset=utf-8",
        Bytes::from_static(words.as_bytes()),
    )
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
