//! Origins whose pages browsers let read answers (RFC 6454).

use serde_json::json;
use url::Url;

use super::kinds::Kind;
use super::problem::Problem;
use super::raw::list_of;

/// Whose pages may read answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// These, as browsers write them; none is nobody.
    Listed(Vec<String>),
    /// Everybody's.
    Any,
}

/// Written for everybody's.
const ANY: &str = "*";

/// A list of origins, or `["*"]`.
pub(super) const ORIGINS: Kind<Origins> = Kind {
    read: |raw| {
        let all = list_of(raw, origin, |origin| {
            format!("`{origin}` stands here twice")
        })?;
        match all.iter().any(|origin| origin == ANY) {
            true if all.len() > 1 => Err(Problem::new("\"*\" is every origin, the others too")
                .help("write `[\"*\"]`, or list those that may")),
            true => Ok(Origins::Any),
            false => Ok(Origins::Listed(all)),
        }
    },
    show: |origins| match origins {
        Origins::Any => json!([ANY]),
        Origins::Listed(all) => json!(all),
    },
    schema: || json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "pattern": "^(\\*|https?://[^/?#]+)$"}}),
};

fn origin(text: &str) -> Result<String, Problem> {
    if text == ANY {
        return Ok(text.to_owned());
    }
    let wrong = || Problem::new(format!("{text:?} is not an origin"));
    let example = "an origin is a scheme, a host and, if it is not the usual one, a port, such as `https://shop.example.com`";
    let url = Url::parse(text).map_err(|_| wrong().help(example))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong().help(example));
    }
    if text.contains('*') {
        return Err(wrong().help("list each origin, or write `[\"*\"]` for all of them"));
    }
    let as_sent = url.origin().ascii_serialization();
    match as_sent == text {
        true => Ok(as_sent),
        false => Err(wrong().help(format!("browsers send `{as_sent}`: write that"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for good in [
            "https://shop.example.com",
            "http://localhost:5173",
            "http://[::1]:80",
            "*",
        ] {
            let result = origin(good);
            let port_80 = good.ends_with(":80");
            assert_eq!(result.is_ok(), !port_80, "{good}: {result:?}");
        }
        for (bad, said) in [
            ("shop.example.com", "such as `https://shop.example.com`"),
            (
                "https://shop.example.com/",
                "browsers send `https://shop.example.com`: write that",
            ),
            (
                "https://Shop.example.com",
                "browsers send `https://shop.example.com`: write that",
            ),
            (
                "https://shop.example.com:443",
                "browsers send `https://shop.example.com`",
            ),
            (
                "https://shop.example.com/cart?x=1",
                "browsers send `https://shop.example.com`",
            ),
            ("https://*.example.com", "list each origin"),
            ("null", "an origin is a scheme"),
            ("file:///x", "an origin is a scheme"),
            ("", "an origin is a scheme"),
        ] {
            let problem = origin(bad).unwrap_err().to_string();
            assert!(problem.contains(said), "{bad:?}: {problem}");
        }
    }
}
