//! One address of a downstream: its connections, how they are opened, and exchanges on them.
//!
//! Not here: which endpoint gets a call, and whether again (see [`crate::page::downstream`]).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::coding::{Coding, DecodeError};
use super::http1::{self, ExchangeError};
use super::http2::{self, Http2Error};
use super::pool::{Limits, Opening, Pool, Pooled, Taken};
use super::site::Site;
use super::stream::Stream;
use crate::config::Http2;
use crate::page::deadline::{Deadline, now};
use crate::page::downstream::{
    AnswerFields, AttemptError, CallRequest, Cause, EndpointId, Reply, Which,
};

/// Connections of one endpoint being opened at once: a burst of openings, each with its
/// handshakes, must not take the CPU from the pages that have connections.
pub(super) const MAX_OPENINGS: usize = 32;

/// An unused connection is closed so long before the peer says it would do so itself.
const BEFORE_PEER: Duration = Duration::from_millis(500);

/// A connection's age is shortened by up to this share, so that those that were opened
/// together do not end together.
const AGE_JITTER: f64 = 0.2;

/// One address of a downstream.
#[derive(Debug)]
pub(super) struct Endpoint {
    id: EndpointId,
    address: SocketAddr,
    shown: Arc<str>,
    site: Arc<Site>,
    pool: Arc<Pool<Carrier, OpenError>>,
    failed_connects: AtomicU32,
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// Not within `connect_timeout`.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    /// The system, TLS or HTTP/2 says why.
    #[error("{0}")]
    Failed(Arc<str>),
    /// The peer speaks TLS, but not the HTTP that is configured.
    #[error("TLS negotiated {0}, but `http2 = true` asks for HTTP/2")]
    NotHttp2(&'static str),
    /// HTTP/2, and the peer allows no stream.
    #[error("the peer allows no stream")]
    NoStreams,
    /// The peer closes what it has accepted.
    #[error("closed as soon as it was open")]
    Closed,
    /// The runtime is shutting down.
    #[error("shutting down")]
    Abandoned,
}

/// The right to one exchange with an endpoint. Dropped before the exchange, it goes back
/// unused; dropped within it, the exchange ends at the peer too.
#[derive(Debug)]
pub struct Connection {
    endpoint: Arc<Endpoint>,
    /// `None` only while an exchange runs.
    carrier: Option<Carrier>,
}

/// What carries exchanges.
#[derive(Debug)]
enum Carrier {
    Http1(Http1),
    Http2(http2::Stream),
}

/// A connection that has just been opened.
#[derive(Debug)]
enum Opened {
    Http1(Http1),
    Http2(http2::Opened),
}

#[derive(Debug)]
struct Http1 {
    stream: Stream,
    /// It has carried an exchange before.
    kept: bool,
    idle_until: Instant,
    retire: Instant,
}

/// Status, coding, body as sent, and fields.
type Received = (u16, Coding, bytes::Bytes, Option<Box<AnswerFields>>);

impl Endpoint {
    pub(super) fn new(id: EndpointId, address: SocketAddr, site: Arc<Site>) -> Self {
        Self {
            id,
            address,
            shown: address.to_string().into(),
            pool: Pool::new(limits(&site)),
            site,
            failed_connects: AtomicU32::new(0),
        }
    }

