//! The two ways out: a Datadog agent, and any receiver of the OpenTelemetry protocol.
//!
//! `opentelemetry-datadog` is used for its encoding and its agent protocol (v0.5) only:
//! it brings no HTTP client and no span processor that could be used here (see
//! `docs/decisions`).

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

use crate::config::{Exporter as Chosen, Telemetry};
use crate::telemetry::traces::spans::{Dialect, class};

/// Receives traces.
pub trait Receiver: Send + 'static {
    /// Takes some traces, each of them whole.
    ///
    /// # Errors
    /// Why they were not received, in words.
    fn receive(&self, spans: Vec<SpanData>) -> impl Future<Output = Result<(), String>> + Send;
}

/// Speaks one of the two protocols.
#[derive(Debug)]
#[expect(deprecated, reason = "see above")]
pub enum Exporter {
    /// To a Datadog agent, v0.5.
    Datadog(DatadogExporter),
    /// Protocol buffers over HTTP.
    Otlp(OtlpExporter),
}

/// Why traces cannot leave.
#[derive(Debug, thiserror::Error)]
#[error("cannot export traces to {to}: {why}")]
pub struct TracesError {
    to: Url,
    why: String,
}

impl TracesError {
    pub(in crate::telemetry) fn new(to: &Url, why: &dyn std::error::Error) -> Self {
        Self {
            to: to.clone(),
            why: why.to_string(),
        }
    }
}

impl Exporter {
    /// The one that `config` chooses, if it chooses one.
    ///
    /// # Errors
    /// [`TracesError`]; with a checked config, only when the system gives no HTTP client.
    pub fn new(config: &Telemetry) -> Result<Option<(Self, Dialect)>, TracesError> {
        let (url, dialect) = match config.exporter {
            Chosen::Datadog => (&config.datadog_agent, Dialect::Datadog),
            Chosen::Otlp => (&config.otlp_endpoint, Dialect::Otlp),
            Chosen::None => (&None, Dialect::Otlp),
        };
        let Some(url) = url else {
            return Ok(None);
        };
        let error = |why: String| TracesError {
            to: url.clone(),
            why,
        };
        let client = Client::to(url)?;
        let exporter = match dialect {
            Dialect::Datadog => datadog(config, url, client).map_err(error)?,
            Dialect::Otlp => otlp(config, url, client).map_err(error)?,
        };
        Ok(Some((exporter, dialect)))
    }
}

impl Receiver for Exporter {
    async fn receive(&self, spans: Vec<SpanData>) -> Result<(), String> {
        let received = match self {
            Self::Datadog(exporter) => exporter.export(spans).await,
            Self::Otlp(exporter) => exporter.export(spans).await,
        };
        received.map_err(|error| error.to_string())
    }
}

fn datadog(config: &Telemetry, agent: &Url, client: Client) -> Result<Exporter, String> {
    #[expect(deprecated, reason = "see above")]
    let exporter = new_pipeline()
        .with_service_name(&config.service)
        .with_env(&config.env)
        .with_version(&config.version)
        .with_agent_endpoint(agent.as_str())
        .with_api_version(ApiVersion::Version05)
        .with_http_client(Computed(client))
        .with_name_mapping(|span, _| class(&span.span_kind).operation)
        .build_exporter()
        .map_err(|error| error.to_string())?;
    Ok(Exporter::Datadog(exporter))
}

fn otlp(config: &Telemetry, endpoint: &Url, client: Client) -> Result<Exporter, String> {
    let traces = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
    let mut exporter = OtlpExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(traces)
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
    Ok(Exporter::Otlp(exporter))
}

/// reqwest, as the exporters want it. It has no limit of its own: the export_of has one.
#[derive(Debug)]
pub(in crate::telemetry) struct Client(reqwest::Client);

impl Client {
    /// Looks nothing up.
    pub(in crate::telemetry) fn to(url: &Url) -> Result<Self, TracesError> {
        // An error means that a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Agents are spoken to in clear text, so nobody needs to be trusted.
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only([])
            .build();
        client
            .map(Self)
            .map_err(|error| TracesError::new(url, &error))
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.execute(request.try_into()?).await.map_err(root)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        // Read to its end, so that the connection can be used again.
        *response.body_mut() = read(answer).await?;
        Ok(response)
    }
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

/// What is behind an error: its own words only repeat the address.
fn root(error: reqwest::Error) -> HttpError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().into()
}

/// Most bytes of an answer that are read; nothing in it is used.
const MOST_READ: usize = 64 * 1024;

async fn read(mut answer: reqwest::Response) -> Result<Bytes, HttpError> {
    let mut read = 0;
    while let Some(chunk) = answer.chunk().await? {
        read += chunk.len();
        if read > MOST_READ {
            break;
        }
    }
    Ok(Bytes::new())
}
