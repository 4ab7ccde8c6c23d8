//! What every HTTP server does and is not ours: tower and tower-http layers.

use std::convert::Infallible;

use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tower::util::MapRequestLayer;
use tower::{Service, ServiceBuilder};
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use uuid::Uuid;

use crate::edge::body::PageBody;
use crate::edge::{REQUEST_ID, detached, hop};

/// Smaller bodies do not get smaller enough to pay for it.
const COMPRESS_ABOVE: u64 = 1024;

/// Wraps the edge's service: every request has an id that is echoed, and large pages are
/// compressed for clients that ask for it.
pub fn layered<S, B>(
    service: S,
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
        .service(compressed(service))
}

fn for_us<B>(mut request: Request<B>) -> Request<B> {
    hop::drop_fields(request.headers_mut());
    drop_bad_id(request)
}

/// Large answers are compressed for clients that ask for it.
pub fn compressed<S, B, R>(
    service: S,
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
    ServiceBuilder::new()
        .layer(MapRequestLayer::new(gzip_or_nothing))
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                // An event is to leave when it happens, and a stream would keep its window in memory.
                .compress_when(SizeAbove::new(COMPRESS_ABOVE).and(NotForContentType::SSE)),
        )
        .service(service)
}

/// The compression layer would turn an answer that a client's `Accept-Encoding` leaves no
/// coding for into a 406. A page is worth more than a preference, and RFC 9110 section
/// 12.5.3 allows to send it all the same: so the layer hears of gzip, or of nothing.
fn gzip_or_nothing<B>(mut request: Request<B>) -> Request<B> {
    let accepted = request.headers().get_all(ACCEPT_ENCODING).iter();
    let gzip = accepted
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(takes_gzip);
    if gzip {
        request
            .headers_mut()
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    } else {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
    request
}

/// One member of the list: `gzip`, `x-gzip;q=0.5`, but not `gzip;q=0`.
fn takes_gzip(member: &str) -> bool {
    let mut parts = member.split(';').map(str::trim);
    let coding = parts.next().unwrap_or_default();
    let named = ["gzip", "x-gzip"]
        .iter()
        .any(|name| coding.eq_ignore_ascii_case(name));
    let weight = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
    named && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|q| q > 0.0))
}

/// An id the client made is kept if it is one that cannot break a log line or a header.
fn drop_bad_id<B>(mut request: Request<B>) -> Request<B> {
    let mut ids = request.headers().get_all(REQUEST_ID).iter();
    let only = ids.next().filter(|_| ids.next().is_none());
    match only.filter(|id| is_id(id)).map(detached) {
        // The layer above keeps it until the answer.
        Some(id) => drop(request.headers_mut().insert(REQUEST_ID, id)),
        None => drop(request.headers_mut().remove(REQUEST_ID)),
    }
    request
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
        let mut text = [0; uuid::fmt::Simple::LENGTH];
        let id = Uuid::now_v7().simple().encode_lower(&mut text);
        HeaderValue::from_str(id).ok().map(RequestId::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_codings_a_client_takes_only_gzip_is_heard() {
        for (accepts, heard) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("x-gzip ; q=1", true),
            ("gzip;q=0", false),
            ("gzip;q=nonsense", false),
            ("identity;q=0", false),
            ("*;q=0", false),
            ("br, zstd", false),
            ("", false),
        ] {
            let request = Request::builder()
                .header(ACCEPT_ENCODING, accepts)
                .body(())
                .unwrap();
            let heard_of = gzip_or_nothing(request)
                .headers()
                .get(ACCEPT_ENCODING)
                .is_some();
            assert_eq!(heard_of, heard, "{accepts:?}");
        }
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
