//! The real [`Transport`]: reqwest over HTTP/1.1 or HTTP/2 with prior knowledge.
//!
//! One client, and so one pool of connections, per downstream. Dropping a call
//! closes its HTTP/1.1 connection or resets its HTTP/2 stream; a connection that
//! was still being opened is kept for the next call (see [`opening`]).
//!
//! Not here: time limits of a call. They are the caller's, who drops the future.

pub mod opening;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use http::HeaderValue;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING};
use reqwest::{Client, Method, Request, Response, Url};

use self::opening::{KeepOpening, OpenError, Shelf, Warm, chain};
use crate::config::{Config, Downstream, DownstreamId};
use crate::page::deadline::{Deadline, now};
use crate::page::downstream::{CallRequest, Cause, Reply, Transport};
use crate::telemetry::counts::Counts;
use crate::telemetry::events;

/// Below the five seconds after which common servers (Node, and this gateway) close an
/// idle connection, so that a call does not meet one that is just being closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);

/// An HTTP/2 connection that answers no ping while calls wait on it is dead.
const PING_EVERY: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Connections opened to each downstream before the first page, HTTP/1.1; enough for
/// the example of 200 pages per second at 80 ms. HTTP/2 needs one.
const WARM_CONNECTIONS: u32 = 16;

/// Pages wait no longer than this for warm connections: a downstream that is not there
/// costs only the pages that need it.
pub const WARM_LIMIT: Duration = Duration::from_secs(1);

/// A call that waited for another call's HTTP/2 connection asks again when that call is
/// cancelled. More often than this in one call is a defect.
const MAX_ASKS: u32 = 100;

/// Calls over real sockets.
pub struct HttpTransport {
    targets: Vec<Target>,
    counts: Arc<Counts>,
}

struct Target {
    name: String,
    client: Client,
    base: Url,
    max_body: usize,
    http2: bool,
    connections: u32,
    shelf: Box<dyn Warm>,
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The client for a downstream could not be made.
    #[error("downstream {0:?}: {1}")]
    Client(String, #[source] reqwest::Error),
    /// A downstream wants TLS and the machine trusts nobody.
    #[error(
        "downstream {0:?} has an https url, but this machine has no CA certificates; install them (ca-certificates), or name a file of them in SSL_CERT_FILE"
    )]
    NoRoots(String),
}

impl HttpTransport {
    /// A client for every downstream; `counts` hears of calls that are asked for again.
    /// Opens no connection yet: see [`HttpTransport::warm`].
    ///
    /// # Errors
    /// [`TransportError`] when TLS is wanted and cannot be had.
    pub fn new(config: &Config, counts: Arc<Counts>) -> Result<Self, TransportError> {
        // An error means that a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let targets = config
            .downstreams
            .iter()
            .map(Target::new)
            .collect::<Result<_, _>>()?;
        Ok(Self { targets, counts })
    }

    /// Opens connections to all downstreams, so that the first pages do not pay for
    /// it. Takes no longer than [`WARM_LIMIT`]; a downstream that is not there by then is
    /// logged, and is not an error. No request is sent.
    pub async fn warm(&self) {
        let limit = Deadline::after(now(), WARM_LIMIT);
        join_all(self.targets.iter().map(|target| target.warm(limit))).await;
    }
}

impl Transport for HttpTransport {
    async fn call(&self, downstream: DownstreamId, request: CallRequest) -> Result<Reply, Cause> {
        let target = &self.targets[downstream.0];
        let response = target
            .send(request, || self.counts.retry(downstream))
            .await?;
        let status = response.status();
        if !status.is_success() {
            return Ok(Reply {
                status: status.as_u16(),
                body: Bytes::new(),
            });
        }
        let body = read_body(response, target.max_body).await?;
        Ok(Reply {
            status: status.as_u16(),
            body,
        })
    }
}

impl Target {
    fn new(downstream: &Downstream) -> Result<Self, TransportError> {
        let name = downstream.name.to_string();
        let shelf = Shelf::new(downstream.connect_timeout, !downstream.http2);
        let connections = match (downstream.http2, downstream.permits) {
            (true, _) => 1,
            (false, permits) => permits.map_or(WARM_CONNECTIONS, |p| p.get().min(WARM_CONNECTIONS)),
        };
        let client = client(downstream, &name)?
            .connector_layer(KeepOpening(Arc::clone(&shelf)))
            .build()
            .map_err(|error| TransportError::Client(name.clone(), error))?;
        let (base, max_body) = (downstream.url.clone(), downstream.max_body.get());
        Ok(Self {
            name,
            client,
            base,
            max_body,
            http2: downstream.http2,
            connections,
            shelf: Box::new(shelf),
        })
    }

