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

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, Method, Request, Response};
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
use crate::telemetry::events;
use crate::telemetry::record::Origin;

/// The client's own name for a request, or ours.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// Room for the headers of a call, so that copying and completing them moves nothing.
const CALL_HEADERS: usize = 16;

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
        let telemetry = Arc::clone(pages.telemetry());
        Self {
            pages,
            routes: Routes::new(config),
            clients: ClientNames::new(&config.clients),
            respond: Respond::new(config, telemetry),
        }
    }

    /// Answers one request. Dropping the future ends everything it began. A defect is
    /// answered too, and ends only its own page.
    pub async fn handle<B: Body>(
        &self,
        connection: &Connection,
        request: Request<B>,
    ) -> Response<PageBody> {
        let origin = Arc::new(self.origin(&request));
        // Nothing that a panic may leave half changed is used afterwards: the request's own
        // state is dropped, and what pages share gives way by `Drop` alone.
        let answering = AssertUnwindSafe(self.answer(connection, &request, &origin));
        let answered = answering.catch_unwind().await.unwrap_or_else(|panic| {
            events::panicked(words(panic.as_ref()));
            self.respond.refuse(&Refusal::Internal, &origin)
        });
        hygiene::close_if_unread(&request, answered)
    }

    fn origin<B>(&self, request: &Request<B>) -> Origin {
        Origin {
            arrived: now(),
            method: match *request.method() {
                Method::GET => "GET",
                Method::HEAD => "HEAD",
                _ => "_OTHER",
            },
            request_id: request.headers().get(REQUEST_ID).cloned(),
            trace: self.pages.telemetry().trace_of(request.headers()),
        }
    }

    async fn answer<B: Body>(
        &self,
        connection: &Connection,
        request: &Request<B>,
        origin: &Arc<Origin>,
    ) -> Response<PageBody> {
        match self.understand(connection, request, origin) {
            Ok(asked) => {
                let answer = self.pages.serve(asked).await;
                self.respond.answer(answer, &connection.outbox)
            }
            Err(refusal) => {
                if let Ok(matched) = self.routes.find(request.uri().path()) {
                    self.pages.refused_at_edge(matched.page, origin, &refusal);
                }
                self.respond.refuse(&refusal, origin)
            }
        }
    }

    fn understand<B: Body>(
        &self,
        connection: &Connection,
        request: &Request<B>,
        origin: &Arc<Origin>,
    ) -> Result<PageRequest, Refusal> {
        hygiene::check_head(request)?;
        let matched = self.routes.find(request.uri().path())?;
        hygiene::check_method_and_body(request)?;
        let mut headers = HeaderMap::with_capacity(CALL_HEADERS);
        origin.trace.write_shared(&mut headers);
        self.routes
            .forward(matched.page, request.headers(), &mut headers);
        if let Some(id) = &origin.request_id {
            headers.insert(REQUEST_ID, id.clone());
        }
        Ok(PageRequest {
            page: matched.page,
            params: matched.params,
            client: self.clients.key(connection.peer.ip(), request.headers()),
            timeout_ms: request.headers().get(TIMEOUT_MS).cloned(),
            headers,
            origin: Arc::clone(origin),
        })
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref().map(String::as_str))
        .unwrap_or("a panic without words")
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Empty};

    use super::*;
    use crate::config;
    use crate::config::DownstreamId;
    use crate::page::downstream::{CallRequest, Cause, Reply};
    use crate::telemetry::Telemetry;

    struct Broken;

    impl Transport for Broken {
        async fn call(&self, _: DownstreamId, _: CallRequest) -> Result<Reply, Cause> {
            panic!("a defect, for this test")
        }
    }

    #[tokio::test]
    async fn a_defect_is_answered_as_every_refusal_is_and_nothing_stays_held() {
        let config = config::load_text("test.toml", config::default_text(), &[])
            .unwrap()
            .config;
        let telemetry = Arc::new(Telemetry::new(&config));
        let pages = Arc::new(Pages::new(&config, Broken, telemetry));
        let edge = Edge::new(&config, Arc::clone(&pages));
        let peer = ([127, 0, 0, 1], 1).into();
        let connection = Connection {
            peer,
            outbox: Arc::default(),
        };
        let request = Request::get("/product-page/1")
            .header("host", "a")
            .header(REQUEST_ID, "my-id");
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();

        let response = edge.handle(&connection, request).await;
        assert_eq!(response.status(), 500);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&problem["reason"], &problem["request_id"]),
            (&"internal".into(), &"my-id".into())
        );
        assert_eq!(problem.as_object().unwrap().len(), 10);
        assert!(!problem.to_string().contains("defect, for this test"));
        let view = pages.admission().view();
        assert_eq!(view.in_flight, 0);
        assert!(view.bulkheads.iter().all(|bulkhead| bulkhead.in_use == 0));
    }
}
