//! Control calls: what they send, and what they make of the answer.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod server;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::json;

use server::{Server, say_and_close};

/// Answers with the request it was sent.
async fn mirror(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    let seen = json!({"method": head.method.as_str(), "path": head.uri.path(), "body": body});
    Response::new(Full::from(seen.to_string()))
}

#[tokio::test]
async fn a_path_is_asked_for_and_its_json_read() {
    let server = Server::http(mirror).await;
    let seen = server.origin.get("/proxies").await.unwrap();
    assert_eq!(
        seen,
        json!({"method": "GET", "path": "/proxies", "body": ""})
    );
}

#[tokio::test]
async fn a_refused_call_shows_its_method_its_address_and_what_was_answered() {
    let server = Server::http(|request| async {
        let mut answer = mirror(request).await;
        *answer.status_mut() = http::StatusCode::CONFLICT;
        answer
    })
    .await;
    let origin = server.origin;
    let body = json!({"type": "timeout"});
    let cases = [
        (
            "POST",
            origin.post("/x", &body).await,
            r#"{\"type\":\"timeout\"}"#,
        ),
        (
            "PUT",
            origin.put("/x", &body).await,
            r#"{\"type\":\"timeout\"}"#,
        ),
        ("DELETE", origin.delete("/x").await, r#""body":"""#),
    ];
    for (method, result, sent) in cases {
        let error = result.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{method} {origin}/x answered 409")),
            "{error}"
        );
        assert!(error.contains(sent) && error.contains(method), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_an_error_that_names_the_call() {
    let server = Server::http(|_| server::ok()).await;
    let error = server.origin.get("/stats").await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("GET {}/stats did not answer JSON", server.origin)
    );
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_an_error() {
    let server = Server::start(|stream, _| say_and_close(stream, "")).await;
    let error = server.origin.text("/livez").await.unwrap_err();
    assert!(
        format!("{error:#}").starts_with(&format!("GET {}/livez", server.origin)),
        "{error:#}"
    );
}
