//! Which pages of other origins browsers let read answers (CORS, <https://fetch.spec.whatwg.org>).
//!
//! Always holds: a preflight costs neither quota nor ticket; a page of an origin that is not
//! allowed reads nothing; what an allowed one reads has its timings as well.
//!
//! Not here: an `OPTIONS` that is no preflight (the edge answers it).

use std::convert::Infallible;

use futures_util::future::Either;
use futures_util::{FutureExt as _, TryFutureExt as _};
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD,
    ALLOW, ETAG, ORIGIN, RETRY_AFTER,
};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use tower::{Layer as _, Service, service_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::config::{Cors, Origins};
use crate::edge::REQUEST_ID;
use crate::edge::body::PageBody;
use crate::edge::respond::{COMPLETE, SERVER_TIMING, TRACEPARENT};
use crate::generation::rate_limit::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::page::refusal::METHODS;

/// <https://www.w3.org/TR/resource-timing/#sec-timing-allow-origin>
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// What a script may read besides what it always may.
const EXPOSED: [HeaderName; 8] = [
    SERVER_TIMING,
    RETRY_AFTER,
    RATE_LIMIT,
    RATE_LIMIT_POLICY,
    COMPLETE,
    REQUEST_ID,
    TRACEPARENT,
    ETAG,
];

/// `service`, for pages of other origins too.
pub fn allowed<S, B>(
    service: S,
    layer: Option<CorsLayer>,
) -> impl Service<Request<B>, Response = Response<PageBody>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static
where
    S: Service<Request<B>, Response = Response<PageBody>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    // Boxed, both, so that connections of those without it have no room for it.
    let mut with_cors = layer.map(|layer| Box::new(layer.layer(service.clone())));
    let mut service = service;
    service_fn(move |request: Request<B>| match &mut with_cors {
        Some(with_cors) if !is_plain_options(&request) => {
            Either::Left(with_cors.call(request).map_ok(complete).boxed())
        }
        Some(_) | None => Either::Right(service.call(request)),
    })
}

/// What browsers are told; `None`: nothing, so that they let nobody.
pub fn layer(cors: &Cors) -> Option<CorsLayer> {
    // Asked of each connection: nothing is made for nobody.
    if cors.is_off() {
        return None;
    }
    let (origins, vary) = match &cors.origins {
        Origins::Any => (AllowOrigin::any(), Vec::new()),
        Origins::Listed(all) => {
            let values = all.iter().map(|origin| HeaderValue::from_str(origin));
            (AllowOrigin::list(values.flatten()), vec![ORIGIN])
        }
    };
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .vary(vary)
        .allow_methods([Method::GET, Method::HEAD])
        // Fields that no page names go nowhere, so there is nothing to keep out: tracers of browsers
        // send many, and the pages' own change.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .allow_credentials(cors.credentials)
        .max_age(cors.max_age);
    Some(layer)
}

/// Whether somebody asks for the methods and is no browser before a request.
fn is_plain_options<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && !request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn complete(mut response: Response<PageBody>) -> Response<PageBody> {
    let headers = response.headers_mut();
    if let Some(origin) = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).cloned() {
        headers.insert(TIMING_ALLOW_ORIGIN, origin);
    }
    if headers.contains_key(ACCESS_CONTROL_ALLOW_METHODS) {
        headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    }
    response
}
