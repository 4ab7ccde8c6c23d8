//! Header names: which may be forwarded, and which tell clients apart.

use http::HeaderName;
use http::header::RANGE;
use serde_json::json;

use super::IdentifyBy;
use super::kinds::Kind;
use super::problem::Problem;
use super::raw::list_of;

/// A header the gateway itself owns on calls, so that no client's value may pass.
pub fn is_reserved_header(name: &HeaderName) -> bool {
    const RESERVED: &[&str] = &[
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "expect",
        "accept-encoding",
        "range",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "x-request-id",
        "x-request-timeout-ms",
        "traceparent",
        "tracestate",
        "b3",
        "x-envoy-expected-rq-timeout-ms",
    ];
    let name = name.as_str();
    let traces = ["x-datadog-", "x-b3-"];
    RESERVED.contains(&name) || traces.iter().any(|prefix| name.starts_with(prefix))
}

fn header(text: &str) -> Result<HeaderName, Problem> {
    text.parse().map_err(|_| {
        Problem::new(format!("{text:?} is not a header name"))
            .help("a header name is letters, digits and dashes, such as `accept-language`")
    })
}

/// What tells clients apart: `"ip"` or `"header:NAME"`.
pub(super) const IDENTIFY_BY: Kind<IdentifyBy> = Kind {
    read: |raw| {
        let text = raw.text("\"ip\" or \"header:NAME\"")?;
        match text.strip_prefix("header:") {
            Some(name) => header(name).map(IdentifyBy::Header),
            None if text == "ip" => Ok(IdentifyBy::Ip),
            None => {
                let what = format!("expected \"ip\" or \"header:NAME\", found {text:?}");
                let plausible = text.parse::<HeaderName>().is_ok() && text.contains('-');
                let fix = if plausible {
                    format!("header:{text}")
                } else {
                    "ip".to_owned()
                };
                Err(Problem::new(what).write(fix))
            }
        }
    },
    show: |value| match value {
        IdentifyBy::Ip => json!("ip"),
        IdentifyBy::Header(name) => json!(format!("header:{name}")),
    },
    schema: || json!({"type": "string", "pattern": "^(ip|header:[!-~]+)$"}),
};

/// A list of header names that calls may carry.
pub(super) const HEADERS: Kind<Vec<HeaderName>> = Kind {
    read: |raw| {
        let forwarded = |text: &str| {
            let name = header(text)?;
            if is_reserved_header(&name) {
                let about_the_page = name.as_str().starts_with("if-") || name == RANGE;
                let what = match about_the_page {
                    true => format!(
                        "`{name}` cannot be forwarded: it is about the client's copy of the page"
                    ),
                    false => format!("`{name}` cannot be forwarded: calls have their own"),
                };
                let help = match name.as_str() == "b3" || name.as_str().starts_with("x-b3-") {
                    true => {
                        "remove it from the list, and name b3 or b3multi in `telemetry.propagation`"
                    }
                    false => "remove it from the list",
                };
                return Err(Problem::new(what).help(help));
            }
            Ok(name)
        };
        list_of(raw, forwarded, |name| format!("`{name}` is listed twice"))
    },
    show: |all| all.iter().map(HeaderName::as_str).collect(),
    schema: || json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "minLength": 1}}),
};
