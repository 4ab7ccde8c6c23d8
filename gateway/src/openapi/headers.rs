//! Headers of answers.

use serde_json::{Map, Value, json};

use super::reference;
use crate::config::Config;
use crate::page::refusal::METHODS;

/// What every answer has.
const OF_ALL: [&str; 2] = ["X-Request-Id", "traceparent"];

/// Every header of an answer that is the gateway's own, as components; and the one of services that
/// say how to sign in.
pub(super) fn all(with_challenges: bool) -> Value {
    let text =
        |about: &str, pattern: &str| header(about, json!({"type": "string", "pattern": pattern}));
    let mut all = json!({
        "X-Request-Id": text(
            "The request's own if it was usable, else made here; for logs and traces.",
            "^[A-Za-z0-9._-]{1,64}$",
        ),
        "traceparent": text(
            "The trace of this request (W3C Trace Context).",
            "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        ),
        "X-Gateway-Complete": header(
            "Whether no part is missing: as `complete` in the body.",
            json!({"type": "string", "enum": ["true", "false"]}),
        ),
        "Server-Timing": text(
            "Milliseconds: the wait for admission, each part's call with its status as `desc`, and the total.",
            "^([a-z0-9_-]+;dur=[0-9]+\\.[0-9]{2}(;desc=\"[a-z_]+\")?(, |$))+$",
        ),
        "Cache-Control": header(
            "Refusals and pages with something missing are not to be kept: no-store.",
            json!({"type": "string"}),
        ),
        "ETag": text(
            "Of a complete page that may be kept: the same for equal pages in the same coding.",
            "^\"[0-9a-f]{32}(-(zstd|gzip|br))?\"$",
        ),
        "Vary": header(
            "The request's headers by which the page may differ.",
            json!({"type": "string"}),
        ),
        "Retry-After": header(
            "Whole seconds; drawn, so that those who were refused together do not come back together.",
            json!({"type": "integer", "minimum": 1}),
        ),
        "RateLimit": text(
            "How many pages the client may still ask for at once (r), and in how many seconds there is one more (t). A structured field: draft-ietf-httpapi-ratelimit-headers-10.",
            "^\"pages\";r=[0-9]+(;t=[0-9]+)?$",
        ),
        "RateLimit-Policy": text(
            "So many pages (q) in so many seconds (w); a client that was quiet may ask for more at once.",
            "^\"pages\";q=[0-9]+;w=[0-9]+$",
        ),
        "Allow": header("The methods that a page answers.", json!({"const": METHODS})),
    });
    if with_challenges {
        all["WWW-Authenticate"] = header(
            "How to sign in, as the part's service says, if it does (RFC 9110 section 11.6.1).",
            json!({"type": "string"}),
        );
    }
    all
}

fn header(about: &str, schema: Value) -> Value {
    json!({"description": about, "schema": schema})
}

/// What a client that is held to a quota is told of it.
pub(super) fn of_quota(config: &Config) -> &'static [&'static str] {
    match config.clients.enforced_rate() {
        Some(_) => &["RateLimit", "RateLimit-Policy"],
        None => &[],
    }
}

/// Those of [`OF_ALL`] and `more`, for a response.
pub(super) fn with<'a>(more: impl IntoIterator<Item = &'a &'a str>) -> Map<String, Value> {
    let names = OF_ALL.iter().chain(more);
    names
        .map(|name| ((*name).to_owned(), reference("headers", name)))
        .collect()
}
