//! Answers as HTTP: pages as JSON, refusals as problem details (RFC 9457).

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::config::ShedStatus;
use crate::edge::body::PageBody;
use crate::edge::problem::Problem;
use crate::generation::caching::PageCaching;
use crate::outcome::{PageOutcome, PartStatus};
use crate::page::assemble::Page;
use crate::page::downstream::{AnswerFields, Transport};
use crate::page::refusal::{METHODS, Refusal};
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

/// Where the fields of an answer go.
pub(super) trait Fields {
    /// One more, after those that are there.
    fn add(&mut self, name: HeaderName, value: HeaderValue);
}

impl Fields for HeaderMap {
    fn add(&mut self, name: HeaderName, value: HeaderValue) {
        self.append(name, value);
    }
}

/// Writes answers.
#[derive(Debug)]
pub struct Respond<'a> {
    shed: ShedStatus,
    names: &'a Configured,
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
    pub fn answer(&self, answer: &Answer, caching: &[PageCaching]) -> Response<Bytes> {
        let record = &answer.record;
        match &answer.result {
            Ok(page) => {
                let mut response = whole(page, &caching[record.page.0], &record.origin);
                let timing = self.server_timing(record);
                response.headers_mut().insert(SERVER_TIMING, timing);
                response
            }
            Err(refusal) => of_fields(|fields| self.refusal(refusal, answer, fields)),
        }
    }

    /// The status and the body of a page that was refused.
    pub(super) fn refusal(
        &self,
        refusal: &Refusal,
        answer: &Answer,
        fields: &mut impl Fields,
    ) -> (StatusCode, Vec<u8>) {
        let record = &answer.record;
        let told = self.problem(refusal, answer.retry_after, &record.origin, fields);
        fields.add(SERVER_TIMING, self.server_timing(record));
        told
    }

    /// The answer to a request that never became one for a page.
    pub fn refuse(&self, refusal: &Refusal, origin: &Origin) -> Response<PageBody> {
        of_fields(|fields| self.problem(refusal, None, origin, fields)).map(PageBody::new)
    }

    /// `retry_after` in whole seconds: body and header say the same.
    fn problem(
        &self,
        refusal: &Refusal,
        retry_after: Option<u32>,
        origin: &Origin,
        fields: &mut impl Fields,
    ) -> (StatusCode, Vec<u8>) {
        let row = refusal.row(self.shed);
        let request_id = origin.request_id.as_ref().and_then(|id| id.to_str().ok());
        let scope = row.scope.map(|scope| self.names.scope(scope));
        let problem = Problem {
            refusal,
            row,
            scope: scope.as_deref(),
            retry_after_ms: retry_after.map(|seconds| u64::from(seconds) * 1000),
            request_id: request_id.unwrap_or_default(),
            trace: &origin.trace,
        };
        let told = tell(problem, fields);
        if let Some(seconds) = retry_after {
            fields.add(RETRY_AFTER, HeaderValue::from(seconds));
        }
        for challenge in refusal
            .fields()
            .into_iter()
            .flat_map(AnswerFields::challenges)
        {
            fields.add(WWW_AUTHENTICATE, challenge.clone());
        }
        if *refusal == Refusal::Method {
            fields.add(ALLOW, HeaderValue::from_static(METHODS));
        }
        if *refusal == Refusal::Draining {
            fields.add(CONNECTION, HeaderValue::from_static("close"));
        }
        told
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
    let mut response = json(document, origin);
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
pub(super) fn to_no_request(
    refusal: &Refusal,
    request_id: &str,
    trace: &TraceContext,
    fields: &mut impl Fields,
) -> (StatusCode, Vec<u8>) {
    // Not refused for load: the configured status does not matter.
    let row = refusal.row(ShedStatus::TooManyRequests);
    let problem = Problem {
        refusal,
        row,
        scope: None,
        retry_after_ms: None,
        request_id,
        trace,
    };
    tell(problem, fields)
}

/// Nobody is to keep it: what is refused now may not be in a moment.
fn tell(problem: Problem<'_>, fields: &mut impl Fields) -> (StatusCode, Vec<u8>) {
    let content_type = HeaderValue::from_static("application/problem+json");
    fields.add(CONTENT_TYPE, content_type);
    let trace = problem.trace;
    fields.add(TRACEPARENT, trace.traceparent(trace.span_id));
    fields.add(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (problem.row.status, problem.to_json())
}

/// An answer for hyper to write.
fn of_fields(tell: impl FnOnce(&mut HeaderMap) -> (StatusCode, Vec<u8>)) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.reserve(FIELDS);
    let (status, body) = tell(headers);
    *response.status_mut() = status;
    response.map(|_| body.into())
}

/// `name;dur=12.34`: hundredths of a millisecond say enough.
fn push_timed(text: &mut Vec<u8>, name: &str, took: Duration) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b";dur=");
    push_milliseconds(text, took);
}

fn whole(page: &Page, caching: &PageCaching, origin: &Origin) -> Response<Bytes> {
    let mut response = json(page.body.clone(), origin);
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

fn json(body: Bytes, origin: &Origin) -> Response<Bytes> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.reserve(FIELDS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(TRACEPARENT, origin.trace.traceparent(origin.trace.span_id));
    response
}