    pub(super) fn id(&self) -> EndpointId {
        self.id
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn shown(&self) -> &Arc<str> {
        &self.shown
    }

    pub(super) fn site(&self) -> &Arc<Site> {
        &self.site
    }

    pub(super) fn failed_connects(&self) -> u32 {
        self.failed_connects.load(Ordering::Relaxed)
    }

    pub(super) fn idle(self: &Arc<Self>, now: Instant) -> Option<Connection> {
        let carrier = self.pool.try_take(now)?;
        Some(self.connection(carrier))
    }

    /// Drops what is idle and of no use any more.
    pub(super) fn sweep(&self) {
        self.pool.sweep(now());
    }

    /// What its site is tuned to has changed.
    pub(super) fn retune(&self) {
        self.pool.resize(limits(&self.site));
    }

    /// Its address has left the name, or its name the configuration: nothing is kept any longer.
    pub(super) fn leave(&self) {
        self.pool.close();
    }

    pub(super) async fn connect(self: &Arc<Self>, which: Which) -> Result<Connection, OpenError> {
        let waiting = match which {
            Which::Any => match self.pool.take(now()) {
                Taken::Now(carrier) => return Ok(self.connection(carrier)),
                Taken::Later(waiting) => waiting,
            },
            Which::New => self.pool.take_new(now()),
        };
        self.open(waiting.open);
        // The openings have the limit, not the wait for them: a gateway that is short of CPU would
        // otherwise give up before it has looked at a connection that is open.
        match waiting.await {
            Some(Ok(carrier)) => Ok(self.connection(carrier)),
            Some(Err(error)) => Err(error),
            None => Err(OpenError::Abandoned),
        }
    }

    /// Opens connections ahead, to be kept idle; waits until each is open or one has failed.
    pub(super) async fn warm(self: &Arc<Self>, connections: usize) -> Result<(), OpenError> {
        let mut left = connections;
        while left > 0 {
            let some = (0..left).map_while(|_| self.pool.open_ahead());
            let opening: Vec<_> = some.map(|opening| self.run(opening)).collect();
            if opening.is_empty() {
                // Calls are opening as many as may be opened at once.
                return Ok(());
            }
            left -= opening.len();
            let opened = futures_util::future::join_all(opening).await;
            opened.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }

    fn connection(self: &Arc<Self>, carrier: Carrier) -> Connection {
        Connection {
            endpoint: Arc::clone(self),
            carrier: Some(carrier),
        }
    }

    /// Begins openings that nobody has to wait for.
    fn open(self: &Arc<Self>, openings: usize) {
        for _ in 0..openings {
            let endpoint = Arc::clone(self);
            let opening = self.pool.opening();
            #[expect(
                clippy::disallowed_methods,
                reason = "an opening outlives its call; it ends within connect_timeout, and at most MAX_OPENINGS run"
            )]
            tokio::spawn(async move {
                // Whoever waits hears of a failure through the pool.
                let _ = endpoint.run(opening).await;
            });
        }
    }

    async fn run(self: &Arc<Self>, opening: Opening<Carrier, OpenError>) -> Result<(), OpenError> {
        let limit = self.site.tuning.connect_timeout();
        let opened = match Deadline::after(now(), limit).limit(self.opened()).await {
            Ok(Ok(Opened::Http1(http1))) => Ok(vec![Carrier::Http1(http1)]),
            // It is open. How many streams there are is up to the peer, which may allow none for
            // a while: calls wait for that, not for a connection.
            Ok(Ok(Opened::Http2(connection))) => {
                let limit = Deadline::after(now(), self.site.tuning.idle_timeout());
                match limit.limit(connection.streams()).await {
                    Ok(streams) => Ok(streams.into_iter().map(Carrier::Http2).collect()),
                    Err(_elapsed) => Err(OpenError::NoStreams),
                }
            }
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err(OpenError::TimedOut(limit)),
        };
        let (more, result) = match opened {
            Ok(carriers) => (
                opening.succeeded(carriers, now(), OpenError::Closed),
                Ok(()),
            ),
            Err(error) => {
                self.failed_connects.fetch_add(1, Ordering::Relaxed);
                (opening.failed(error.clone(), now()), Err(error))
            }
        };
        self.open(more);
        result
    }

    async fn opened(&self) -> Result<Opened, OpenError> {
        let stream = TcpStream::connect(self.address).await.map_err(failed)?;
        // A request is one small write; waiting to fill a segment would only delay it.
        let _ = stream.set_nodelay(true);
        let (stream, speaks_http2) = self.secured(stream).await?;
        let opened = now();
        let idle_timeout = self.site.tuning.idle_timeout();
        let retire = opened
            + self
                .site
                .tuning
                .max_age()
                .mul_f64(1.0 - AGE_JITTER * fastrand::f64());
        if speaks_http2 {
            let connection = http2::open(stream, opened, idle_timeout, retire).await;
            return connection.map(Opened::Http2).map_err(failed);
        }
        Ok(Opened::Http1(Http1 {
            stream,
            kept: false,
            idle_until: opened + idle_timeout,
            retire,
        }))
    }

    /// TLS where it is configured, and whether HTTP/2 is spoken.
    async fn secured(&self, stream: TcpStream) -> Result<(Stream, bool), OpenError> {
        let Some((config, name)) = &self.site.tls else {
            return Ok((Stream::Left(stream), self.site.http2 == Http2::Always));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector
            .connect(name.clone(), stream)
            .await
            .map_err(failed)?;
        let chosen = stream.get_ref().1.alpn_protocol();
        let speaks_http2 = chosen == Some(b"h2");
        if self.site.http2 == Http2::Always && !speaks_http2 {
            let other = if chosen.is_some() {
                "HTTP/1.1"
            } else {
                "nothing"
            };
            return Err(OpenError::NotHttp2(other));
        }
        Ok((Stream::Right(Box::new(stream)), speaks_http2))
    }
}

fn limits(site: &Site) -> Limits {
    Limits {
        idle: site.tuning.max_idle(),
        openings: MAX_OPENINGS,
        patience: site.tuning.connect_timeout(),
    }
}

fn failed(error: impl std::error::Error + 'static) -> OpenError {
    let sources = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
    // The innermost says it in the system's or the peer's words.
    let words = sources.last().map(ToString::to_string);
    OpenError::Failed(words.unwrap_or_default().into())
}

impl Pooled for Carrier {
    fn is_usable(&mut self, now: Instant) -> bool {
        match self {
            Self::Http1(http1) => http1::is_silent(&mut http1.stream),
            Self::Http2(stream) => stream.is_usable(now),
        }
    }