    /// One poll makes every call ask for a connection. The shelf is held, so none gets
    /// it, and dropped, they leave on the shelf what is being opened.
    async fn warm(&self, limit: Deadline) {
        self.shelf.hold(true);
        let ask = |_| {
            self.client
                .execute(Request::new(Method::GET, self.base.clone()))
        };
        let mut calls = Box::pin(join_all((0..self.connections).map(ask)));
        let _ = futures_util::poll!(&mut calls);
        drop(calls);
        self.shelf.hold(false);
        match limit.limit(self.shelf.settled()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => events::not_warmed(&self.name, &error),
            Err(_elapsed) => events::not_warmed(&self.name, &OpenError::TimedOut(WARM_LIMIT)),
        }
    }

    /// `asks_again` is told of each time after the first.
    async fn send(&self, request: CallRequest, asks_again: impl Fn()) -> Result<Response, Cause> {
        let asked = self.request(request);
        if !self.http2 {
            return self
                .client
                .execute(asked)
                .await
                .map_err(|error| cause(&error));
        }
        for asked_before in 0..MAX_ASKS {
            if asked_before > 0 {
                asks_again();
            }
            let Some(again) = asked.try_clone() else {
                break;
            };
            let began = now();
            match self.client.execute(again).await {
                Err(error) if was_never_sent(&error) => {
                    if let Some(failure) = self.shelf.failure_since(began) {
                        return Err(Cause::Connect(failure));
                    }
                }
                answer => return answer.map_err(|error| cause(&error)),
            }
        }
        Err(Cause::Connect(format!(
            "gave up after asking the pool {MAX_ASKS} times"
        )))
    }

    fn request(&self, request: CallRequest) -> Request {
        let mut asked = Request::new(Method::GET, self.url(&request.path));
        *asked.headers_mut() = request.headers;
        let headers = asked.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // reqwest would decode without a limit, so nothing encoded is asked for.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        asked
    }

    fn url(&self, path_and_query: &str) -> Url {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let mut url = self.base.clone();
        match self.base.path() {
            "/" => url.set_path(path),
            prefix => url.set_path(&format!("{}{path}", prefix.trim_end_matches('/'))),
        }
        url.set_query(query);
        url
    }
}

fn client(downstream: &Downstream, name: &str) -> Result<reqwest::ClientBuilder, TransportError> {
    let builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(downstream.permits.map_or(usize::MAX, |p| p.get() as usize))
        .tls_certs_only(roots(downstream, name)?);
    Ok(if downstream.http2 {
        builder
            .http2_prior_knowledge()
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_TIMEOUT)
    } else {
        // Asking again is for HTTP/2's refused streams, and costs a copy of every request.
        builder.http1_only().retry(reqwest::retry::never())
    })
}

/// Whom the machine trusts, asked only where a downstream speaks TLS.
fn roots(downstream: &Downstream, name: &str) -> Result<Vec<reqwest::Certificate>, TransportError> {
    if downstream.url.scheme() != "https" {
        return Ok(Vec::new());
    }
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<_> = found
        .certs
        .iter()
        .filter_map(|der| reqwest::Certificate::from_der(der).ok())
        .collect();
    if roots.is_empty() {
        return Err(TransportError::NoRoots(name.to_owned()));
    }
    Ok(roots)
}

/// Reads a body of at most `max_body` bytes; of a longer one, no more than that.
async fn read_body(mut response: Response, max_body: usize) -> Result<Bytes, Cause> {
    let identity = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !response
        .headers()
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(identity)
    {
        return Err(Cause::Encoded);
    }
    let announced = response.content_length();
    if announced.is_some_and(|length| length > max_body as u64) {
        return Err(Cause::TooLarge(max_body));
    }
    let mut body = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
        if body.len() + more.len() + chunk.len() > max_body {
            return Err(Cause::TooLarge(max_body));
        }
        if body.is_empty() && more.is_empty() {
            body = chunk;
        } else {
            more.extend_from_slice(&std::mem::take(&mut body));
            more.extend_from_slice(&chunk);
        }
    }
    Ok(if more.is_empty() { body } else { more.freeze() })
}

/// Whether the pool gave the call up before it had a connection. Every failure to open
/// one is an [`OpenError`]; a connect error without one means that the call waited for a
/// connection another call was opening, and that call was cancelled (hyper issue 3199),
/// or could not open it.
fn was_never_sent(error: &reqwest::Error) -> bool {
    error.is_connect() && open_error(error).is_none()
}

fn cause(error: &reqwest::Error) -> Cause {
    if let Some(open) = open_error(error) {
        return Cause::Connect(open.to_string());
    }
    let mut text = String::new();
    for source in chain(error).skip(1) {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&source.to_string());
    }
    Cause::Broken(text)
}

fn open_error(error: &reqwest::Error) -> Option<&OpenError> {
    chain(error).find_map(|source| source.downcast_ref())
}

impl std::fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.targets.iter().map(|target| target.name.as_str());
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests;
