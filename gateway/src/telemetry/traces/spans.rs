//! A record becomes spans: the page, its wait for admission, its calls, its assembly.
//!
//! The page's span comes first; all others are its children.

mod texts;

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::time::Instant;

use self::texts::{KnownTexts, PageTexts, PartTexts};
use crate::config::Exporter;
use crate::outcome::{PageOutcome, Reason};
use crate::telemetry::context::new_id;
use crate::telemetry::names::spans::{self as key, Class};
use crate::telemetry::record::{
    CallError, CallRecord, PageRecord, PartRecord, TimeSpan, milliseconds,
};
use crate::telemetry::sampling::KeptReason;

/// Whose conventions the spans follow where they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Datadog's: kinds, errors and the upper half of the trace id are attributes.
    Datadog,
    /// OpenTelemetry's.
    Otlp,
}

impl Dialect {
    /// Of those who get the traces; without any, of the Datadog agent that may still collect the log.
    pub fn of(exporter: Exporter) -> Self {
        match exporter {
            Exporter::Datadog | Exporter::None => Self::Datadog,
            Exporter::Otlp => Self::Otlp,
        }
    }
}

/// Makes spans.
#[derive(Debug)]
pub struct Spans {
    dialect: Dialect,
    scope: InstrumentationScope,
    texts: KnownTexts,
}

