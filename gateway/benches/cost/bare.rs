//! The least that can serve a page: five calls at once, their bodies spliced.
//!
//! No limits, no deadline, no check of what comes back, no tracing: it is what
//! the gateway is measured against, so whatever it left out that a page needs
//! would be unfair, and nothing is in it that a page could do without. The page
//! it writes is the gateway's, byte for byte.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use fixtures::Service;
use futures_util::future::try_join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Where pages are served; the rest is the product's id.
const PATH: &str = "/product-page/";

/// What carries the calls.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub(crate) enum Caller {
    /// hyper-util's pooled client: hyper and no more.
    Hyper(Client<HttpConnector, Empty<Bytes>>),
    /// reqwest, which the gateway uses.
    Reqwest(reqwest::Client),
}

impl Caller {
    /// hyper-util's client.
    pub(crate) fn hyper(http2: bool) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self::Hyper(
            Client::builder(TokioExecutor::new())
                .http2_only(http2)
                .build(connector),
        )
    }

    /// reqwest's client.
    pub(crate) fn reqwest(http2: bool) -> anyhow::Result<Self> {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let builder = if http2 {
            builder.http2_prior_knowledge()
        } else {
            builder.http1_only()
        };
        Ok(Self::Reqwest(builder.build()?))
    }

    async fn get(&self, url: String) -> anyhow::Result<Bytes> {
        match self {
            Self::Hyper(client) => {
                let request = Request::get(url).body(Empty::new())?;
                Ok(client
                    .request(request)
                    .await?
                    .into_body()
                    .collect()
                    .await?
                    .to_bytes())
            }
            Self::Reqwest(client) => Ok(client.get(url).send().await?.bytes().await?),
        }
    }
}

/// A fan-out to five downstreams.
pub(crate) struct Bare {
    caller: Caller,
    downstreams: Vec<(Service, SocketAddr)>,
}

impl Bare {
    /// Calls `downstreams`, given in the order of [`Service::ALL`].
    pub(crate) fn new(caller: Caller, downstreams: &[SocketAddr]) -> Arc<Self> {
        let downstreams = Service::ALL
            .into_iter()
            .zip(downstreams.iter().copied())
            .collect();
        Arc::new(Self {
            caller,
            downstreams,
        })
    }

    /// Serves until dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) -> anyhow::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let bare = Arc::clone(&self);
            let service = service_fn(move |request| {
                let bare = Arc::clone(&bare);
                async move { bare.answer(&request).await }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            connections.spawn(connection);
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
        let Some(id) = request.uri().path().strip_prefix(PATH) else {
            bail!("no such page")
        };
        let call = |&(service, address): &(Service, SocketAddr)| {
            self.caller
                .get(format!("http://{address}{}", service.path(id)))
        };
        let bodies = try_join_all(self.downstreams.iter().map(call))
            .await
            .context("a call failed")?;
        let mut response = Response::new(Full::new(page(&bodies)));
        let json = http::HeaderValue::from_static("application/json");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, json);
        Ok(response)
    }
}

/// A complete page with these bodies, in the order of [`Service::ALL`].
pub(crate) fn page(bodies: &[Bytes]) -> Bytes {
    let room = bodies.iter().map(|body| body.len() + 64).sum::<usize>() + 64;
    let mut page = Vec::with_capacity(room);
    page.extend_from_slice(b"{\"complete\":true,\"missing\":[],\"parts\":{");
    for (index, (service, body)) in Service::ALL.iter().zip(bodies).enumerate() {
        page.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        page.extend_from_slice(service.name().as_bytes());
        page.extend_from_slice(b"\":{\"status\":\"ok\",\"data\":");
        page.extend_from_slice(body);
        page.push(b'}');
    }
    page.extend_from_slice(b"}}");
    page.into()
}
