//! The load: a few connections that each ask for the next page when they have one.
//!
//! What always holds: every answer is compared with the page it must be, byte for
//! byte. Nothing that is cheap because it is wrong is ever measured.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use bytes::Bytes;
use fixtures::Service;
use fixtures::catalogue::Catalogue;
use http::header::HOST;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::bare;

/// Connections, and so pages at once.
pub(crate) const CONNECTIONS: usize = 8;

/// Paths to ask for, and what must be answered.
pub(crate) struct Wanted {
    pages: Vec<(String, Bytes)>,
}

impl Wanted {
    /// A page of every product.
    pub(crate) fn all() -> anyhow::Result<Arc<Self>> {
        let catalogue = Catalogue::get();
        let page = |id: &String| {
            let body = |service| {
                catalogue
                    .body(service, id)
                    .context("every id has five bodies")
            };
            let bodies = Service::ALL
                .into_iter()
                .map(body)
                .collect::<anyhow::Result<Vec<_>>>()?;
            Ok((format!("/product-page/{id}"), bare::page(&bodies)))
        };
        let pages = catalogue
            .ids()
            .iter()
            .map(page)
            .collect::<anyhow::Result<_>>()?;
        Ok(Arc::new(Self { pages }))
    }

    /// Bytes of a page, on average.
    pub(crate) fn mean_bytes(&self) -> usize {
        self.pages.iter().map(|(_, page)| page.len()).sum::<usize>() / self.pages.len()
    }
}

/// Open connections to one server.
pub(crate) struct Load {
    wanted: Arc<Wanted>,
    host: HeaderValue,
    connections: Vec<SendRequest<Empty<Bytes>>>,
    _drivers: JoinSet<hyper::Result<()>>,
}

impl Load {
    /// Connects to `address`.
    pub(crate) async fn connect(address: SocketAddr, wanted: Arc<Wanted>) -> anyhow::Result<Self> {
        let mut connections = Vec::new();
        let mut drivers = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
            drivers.spawn(driver);
            connections.push(connection);
        }
        let host = HeaderValue::from_str(&address.to_string())?;
        Ok(Self {
            wanted,
            host,
            connections,
            _drivers: drivers,
        })
    }

    /// Asks for `pages` pages, shared by the connections.
    ///
    /// # Errors
    /// The first answer that is not the page it must be.
    pub(crate) async fn run(&mut self, pages: usize) -> anyhow::Result<()> {
        let (wanted, host) = (&self.wanted, &self.host);
        let connections = self.connections.iter_mut().enumerate();
        let shares = connections.map(async |(nth, connection)| {
            for turn in (nth..pages).step_by(CONNECTIONS) {
                let (path, page) = &wanted.pages[turn % wanted.pages.len()];
                ask(connection, host, path, page)
                    .await
                    .with_context(|| path.clone())?;
            }
            anyhow::Ok(())
        });
        futures_util::future::try_join_all(shares).await?;
        Ok(())
    }
}

async fn ask(
    connection: &mut SendRequest<Empty<Bytes>>,
    host: &HeaderValue,
    path: &str,
    page: &Bytes,
) -> anyhow::Result<()> {
    let request = Request::get(path).header(HOST, host).body(Empty::new())?;
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(
        status == StatusCode::OK,
        "answered {status}: {}",
        String::from_utf8_lossy(&body)
    );
    ensure!(
        body == page,
        "{} bytes that are not the page of {}",
        body.len(),
        page.len()
    );
    Ok(())
}
