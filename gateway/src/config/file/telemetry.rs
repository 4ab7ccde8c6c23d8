//! `[telemetry]`: identity, log, and where traces and metrics go.
//!
//! An address that cannot be used costs what would have been sent there, and a warning:
//! never the start.

use std::path::Path;

use http::{HeaderName, HeaderValue};

use super::super::Telemetry;
use super::super::key::key;
use super::super::kinds::{
    DURATION_OR_NONE, EXPORTER, FILE, LOG, SHARE, SIZE_OR_NONE, TEXT, TEXT_IF_ANY,
};
use super::super::otlp_headers::{self, OTLP_HEADERS};
use super::super::problem::Problem;
use super::super::propagation::PROPAGATION;
use super::super::reader::Section;
use super::super::receiver::{OTLP, STATSD_AGENT, TRACE_AGENT, traces_of};
use super::super::report::Severity;

const NO_TRACES: &str = "no traces are sent there";
const NO_METRICS: &str = "no metrics are sent there";
const NO_ORIGIN: &str = "the agent does not learn the pod of metrics from it";

pub(super) fn telemetry(s: &mut Section<'_, '_>) -> Option<Telemetry> {
    let service =
        s.take(key("service", TEXT, "product-gateway").about("Service name; DD_SERVICE wins."));
    let env = s.take(key("env", TEXT, "dev").about("Environment name; DD_ENV wins."));
    let log =
        s.take(key("log", LOG, "pretty").about("\"pretty\" for people, \"json\" for machines."));
    let log_sample = s.take(
        key("log_sample", SHARE, "1.0")
            .about("Share of complete pages that are logged, 0.0 to 1.0; all others always are."),
    );
    let exporter = s.take(
        key("exporter", EXPORTER, "datadog")
            .about("Where traces go: \"datadog\", \"otlp\", \"none\"."),
    );
    let datadog_agent = s.take_or(
        key("datadog_agent", TRACE_AGENT, "http://127.0.0.1:8126").about(
            "The Datadog agent, also unix:///path; \"\" exports no traces. DD_TRACE_AGENT_URL wins.",
        ),
        NO_TRACES,
    );
    let otlp_endpoint = otlp_endpoint(s);
    let otlp_headers = otlp_headers(s);
    let propagation = s.take(
        key("propagation", PROPAGATION, "datadog,tracecontext").about(
            "Trace headers read and written, in this order: \"datadog\", \"tracecontext\", \"b3\", \"b3multi\".",
        ),
    );
    let sample = s.take(
        key("sample", SHARE, "1.0").about("Share of plain traces that are kept, 0.0 to 1.0."),
    );
    let keep_slower_than =
        s.take(key("keep_slower_than", DURATION_OR_NONE, "250ms").about(
            "Traces of pages that took longer are kept whatever `sample` says; or \"none\".",
        ));
    let recent =
        s.take(key("recent", SIZE_OR_NONE, "8MiB").about(
            "Most bytes of records of recent pages that `gateway why` looks at; or \"none\".",
        ));
    let dogstatsd = s.take_or(
        key("dogstatsd", STATSD_AGENT, "127.0.0.1:8125").about(
            "Where metrics are sent as DogStatsD: host and port, or unix:///path; \"\" sends none. DD_DOGSTATSD_URL wins.",
        ),
        NO_METRICS,
    );
    let version = s.take_standard("version", TEXT, env!("CARGO_PKG_VERSION"), None);
    let entity_id = s.take_standard("entity_id", TEXT_IF_ANY, "", Some(NO_ORIGIN));
    let external_env = s.take_standard("external_env", TEXT_IF_ANY, "", Some(NO_ORIGIN));
    Some(Telemetry {
        service: service?,
        env: env?,
        version: version?,
        log: log?,
        log_sample: log_sample?,
        exporter: exporter?,
        datadog_agent: datadog_agent?,
        otlp_endpoint: otlp_endpoint?,
        otlp_headers: otlp_headers?,
        propagation: propagation?,
        sample: sample?,
        keep_slower_than: keep_slower_than?,
        recent: recent?,
        dogstatsd: dogstatsd?,
        entity_id: entity_id?,
        external_env: external_env?,
    })
}

/// Where traces are posted: to the address of the signal's own variable as it is, or below
/// the base address.
fn otlp_endpoint(s: &mut Section<'_, '_>) -> Option<Option<url::Url>> {
    let base = s.take_or(
        key("otlp_endpoint", OTLP, "http://127.0.0.1:4318").about(
            "The OTLP receiver (HTTP), with /v1/traces or without; \"\" exports no traces. OTEL_EXPORTER_OTLP_ENDPOINT wins.",
        ),
        NO_TRACES,
    );
    let own = s.take_standard("otlp_traces_endpoint", OTLP, "", Some(NO_TRACES));
    Some(own?.or(base?.map(traces_of)))
}

/// From the variables, or from the file that the key names.
fn otlp_headers(s: &mut Section<'_, '_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let file = s.take(
        key("otlp_headers_file", FILE, "").about(
            "File with a header on each line, NAME=VALUE, for the OTLP receiver; \"\" is none. OTEL_EXPORTER_OTLP_HEADERS wins.",
        ),
    )?;
    let costs = "they are not sent";
    let own = s.take_standard("otlp_headers", OTLP_HEADERS, "", Some(costs))?;
    match file.as_deref().filter(|_| own.is_empty()) {
        None => Some(own),
        Some(path) => Some(from_file(s, path)),
    }
}

fn from_file(s: &mut Section<'_, '_>, path: &Path) -> Vec<(HeaderName, HeaderValue)> {
    otlp_headers::read_file(path).unwrap_or_else(|problem: Problem| {
        let what = format!("{}; no headers are sent", problem.what);
        let path = s.dotted("otlp_headers_file");
        let problem = Problem { what, ..problem };
        s.registry.fault(Severity::Warning, &path, problem);
        Vec::new()
    })
}