    fn take(&mut self) {
        if let Self::Http2(stream) = self {
            stream.take();
        }
    }

    fn release(&mut self, now: Instant) {
        if let Self::Http2(stream) = self {
            stream.release(now);
        }
    }

    fn expires(&self) -> Instant {
        match self {
            Self::Http1(http1) => http1.idle_until.min(http1.retire),
            Self::Http2(stream) => stream.expires(),
        }
    }
}

impl Connection {
    /// Whether it has carried nothing yet.
    pub(super) fn is_new(&self) -> bool {
        match &self.carrier {
            Some(Carrier::Http1(http1)) => !http1.kept,
            Some(Carrier::Http2(stream)) => stream.is_of_new_connection(),
            None => false,
        }
    }

    /// One request and its answer. The connection is kept if it can carry another.
    pub(super) async fn exchange(
        mut self,
        request: &CallRequest<'_>,
    ) -> Result<Reply, AttemptError> {
        let endpoint = Arc::clone(&self.endpoint);
        let site = &endpoint.site;
        let max_body = site.tuning.max_body();
        // Taken out, so that dropping this future closes it instead of giving it back.
        let (status, coding, body, fields) = match self.carrier.take() {
            None => return Err(AttemptError::Failed(Cause::Broken("used twice".to_owned()))),
            Some(Carrier::Http1(carrier)) => {
                self.exchange_http1(carrier, request, max_body).await?
            }
            Some(Carrier::Http2(mut stream)) => {
                // Boxed: HTTP/1.1 needs no room for it.
                let answer = Box::pin(stream.exchange(&site.base, request, max_body))
                    .await
                    .map_err(|error| match error {
                        Http2Error::Closed(why) => AttemptError::Closed(Cause::Broken(why)),
                        Http2Error::Refused(why) => AttemptError::Refused(Cause::Broken(why)),
                        Http2Error::Failed(cause) => AttemptError::Failed(cause),
                    })?;
                let now = now();
                stream.release(now);
                endpoint.pool.put(Carrier::Http2(stream), now);
                (answer.status, answer.coding, answer.body, answer.fields)
            }
        };
        let body = coding
            .decode(body, max_body)
            .map_err(|error| AttemptError::Failed(undecoded(error, max_body)))?;
        Ok(Reply {
            status,
            body,
            fields,
        })
    }

    async fn exchange_http1(
        &mut self,
        mut carrier: Http1,
        request: &CallRequest<'_>,
        max_body: usize,
    ) -> Result<Received, AttemptError> {
        let site = &self.endpoint.site;
        let head = http1::request::write(&site.host, &site.prefix, request);
        let answer = match http1::exchange(&mut carrier.stream, head, max_body).await {
            Ok(answer) => answer,
            Err(error) => {
                let unseen = carrier.kept && matches!(error, ExchangeError::Unanswered);
                return Err(match unseen {
                    true => AttemptError::Closed(error.into()),
                    false => AttemptError::Failed(error.into()),
                });
            }
        };
        if answer.reusable {
            let now = now();
            let own = site.tuning.idle_timeout();
            let limit = match answer.idle_timeout {
                Some(peer) => peer.saturating_sub(BEFORE_PEER).min(own),
                None => own,
            };
            carrier.kept = true;
            carrier.idle_until = now + limit;
            self.endpoint.pool.put(Carrier::Http1(carrier), now);
        }
        Ok((answer.status, answer.coding, answer.body, answer.fields))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(mut carrier) = self.carrier.take() {
            let now = now();
            carrier.release(now);
            self.endpoint.pool.put(carrier, now);
        }
    }
}

fn undecoded(error: DecodeError, max_body: usize) -> Cause {
    match error {
        DecodeError::Unsupported => {
            Cause::Encoded("body has an unknown content coding, though none was requested")
        }
        DecodeError::Broken => Cause::Encoded("body is not encoded as its head says"),
        DecodeError::TooLarge => Cause::TooLarge(max_body),
    }
}
