//! The line of a page as JSON, written from its record in one pass.
//!
//! What always holds: one line, one object, the fields of `docs/observability.md` in their
//! order, those that do not apply left out. What both worlds have a name for has the name of the
//! one that the traces go to (see [`Dialect`]).

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use tracing::Level;

use super::Dialect;
use crate::outcome::Standing;
use crate::telemetry::names::configured::{Configured, PartNames};
use crate::telemetry::record::{PageRecord, PartRecord};
use crate::text::{push_decimal, push_hex, push_seconds, push_short_milliseconds};

/// A line is shorter, unless parts failed at length.
const USUAL: usize = 1024;

/// Writes lines of pages.
#[derive(Debug)]
pub(super) struct PageLine {
    dialect: Dialect,
    /// What comes after the level: `","target":…,"message":"page"`.
    same: String,
}

impl PageLine {
    /// `identity` are the members that say whose line it is.
    pub(super) fn new(dialect: Dialect, target: &str, identity: &str) -> Self {
        let same = format!("\",\"target\":\"{target}\"{identity},\"message\":\"page\"");
        Self { dialect, same }
    }

    /// The line of `record`, with its line break.
    pub(super) fn write(&self, names: &Configured, record: &PageRecord, level: Level) -> Vec<u8> {
        let mut line = Vec::with_capacity(USUAL);
        self.begin(&mut line, record.ended_at, level);
        let (origin, page) = (&record.origin, names.page(record.page));
        // Names of pages, parts and downstreams need no escaping: see `config::Name`.
        word(&mut line, "page", &page.name);
        word(&mut line, "outcome", record.outcome.as_str());
        write_standing(&mut line, record.standing);
        if let Some(status) = record.status {
            line.extend_from_slice(match self.dialect {
                Dialect::Datadog => b",\"http.status_code\":",
                Dialect::Otlp => b",\"http.response.status_code\":",
            });
            push_decimal(&mut line, status.into());
        }
        if let Some(reason) = record.reason {
            word(&mut line, "reason", reason.as_str());
        }
        if let Some(scope) = record.scope {
            word(&mut line, "scope", &names.scope(scope));
        }
        if let Some(by) = record.would_shed {
            word(&mut line, "would_shed", by.reason().as_str());
            word(&mut line, "would_shed_scope", &names.scope(by.scope()));
        }
        if let Some(id) = origin.request_id.as_ref().and_then(|id| id.to_str().ok()) {
            line.extend_from_slice(b",\"request_id\":");
            text(&mut line, id);
        }
        self.write_duration(&mut line, record.total());
        if let Some(wait) = record.admission {
            line.extend_from_slice(b",\"wait_ms\":");
            push_short_milliseconds(&mut line, wait.took);
        }
        line.extend_from_slice(b",\"lag_ms\":");
        push_short_milliseconds(&mut line, record.lag);
        line.extend_from_slice(b",\"parts\":{");
        for (index, (part, names)) in record.parts.iter().zip(&page.parts).enumerate() {
            if index > 0 {
                line.push(b',');
            }
            write_part(&mut line, names, part);
        }
        line.push(b'}');
        self.write_trace(&mut line, record);
        line.extend_from_slice(b"}\n");
        line
    }

    fn begin(&self, line: &mut Vec<u8>, ended_at: SystemTime, level: Level) {
        line.extend_from_slice(b"{\"timestamp\":\"");
        // A clock before 1970 has no such time. Writing to a vector cannot fail.
        let shown = ended_at.max(SystemTime::UNIX_EPOCH);
        let _ = write!(line, "{}", humantime::format_rfc3339_micros(shown));
        line.extend_from_slice(b"\",\"level\":\"");
        line.extend_from_slice(level.as_str().as_bytes());
        line.extend_from_slice(self.same.as_bytes());
    }

    /// Datadog's standard attribute is in nanoseconds. OpenTelemetry has none for logs: it has
    /// the name and the unit of its metric.
    fn write_duration(&self, line: &mut Vec<u8>, total: Duration) {
        match self.dialect {
            Dialect::Datadog => {
                line.extend_from_slice(b",\"duration\":");
                push_decimal(line, u64::try_from(total.as_nanos()).unwrap_or(u64::MAX));
            }
            Dialect::Otlp => {
                line.extend_from_slice(b",\"http.server.request.duration\":");
                push_seconds(line, u32::try_from(total.as_micros()).unwrap_or(u32::MAX));
            }
        }
    }

