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
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::Service;

use crate::edge::Connection;
use crate::edge::body::{Socket, Unflushed};
use crate::edge::validate::{MAX_HEAD, MAX_READ_HEADERS};
use crate::lifecycle::Guard;
use crate::telemetry::events;

/// After the system refused a connection (most often: no file descriptors left), trying
/// again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections the system completes before they are accepted. With tokio's 128, half of 200
/// clients that connect at once would wait a second for their SYN to be sent again, and no
/// metric of ours would see it. Linux lowers this to `net.core.somaxconn`, 4096 as shipped.
pub const BACKLOG: u32 = 4096;

/// Limits of one listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once; further ones wait in the system's backlog.
    pub max_connections: usize,
    /// Time for a whole request head, and for an idle connection.
    pub header_read_timeout: Duration,
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

/// Serves connections until `guard` says that the drain has come to this listener, then
/// returns when the open ones have finished what they were answering. Dropping the future
/// cuts them off.
pub async fn serve<S, B>(
    listener: TcpListener,
    limits: Limits,
    service: impl Fn(Connection) -> S,
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
    let accept = accept_all(listener, limits, service, &graceful, &mut connections);
    guard.accept(accept).await;
    graceful.shutdown().await;
}

/// Owns the socket, so that it is closed as soon as nobody accepts from it. Returns only
/// when the system will never give a connection again.
async fn accept_all<S, B>(
    listener: TcpListener,
    limits: Limits,
    service: impl Fn(Connection) -> S,
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
    let http = http(limits);
    let room = Arc::new(Semaphore::new(
        limits.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    loop {
        let accepted = tokio::select! {
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return error,
        };
        let unflushed = Arc::new(Unflushed::default());
        let service = service(Connection {
            peer,
            unflushed: Arc::clone(&unflushed),
        });
        let socket = TokioIo::new(Socket::new(stream, unflushed));
        let connection = http.serve_connection(socket, TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                events::connection_ended(peer, &error);
            }
            drop(place);
        });
    }
}

fn http(limits: Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_headers(MAX_READ_HEADERS)
        .max_buf_size(MAX_HEAD);
    http
}

type Accepted = (
    TcpStream,
    SocketAddr,
    Option<tokio::sync::OwnedSemaphorePermit>,
);

/// The next connection, once there is room for it.
///
/// # Errors
/// Those after which there will never be one.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> io::Result<Accepted> {
    // The semaphore is never closed.
    let place = Arc::clone(room).acquire_owned().await.ok();
    let mut said = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // A page is one small write; waiting to fill a segment would only delay it.
                let _ = stream.set_nodelay(true);
                return Ok((stream, peer, place));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) if is_of_the_socket(&error) => return Err(error),
            Err(error) => {
                // Once until it works again: it lasts as long as all connections do.
                if !std::mem::replace(&mut said, true) {
                    events::accept_failed(&error);
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Errors of a connection that went away before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// Errors that say that this is no listening socket (any more): waiting changes nothing.
/// All others of accept(2) end with what caused them.
fn is_of_the_socket(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK)
    )
}
