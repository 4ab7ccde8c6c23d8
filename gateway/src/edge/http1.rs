//! Answers as bytes of HTTP/1.1 (RFC 9112), where hyper does not write them.

use http::{HeaderName, HeaderValue, StatusCode};

use crate::edge::respond::Fields;
use crate::page::deadline::wall_clock;
use crate::text::push_decimal;

/// Room for an answer's fields, so that it is made once.
const FIELDS: usize = 512;

/// Room for the lines around them.
const LINES: usize = 128;

/// The fields of an answer, each in its line.
#[derive(Debug)]
pub(super) struct FieldLines(Vec<u8>);

impl Default for FieldLines {
    fn default() -> Self {
        Self(Vec::with_capacity(FIELDS))
    }
}

impl Fields for FieldLines {
    fn add(&mut self, name: HeaderName, value: HeaderValue) {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            self.0.extend_from_slice(part);
        }
    }
}

/// The whole answer, as hyper has it. Its length and date are added.
pub(super) fn written(status: StatusCode, fields: &FieldLines, body: &[u8]) -> Vec<u8> {
    let mut to = Vec::with_capacity(LINES + fields.0.len() + body.len());
    let reason = status.canonical_reason().unwrap_or_default();
    for part in ["HTTP/1.1 ", status.as_str(), " ", reason, "\r\n"] {
        to.extend_from_slice(part.as_bytes());
    }
    to.extend_from_slice(&fields.0);
    to.extend_from_slice(b"content-length: ");
    push_decimal(&mut to, body.len() as u64);
    to.extend_from_slice(b"\r\ndate: ");
    to.extend_from_slice(httpdate::fmt_http_date(wall_clock()).as_bytes());
    to.extend_from_slice(b"\r\n\r\n");
    to.extend_from_slice(body);
    to
}
