//! One connection of a client, from its opening to its end.
//!
//! Always holds: what it is served by is decided by what comes first on it: what has to come before any
//! request ([`super::opening`]), then what TLS negotiated, or else its first bytes.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::Watcher;
use tokio_util::sync::CancellationToken;
use tower::util::BoxCloneService;
use tower::{BoxError, Service, ServiceExt as _};

use crate::edge::bound::Plain;
use crate::edge::connection::Connection;
use crate::edge::http2;
use crate::edge::opening::{Opening, has_negotiated_http2};
use crate::edge::socket::{Socket, Waits};
use crate::edge::stream::Stream;
use crate::edge::turned_away::TurnAway;
use crate::edge::unreadable::{NotServed, Report};
use crate::edge::validate::MAX_HEAD;
use crate::page::deadline::Deadline;
use crate::telemetry::events;

/// What serves a connection, and how.
pub(super) struct Session<S> {
    pub(super) service: S,
    pub(super) connection: Arc<Connection>,
    pub(super) waits: Waits,
    /// Until when the first request must be there.
    pub(super) first: Deadline,
    /// Whether HTTP/2 is spoken if that is what comes first.
    pub(super) begins_http2: bool,
    /// Who is refused before HTTP/1.1 is spoken, if anybody is.
    pub(super) turn_away: Option<TurnAway>,
    /// Cancelled when connections have to end.
    pub(super) drain: CancellationToken,
}

impl<S, B> Session<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    /// Serves `stream`, after its opening; `watcher` is told when connections have to end.
    pub(super) async fn run<C: Fn(NotServed)>(
        self,
        stream: Plain,
        opening: Option<Opening>,
        watcher: Watcher,
        report: &Report<C>,
    ) {
        let connection = Arc::clone(&self.connection);
        if let Err(error) = self.serve(stream, opening, watcher).await {
            events::connection_ended(connection.peer(), &error);
        }
        if connection.is_too_many() {
            report.too_many(connection.client());
        }
        if let Some((why, stream)) = connection.take_refused() {
            report.unreadable(why.what, connection.peer());
            if let Some(stream) = stream {
                // Boxed: few connections need it, and each would have room for it.
                Box::pin(why.answer(stream)).await;
            }
        }
    }

    async fn serve(
        self,
        stream: Plain,
        opening: Option<Opening>,
        watcher: Watcher,
    ) -> Result<(), BoxError> {
        let stream = match (stream, opening) {
            (Plain::Left(stream), Some(opening)) => {
                let opened = Box::pin(opening.run(stream, self.first, &self.connection));
                let opened = tokio::select! {
                    opened = opened => opened,
                    () = self.drain.cancelled() => None,
                };
                let Some(opened) = opened else {
                    return Ok(());
                };
                opened
            }
            (stream, _) => Stream::Left(stream),
        };
        if has_negotiated_http2(&stream) {
            return self.multiplexed()((stream, Vec::new())).await;
        }
        // Boxed, so that connections that cannot come to it have no room for it.
        let multiplexed = self.begins_http2.then(|| Box::new(self.multiplexed()));
        let Self {
            service,
            connection,
            waits,
            first,
            begins_http2,
            turn_away,
            ..
        } = self;
        let socket = Socket::new(
            stream,
            Arc::clone(&connection),
            waits,
            first,
            begins_http2,
            turn_away,
        );
        let served = Served {
            service,
            connection: Arc::clone(&connection),
        };
        let serving = http().serve_connection(TokioIo::new(socket), served);
        let ended = watcher.watch(serving).await;
        match (connection.take_http2(), multiplexed) {
            (Some(begun), Some(multiplexed)) => multiplexed(begun).await,
            _ => Ok(ended?),
        }
    }

    /// What speaks HTTP/2 on a stream of which so much has been read. Its requests are boxed, so that
    /// it is compiled once for all listeners.
    fn multiplexed(
        &self,
    ) -> impl FnOnce((Stream, Vec<u8>)) -> BoxFuture<'static, Result<(), BoxError>> + Send + use<S, B>
    {
        let body = |body: B| body.map_err(Into::into).boxed_unsync();
        let service = self.service.clone();
        let (connection, drain) = (Arc::clone(&self.connection), self.drain.clone());
        let waits = (self.waits, self.first);
        move |begun| {
            let service = service.map_response(move |answer: Response<B>| answer.map(body));
            let service = BoxCloneService::new(service);
            Box::pin(http2::serve(begun, service, connection, waits, drain))
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
    http.header_read_timeout(None).max_buf_size(MAX_HEAD);
    http
}
