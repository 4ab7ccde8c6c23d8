//! The HTTP that traces and statistics leave by: over TCP, TLS, or a socket of the file system.
//!
//! It has no limit of its own: whoever exports has one.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use parking_lot::Mutex;
use reqwest::Certificate;
use url::Url;

use crate::config::TraceAgent;
use crate::http_client::{builder, root};

/// Most bytes of an answer that are read; nothing in it is used.
const MOST_READ: usize = 64 * 1024;

/// reqwest, as the exporters want it.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    /// Added to every request.
    headers: HeaderMap,
    failure: Failure,
}

/// Why the last request of a [`Client`] was not received, if it was not.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure(Arc<Mutex<Option<String>>>);

impl Failure {
    /// Tells it once.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().take()
    }
}

impl Client {
    /// A client for a Datadog agent.
    ///
    /// # Errors
    /// As [`Client::for_url`].
    pub(super) fn for_agent(agent: &TraceAgent) -> Result<Self, String> {
        match agent {
            TraceAgent::Http(url) => Self::for_url(url, &[]),
            TraceAgent::Unix(path) => {
                let builder = builder().tls_certs_only([]).unix_socket(path.as_path());
                Self::new(builder, HeaderMap::new())
            }
        }
    }

    /// A client for an address over TCP, whose certificate must be signed by whom this machine
    /// trusts.
    ///
    /// # Errors
    /// In words: the machine trusts nobody, or the system gives no client.
    pub(super) fn for_url(
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Self, String> {
        let trusted = match url.scheme() {
            "https" => trusted()?,
            _ => Vec::new(),
        };
        let builder = builder().tls_certs_only(trusted);
        Self::new(builder, headers.iter().cloned().collect())
    }

    fn new(builder: reqwest::ClientBuilder, headers: HeaderMap) -> Result<Self, String> {
        Ok(Self {
            http: builder.build().map_err(|error| root(&error))?,
            headers,
            failure: Failure::default(),
        })
    }

    pub(super) fn failure(&self) -> Failure {
        self.failure.clone()
    }

    /// Sends a request; an answer is one that says that it was received.
    ///
    /// # Errors
    /// In words, why it was not.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let mut request: reqwest::Request = request.try_into().map_err(|e| root(&e))?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let sent = self.http.execute(request).await;
        let answer = sent.map_err(|error| root(&error))?;
        let status = answer.status();
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        *response.headers_mut() = answer.headers().clone();
        // To its end, so that the connection can be used again.
        read(answer).await.map_err(|error| root(&error))?;
        match status.is_success() {
            true => Ok(response),
            false => Err(format!("answered {status}")),
        }
    }
}

/// Whom the machine trusts, or `SSL_CERT_FILE` says.
fn trusted() -> Result<Vec<Certificate>, String> {
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates = found.iter().map(|der| Certificate::from_der(der));
    let usable: Vec<_> = certificates.flatten().collect();
    match usable.is_empty() {
        true => Err(
            "this machine has no CA certificates; install them (ca-certificates), or name a file of them in SSL_CERT_FILE"
                .to_owned(),
        ),
        false => Ok(usable),
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let result = self.send(request).await;
        *self.failure.0.lock() = result.as_ref().err().cloned();
        result.map_err(Into::into)
    }
}

async fn read(mut answer: reqwest::Response) -> Result<(), reqwest::Error> {
    let mut read = 0;
    while let Some(chunk) = answer.chunk().await? {
        read += chunk.len();
        if read > MOST_READ {
            break;
        }
    }
    Ok(())
}
