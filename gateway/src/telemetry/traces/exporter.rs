//! The two ways out: a Datadog agent, and any receiver of the OpenTelemetry protocol.
//!
//! `opentelemetry-datadog` is used for its encoding and its agent protocol (v0.5) only:
//! it brings no HTTP client and no span processor that could be used here (see
//! `docs/decisions`). The HTTP is that of `telemetry/client.rs`.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use opentelemetry::KeyValue;
#[expect(
    deprecated,
    reason = "its successor is the other exporter; this one is what the agent is spoken to with"
)]
use opentelemetry_datadog::{ApiVersion, DatadogExporter, new_pipeline};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use url::Url;

use super::spans::class;
use crate::config::{Exporter as Chosen, Telemetry, TraceAgent, shown_address};
use crate::telemetry::client::{Client, Failure};

/// Receives traces.
pub trait Receiver: Send + 'static {
    /// Where it is, fit to be shown.
    fn address(&self) -> &str;

    /// Takes some traces, each of them whole.
    ///
    /// # Errors
    /// Why they were not received, in words.
    fn receive(&self, spans: Vec<SpanData>) -> impl Future<Output = Result<(), String>> + Send;
}

/// Sends traces to one receiver.
#[derive(Debug)]
pub struct Exporter {
    protocol: Protocol,
    /// The receiver's address, fit to be shown.
    to: String,
    /// Why its client failed last: the protocols' own errors leave that out.
    failure: Failure,
}

#[derive(Debug)]
#[expect(deprecated, reason = "see above")]
enum Protocol {
    /// To a Datadog agent, v0.5.
    Datadog(DatadogExporter),
    /// Protocol buffers over HTTP.
    Otlp(OtlpExporter),
}

/// Why traces cannot leave.
#[derive(Debug, thiserror::Error)]
#[error("cannot export traces to {to} (telemetry.{key}): {why}")]
pub struct TracesError {
    key: &'static str,
    to: String,
    why: String,
}

impl Exporter {
    /// The one that `config` chooses, if it chooses one.
    ///
    /// # Errors
    /// [`TracesError`]; with a checked config, only when the system gives no HTTP client.
    pub fn new(config: &Telemetry) -> Result<Option<Self>, TracesError> {
        match config.exporter {
            Chosen::Datadog => config
                .datadog_agent
                .as_ref()
                .map(|agent| {
                    let to = agent.to_string();
                    let exporter = datadog(config, agent, &to);
                    exporter.map_err(|why| error("datadog_agent", to, why))
                })
                .transpose(),
            Chosen::Otlp => config
                .otlp_endpoint
                .as_ref()
                .map(|endpoint| {
                    let to = shown_address(endpoint);
                    let exporter = otlp(config, endpoint, &to);
                    exporter.map_err(|why| error("otlp_endpoint", to, why))
                })
                .transpose(),
            Chosen::None => Ok(None),
        }
    }
}

fn error(key: &'static str, to: String, why: String) -> TracesError {
    TracesError { key, to, why }
}

impl Receiver for Exporter {
    fn address(&self) -> &str {
        &self.to
    }

    async fn receive(&self, spans: Vec<SpanData>) -> Result<(), String> {
        let received = match &self.protocol {
            Protocol::Datadog(exporter) => exporter.export(spans).await,
            Protocol::Otlp(exporter) => exporter.export(spans).await,
        };
        received.map_err(|error| self.failure.take().unwrap_or_else(|| error.to_string()))
    }
}

fn datadog(config: &Telemetry, agent: &TraceAgent, to: &str) -> Result<Exporter, String> {
    let client = Client::for_agent(agent)?;
    let failure = client.failure();
    #[expect(deprecated, reason = "see above")]
    let exporter = new_pipeline()
        .with_service_name(&config.service)
        .with_env(&config.env)
        .with_version(&config.version)
        .with_agent_endpoint(agent.base())
        .with_api_version(ApiVersion::Version05)
        .with_http_client(Computed(client))
        .with_name_mapping(|span, _| class(&span.span_kind).operation)
        .build_exporter()
        .map_err(|error| error.to_string())?;
    Ok(Exporter {
        protocol: Protocol::Datadog(exporter),
        to: to.to_owned(),
        failure,
    })
}

/// Tells the agent that it need not compute [statistics](crate::telemetry::stats): of the
/// kept traces they would be wrong, and twice.
#[derive(Debug)]
struct Computed(Client);

#[async_trait]
impl HttpClient for Computed {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let headers = request.headers_mut();
        headers.insert(
            "Datadog-Client-Computed-Stats",
            HeaderValue::from_static("yes"),
        );
        self.0.send_bytes(request).await
    }
}

fn otlp(config: &Telemetry, endpoint: &Url, to: &str) -> Result<Exporter, String> {
    let client = Client::for_url(endpoint, &config.otlp_headers)?;
    let failure = client.failure();
    let mut exporter = OtlpExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(endpoint.as_str())
        .build()
        .map_err(|error| error.to_string())?;
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", config.service.clone()),
            KeyValue::new("service.version", config.version.clone()),
            KeyValue::new("deployment.environment.name", config.env.clone()),
            KeyValue::new("telemetry.sdk.language", "rust"),
        ])
        .build();
    exporter.set_resource(&resource);
    Ok(Exporter {
        protocol: Protocol::Otlp(exporter),
        to: to.to_owned(),
        failure,
    })
}
