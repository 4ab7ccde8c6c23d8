//! The real [`Transport`]: attempts over sockets.
//!
//! A downstream has sites (the addresses that are configured), a site has endpoints (the addresses
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
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::{Mutex, RwLock};

pub use self::endpoint::Connection;
use self::endpoint::OpenError;
use self::http1::ExchangeError;
use self::http1::answer::Malformed;
use self::resolve::{Addresses, Resolving};
use self::site::Site;
pub use self::tls::TlsError;
use crate::config::{Config, Downstream, DownstreamId, Http2};
use crate::page::deadline::{Deadline, now};
use crate::page::downstream::{
    AttemptError, CallRequest, Cause, Endpoint, EndpointId, Endpoints, Reply, Transport, Which,
};
use crate::telemetry::events;

/// Pages wait no longer than this for warm connections: a downstream that is not there
/// costs only the pages that need it.
pub const WARM_LIMIT: Duration = Duration::from_secs(1);

/// How often connections that are idle for too long, or whose peer has closed, are dropped.
const SWEEP: Duration = Duration::from_secs(1);

/// Attempts over real sockets.
#[derive(Debug)]
pub struct HttpTransport {
    targets: Vec<Target>,
    next: AtomicU32,
}

/// One downstream.
#[derive(Debug)]
struct Target {
    name: String,
    warm: u32,
    connect_timeout: Duration,
    sites: Vec<(Arc<Site>, Resolving)>,
    endpoints: RwLock<Arc<Endpoints<Handle>>>,
    /// One at a time brings the endpoints up to date.
    updating: Mutex<()>,
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
        let targets = config.downstreams.iter().map(Target::new);
        let transport = Self {
            targets: targets.collect::<Result<_, _>>()?,
            next: AtomicU32::new(0),
        };
        transport.update();
        Ok(transport)
    }

    /// Opens connections to all downstreams, so that the first pages do not pay for
    /// it. Takes no longer than [`WARM_LIMIT`]; a downstream that is not there by then is
    /// logged, and is not an error. No request is sent.
    pub async fn warm(&self) {
        let limit = Deadline::after(now(), WARM_LIMIT);
        let warm = |target| self.warm_target(target, limit);
        join_all(self.targets.iter().map(warm)).await;
    }

    /// Follows names to their new addresses and closes connections that are of no use any more.
    /// Never ends.
    pub async fn run(&self) {
        let follow = self.targets.iter().map(|target| {
            let sites = target.sites.iter();
            join_all(sites.map(|(_, resolving)| self.follow(target, resolving)))
        });
        let sweep = async {
            let mut interval = tokio::time::interval(SWEEP);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                self.sweep();
            }
        };
        tokio::join!(join_all(follow), sweep);
    }

    async fn follow(&self, target: &Target, resolving: &Resolving) {
        let mut addresses = resolving.addresses.clone();
        while addresses.changed().await.is_ok() {
            target.update(&self.next);
        }
    }

    fn update(&self) {
        self.targets
            .iter()
            .for_each(|target| target.update(&self.next));
    }

    fn sweep(&self) {
        for target in &self.targets {
            let endpoints = Arc::clone(&target.endpoints.read());
            endpoints
                .all
                .iter()
                .for_each(|Handle(endpoint)| endpoint.sweep());
        }
    }

    async fn warm_target(&self, target: &Target, limit: Deadline) {
        let resolved = limit.limit(target.resolved(&self.next, limit)).await;
        let Ok(Ok(endpoints)) = resolved else {
            return events::not_warmed(&target.name, &"its name is not resolved yet");
        };
        let warmed = endpoints
            .all
            .iter()
            .map(|Handle(e)| e.warm(target.warm as usize));
        match limit.limit(join_all(warmed)).await {
            Ok(warmed) => {
                for error in warmed.into_iter().filter_map(Result::err) {
                    events::not_warmed(&target.name, &error);
                }
            }
            Err(_elapsed) => events::not_warmed(&target.name, &OpenError::TimedOut(WARM_LIMIT)),
        }
    }
}

