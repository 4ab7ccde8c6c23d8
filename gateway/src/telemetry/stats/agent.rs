//! The way to the agent: one `POST` to the address that traces go to.

use bytes::Bytes;
use http::{Request, Uri, header};
use opentelemetry_http::HttpClient as _;
use url::Url;

use crate::telemetry::traces::TracesError;
use crate::telemetry::traces::exporter::Client;

/// The agent's resource for statistics that were computed elsewhere.
const PATH: &str = "/v0.6/stats";

/// Receives statistics.
pub trait Receiver: Send + Sync + 'static {
    /// Takes one request's body.
    ///
    /// # Errors
    /// Why it was not received, in words.
    fn receive(&self, body: Vec<u8>) -> impl Future<Output = Result<(), String>> + Send;
}

/// A Datadog agent.
#[derive(Debug)]
pub struct Agent {
    client: Client,
    url: Uri,
}

impl Agent {
    /// The agent whose traces go to `url`. Nothing is looked up.
    ///
    /// # Errors
    /// [`TracesError`] when there cannot be an HTTP client.
    pub fn new(url: &Url) -> Result<Self, TracesError> {
        let client = Client::to(url)?;
        let mut to = url.clone();
        let path = format!("{}{PATH}", url.path().trim_end_matches('/'));
        to.set_path(&path);
        let to: Result<Uri, _> = to.as_str().parse();
        let url = to.map_err(|error| TracesError::new(url, &error))?;
        Ok(Self { client, url })
    }
}

impl Receiver for Agent {
    async fn receive(&self, body: Vec<u8>) -> Result<(), String> {
        let request = Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/msgpack")
            .header("Datadog-Meta-Lang", "rust")
            .header("Datadog-Meta-Tracer-Version", env!("CARGO_PKG_VERSION"))
            .body(Bytes::from(body))
            .map_err(|error| error.to_string())?;
        let sent = self.client.send_bytes(request).await;
        let answer = sent.map_err(|error| error.to_string())?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("the agent answered {status}")),
        }
    }
}
