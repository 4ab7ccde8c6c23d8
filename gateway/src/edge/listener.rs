//! Accepts connections under limits, and ends them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service;

use crate::config::TrustedProxies;
use crate::edge::accept::Acceptor;
use crate::edge::bound::{Bound, Stream};
use crate::edge::connection::Connection;
use crate::edge::heads::SharedHeads;
use crate::edge::least_used::LeastUsed;
use crate::edge::per_client::PerClient;
use crate::edge::proxy_protocol::Introduction;
use crate::edge::socket::{Socket, Waits};
use crate::edge::unreadable::{NotServed, Report};
use crate::edge::validate::{MAX_HEAD, MAX_READ_HEADERS};
use crate::lifecycle::Guard;
use crate::page::deadline::{now, until};
use crate::telemetry::events;

/// Connections the system completes before they are accepted. With tokio's 128, half of 200
/// clients that connect at once would wait a second for their SYN to be sent again, and no
/// metric of ours would see it. Linux lowers this to `net.core.somaxconn`, 4096 as shipped.
pub const BACKLOG: u32 = 4096;

/// Limits of one listener: those in force when a connection is accepted hold for it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once.
    pub max_connections: usize,
    /// What makes them no more, for the log: a key, or the system's limit.
    pub limited_by: &'static str,
    /// What becomes of further ones.
    pub when_full: WhenFull,
    /// How long what is not there is waited for.
    pub waits: Waits,
    /// A connection that is about so old ends with its next answer.
    pub max_age: Option<Duration>,
    /// Connections of one client.
    pub per_client: usize,
    /// Who opens connections for others, and so may have more.
    pub proxies: Arc<TrustedProxies>,
    /// Whether they have to say first for whom, by the PROXY protocol.
    pub introduced: bool,
}

/// What becomes of a connection when as many are open as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits in the system's backlog until one has ended.
    Wait,
    /// It is accepted soon, as the least used one is closed: idle connections, of a scanner or of
    /// a scraper that leaks them, must not keep out a probe.
    CloseLeastUsed,
}

/// Listens on `address`, also right after a process that listened there has ended.
///
/// # Errors
/// The system's, when the address cannot be had.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves connections, and counts those that are not served, until `guard` says that the drain has come to this listener, then
/// returns when the open ones have finished what they were answering. Dropping the future
/// cuts them off.
pub async fn serve<S, B>(
    listener: Bound,
    limits: watch::Receiver<Limits>,
    service: impl Fn(Arc<Connection>) -> S,
    count: impl Fn(NotServed) + Send + Sync + 'static,
    guard: Guard,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<tower::BoxError>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let acceptor = Acceptor::new(guard.listener(), listener, limits.borrow().clone());
    let report = Arc::new(Report::new(guard.listener(), count));
    let accept = accept_all(
        acceptor,
        limits,
        service,
        report,
        &graceful,
        &mut connections,
    );
    guard.accept(accept).await;
    graceful.shutdown().await;
}

/// Owns the socket, so that it is closed as soon as nobody accepts from it. Returns only
/// when the system will never give a connection again.
async fn accept_all<S, B>(
    mut acceptor: Acceptor,
    mut limits: watch::Receiver<Limits>,
    service: impl Fn(Arc<Connection>) -> S,
    report: Arc<Report<impl Fn(NotServed) + Send + Sync + 'static>>,
    graceful: &GracefulShutdown,
    connections: &mut JoinSet<()>,
) -> io::Error
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<tower::BoxError>> + Send + 'static,
{
    let heads = Arc::new(SharedHeads::default());
    let clients = Arc::new(PerClient::default());
    let http = http();
    let mut open = match limits.borrow().when_full {
        WhenFull::Wait => None,
        WhenFull::CloseLeastUsed => Some(LeastUsed::new(limits.borrow().max_connections)),
    };
    let mut in_force = limits.borrow_and_update().clone();
    acceptor.limit(in_force.clone());
    loop {
        let again = open.as_mut().and_then(|open| open.make_room(now()));
        let accepted = tokio::select! {
            Some(_) = connections.join_next() => continue,
            () = until(again), if again.is_some() => continue,
            Ok(()) = limits.changed() => {
                in_force = limits.borrow_and_update().clone();
                acceptor.limit(in_force.clone());
                continue;
            }
            accepted = acceptor.next() => accepted,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return error,
        };
        let connection = match in_force.when_full {
            WhenFull::Wait => Connection::new(peer, &heads),
            WhenFull::CloseLeastUsed => Connection::new(peer, &heads).with_usage(),
        };
        let connection = Arc::new(connection.aging(in_force.max_age));
        let served = Served {
            service: service(Arc::clone(&connection)),
            connection: Arc::clone(&connection),
        };
        let of_proxy = in_force.proxies.has(peer.ip());
        if !of_proxy {
            connection.takes(clients.enter(peer.ip(), in_force.per_client));
        }
        if connection.is_too_many() {
            report.too_many(peer);
            continue;
        }
        let (shared, waits) = (Arc::clone(&connection), in_force.waits);
        let socket = match stream {
            Stream::Left(stream) if of_proxy && in_force.introduced => {
                let clients = (Arc::clone(&clients), in_force.per_client);
                Socket::of_proxy(Introduction::of(stream, clients), shared, waits)
            }
            stream @ (Stream::Left(_) | Stream::Right(_)) => Socket::new(stream, shared, waits),
        };
        let socket = TokioIo::new(socket);
        let serving = graceful.watch(http.serve_connection(socket, served));
        let (used, report) = (Arc::clone(&connection), Arc::clone(&report));
        let task = connections.spawn(async move {
            if let Err(error) = serving.await {
                events::connection_ended(peer, &error);
            }
            if connection.is_too_many() {
                report.too_many(connection.client());
            }
            if let Some((why, stream)) = connection.take_refused() {
                report.unreadable(why.what, peer);
                // Boxed: few connections need it, and each would have room for it.
                Box::pin(why.answer(stream)).await;
            }
            drop(place);
        });
        if let Some(open) = &mut open {
            open.add(used, task);
        }
    }
}

/// A tower service as hyper calls it: when the head of a request is complete. It is called
/// at once, without asking whether it is ready: none of our layers ever is not, as none of
/// them limits. So the request can be understood and dropped before hyper reads on.
struct Served<S> {
    service: S,
    connection: Arc<Connection>,
}

impl<S: Service<Request<Incoming>> + Clone> hyper::service::Service<Request<Incoming>>
    for Served<S>
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.connection.head.complete();
        self.service.clone().call(request)
    }
}

/// The socket sees to how long a head may take.
fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.header_read_timeout(None)
        .max_headers(MAX_READ_HEADERS)
        .max_buf_size(MAX_HEAD);
    http
}