    /// The page's span: in W3C's notation, and for Datadog in its own, which are decimal strings.
    /// <https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/>
    fn write_trace(&self, line: &mut Vec<u8>, record: &PageRecord) {
        let trace = &record.origin.trace;
        line.extend_from_slice(b",\"trace_id\":\"");
        trace.push_trace_id(line);
        line.extend_from_slice(b"\",\"span_id\":\"");
        push_hex(line, trace.span_id);
        match self.dialect {
            Dialect::Datadog => {
                line.extend_from_slice(b"\",\"dd.trace_id\":\"");
                push_decimal(line, trace.trace_id as u64);
                line.extend_from_slice(b"\",\"dd.span_id\":\"");
                push_decimal(line, trace.span_id);
            }
            Dialect::Otlp => {
                line.extend_from_slice(b"\",\"trace_flags\":\"");
                line.extend_from_slice(if trace.is_kept() { b"01" } else { b"00" });
            }
        }
        line.push(b'"');
    }
}

/// Whether it counts, and what is unusual about it.
fn write_standing(line: &mut Vec<u8>, standing: Standing) {
    let owed: &[u8] = if standing.owed { b"true" } else { b"false" };
    line.extend_from_slice(b",\"owed\":");
    line.extend_from_slice(owed);
    if standing.abandoned {
        line.extend_from_slice(b",\"abandoned\":true");
    }
    if standing.answered_late {
        line.extend_from_slice(b",\"answered_late\":true");
    }
}

fn write_part(line: &mut Vec<u8>, names: &PartNames, part: &PartRecord) {
    line.push(b'"');
    line.extend_from_slice(names.name.as_bytes());
    line.extend_from_slice(b"\":{\"outcome\":\"");
    line.extend_from_slice(part.status.as_str().as_bytes());
    line.push(b'"');
    if let Some(call) = &part.call {
        line.extend_from_slice(b",\"ms\":");
        push_short_milliseconds(line, call.span.took);
        if let Some((kind, words)) = &call.failure {
            word(line, "cause", kind);
            line.extend_from_slice(b",\"detail\":");
            text(line, words);
        }
    }
    line.push(b'}');
}

/// A member whose value needs no escaping.
fn word(line: &mut Vec<u8>, name: &str, value: &str) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":\"");
    line.extend_from_slice(value.as_bytes());
    line.push(b'"');
}

