//! The load: connections that each ask for the next page when they have one.
//!
//! What always holds: every answer is compared with the page it must be, byte for
//! byte. Nothing that is cheap because it is wrong is ever measured.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use bytes::Bytes;
use fixtures::Service;
use fixtures::catalogue::Catalogue;
use futures_util::future::try_join_all;
use http::header::{ACCEPT_ENCODING, HOST};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use tokio::task::JoinSet;

use crate::bare;
use crate::coding::Coding;
use crate::front::{Front, Sender};

/// Connections of a [`Load`], and so pages at once.
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

    fn nth(&self, n: usize) -> &(String, Bytes) {
        &self.pages[n % self.pages.len()]
    }
}

/// One open connection to a server.
pub(crate) struct Client {
    host: HeaderValue,
    coding: Option<Coding>,
    connection: Sender,
    is_http2: bool,
    _driver: JoinSet<hyper::Result<()>>,
}

impl Client {
    /// Connects to `address`, in HTTP/1.1.
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        Self::speaking(Front::Plain, address, Path::new("")).await
    }

    /// Connects to `address` by `front`.
    async fn speaking(
        front: Front,
        address: SocketAddr,
        certificates: &Path,
    ) -> anyhow::Result<Self> {
        let mut driver = JoinSet::new();
        let connection = front.connect(address, certificates, &mut driver).await?;
        Ok(Self {
            host: HeaderValue::from_str(&address.to_string())?,
            coding: None,
            connection,
            is_http2: front.is_http2(),
            _driver: driver,
        })
    }

    /// Asks for the `n`th page.
    ///
    /// # Errors
    /// An answer that is not the page it must be.
    pub(crate) async fn page(&mut self, wanted: &Wanted, n: usize) -> anyhow::Result<()> {
        let (path, page) = wanted.nth(n);
        self.expect(path, page).await
    }

    /// The same from one of the pages that [`Setup::more_pages`](crate::setup::Setup) adds.
    ///
    /// # Errors
    /// An answer that is not the page it must be.
    pub(crate) async fn other_page(
        &mut self,
        wanted: &Wanted,
        n: usize,
        which: usize,
    ) -> anyhow::Result<()> {
        let (path, page) = wanted.nth(n);
        let path = path.replacen("/product-page/", &format!("/product-page-{which}/"), 1);
        self.expect(&path, page).await
    }

    /// Asks for a page that must be refused for this `reason`.
    ///
    /// # Errors
    /// Any other answer.
    pub(crate) async fn refusal(&mut self, wanted: &Wanted, reason: &str) -> anyhow::Result<()> {
        let (path, _) = wanted.nth(0);
        let (status, body) = self.get(path).await?;
        let body = String::from_utf8_lossy(&body);
        ensure!(
            status == StatusCode::TOO_MANY_REQUESTS && body.contains(reason),
            "not refused as {reason}, but answered {status}: {body}"
        );
        Ok(())
    }

    async fn expect(&mut self, path: &str, page: &Bytes) -> anyhow::Result<()> {
        let (status, body) = self.get(path).await.with_context(|| path.to_owned())?;
        ensure!(
            status == StatusCode::OK,
            "{path}: answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
        ensure!(
            body == page,
            "{path}: {} bytes that are not the page of {}",
            body.len(),
            page.len()
        );
        Ok(())
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = match self.is_http2 {
            true => Request::get(format!("http://{}{path}", self.host.to_str()?)),
            false => Request::get(path).header(HOST, &self.host),
        };
        if let Some(coding) = self.coding {
            request = request.header(ACCEPT_ENCODING, coding.token());
        }
        let request = request.body(Empty::new())?;
        let (head, body) = self.connection.send(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let body = match self.coding {
            Some(coding) => coding.decode(&head.headers, &body)?,
            None => body,
        };
        Ok((head.status, body))
    }
}

/// Open connections to one server.
pub(crate) struct Load {
    wanted: Arc<Wanted>,
    clients: Vec<Client>,
}

impl Load {
    /// Connects to `address`.
    pub(crate) async fn connect(address: SocketAddr, wanted: Arc<Wanted>) -> anyhow::Result<Self> {
        let clients = try_join_all((0..CONNECTIONS).map(|_| Client::connect(address))).await?;
        Ok(Self { wanted, clients })
    }

    /// The same by `front`.
    pub(crate) async fn speaking(
        front: Front,
        address: SocketAddr,
        certificates: &Path,
        wanted: Arc<Wanted>,
    ) -> anyhow::Result<Self> {
        let client = |_| Client::speaking(front, address, certificates);
        let clients = try_join_all((0..CONNECTIONS).map(client)).await?;
        Ok(Self { wanted, clients })
    }

    /// From now on pages are taken in this coding.
    pub(crate) fn taking(mut self, coding: Option<Coding>) -> Self {
        for client in &mut self.clients {
            client.coding = coding;
        }
        self
    }

    /// Asks for `pages` pages, shared by the connections.
    ///
    /// # Errors
    /// The first answer that is not the page it must be.
    pub(crate) async fn run(&mut self, pages: usize) -> anyhow::Result<()> {
        let wanted = &self.wanted;
        let clients = self.clients.iter_mut().enumerate();
        let shares = clients.map(async |(nth, client)| {
            for turn in (nth..pages).step_by(CONNECTIONS) {
                client.page(wanted, turn).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(shares).await?;
        Ok(())
    }

    /// Asks for `pages` pages that must all be refused for this `reason`.
    ///
    /// # Errors
    /// The first answer that is anything else.
    pub(crate) async fn refused(&mut self, pages: usize, reason: &str) -> anyhow::Result<()> {
        let wanted = &self.wanted;
        let shares = self.clients.iter_mut().map(async |client| {
            for _ in 0..pages / CONNECTIONS {
                client.refusal(wanted, reason).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(shares).await?;
        Ok(())
    }
}
