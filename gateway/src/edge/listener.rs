//! Accepts connections under limits, and ends them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::config::TrustedProxies;
use crate::edge::accept::Acceptor;
use crate::edge::bound::Bound;
use crate::edge::connection::Connection;
use crate::edge::heads::SharedHeads;
use crate::edge::least_used::LeastUsed;
use crate::edge::opening::Opening;
use crate::edge::per_client::PerClient;
use crate::edge::session::Session;
use crate::edge::socket::Waits;
use crate::edge::tls::{Shaking, Tls};
use crate::edge::turned_away::TurnAway;
use crate::edge::unreadable::{NotServed, Report};
use crate::lifecycle::Guard;
use crate::page::deadline::{Deadline, now, until};

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
    /// TLS, if it is spoken.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is.
    pub http2: bool,
}

impl Limits {
    /// Whether anything else than HTTP/1.1 may be spoken, or comes before it.
    fn speaks_more(&self) -> bool {
        self.http2 || self.tls.is_some() || self.introduced
    }
}

/// How connections learn that they have to end, and who is waited for.
#[derive(Debug, Default)]
struct Ending {
    /// Those that speak HTTP/1.1.
    graceful: GracefulShutdown,
    /// All others.
    drain: CancellationToken,
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
    turn_away: impl Fn() -> Option<TurnAway>,
    count: impl Fn(NotServed) + Send + Sync + 'static,
    guard: Guard,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<tower::BoxError>> + Send + 'static,
{
    let ending = Ending::default();
    let mut connections = JoinSet::new();
    let acceptor = Acceptor::new(guard.listener(), listener, limits.borrow().clone());
    let report = Arc::new(Report::new(guard.listener(), count));
    let accept = accept_all(
        acceptor,
        limits,
        service,
        turn_away,
        report,
        &ending,
        &mut connections,
    );
    guard.accept(accept).await;
    ending.drain.cancel();
    ending.graceful.shutdown().await;
}

/// Owns the socket, so that it is closed as soon as nobody accepts from it. Returns only
/// when the system will never give a connection again.
async fn accept_all<S, B>(
    mut acceptor: Acceptor,
    mut limits: watch::Receiver<Limits>,
    service: impl Fn(Arc<Connection>) -> S,
    turn_away: impl Fn() -> Option<TurnAway>,
    report: Arc<Report<impl Fn(NotServed) + Send + Sync + 'static>>,
    ending: &Ending,
    connections: &mut JoinSet<()>,
) -> io::Error
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<tower::BoxError>> + Send + 'static,
{
    let heads = Arc::new(SharedHeads::default());
    let clients = Arc::new(PerClient::default());
    let shaking = Shaking::default();
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
        let of_proxy = in_force.proxies.has(peer.ip());
        if !of_proxy {
            connection.takes(clients.enter(peer.ip(), in_force.per_client));
        }
        if connection.is_too_many() {
            report.too_many(peer);
            continue;
        }
        let introduced =
            (of_proxy && in_force.introduced).then(|| (Arc::clone(&clients), in_force.per_client));
        let tls = in_force.tls.clone().map(|tls| (tls, shaking.clone()));
        let session = Session {
            service: service(Arc::clone(&connection)),
            connection: Arc::clone(&connection),
            waits: in_force.waits,
            first: Deadline::after(now(), in_force.waits.head),
            begins_http2: in_force.http2 && in_force.tls.is_none(),
            turn_away: turn_away(),
            drain: ending.drain.clone(),
        };
        let (watcher, may_change) = (ending.graceful.watcher(), in_force.speaks_more());
        // Whoever speaks another protocol than HTTP/1.1 is waited for all the same.
        let other = may_change.then(|| ending.graceful.watcher());
        let report = Arc::clone(&report);
        let task = connections.spawn(async move {
            let opening = Opening::of(introduced, tls);
            session.run(stream, opening, watcher, &report).await;
            drop((other, place));
        });
        if let Some(open) = &mut open {
            open.add(connection, task);
        }
    }
}