/// Text as a JSON string.
fn text(line: &mut Vec<u8>, text: &str) {
    // Writing a string to a vector cannot fail.
    let _ = serde_json::to_writer(line, text);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;
    use crate::config::{self, DownstreamId, PageId};
    use crate::outcome::{PageOutcome, PartStatus, Reason, Scope};
    use crate::page::deadline::now;
    use crate::telemetry::context::TraceContext;
    use crate::telemetry::record::{CallRecord, Origin, TimeSpan};

    const MS: Duration = Duration::from_millis(1);

    fn names() -> Configured {
        let config = config::load_text("test.toml", config::default_text(), &[]);
        Configured::new(&config.unwrap().config)
    }

    fn line(record: &PageRecord) -> String {
        line_in(Dialect::Datadog, record)
    }

    fn line_in(dialect: Dialect, record: &PageRecord) -> String {
        let line = PageLine::new(dialect, "gateway::page", ",\"dd.service\":\"s\"");
        String::from_utf8(line.write(&names(), record, Level::INFO)).unwrap()
    }

    /// A page that was refused before it could begin.
    fn refused() -> PageRecord {
        let origin = Origin {
            arrived: now(),
            method: "GET",
            request_id: None,
            trace: TraceContext {
                trace_id: 0x7e08_4e26_9431_e734_a451_6b7a_4499_ee6c,
                span_id: 0x00ca_6378_b8ba_128d,
                ..TraceContext::new()
            },
        };
        PageRecord {
            ended: origin.arrived + 2 * MS,
            ended_at: SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_239_901_596_564),
            outcome: PageOutcome::Shed,
            standing: Standing {
                owed: true,
                ..Standing::default()
            },
            status: Some(429),
            lag: 310 * MS / 1000,
            reason: Some(Reason::GatewayFull),
            scope: Some(Scope::Gateway),
            ..PageRecord::open(PageId(0), Arc::new(names()), Arc::new(origin))
        }
    }

    fn call(took: Duration, failure: Option<(&'static str, String)>) -> Option<CallRecord> {
        Some(CallRecord {
            span_id: 1,
            span: TimeSpan { began: now(), took },
            budget_left: None,
            http_status: None,
            body: None,
            lag: Duration::ZERO,
            failure,
            attempts: Vec::new(),
        })
    }

    #[test]
    fn fields_that_do_not_apply_are_left_out() {
        assert_eq!(
            line(&refused()),
            "{\"timestamp\":\"2026-11-21T05:45:01.596564Z\",\"level\":\"INFO\",\
             \"target\":\"gateway::page\",\"dd.service\":\"s\",\"message\":\"page\",\
             \"page\":\"product-page\",\"outcome\":\"shed\",\"owed\":true,\"http.status_code\":429,\
             \"reason\":\"gateway_full\",\"scope\":\"gateway\",\"duration\":2000000,\"lag_ms\":0.31,\"parts\":{},\
             \"trace_id\":\"7e084e269431e734a4516b7a4499ee6c\",\"span_id\":\"00ca6378b8ba128d\",\
             \"dd.trace_id\":\"11840363068214865516\",\"dd.span_id\":\"56967315441980045\"}\n"
        );
    }

    #[test]
    fn what_both_worlds_name_has_opentelemetrys_name_where_traces_go_there() {
        let line = line_in(Dialect::Otlp, &refused());
        assert!(
            line.contains(
                "\"outcome\":\"shed\",\"owed\":true,\"http.response.status_code\":429,\
                 \"reason\":\"gateway_full\",\"scope\":\"gateway\",\
                 \"http.server.request.duration\":0.002,\"lag_ms\":0.31,"
            ),
            "{line}"
        );
        let trace = "\"trace_id\":\"7e084e269431e734a4516b7a4499ee6c\",\
                     \"span_id\":\"00ca6378b8ba128d\",\"trace_flags\":\"01\"}\n";
        assert!(line.ends_with(trace), "{line}");
    }

    #[test]
    fn parts_are_an_object_and_words_of_failures_cannot_break_it() {
        let mut record = refused();
        let parts = [
            (PartStatus::Ok, call(15_495 * MS / 1000, None)),
            (
                PartStatus::Failed,
                call(5 * MS, Some(("broken", "\"\n\\ é".into()))),
            ),
            (PartStatus::Shed, None),
        ];
        record.parts = Vec::from(parts.map(|(status, call)| PartRecord { status, call }));
        record.scope = Some(Scope::Downstream(DownstreamId(1)));
        record.admission = Some(TimeSpan {
            began: now(),
            took: MS / 100,
        });
        Arc::get_mut(&mut record.origin).unwrap().request_id =
            Some(HeaderValue::from_static("a\"b"));
        let line = line(&record);
        assert!(
            line.contains(
                "\"scope\":\"downstream:pricing\",\"request_id\":\"a\\\"b\",\"duration\":2000000,\
                 \"wait_ms\":0.01,\"lag_ms\":0.31,\"parts\":{\"product\":{\"outcome\":\"ok\",\"ms\":15.49},\
                 \"pricing\":{\"outcome\":\"failed\",\"ms\":5,\"cause\":\"broken\",\
                 \"detail\":\"\\\"\\n\\\\ é\"},\"inventory\":{\"outcome\":\"shed\"}}"
            ),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["parts"]["pricing"]["detail"], "\"\n\\ é");
    }

    #[test]
    fn a_clock_before_1970_costs_no_page() {
        let mut record = refused();
        record.ended_at = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(line(&record).starts_with("{\"timestamp\":\"1970-01-01T00:00:00.000000Z\""));
    }
}
