//! What every HTTP server does and is not ours: tower and tower-http layers.

use std::convert::Infallible;

use futures_util::future::Either;
use futures_util::{FutureExt as _, TryFutureExt as _};
use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::Either as EitherBody;
use tower::util::{MapRequestLayer, MapResponseLayer};
use tower::{Layer as _, Service, ServiceBuilder, service_fn};
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use uuid::Uuid;

use crate::edge::body::PageBody;
use crate::edge::coding::Coding;
use crate::edge::{REQUEST_ID, caching, hop};
use crate::page::detached;

/// Smaller bodies do not get smaller enough to pay for it.
const COMPRESS_ABOVE: u64 = 1024;

/// Wraps the edge's service: every request has an id that is echoed, and large pages are
/// compressed for clients that ask for it.
///
/// Not while the gateway is short of CPU: see [`compressed`].
pub fn layered<S, B>(
    service: S,
    there_is_cpu: impl Fn() -> bool + Clone + Send + 'static,
) -> impl Service<
    Request<B>,
    Response = Response<
        impl Body<Data = bytes::Bytes, Error: Into<tower::BoxError>> + Send + 'static,
    >,
    Error = Infallible,
    Future: Send,
> + Clone
where
    S: Service<Request<B>, Response = Response<PageBody>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    ServiceBuilder::new()
        .layer(MapRequestLayer::new(for_us))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeId))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(MapResponseLayer::new(caching::complete))
        .service(compressed(service, there_is_cpu))
}

fn for_us<B>(mut request: Request<B>) -> Request<B> {
    hop::drop_fields(request.headers_mut());
    drop_bad_id(request)
}

/// Large answers are compressed for clients that ask for it, while `there_is_cpu` for it.
pub fn compressed<S, B, R>(
    service: S,
    there_is_cpu: impl Fn() -> bool + Clone + Send + 'static,
) -> impl Service<
    Request<B>,
    Response = Response<
        impl Body<Data = bytes::Bytes, Error: Into<tower::BoxError>> + Send + 'static,
    >,
    Error = Infallible,
    Future: Send + 'static,
> + Clone
+ Send
+ 'static
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    R: Body<Data = bytes::Bytes, Error: Into<tower::BoxError> + Send> + Send + 'static,
{
    let worth_it = SizeAbove::new(COMPRESS_ABOVE)
        // An event is to leave when it happens.
        .and(NotForContentType::SSE)
        .and(move |_, _, _: &_, _: &_| there_is_cpu());
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(worth_it);
    let mut coded = compression.layer(service.clone());
    let mut service = service;
    service_fn(move |mut request: Request<B>| {
        let headers = request.headers_mut();
        let Some(coding) = Coding::preferred(headers) else {
            let answer = service.call(request);
            return Either::Left(answer.map_ok(|answer| answer.map(EitherBody::Left)));
        };
        // The layer would choose by an order of its own, and answer 406 where nothing is acceptable.
        headers.insert(ACCEPT_ENCODING, coding.token());
        let answer = coded.call(request);
        // A coder is several kilobytes, for which connections without one have no room.
        let boxed = answer.map_ok(|answer| answer.map(|body| EitherBody::Right(Box::pin(body))));
        Either::Right(boxed.boxed())
    })
}

/// An id the client made is kept if it is one that cannot break a log line or a header.
fn drop_bad_id<B>(mut request: Request<B>) -> Request<B> {
    let headers = request.headers_mut();
    match good_id(headers) {
        // The layer above keeps it until the answer.
        Some(id) => drop(headers.insert(REQUEST_ID, id)),
        None => drop(headers.remove(REQUEST_ID)),
    }
    request
}

fn good_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut ids = headers.get_all(REQUEST_ID).iter();
    let only = ids.next().filter(|_| ids.next().is_none());
    only.filter(|id| is_id(id)).map(detached)
}

/// Gives a request that takes no way through the layers the id that it would have there.
pub(super) fn identify(headers: &mut HeaderMap) {
    if let Some(id) = good_id(headers).or_else(made_id) {
        headers.insert(REQUEST_ID, id);
    }
}

fn is_id(value: &HeaderValue) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&value.len()) && value.as_bytes().iter().all(allowed)
}

/// UUID version 7 (RFC 9562): sorts by time, as people who read logs expect.
#[derive(Clone, Copy, Debug)]
struct MakeId;

impl MakeRequestId for MakeId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        made_id().map(RequestId::new)
    }
}

fn made_id() -> Option<HeaderValue> {
    let mut text = [0; uuid::fmt::Simple::LENGTH];
    let id = Uuid::now_v7().simple().encode_lower(&mut text);
    HeaderValue::from_str(id).ok()
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
    use http_body_util::Full;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    /// The coding of an answer of `size` bytes of `kind` to a browser.
    async fn coding(kind: &'static str, size: usize, there_is_cpu: bool) -> Option<HeaderValue> {
        let answer = service_fn(move |_: Request<()>| async move {
            let response = Response::builder().header(CONTENT_TYPE, kind);
            Ok(response.body(Full::new(vec![b' '; size].into())).unwrap())
        });
        let request = Request::builder().header(ACCEPT_ENCODING, "gzip, deflate, br, zstd");
        let answering = compressed(answer, move || there_is_cpu).oneshot(request.body(()).unwrap());
        let Ok(response): Result<_, Infallible> = answering.await;
        response.headers().get(CONTENT_ENCODING).cloned()
    }

    #[tokio::test]
    async fn only_large_answers_are_compressed_and_only_while_there_is_cpu() {
        let json = "application/json";
        let zstd = Some(HeaderValue::from_static("zstd"));
        assert_eq!(coding(json, 1024, true).await, zstd);
        assert_eq!(coding(json, 1023, true).await, None);
        assert_eq!(coding(json, 4096, false).await, None);
        // Events are to arrive as they happen.
        assert_eq!(coding("text/event-stream", 4096, true).await, None);
    }

    #[test]
    fn an_id_is_kept_only_if_it_is_harmless() {
        for good in ["a", "A-b_c.9", &"x".repeat(64)] {
            assert!(is_id(&HeaderValue::from_str(good).unwrap()), "{good:?}");
        }
        for bad in ["", " ", "a b", "a\"b", "a/b", &"x".repeat(65), "é"] {
            let value = HeaderValue::from_bytes(bad.as_bytes()).unwrap();
            assert!(!is_id(&value), "{bad:?}");
        }
    }
}