impl Spans {
    /// Spans as a dialect has them.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            texts: KnownTexts::new(dialect),
            scope: InstrumentationScope::builder("gateway")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }

    /// How many spans a page has.
    pub fn of(record: &PageRecord) -> usize {
        let calls = record.parts.iter().filter(|part| part.call.is_some());
        1 + calls.count()
            + usize::from(record.admission.is_some())
            + usize::from(record.assembly.is_some())
    }

    /// Adds the spans of one page.
    pub fn write(&mut self, record: &PageRecord, kept: KeptReason, to: &mut Vec<SpanData>) {
        let texts = self.texts.of(&record.names);
        let page = &texts[record.page.0];
        to.push(self.page(record, page, kept));
        if let Some(wait) = record.admission {
            to.push(self.admission(record, wait));
        }
        for (part, texts) in record.parts.iter().zip(&page.parts) {
            if let Some(call) = &part.call {
                to.push(self.call(record, part, call, texts));
            }
        }
        if let Some(span) = record.assembly {
            to.push(self.inner(record, "assemble", span, Vec::new()));
        }
    }

    fn page(&self, record: &PageRecord, page: &PageTexts, kept: KeptReason) -> SpanData {
        let origin = &record.origin;
        let mut attributes = Vec::with_capacity(24);
        let mut add = |key, value: Value| attributes.push(KeyValue::new(key, value));
        add(key::METHOD, origin.method.into());
        add(key::ROUTE, page.route.clone().into());
        add(key::PAGE, page.name.clone().into());
        add(key::OUTCOME, record.outcome.as_str().into());
        add(key::KEPT_BECAUSE, kept.as_str().into());
        add(key::OWED, record.standing.owed.into());
        if record.standing.abandoned {
            add(key::ABANDONED, true.into());
        }
        if record.standing.answered_late {
            add(key::ANSWERED_LATE, true.into());
        }
        if let Some(status) = record.status {
            add(key::STATUS_CODE, i64::from(status).into());
        }
        if let Some(complete) = record.complete() {
            add(key::COMPLETE, complete.into());
        }
        if let Some(wait) = record.admission {
            add(key::WAIT_MS, milliseconds(wait.took).into());
        }
        add(key::LAG_MS, milliseconds(record.lag).into());
        if record.outcome == PageOutcome::Shed || record.outcome == PageOutcome::Quota {
            add(key::SHED_REASON, reason(record).into());
        }
        if let Some(scope) = record.scope {
            add(key::SCOPE, record.names.scope(scope).into_owned().into());
        }
        if let Some(by) = record.would_shed {
            add(key::WOULD_SHED, by.reason().as_str().into());
            let scope = record.names.scope(by.scope());
            add(key::WOULD_SHED_SCOPE, scope.into_owned().into());
        }
        if let Some(id) = origin.request_id.as_ref().and_then(|id| id.to_str().ok()) {
            add(key::REQUEST_ID, id.to_owned().into());
        }
        let error = self.page_error(record);
        let name = key::page_resource(origin.method, page.route.as_str());
        let whole = TimeSpan {
            began: origin.arrived,
            took: record.total(),
        };
        let mut span = self.span(
            record,
            Own {
                id: origin.trace.span_id,
                kind: SpanKind::Server,
                name: name.into(),
                span: whole,
                error,
            },
            attributes,
        );
        span.parent_span_id = origin.trace.parent_id.map_or(SpanId::INVALID, SpanId::from);
        span.parent_span_is_remote = origin.trace.parent_id.is_some();
        if self.dialect == Dialect::Datadog {
            datadog_root(record, &mut span.attributes);
        }
        span
    }

    fn admission(&self, record: &PageRecord, wait: TimeSpan) -> SpanData {
        let mut attributes = Vec::with_capacity(6);
        let decision = match record.parts.is_empty() {
            false => "admitted",
            true => record.outcome.as_str(),
        };
        attributes.push(KeyValue::new(key::OUTCOME, decision));
        attributes.push(KeyValue::new(key::WAIT_MS, milliseconds(wait.took)));
        if let Some(deadline) = record.deadline {
            let left = deadline.saturating_duration_since(wait.began);
            attributes.push(KeyValue::new(key::BUDGET_LEFT_MS, milliseconds(left)));
        }
        if record.outcome == PageOutcome::Shed {
            let reason = reason(record);
            attributes.push(KeyValue::new(key::SHED_REASON, reason));
        }
        self.inner(record, "admission", wait, attributes)
    }

    fn call(
        &self,
        record: &PageRecord,
        part: &PartRecord,
        call: &CallRecord,
        texts: &PartTexts,
    ) -> SpanData {
        let mut attributes = Vec::with_capacity(22);
        let mut add = |key, value: Value| attributes.push(KeyValue::new(key, value));
        add(key::METHOD, "GET".into());
        add(key::PEER_SERVICE, texts.downstream.clone().into());
        add(key::SERVER_ADDRESS, texts.host.clone().into());
        add(key::SERVER_PORT, texts.port.into());
        if let Some((address, port)) = call.attempts.last().and_then(|last| last.peer()) {
            add(key::PEER_ADDRESS, address.to_owned().into());
            add(key::PEER_PORT, i64::from(port).into());
        }
        if let resent @ 1.. = call.attempts.len().saturating_sub(1) {
            add(key::RESEND_COUNT, (resent as i64).into());
        }
        add(key::URL_TEMPLATE, texts.template.clone().into());
        add(key::PART, texts.name.clone().into());
        add(key::REQUIRED, texts.required.into());
        add(key::OUTCOME, part.status.as_str().into());
        if let Some(status) = call.http_status {
            add(key::STATUS_CODE, i64::from(status).into());
        }
        add(key::LAG_MS, milliseconds(call.lag).into());
        if let Some(left) = call.budget_left {
            add(key::BUDGET_LEFT_MS, milliseconds(left).into());
        }
        let error = call_error(part, call);
        let name = texts.span.clone();
        let own = Own {
            id: call.span_id,
            kind: SpanKind::Client,
            name: name.into(),
            span: call.span,
            error,
        };
        self.span(record, own, attributes)
    }

    fn inner(
        &self,
        record: &PageRecord,
        name: &'static str,
        span: TimeSpan,
        attributes: Vec<KeyValue>,
    ) -> SpanData {
        let own = Own {
            id: new_id(),
            kind: SpanKind::Internal,
            name: name.into(),
            span,
            error: None,
        };
        self.span(record, own, attributes)
    }

    /// A span below the page's.
    fn span(&self, record: &PageRecord, own: Own, mut attributes: Vec<KeyValue>) -> SpanData {
        if self.dialect == Dialect::Datadog {
            datadog_kind(&own.kind, &mut attributes);
        }
        SpanData {
            span_context: context(record, own.id),
            parent_span_id: SpanId::from(record.origin.trace.span_id),
            parent_span_is_remote: false,
            span_kind: own.kind,
            name: own.name,
            start_time: time_of(record, own.span.began),
            end_time: time_of(record, own.span.end()),
            status: self.status(own.error, &mut attributes),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            instrumentation_scope: self.scope.clone(),
        }
    }

    fn status(&self, error: Option<SpanError>, attributes: &mut Vec<KeyValue>) -> Status {
        let Some(error) = error else {
            return Status::Unset;
        };
        attributes.push(KeyValue::new(key::ERROR_TYPE, error.kind));
        if self.dialect == Dialect::Datadog {
            attributes.push(KeyValue::new(key::ERROR_MESSAGE, error.message.clone()));
        }
        Status::error(error.message)
    }

    fn page_error(&self, record: &PageRecord) -> Option<SpanError> {
        let status = record.status.filter(|_| record.is_error())?;
        let kind = if record.outcome == PageOutcome::Late {
            "timeout".into()
        } else {
            status.to_string().into()
        };
        let mut message = reason(record).to_owned();
        if let Some(scope) = record.scope {
            message = format!("{message} ({})", record.names.scope(scope));
        }
        Some(SpanError { kind, message })
    }
}

