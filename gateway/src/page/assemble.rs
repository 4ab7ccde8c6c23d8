//! Ended parts become a page: their raw JSON is spliced in, never serialised again.
//!
//! The same parts give the same bytes: the body holds no times and no ids.

use bytes::Bytes;

use crate::page::fetch::PartEnd;
use crate::page::plan::PlannedPart;

/// A page that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The body.
    pub body: Bytes,
    /// Whether no part is lost.
    pub complete: bool,
}

/// Writes the page. Names of parts need no escaping: see [`crate::config::Name`].
pub fn assemble(parts: &[PlannedPart], ends: &[PartEnd]) -> Page {
    let all = || parts.iter().zip(ends);
    let complete = all().all(|(_, end)| end.lost().is_none());
    let mut body = Vec::with_capacity(all().map(|(part, end)| room(part, end)).sum::<usize>() + 64);
    body.extend_from_slice(b"{\"complete\":");
    body.extend_from_slice(if complete { b"true" } else { b"false" });
    body.extend_from_slice(b",\"missing\":[");
    let lost = all().filter(|(_, end)| end.lost().is_some());
    for (index, (part, _)) in lost.enumerate() {
        separate(&mut body, index);
        body.push(b'"');
        body.extend_from_slice(part.name.as_bytes());
        body.push(b'"');
    }
    body.extend_from_slice(b"],\"parts\":{");
    for (index, (part, end)) in all().enumerate() {
        separate(&mut body, index);
        write_part(&mut body, part, end);
    }
    body.extend_from_slice(b"}}");
    Page {
        body: body.into(),
        complete,
    }
}

fn write_part(body: &mut Vec<u8>, part: &PlannedPart, end: &PartEnd) {
    body.push(b'"');
    body.extend_from_slice(part.name.as_bytes());
    body.extend_from_slice(b"\":{\"status\":\"");
    body.extend_from_slice(end.status().as_str().as_bytes());
    body.push(b'"');
    if let PartEnd::Ok(json) = end {
        body.extend_from_slice(b",\"data\":");
        body.extend_from_slice(json.as_bytes());
    }
    if let Some(retryable) = end.lost() {
        body.extend_from_slice(b",\"retryable\":");
        body.extend_from_slice(if retryable { b"true" } else { b"false" });
    }
    body.push(b'}');
}

fn separate(body: &mut Vec<u8>, index: usize) {
    if index > 0 {
        body.push(b',');
    }
}

/// Upper bound of a part's bytes in the body, twice its name included.
fn room(part: &PlannedPart, end: &PartEnd) -> usize {
    let data = if let PartEnd::Ok(json) = end {
        json.as_bytes().len()
    } else {
        0
    };
    2 * part.name.len() + data + 64
}
