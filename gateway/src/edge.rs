//! HTTP in: from a connection to a page request, from an answer to bytes.
//!
//! What always holds: a request that reaches [`crate::page`] has one valid Host,
//! no body, a target and headers within limits, and a path that is a page's; no
//! header of the client passes that its page does not name. Downstreams' headers
//! never pass: answers are written here from nothing, with what the page knows of a
//! refusal that a part passes on.
//!
//! Not here: any decision about load.

mod accept;
pub mod body;
pub mod bound;
pub mod budget;
mod caching;
mod coding;
mod connection;
pub mod cors;
pub mod heads;
mod hop;
pub mod host;
mod http1;
pub mod http2;
pub mod layers;
mod least_used;
mod linger;
pub mod listener;
mod opening;
pub mod patience;
mod per_client;
mod problem;
mod proxy_protocol;
pub mod respond;
mod session;
pub mod socket;
mod stream;
pub mod tls;
pub mod turned_away;
pub mod unreadable;
pub mod validate;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body::Body;

use self::body::PageBody;
use self::caching::Known;
pub use self::connection::Connection;
use self::respond::Respond;
use crate::config::{OPENAPI_PATH, OpenApi, PageId};
use crate::generation::{Generation, Generations};
use crate::lifecycle::phase::CurrentPhase;
use crate::outcome::PageOutcome;
pub use crate::page::REQUEST_ID;
use crate::page::deadline::now;
use crate::page::downstream::Transport;
use crate::page::quota::Client;
use crate::page::refusal::Refusal;
use crate::page::{PageRequest, detached};
use crate::telemetry::Telemetry;
use crate::telemetry::events;
use crate::telemetry::names::BadContext;
use crate::telemetry::record::Origin;

/// Understands requests and writes answers.
#[derive(Debug)]
pub struct Edge<T> {
    generations: Generations<T>,
    phase: CurrentPhase,
}

impl<T: Transport> Edge<T> {
    /// Serves the pages of the generation in force. Answers tell clients to turn away when `phase`
    /// does.
    pub fn new(generations: Generations<T>, phase: CurrentPhase) -> Self {
        Self { generations, phase }
    }

    /// Answers one request. Dropping the future ends everything it began. A defect is
    /// answered too, and ends only its own page.
    ///
    /// The request is understood here and now, and dropped: while the page runs nothing
    /// keeps the buffer that it was read into, and the connection can read into it again.
    pub fn handle<B: Body>(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        request: Request<B>,
    ) -> impl Future<Output = Response<PageBody>> + Send + use<T, B> {
        let generation = self.generations.current();
        let (origin, unreadable) = origin(&generation, &request);
        generation.pages.telemetry().count_bad_contexts(&unreadable);
        // Nothing that a panic may leave half changed is used afterwards: the request's own
        // state is dropped, and what pages share gives way by `Drop` alone.
        let understand =
            AssertUnwindSafe(|| understand(&generation, connection, &request, &origin));
        let asked = std::panic::catch_unwind(understand);
        let known = Known::of(request.headers());
        let (version, unusable) = (
            request.version(),
            validate::leaves_connection_unusable(&request),
        );
        let (edge, connection) = (Arc::clone(self), Arc::clone(connection));
        // Boxed, so that connections without a page have no room for one.
        Box::pin(async move {
            let answered = match asked {
                Ok(asked) => {
                    let answering = answer(&generation, &edge.phase, &connection, asked, &origin);
                    AssertUnwindSafe(answering).catch_unwind().await
                }
                Err(panic) => Err(panic),
            };
            let mut answered = answered.unwrap_or_else(|panic| {
                events::panicked(words(panic.as_ref()));
                Respond::of(&generation.pages).refuse(&Refusal::Internal, &origin)
            });
            if let Some(known) = known {
                answered.extensions_mut().insert(known);
            }
            let last = edge.phase.turns_away() || connection.is_old(origin.arrived);
            if version == Version::HTTP_2 {
                // What is left of a request is its stream's, and no field ends a connection.
                if last {
                    connection.retire();
                }
                return answered;
            }
            validate::with_close(last || unusable, answered)
        })
    }
}