/// What each span has of its own.
struct Own {
    id: u64,
    kind: SpanKind,
    name: Cow<'static, str>,
    span: TimeSpan,
    error: Option<SpanError>,
}

struct SpanError {
    kind: Cow<'static, str>,
    message: String,
}

/// Of a refusal.
fn reason(record: &PageRecord) -> &'static str {
    record.reason.map(Reason::as_str).unwrap_or_default()
}

fn context(record: &PageRecord, span: u64) -> SpanContext {
    SpanContext::new(
        TraceId::from(record.origin.trace.trace_id),
        SpanId::from(span),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    )
}

fn call_error(part: &PartRecord, call: &CallRecord) -> Option<SpanError> {
    let error = match part.error()? {
        CallError::Refused => SpanError {
            kind: call.http_status?.to_string().into(),
            message: call.answered()?,
        },
        CallError::Timeout => SpanError {
            kind: "timeout".into(),
            message: format!("not answered within {:.0} ms", milliseconds(call.span.took)),
        },
        CallError::Failed => {
            let (kind, message) = call.failure.clone().unwrap_or_default();
            let kind = match (kind, call.http_status) {
                ("status", Some(status)) => status.to_string().into(),
                (kind, _) => kind.into(),
            };
            SpanError { kind, message }
        }
    };
    Some(error)
}

/// What Datadog calls spans of this kind.
pub(super) fn class(kind: &SpanKind) -> &'static Class {
    match kind {
        SpanKind::Server => &key::SERVER,
        SpanKind::Client => &key::CLIENT,
        SpanKind::Internal | SpanKind::Producer | SpanKind::Consumer => &key::INTERNAL,
    }
}

/// What Datadog reads from attributes because the agent's protocol has no field for it.
fn datadog_kind(kind: &SpanKind, attributes: &mut Vec<KeyValue>) {
    let class = class(kind);
    attributes.push(KeyValue::new(key::SPAN_KIND, class.kind));
    let of_type = class.of_type;
    attributes.extend(of_type.map(|of_type| KeyValue::new(key::SPAN_TYPE, of_type)));
    let status = attributes
        .iter()
        .find(|attribute| attribute.key.as_str() == key::STATUS_CODE)
        .map(|attribute| attribute.value.clone());
    attributes.extend(status.map(|status| KeyValue::new(key::DD_STATUS_CODE, status)));
}

/// Who decided to keep a trace, and what stands for a rule of the service itself.
/// <https://docs.datadoghq.com/tracing/trace_pipeline/ingestion_mechanisms/>
const DECIDED_BY: &str = "_dd.p.dm";
const BY_RULE: &str = "-3";

/// What belongs to the trace and not to a span stands on its first span here.
fn datadog_root(record: &PageRecord, attributes: &mut Vec<KeyValue>) {
    let trace = &record.origin.trace;
    // A trace of 64 bits has no upper half, here as in `x-datadog-tags`.
    if let upper @ 1.. = trace.trace_id >> 64 {
        attributes.push(KeyValue::new("_dd.p.tid", format!("{upper:016x}")));
    }
    let mut decided_by = None;
    for (name, value) in trace.datadog_tags() {
        decided_by = decided_by.or((name == DECIDED_BY).then_some(value));
        attributes.push(KeyValue::new(name.to_owned(), value.to_owned()));
    }
    // Not where somebody before decided to keep it, and does not say how.
    let here = trace.parent_id.is_none() || trace.priority <= 0;
    if decided_by.is_none() && here {
        attributes.push(KeyValue::new(DECIDED_BY, BY_RULE));
    }
    if let Some(origin) = trace
        .origin
        .as_ref()
        .and_then(|origin| origin.to_str().ok())
    {
        attributes.push(KeyValue::new("_dd.origin", origin.to_owned()));
    }
}

fn time_of(record: &PageRecord, at: Instant) -> SystemTime {
    record.ended_at - record.ended.saturating_duration_since(at)
}
