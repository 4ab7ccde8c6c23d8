//! Talking to the fakes' control API and to the gateway's admin listener.
//!
//! Always holds: every call is bounded by [`PATIENCE`], on a connection of its own that is closed
//! afterwards. An error names the method, the address and what was answered.
//!
//! Not here: load (`load.rs`), which measures and reuses connections.

pub(crate) mod connection;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::Value;

use connection::{Broken, Connection};

/// Longest wait for one control call.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Scheme, address and port of a server: `http://127.0.0.1:8080`.
///
/// The address is digits, so that no measurement waits for a name to be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(SocketAddr);

impl Origin {
    /// The socket address behind it.
    #[must_use]
    pub fn addr(self) -> SocketAddr {
        self.0
    }

    /// `GET path`, any 2xx, its body as text.
    ///
    /// # Errors
    /// No whole answer within [`PATIENCE`], or a status other than 2xx.
    pub async fn text(self, path: &str) -> Result<String> {
        let answer = self.send(Method::GET, path, None).await?;
        String::from_utf8(answer.into_body().into()).context("the body is not UTF-8")
    }

    /// `GET path`, any 2xx, its body as JSON.
    ///
    /// # Errors
    /// As [`Origin::text`], or a body that is not JSON.
    pub async fn get(self, path: &str) -> Result<Value> {
        let answer = self.send(Method::GET, path, None).await?;
        serde_json::from_slice(answer.body())
            .with_context(|| format!("GET {self}{path} did not answer JSON"))
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// No whole answer within [`PATIENCE`], or a status other than 2xx.
    pub async fn post(self, path: &str, body: &Value) -> Result<()> {
        self.send(Method::POST, path, Some(body)).await.map(drop)
    }

    /// `PUT path` with a JSON body. Errors as for [`Origin::post`].
    ///
    /// # Errors
    /// No whole answer within [`PATIENCE`], or a status other than 2xx.
    pub async fn put(self, path: &str, body: &Value) -> Result<()> {
        self.send(Method::PUT, path, Some(body)).await.map(drop)
    }

    /// `DELETE path`.
    ///
    /// # Errors
    /// No whole answer within [`PATIENCE`], or a status other than 2xx.
    pub async fn delete(self, path: &str) -> Result<()> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }

    async fn send(
        self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Bytes>> {
        let what = format!("{method} {self}{path}");
        let request = self.request(method, path, body).context(what.clone())?;
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request))
            .await
            .map_err(|_| anyhow!("{what}: no answer within {PATIENCE:?}"))?
            .context(what.clone())?;
        ensure!(
            answer.status().is_success(),
            "{what} answered {}: {}",
            answer.status(),
            String::from_utf8_lossy(answer.body())
        );
        Ok(answer)
    }

    fn request(
        self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.0.to_string());
        Ok(match body {
            Some(json) => request
                .header(CONTENT_TYPE, "application/json")
                .body(Full::from(serde_json::to_vec(json)?))?,
            None => request.body(Full::default())?,
        })
    }

    async fn exchange(self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
        let mut connection = Connection::open(self.0).await?;
        connection
            .exchange(request)
            .await
            .map_err(|broken| match broken {
                Broken::Unsent(_) => anyhow!("closed before the request was sent"),
                Broken::Lost(error) => anyhow!(error),
            })
    }
}

impl From<SocketAddr> for Origin {
    fn from(addr: SocketAddr) -> Self {
        Self(addr)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

impl FromStr for Origin {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let rest = text
            .strip_prefix("http://")
            .unwrap_or(text)
            .trim_end_matches('/');
        rest.parse().map(Self).map_err(|_| {
            anyhow!("`{text}` is not an origin: write http://ADDRESS:PORT, the address in digits")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_back_as_it_was_written() {
        let origin: Origin = "http://127.0.0.1:8080/".parse().unwrap();
        assert_eq!(origin.to_string(), "http://127.0.0.1:8080");
    }

    #[test]
    fn an_origin_without_a_port_is_refused_with_the_remedy() {
        let error = "http://localhost"
            .parse::<Origin>()
            .unwrap_err()
            .to_string();
        assert!(error.contains("http://ADDRESS:PORT"), "{error}");
    }
}
