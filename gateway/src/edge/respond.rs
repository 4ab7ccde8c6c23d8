//! Answers as HTTP: pages as JSON, refusals as problem details (RFC 9457).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::config::ShedStatus;
use crate::edge::body::PageBody;
use crate::edge::connection::Connection;
use crate::generation::caching::PageCaching;
use crate::outcome::{PageOutcome, PartStatus};
use crate::page::assemble::Page;
use crate::page::downstream::{AnswerFields, Transport};
use crate::page::refusal::{METHODS, Refusal, Row};
use crate::page::{Answer, Pages};
use crate::telemetry::context::TraceContext;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::record::{Origin, PageRecord};
use crate::text::{header_value, push_milliseconds};

pub(super) const COMPLETE: HeaderName = HeaderName::from_static("x-gateway-complete");
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Room for what answers usually have, so that it is made once.
const FIELDS: usize = 12;

/// Writes answers.
#[derive(Debug)]
pub struct Respond<'a> {
    shed: ShedStatus,
    names: &'a Configured,
}

/// RFC 9457, with the gateway's own members.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: String,
    reason: &'static str,
    scope: Option<Cow<'static, str>>,
    retry_after_ms: Option<u64>,
    request_id: &'a str,
    trace_id: String,
}

impl<'a> Problem<'a> {
    /// About no limit, and with no time to come back.
    fn new(refusal: &'a Refusal, row: Row, request_id: &'a str, trace: &TraceContext) -> Self {
        Self {
            r#type: format!("urn:gateway:problem:{}", row.reason),
            title: row.title,
            status: row.status.as_u16(),
            detail: refusal.detail(),
            instance: format!("urn:gateway:request:{request_id}"),
            reason: row.reason.as_str(),
            scope: None,
            retry_after_ms: None,
            request_id,
            trace_id: trace.trace_id_hex(),
        }
    }
}

impl<'a> Respond<'a> {
    /// With the shed status of these pages, and the names that they have.
    pub fn of<T: Transport>(pages: &'a Pages<T>) -> Self {
        Self {
            shed: pages.shed(),
            names: pages.telemetry().names(),
        }
    }

    /// The answer to a request for a page; `caching` is what caches are told of each.
    pub fn answer(
        &self,
        answer: Answer,
        caching: &[PageCaching],
        connection: &Arc<Connection>,
    ) -> Response<PageBody> {
        let record = &answer.record;
        let with_ticket =
            |bytes| PageBody::with_ticket(bytes, answer.ticket, answer.in_flight, connection);
        let mut response = match answer.result {
            Ok(page) => {
                let caching = &caching[record.page.0];
                whole(page, caching, &record.origin).map(with_ticket)
            }
            Err(refusal) => self
                .problem(&refusal, answer.retry_after, &record.origin)
                .map(with_ticket),
        };
        let timing = self.server_timing(record);
        response.headers_mut().insert(SERVER_TIMING, timing);
        response
    }

    /// The answer to a request that never became one for a page.
    pub fn refuse(&self, refusal: &Refusal, origin: &Origin) -> Response<PageBody> {
        self.problem(refusal, None, origin).map(PageBody::new)
    }

