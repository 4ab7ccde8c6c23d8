//! HTTP in: from a connection to a page request, from an answer to bytes.
//!
//! What always holds: a request that reaches [`crate::page`] has one valid Host,
//! no body, a target and headers within limits, and a path that is a page's; no
//! header of the client passes that its page does not name. Downstreams' headers
//! never pass at all: answers are written here from nothing.
//!
//! Not here: TLS and HTTP/2 (a load balancer in front speaks them), and any
//! decision about load.

pub mod client;
pub mod hygiene;
pub mod layers;
pub mod listener;
pub mod outbox;
pub mod respond;
pub mod route;

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Request, Response};
use http_body::Body;

use self::client::ClientNames;
use self::outbox::{Outbox, PageBody};
use self::respond::Respond;
use self::route::Routes;
use crate::config::Config;
use crate::page::deadline::now;
use crate::page::downstream::Transport;
use crate::page::refusal::Refusal;
use crate::page::{PageRequest, Pages};
use crate::telemetry::context::TraceContext;

/// The client's own name for a request, or ours.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// Understands requests and writes answers.
#[derive(Debug)]
pub struct Edge<T> {
    pages: Arc<Pages<T>>,
    routes: Routes,
    clients: ClientNames,
    respond: Respond,
}

/// The connection a request came on.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Who is at its other end.
    pub peer: SocketAddr,
    /// Where tickets wait for the last byte to leave.
    pub outbox: Arc<Outbox>,
}

impl<T: Transport> Edge<T> {
    /// Ready to serve `config`'s pages.
    pub fn new(config: &Config, pages: Arc<Pages<T>>) -> Self {
        Self {
            pages,
            routes: Routes::new(config),
            clients: ClientNames::new(&config.clients),
            respond: Respond::new(config),
        }
    }

    /// Answers one request. Dropping the future ends everything it began.
    pub async fn handle<B: Body>(
        &self,
        connection: &Connection,
        request: Request<B>,
    ) -> Response<PageBody> {
        let trace = TraceContext::from_headers(request.headers());
        let id = request.headers().get(REQUEST_ID).cloned();
        let answered = match self.understand(connection, &request, &trace) {
            Ok(asked) => {
                let page = asked.page;
                let answer = self.pages.serve(asked).await;
                self.respond.answer(page, answer, id.as_ref(), &trace, &connection.outbox)
            }
            Err(refusal) => self.respond.refuse(&refusal, id.as_ref(), &trace),
        };
        hygiene::close_if_unread(&request, answered)
    }

    fn understand<B: Body>(
        &self,
        connection: &Connection,
        request: &Request<B>,
        trace: &TraceContext,
    ) -> Result<PageRequest, Refusal> {
        let arrived = now();
        hygiene::check_head(request)?;
        let matched = self.routes.find(request.uri().path())?;
        hygiene::check_method_and_body(request)?;
        let mut headers = HeaderMap::new();
        self.routes.forward(matched.page, request.headers(), &mut headers);
        if let Some(id) = request.headers().get(REQUEST_ID) {
            headers.insert(REQUEST_ID, id.clone());
        }
        Ok(PageRequest {
            page: matched.page,
            params: matched.params,
            client: self.clients.key(connection.peer.ip(), request.headers()),
            timeout_ms: request.headers().get(TIMEOUT_MS).cloned(),
            arrived,
            headers,
            trace: trace.clone(),
        })
    }
}