impl Target {
    fn new(downstream: &Downstream) -> Result<Self, TransportError> {
        let name = downstream.name.to_string();
        let no_tls = |error| TransportError::Tls(name.clone(), error);
        let tls = tls::config(downstream).map_err(no_tls)?;
        let sites = downstream.urls.iter().map(|url| {
            let site = Site::new(url, downstream, tls.as_ref()).map_err(no_tls)?;
            let resolving = resolve::resolve(&name, &site.name, downstream.resolve)
                .map_err(|error| TransportError::Resolver(name.clone(), error))?;
            Ok((Arc::new(site), resolving))
        });
        Ok(Self {
            sites: sites.collect::<Result<_, _>>()?,
            // One connection of HTTP/2 carries many calls.
            warm: match downstream.http2 {
                Http2::Never => downstream.warm,
                Http2::Always | Http2::Auto => downstream.warm.min(1),
            },
            connect_timeout: downstream.connect_timeout,
            endpoints: RwLock::new(Arc::new(Endpoints {
                version: 0,
                all: Vec::new(),
            })),
            updating: Mutex::new(()),
            name,
        })
    }

    /// Makes the endpoints those of the addresses that the names have now. An address that is
    /// still there keeps its endpoint, with its connections and its number.
    fn update(&self, next: &AtomicU32) {
        let _one_at_a_time = self.updating.lock();
        let before = Arc::clone(&self.endpoints.read());
        let known = |site: &Arc<Site>, address: SocketAddr| {
            let same = |Handle(e): &&Handle| Arc::ptr_eq(e.site(), site) && e.address() == address;
            before.all.iter().find(same).cloned()
        };
        let endpoint = |site: &Arc<Site>, address| {
            known(site, address).unwrap_or_else(|| {
                let id = EndpointId(next.fetch_add(1, Ordering::Relaxed));
                Handle(Arc::new(endpoint::Endpoint::new(
                    id,
                    address,
                    Arc::clone(site),
                )))
            })
        };
        let mut all = Vec::new();
        for (site, resolving) in &self.sites {
            let addresses = resolving.addresses.borrow();
            all.extend(addresses.iter().map(|address| endpoint(site, *address)));
        }
        let ids = |all: &[Handle]| all.iter().map(|Handle(e)| e.id()).collect::<Vec<_>>();
        if ids(&all) == ids(&before.all) {
            return;
        }
        let stays = |gone: &Handle| all.iter().any(|Handle(e)| e.id() == gone.0.id());
        let gone: Vec<Handle> = before.all.iter().filter(|e| !stays(e)).cloned().collect();
        *self.endpoints.write() = Arc::new(Endpoints {
            version: before.version + 1,
            all,
        });
        gone.iter().for_each(|Handle(endpoint)| endpoint.leave());
    }

    /// The endpoints once there is one.
    async fn resolved(
        &self,
        next: &AtomicU32,
        limit: Deadline,
    ) -> Result<Arc<Endpoints<Handle>>, Cause> {
        let first = |(_, resolving): &(_, Resolving)| {
            let mut addresses: Addresses = resolving.addresses.clone();
            Box::pin(async move {
                // An error: the resolver is gone, as the process ends.
                let _ = addresses.wait_for(|found| !found.is_empty()).await;
            })
        };
        let any = futures_util::future::select_all(self.sites.iter().map(first));
        if limit.limit(any).await.is_err() {
            let why = "its name is not resolved yet".to_owned();
            return Err(Cause::Connect(why));
        }
        self.update(next);
        Ok(Arc::clone(&self.endpoints.read()))
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
        Arc::clone(&self.targets[downstream.0].endpoints.read())
    }

    async fn resolved(&self, downstream: DownstreamId) -> Result<Arc<Endpoints<Handle>>, Cause> {
        let target = &self.targets[downstream.0];
        let limit = Deadline::after(now(), target.connect_timeout);
        target.resolved(&self.next, limit).await
    }

    fn idle(&self, endpoint: &Handle) -> Option<Connection> {
        endpoint.0.idle()
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
