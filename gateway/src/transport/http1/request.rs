//! A request's head as bytes.

use crate::page::downstream::CallRequest;

/// Room for a head of ordinary length, so that writing it moves nothing.
const ORDINARY: usize = 768;

/// `GET` for `path` of `host`, with the request's header fields (RFC 9112 section 3).
///
/// Nothing encoded is asked for: decoding costs more than the network between a gateway and
/// its services, and a part is checked and spliced as plain JSON.
pub(in crate::transport) fn write(host: &str, prefix: &str, request: &CallRequest<'_>) -> Vec<u8> {
    let mut head = Vec::with_capacity(ORDINARY);
    for text in ["GET ", prefix, request.path, " HTTP/1.1\r\nhost: ", host] {
        head.extend_from_slice(text.as_bytes());
    }
    head.extend_from_slice(b"\r\naccept: application/json\r\naccept-encoding: identity\r\n");
    request.each_field(|name, value| {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    });
    head.extend_from_slice(b"\r\n");
    head
}