    /// `retry_after` in whole seconds: body and header say the same.
    fn problem(
        &self,
        refusal: &Refusal,
        retry_after: Option<u32>,
        origin: &Origin,
    ) -> Response<Bytes> {
        let row = refusal.row(self.shed);
        let request_id = origin.request_id.as_ref().and_then(|id| id.to_str().ok());
        let request_id = request_id.unwrap_or_default();
        let problem = Problem {
            scope: row.scope.map(|scope| self.names.scope(scope)),
            retry_after_ms: retry_after.map(|seconds| u64::from(seconds) * 1000),
            ..Problem::new(refusal, row, request_id, &origin.trace)
        };
        // Strings and numbers only: there is nothing in it that could fail to serialise.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = json(row.status, "application/problem+json", body.into(), origin);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        for challenge in refusal
            .fields()
            .into_iter()
            .flat_map(AnswerFields::challenges)
        {
            headers.append(WWW_AUTHENTICATE, challenge.clone());
        }
        if *refusal == Refusal::Method {
            headers.insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        if *refusal == Refusal::Draining {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// <https://www.w3.org/TR/server-timing/>: durations in milliseconds.
    fn server_timing(&self, record: &PageRecord) -> HeaderValue {
        let mut text = Vec::with_capacity(48 * (record.parts.len() + 2));
        if let Some(wait) = record.admission {
            push_timed(&mut text, "admission", wait.took);
            text.extend_from_slice(b", ");
        }
        let names = &self.names.page(record.page).parts;
        for (names, part) in names.iter().zip(&record.parts) {
            let took = part.call.as_ref().map(|call| call.span.took);
            push_timed(&mut text, &names.name, took.unwrap_or_default());
            text.extend_from_slice(b";desc=\"");
            text.extend_from_slice(read_as(record, part.status).as_str().as_bytes());
            text.extend_from_slice(b"\", ");
        }
        push_timed(&mut text, "total", record.total());
        header_value(text)
    }
}

/// A part that a page was answered without, because its client's own time was over, is late in the
/// body and here; its call was cancelled.
fn read_as(record: &PageRecord, status: PartStatus) -> PartStatus {
    match (record.outcome, status) {
        (PageOutcome::Partial, PartStatus::Cancelled) => PartStatus::Late,
        (_, status) => status,
    }
}

/// What the pages are. It changes with the configuration only, so it may be kept and asked about.
pub(super) fn description(document: Bytes, origin: &Origin) -> Response<PageBody> {
    let mut response = json(StatusCode::OK, "application/json", document, origin);
    let no_cache = HeaderValue::from_static("no-cache");
    response.headers_mut().insert(CACHE_CONTROL, no_cache);
    response.map(PageBody::new)
}

/// Whether pages are to be sent here, in a word, as `/readyz` says it to operators' probes.
pub(super) fn health((ready, word): (bool, &'static str)) -> Response<PageBody> {
    let mut response = Response::new(PageBody::new(format!("{word}\n").into()));
    *response.status_mut() = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let headers = response.headers_mut();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, text);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The problem that a client is told whose bytes were no request.
pub(super) fn problem_of_no_request(
    refusal: &Refusal,
    request_id: &str,
    trace: &TraceContext,
) -> (StatusCode, Vec<u8>) {
    // Not refused for load: the configured status does not matter.
    let row = refusal.row(ShedStatus::TooManyRequests);
    let problem = Problem::new(refusal, row, request_id, trace);
    // Strings and numbers only: there is nothing in it that could fail to serialise.
    (row.status, serde_json::to_vec(&problem).unwrap_or_default())
}

/// `name;dur=12.34`: hundredths of a millisecond say enough.
fn push_timed(text: &mut Vec<u8>, name: &str, took: Duration) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b";dur=");
    push_milliseconds(text, took);
}

fn whole(page: Page, caching: &PageCaching, origin: &Origin) -> Response<Bytes> {
    let mut response = json(
        StatusCode::OK,
        "application/json",
        page.body.clone(),
        origin,
    );
    let headers = response.headers_mut();
    let complete = HeaderValue::from_static(if page.complete { "true" } else { "false" });
    headers.insert(COMPLETE, complete);
    caching.tell(headers, &page.body, page.complete);
    response
}

/// The answer to who asks for the methods.
pub(super) fn methods() -> Response<PageBody> {
    let mut response = Response::new(PageBody::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let methods = HeaderValue::from_static(METHODS);
    response.headers_mut().insert(ALLOW, methods);
    response
}

fn json(
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    origin: &Origin,
) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(FIELDS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(TRACEPARENT, origin.trace.traceparent(origin.trace.span_id));
    response
}
