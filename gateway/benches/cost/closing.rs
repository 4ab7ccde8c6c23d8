//! Services that close each connection after one answer, and say so in it: every call
//! pays for a new one.

use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use fixtures::Service;
use fixtures::catalogue::Catalogue;
use futures_util::future::try_join_all;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Serves until dropped.
pub(crate) async fn serve(listeners: Vec<(Service, TcpListener)>) -> anyhow::Result<()> {
    let serve = |(service, listener)| serve_one(service, listener);
    try_join_all(listeners.into_iter().map(serve)).await?;
    Ok(())
}

async fn serve_one(service: Service, listener: TcpListener) -> anyhow::Result<()> {
    let prefix: Arc<str> = service.path("").into();
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let prefix = Arc::clone(&prefix);
        let answer = service_fn(move |request: http::Request<_>| {
            let answer = answer(service, request.uri().path().strip_prefix(&*prefix));
            async { answer }
        });
        let connection = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), answer);
        connections.spawn(connection);
        while connections.try_join_next().is_some() {}
    }
}

fn answer(service: Service, id: Option<&str>) -> anyhow::Result<Response<Full<Bytes>>> {
    let body = id.and_then(|id| Catalogue::get().body(service, id));
    Ok(Response::new(Full::new(body.context("no such product")?)))
}
