//! What a request must be before anything believes it.
//!
//! hyper parses; it also lets pass what two parties in a row might read
//! differently (RFC 9112 sections 3.2 and 6.1). None of that gets further than here.

use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;

use crate::edge::host::Host;
use crate::page::refusal::Refusal;
use crate::telemetry::context::carries_traces;

/// Longest request target, in bytes: what RFC 9110 section 4.1 asks everybody to take.
pub const MAX_TARGET: usize = 8 * 1024;

/// Largest header section, in bytes of names and values with their separators. Trace
/// headers do not count: whoever makes them is not the client, and they are never an
/// error (see [`crate::telemetry::context`]).
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Most header fields, the request id included, also where it was made here. It is as many as hyper
/// reads without memory of their own for each request: a head with more never becomes one
/// ([`crate::edge::unreadable`]).
pub const MAX_HEADERS: usize = 100;

/// What a connection buffers of a request head: within it a target that is too long is
/// refused by its name (414), beyond it the head as a whole (431). There is room for
/// 100 kB of `tracestate`, which somebody's tracer may well send, beside the rest.
pub const MAX_HEAD: usize = 128 * 1024;

/// Checks the parts of a request that every route shares.
///
/// # Errors
/// The [`Refusal`] of the first check that failed.
pub fn check_head<B>(request: &Request<B>) -> Result<(), Refusal> {
    let target = request.uri();
    let authority = target
        .authority()
        .map_or(0, |authority| authority.as_str().len());
    if target
        .path_and_query()
        .map_or(0, |path| path.as_str().len())
        + authority
        > MAX_TARGET
    {
        return Err(Refusal::UriTooLong);
    }
    // ": " and CRLF around every field.
    let field =
        |(name, value): (&http::HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let headers = request.headers();
    let counted = headers.iter().filter(|(name, _)| !carries_traces(name));
    if headers.len() > MAX_HEADERS || counted.map(field).sum::<usize>() > MAX_HEADER_BYTES {
        return Err(Refusal::HeadersTooLarge);
    }
    match Host::of(headers) {
        Ok(_) => Ok(()),
        Err(wrong) => Err(Refusal::BadRequest(wrong.to_string())),
    }
}

/// Checks that a page is only asked for, and that nothing is sent along.
///
/// # Errors
/// [`Refusal::Method`] or [`Refusal::BadRequest`].
pub fn check_method_and_body<B: Body>(request: &Request<B>) -> Result<(), Refusal> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Refusal::Method);
    }
    if has_body(request) {
        let what =
            "A request for a page has no body. Send neither Content-Length nor Transfer-Encoding.";
        return Err(Refusal::BadRequest(what.into()));
    }
    Ok(())
}

fn has_body<B: Body>(request: &Request<B>) -> bool {
    request.headers().contains_key(TRANSFER_ENCODING) || !request.body().is_end_stream()
}

/// Whether its connection carries no further request: a body is left unread on it, or two
/// parties may disagree where this request ends.
pub fn leaves_connection_unusable<B: Body>(request: &Request<B>) -> bool {
    let misframed = request.headers().get_all(HOST).iter().count() != 1;
    has_body(request) || misframed
}

/// The response, and whether it is the last one of its connection.
pub fn with_close<B>(last: bool, mut response: Response<B>) -> Response<B> {
    if last {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};

    use super::*;

    fn get() -> http::request::Builder {
        Request::get("/product-page/1")
    }

    fn head(builder: http::request::Builder) -> Result<(), Refusal> {
        check_head(&builder.body(()).unwrap())
    }

    #[test]
    fn exactly_one_valid_host_is_wanted() {
        for good in [
            "a",
            "a:80",
            "shop.example",
            "127.0.0.1:8080",
            "[::1]:80",
            "[::1]",
            "a:",
        ] {
            assert_eq!(head(get().header(HOST, good)), Ok(()), "{good:?}");
        }
        for bad in [
            "", " ", "a b", "u@a", "a/b", "a:b", "a:99999", "a,b", "http://a", "[::1", "a:80:80",
            "[a]", "a;b", "a%2eb", "\u{e9}",
        ] {
            assert!(head(get().header(HOST, bad)).is_err(), "{bad:?}");
        }
        assert!(head(get()).is_err());
        assert!(head(get().header(HOST, "a").header(HOST, "a")).is_err());
    }

    #[test]
    fn targets_and_headers_are_taken_up_to_their_limits() {
        let target = |n: usize| Request::get(format!("/{}", "a".repeat(n - 1))).header(HOST, "a");
        assert_eq!(head(target(MAX_TARGET)), Ok(()));
        assert_eq!(head(target(MAX_TARGET + 1)), Err(Refusal::UriTooLong));
        // "host" + "a" + 4 and "x" + 4 belong to the section too.
        let field = |n: usize| get().header(HOST, "a").header("x", "v".repeat(n - 14));
        assert_eq!(head(field(MAX_HEADER_BYTES)), Ok(()));
        assert_eq!(
            head(field(MAX_HEADER_BYTES + 1)),
            Err(Refusal::HeadersTooLarge)
        );
        let fields =
            |n: usize| (1..n).fold(get().header(HOST, "a"), |head, _| head.header("x", "y"));
        assert_eq!(head(fields(MAX_HEADERS)), Ok(()));
        assert_eq!(head(fields(MAX_HEADERS + 1)), Err(Refusal::HeadersTooLarge));
    }

    #[test]
    fn a_body_is_refused_and_its_connection_closed() {
        let with = get()
            .header(HOST, "a")
            .body(Full::new(bytes::Bytes::from_static(b"x")))
            .unwrap();
        assert!(matches!(
            check_method_and_body(&with),
            Err(Refusal::BadRequest(_))
        ));
        assert!(leaves_connection_unusable(&with));
        assert_eq!(
            with_close(true, Response::new(())).headers()[CONNECTION],
            "close"
        );
        let without = get()
            .header(HOST, "a")
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        assert_eq!(check_method_and_body(&without), Ok(()));
        assert!(!leaves_connection_unusable(&without));
        assert!(with_close(false, Response::new(())).headers().is_empty());
        let chunked = get()
            .header(TRANSFER_ENCODING, "chunked")
            .body(Empty::<bytes::Bytes>::new());
        assert!(check_method_and_body(&chunked.unwrap()).is_err());
    }
}
