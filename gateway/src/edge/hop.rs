//! Header fields that are for this connection only (RFC 9110 section 7.6.1).
//!
//! What always holds: a field that the client's `Connection` names is not there for
//! whatever reads the request after [`drop_fields`], so it cannot pass on by any way: not as a
//! header that a page forwards, nor as the request's id or its trace.

use std::str::FromStr as _;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName};

/// What says where the request ends and for whom it is. A client cannot take it back, or two
/// parties might read different requests.
const FRAMING: [HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING];

/// Drops what `Connection` names.
pub(super) fn drop_fields(headers: &mut HeaderMap) {
    let Some(only) = headers.get(CONNECTION) else {
        return;
    };
    // What clients send.
    if matches!(only.as_bytes(), b"keep-alive" | b"close")
        && headers.get_all(CONNECTION).iter().nth(1).is_none()
    {
        return;
    }
    let lists = headers.get_all(CONNECTION).iter();
    let named: Vec<HeaderName> = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| HeaderName::from_str(name.trim()).ok())
        .filter(|name| !FRAMING.contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_connection_names_is_dropped_but_never_the_framing() {
        let mut headers = HeaderMap::new();
        for name in [
            "host",
            "transfer-encoding",
            "traceparent",
            "x-request-id",
            "accept-language",
            "x-other",
        ] {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        headers.append("accept-language", HeaderValue::from_static("2"));
        for list in [
            "close, Traceparent ,host",
            "Transfer-Encoding,,ACCEPT-LANGUAGE, no name",
        ] {
            headers.append(CONNECTION, HeaderValue::from_static(list));
        }
        drop_fields(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                "connection",
                "host",
                "transfer-encoding",
                "x-other",
                "x-request-id"
            ]
        );
    }

    #[test]
    fn what_clients_usually_say_drops_nothing() {
        for list in ["keep-alive", "close", "Keep-Alive, Close"] {
            let mut headers = HeaderMap::new();
            headers.insert(CONNECTION, HeaderValue::from_static(list));
            headers.insert("x-request-id", HeaderValue::from_static("1"));
            drop_fields(&mut headers);
            assert_eq!(headers.len(), 2, "{list}");
        }
    }
}
