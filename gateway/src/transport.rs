//! The real [`Transport`]: attempts over sockets.
//!
//! A downstream is a `target`. It has sites (the addresses that are configured), a site has endpoints (the addresses
//! that its name stands for), and an endpoint has a pool of connections. In reading order: `resolve`
//! turns names into addresses, `endpoint` opens connections to one of them (`tls`, `stream`) and keeps
//! them in its `pool`, `http1` and `http2` make one exchange on one of them, `coding` undoes what a
//! body was encoded with.
//!
//! What always holds: dropping a call closes its HTTP/1.1 connection or resets its HTTP/2 stream;
//! a connection that was still being opened is kept for the next call; an endpoint whose address
//! left the name gets no further call.
//!
//! Not here: time limits of a call (the caller drops the future), which endpoint a call goes to,
//! and whether it is sent again.

mod coding;
mod endpoint;
mod http1;
mod http2;
mod listening;
mod pool;
mod resolve;
mod site;
mod stream;
mod target;
mod tls;
mod tuning;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

pub use self::endpoint::Connection;
use self::http1::ExchangeError;
use self::http1::answer::Malformed;
use self::target::{Reached, Target};
pub use self::tls::TlsError;
use self::tuning::Settings;
use crate::config::{Config, DownstreamId, Kept};
use crate::page::deadline::{Deadline, now};
use crate::page::downstream::{
    AttemptError, CallRequest, Cause, Endpoint, EndpointId, Endpoints, Reply, Transport, Which,
};

/// Pages wait no longer than this for warm connections: a downstream that is not there
/// costs only the pages that need it.
pub const WARM_LIMIT: Duration = Duration::from_secs(1);

/// How often connections that are idle for too long, or whose peer has closed, are dropped.
const SWEEP: Duration = Duration::from_secs(1);

/// Attempts over real sockets, to the downstreams of one configuration.
#[derive(Debug)]
pub struct HttpTransport {
    /// By [`DownstreamId`].
    targets: Vec<(Arc<Target>, Settings)>,
    next: Arc<AtomicU32>,
}

