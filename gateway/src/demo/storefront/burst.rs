//! Many pages at once, as many clients would ask for them.

use futures_util::future::join_all;
use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::forward::Upstream;
use crate::page::deadline::now;

/// More than the permits of every service and than may wait for them, together.
pub(super) const PAGES: usize = 200;

impl Upstream {
    /// How each of [`PAGES`] pages was answered, and after how long.
    pub(super) async fn burst(&self) -> Value {
        let start = now();
        let answers = join_all((0..PAGES).map(|_| self.one())).await;
        json!({ "took_ms": (now() - start).as_millis() as u64, "answers": answers })
    }

    async fn one(&self) -> Value {
        let start = now();
        let sent = self.request(Method::GET, "/product-page/p-1001").send();
        let (status, complete, reason) = match sent.await {
            Ok(answer) => {
                let headers = answer.headers();
                let is_problem = headers
                    .get(CONTENT_TYPE)
                    .is_some_and(|kind| kind == "application/problem+json");
                let complete = headers
                    .get("x-gateway-complete")
                    .map(|complete| complete == "true");
                let status = answer.status().as_u16();
                let body = answer.bytes().await.unwrap_or_default();
                let problem = is_problem.then(|| serde_json::from_slice::<Value>(&body).ok());
                let reason = problem.flatten().map(|problem| problem["reason"].clone());
                (status, complete, reason)
            }
            // Not a status: nobody answered.
            Err(_) => (0, None, None),
        };
        json!({
            "status": status,
            "complete": complete,
            "reason": reason,
            "ms": (now() - start).as_millis() as u64,
        })
    }
}
