//! The way to the agent: one `POST` to the address that traces go to.

use bytes::Bytes;
use http::{Request, Uri, header};

use crate::config::TraceAgent;
use crate::telemetry::client::Client;

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
    /// The agent that traces go to. Nothing is looked up.
    ///
    /// # Errors
    /// In words, when there cannot be an HTTP client.
    pub fn new(agent: &TraceAgent) -> Result<Self, String> {
        let client = Client::for_agent(agent)?;
        let url = format!("{}{PATH}", agent.base().trim_end_matches('/'));
        let url: Uri = url.parse().map_err(|error| format!("{error}"))?;
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
        self.client.send(request).await.map(drop)
    }
}