/// The head has just been read, and may have been there before.
fn arrived(telemetry: &Telemetry) -> tokio::time::Instant {
    let now = now();
    now.checked_sub(telemetry.lag().usual()).unwrap_or(now)
}

/// And what of its trace could not be read.
fn origin<T: Transport, B>(
    generation: &Generation<T>,
    request: &Request<B>,
) -> (Arc<Origin>, Vec<BadContext>) {
    let telemetry = generation.pages.telemetry();
    let (trace, unreadable) = telemetry.trace_of(request.headers());
    let origin = Origin {
        arrived: arrived(telemetry),
        method: match *request.method() {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            _ => "_OTHER",
        },
        request_id: request.headers().get(REQUEST_ID).map(detached),
        trace,
    };
    (Arc::new(origin), unreadable)
}

async fn answer<T: Transport>(
    generation: &Generation<T>,
    phase: &CurrentPhase,
    connection: &Arc<Connection>,
    asked: Result<Asked, RefusedAtEdge>,
    origin: &Arc<Origin>,
) -> Response<PageBody> {
    let pages = &generation.pages;
    match asked {
        Ok(Asked::Page(asked)) => {
            let answer = pages.serve(asked).await;
            let (record, caching) = (&answer.record, &generation.caching);
            let complete = record.outcome == PageOutcome::Complete;
            let is_shared = caching[record.page.0].is_shared(complete);
            // What is one client's would be told to others, long after.
            let allowance = answer.allowance.filter(|_| !is_shared);
            let mut response = Respond::of(pages).answer(&answer, caching);
            let told = generation.rate_limit.told(allowance);
            response.headers_mut().extend(told.into_iter().flatten());
            response.map(|bytes| {
                PageBody::with_ticket(bytes, answer.ticket, answer.in_flight, connection)
            })
        }
        Ok(Asked::Description(document)) => respond::description(document, origin),
        Ok(Asked::Health) => respond::health(phase.readiness()),
        Ok(Asked::Methods) => respond::methods(),
        Err(RefusedAtEdge {
            refusal,
            page,
            client,
        }) => {
            let allowance = pages.refused_at_edge(page, client, origin, &refusal);
            let mut response = Respond::of(pages).refuse(&refusal, origin);
            let told = generation.rate_limit.told(allowance);
            response.headers_mut().extend(told.into_iter().flatten());
            response
        }
    }
}

fn understand<T: Transport, B: Body>(
    generation: &Generation<T>,
    connection: &Connection,
    request: &Request<B>,
    origin: &Arc<Origin>,
) -> Result<Asked, RefusedAtEdge> {
    let Generation {
        clients, routes, ..
    } = generation;
    let client = clients.client(connection.client().ip(), request.headers());
    asked(generation, client, request, origin).map_err(|refusal| RefusedAtEdge {
        refusal,
        client,
        page: routes.find(request.uri().path()).ok().map(|m| m.page),
    })
}

fn asked<T: Transport, B: Body>(
    generation: &Generation<T>,
    client: Client,
    request: &Request<B>,
    origin: &Arc<Origin>,
) -> Result<Asked, Refusal> {
    let (routes, path) = (&generation.routes, request.uri().path());
    validate::check_head(request)?;
    let asks_for_methods = request.method() == Method::OPTIONS;
    let server = &generation.config.server;
    let of_description = server.openapi == OpenApi::Public && path == OPENAPI_PATH;
    let of_health = server.health_path.as_deref() == Some(path);
    // `*` is the server, not a page (RFC 9110 section 9.3.7).
    if asks_for_methods && (of_description || of_health || path == "*") {
        return Ok(Asked::Methods);
    }
    if of_description || of_health {
        validate::check_method_and_body(request)?;
        return Ok(match of_health {
            true => Asked::Health,
            false => Asked::Description(generation.openapi()),
        });
    }
    let matched = routes.find(path)?;
    if asks_for_methods {
        return Ok(Asked::Methods);
    }
    validate::check_method_and_body(request)?;
    let mut headers = HeaderMap::new();
    routes.forward(matched.page, request.headers(), &mut headers);
    Ok(Asked::Page(PageRequest {
        page: matched.page,
        params: matched.params,
        query: routes.query(matched.page, request.uri()),
        client,
        budget: budget::of_client(request.headers())?,
        headers,
        origin: Arc::clone(origin),
    }))
}

