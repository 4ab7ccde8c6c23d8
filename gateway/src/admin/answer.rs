//! How operators are answered.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::Value;

/// Whole, or written as it comes.
pub type AdminBody = UnsyncBoxBody<Bytes, Infallible>;

const PLAIN: &str = "text/plain; charset=utf-8";

/// Words for a person.
pub(super) fn text(status: StatusCode, words: impl Into<Bytes>) -> Response<AdminBody> {
    answer(status, PLAIN, words.into())
}

/// What is asked for, as JSON.
pub(super) fn view(value: &Value) -> Response<AdminBody> {
    let json = format!("{value:#}\n");
    answer(StatusCode::OK, "application/json", json.into())
}

/// An answer that is written as it comes.
pub(super) fn stream(
    kind: &'static str,
    frames: impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + 'static,
) -> Response<AdminBody> {
    with_headers(kind, StreamBody::new(frames).boxed_unsync())
}

/// A whole answer, never to be kept: the next one differs.
pub(super) fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Response<AdminBody> {
    let mut response = with_headers(kind, Full::new(body).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn with_headers(kind: &'static str, body: AdminBody) -> Response<AdminBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
