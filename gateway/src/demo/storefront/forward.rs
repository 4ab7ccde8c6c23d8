//! Requests that are passed on: method, path, query, body and the headers of a shop's page.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;

use super::{Answer, text};
use crate::http_client::{builder, root};

/// What of a request passes.
const PASSED: [HeaderName; 6] = [
    ACCEPT,
    ACCEPT_LANGUAGE,
    CONTENT_TYPE,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-request-timeout-ms"),
];

/// What of an answer does not: it is for its connection only.
const OF_A_CONNECTION: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

/// Longest body of a request, in bytes: those of the control API are small.
const MOST: usize = 64 << 10;

/// Longer than any deadline of the demo.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom requests are passed on to.
pub(super) struct Upstream {
    http: reqwest::Client,
    url: String,
}

impl Upstream {
    /// `url` without a trailing slash.
    pub(super) fn new(url: String) -> anyhow::Result<Self> {
        let http = builder().tls_certs_only([]).timeout(PATIENCE).build()?;
        Ok(Self { http, url })
    }

    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// The answer to `request`, asked for at `path`.
    pub(super) async fn forward(&self, request: Request<Incoming>, path: &str) -> Answer {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MOST).collect().await else {
            return text(
                StatusCode::BAD_REQUEST,
                "the body did not come, or is too long\n",
            );
        };
        let query = head.uri.query();
        let path = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let mut sent = self.request(head.method, &path).body(body.to_bytes());
        for name in PASSED {
            for value in head.headers.get_all(&name) {
                sent = sent.header(name.clone(), value.clone());
            }
        }
        match answered(sent).await {
            Ok(answer) => answer,
            Err(error) => text(StatusCode::BAD_GATEWAY, format!("{}\n", root(&error))),
        }
    }
}

async fn answered(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body: Bytes = answer.bytes().await?;
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    for (name, value) in &headers {
        if !OF_A_CONNECTION.contains(&name.as_str()) {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    Ok(response)
}
