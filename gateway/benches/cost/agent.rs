//! A Datadog agent that takes everything at once: traces over HTTP, metrics as datagrams.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

/// Takes traces until dropped.
pub(crate) async fn take_traces(listener: TcpListener) -> anyhow::Result<Infallible> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service_fn(take);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(connection);
    }
}

async fn take(request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(Response::new(Full::from("{}")))
}

/// Takes metrics until dropped.
pub(crate) async fn take_metrics(socket: UdpSocket) -> anyhow::Result<Infallible> {
    let mut datagram = [0; 8192];
    loop {
        socket.recv(&mut datagram).await?;
    }
}