/// An endpoint, as pages know it.
#[derive(Clone, Debug)]
pub struct Handle(Arc<endpoint::Endpoint>);

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The TLS of a downstream cannot be set up.
    #[error("downstream {0:?}: {1}")]
    Tls(String, #[source] TlsError),
    /// There is no thread to resolve a name.
    #[error("downstream {0:?}: cannot start resolving its name: {1}")]
    Resolver(String, #[source] std::io::Error),
}

impl HttpTransport {
    /// Begins to resolve the names of all downstreams, and opens no connection yet: see
    /// [`HttpTransport::warm`] and [`HttpTransport::run`].
    ///
    /// # Errors
    /// [`TransportError`] when TLS is wanted and cannot be had.
    pub fn new(config: &Config) -> Result<Self, TransportError> {
        let none = Self {
            targets: Vec::new(),
            next: Arc::default(),
        };
        none.carried(config, &mut Kept::nothing(config))
    }

    /// To the downstreams of another configuration. Those that are `kept`, and reached as before,
    /// keep their connections; of the others it is noted that they are not. Nothing changes for
    /// anybody before [`succeed`](Self::succeed).
    ///
    /// # Errors
    /// As [`HttpTransport::new`].
    pub fn carried(&self, config: &Config, kept: &mut Kept) -> Result<Self, TransportError> {
        let before: Vec<_> = self
            .targets
            .iter()
            .map(|(target, _)| Some(target))
            .collect();
        let before = kept.downstreams(&before, |_| None);
        let mut targets = Vec::with_capacity(before.len());
        for (at, (downstream, before)) in config.downstreams.iter().zip(before).enumerate() {
            let reached = Reached::of(downstream);
            let target = match before.filter(|before| before.reached == reached) {
                Some(same) => Arc::clone(same),
                None => {
                    kept.forget(DownstreamId(at));
                    Arc::new(Target::new(downstream, reached, Arc::clone(&self.next))?)
                }
            };
            targets.push((target, Settings::of(downstream)));
        }
        let transport = Self {
            targets,
            next: Arc::clone(&self.next),
        };
        transport.all().for_each(Target::update);
        Ok(transport)
    }

    /// It takes the place of the one `before`: limits of connections are its own from now on, and
    /// those to what it does not reach are closed as soon as nobody uses them.
    pub fn succeed(&self, before: &Self) {
        for (target, settings) in &self.targets {
            target.retune(*settings);
        }
        let stays = |gone: &Target| self.all().any(|target| std::ptr::eq(target, gone));
        before
            .all()
            .filter(|gone| !stays(gone))
            .for_each(Target::retire);
    }

    fn all(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().map(|(target, _)| &**target)
    }

    /// Opens connections to all downstreams, so that the first pages do not pay for
    /// it. Takes no longer than [`WARM_LIMIT`]; a downstream that is not there by then is
    /// logged, and is not an error. No request is sent.
    pub async fn warm(&self) {
        self.warm_those(|_| true).await;
    }

    /// The same for those downstreams alone that the one `before` does not reach.
    pub async fn warm_beside(&self, before: &Self) {
        let is_new = |new: &Target| !before.all().any(|target| std::ptr::eq(target, new));
        self.warm_those(is_new).await;
    }

    async fn warm_those(&self, which: impl Fn(&Target) -> bool) {
        let limit = Deadline::after(now(), WARM_LIMIT);
        let those = self.all().filter(|target| which(target));
        join_all(those.map(|target| target.warm(limit))).await;
    }

    /// Follows names to their new addresses and closes connections that are of no use any more.
    /// Never ends.
    pub async fn run(&self) {
        let follow = self.all().map(Target::follow);
        let sweep = async {
            let mut interval = tokio::time::interval(SWEEP);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                self.all().for_each(Target::sweep);
            }
        };
        tokio::join!(join_all(follow), sweep);
    }
}

impl Endpoint for Handle {
    fn id(&self) -> EndpointId {
        self.0.id()
    }

    fn address(&self) -> Arc<str> {
        Arc::clone(self.0.shown())
    }

    fn failed_connects(&self) -> u32 {
        self.0.failed_connects()
    }
}

impl Transport for HttpTransport {
    type Endpoint = Handle;
    type Connection = Connection;

    fn endpoints(&self, downstream: DownstreamId) -> Arc<Endpoints<Handle>> {
        self.targets[downstream.0].0.endpoints()
    }

    async fn resolved(&self, downstream: DownstreamId) -> Result<Arc<Endpoints<Handle>>, Cause> {
        let (target, settings) = &self.targets[downstream.0];
        let limit = Deadline::after(now(), settings.connect_timeout);
        target.resolved(limit).await
    }

    fn idle(&self, endpoint: &Handle, now: Instant) -> Option<Connection> {
        endpoint.0.idle(now)
    }

    fn is_new(&self, connection: &Connection) -> bool {
        connection.is_new()
    }

    async fn connect(&self, endpoint: &Handle, which: Which) -> Result<Connection, Cause> {
        let connected = endpoint.0.connect(which).await;
        connected.map_err(|error| Cause::Connect(error.to_string()))
    }

    async fn exchange(
        &self,
        connection: Connection,
        request: &CallRequest<'_>,
    ) -> Result<Reply, AttemptError> {
        connection.exchange(request).await
    }
}

impl From<ExchangeError> for Cause {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Malformed(malformed) => malformed.into(),
            ExchangeError::Unanswered | ExchangeError::Truncated | ExchangeError::Io(_) => {
                Self::Broken(error.to_string())
            }
        }
    }
}

impl From<Malformed> for Cause {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::TooLarge(max_body) => Self::TooLarge(max_body),
            Malformed::HeadTooLarge | Malformed::TooManyFields => Self::Head(malformed.to_string()),
            Malformed::NotHttp(_) | Malformed::Framing(_) => Self::Broken(malformed.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