/// What a request is for.
enum Asked {
    Page(PageRequest),
    /// What the pages are; no page, so nothing is admitted or counted.
    Description(Bytes),
    /// Whether pages are to be sent here; no page either.
    Health,
    /// Which methods there are; no page either.
    Methods,
}

/// A request that was refused before it could be one for a page.
struct RefusedAtEdge {
    refusal: Refusal,
    client: Client,
    /// The page it named.
    page: Option<PageId>,
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
    use crate::page::Pages;
    use crate::page::downstream::only::{Answers, Only};
    use crate::page::downstream::{AttemptError, CallRequest, Reply};

    struct Broken;

    impl Answers for Broken {
        async fn answer(
            &self,
            _: DownstreamId,
            _: &CallRequest<'_>,
        ) -> Result<Reply, AttemptError> {
            panic!("a defect, for this test")
        }
    }

    type Shop = (Arc<Edge<Only<Broken>>>, Arc<Pages<Only<Broken>>>);

    /// The shipped configuration, and the connection of a client.
    fn shop() -> (Shop, Arc<Connection>) {
        let config = config::load_text("test.toml", config::default_text(), &[])
            .unwrap()
            .config;
        let telemetry = Arc::new(Telemetry::new(&config));
        let transport = Only::new(Broken, config.downstreams.len());
        let pages = Arc::new(Pages::new(&config, transport, telemetry));
        let phase = CurrentPhase::default();
        let first = Generation::first(config, serde_json::Value::Null, Arc::clone(&pages));
        let edge = Arc::new(Edge::new(Generations::new(first), phase));
        let peer = ([127, 0, 0, 1], 1).into();
        (
            (edge, pages),
            Arc::new(Connection::new(peer, &Arc::default())),
        )
    }

    #[tokio::test]
    async fn a_defect_is_answered_as_every_refusal_is_and_nothing_stays_held() {
        let ((edge, pages), connection) = shop();
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

    #[tokio::test]
    async fn only_plain_heads_of_pages_are_turned_away_and_only_while_no_ticket_is_free() {
        let ((edge, pages), connection) = shop();
        let head = |line: &str| format!("GET {line} HTTP/1.1\r\nHost: a\r\n\r\n");
        let turned_away = |line: &str| edge.turn_away(&connection, head(line).as_bytes());
        let page = "/product-page/1";
        assert_eq!(turned_away(page), None);
        let mut tickets: Vec<_> = std::iter::from_fn(|| pages.admission().ticket()).collect();
        for others in ["/none", "/healthz", "*"] {
            assert_eq!(turned_away(others), None, "{others}");
        }
        let twice = head(page).repeat(2);
        assert_eq!(edge.turn_away(&connection, twice.as_bytes()), None);
        let answer = String::from_utf8(turned_away(page).unwrap()).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n"),
            "{answer}"
        );
        assert!(answer.contains("\"reason\":\"gateway_full\""), "{answer}");
        tickets.pop();
        assert_eq!(turned_away(page), None);
    }

    #[tokio::test]
    async fn the_last_answer_of_a_connection_is_left_to_hyper() {
        let ((edge, pages), _) = shop();
        let _tickets: Vec<_> = std::iter::from_fn(|| pages.admission().ticket()).collect();
        let peer = ([127, 0, 0, 1], 1).into();
        let old = Connection::new(peer, &Arc::default()).aging(Some(std::time::Duration::ZERO));
        let head = b"GET /product-page/1 HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(edge.turn_away(&old, head), None);
    }
}
