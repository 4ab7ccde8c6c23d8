//! What caches are told of a page (RFC 9111), and what a client is answered that has it already
//! (RFC 9110 section 13).
//!
//! Always holds: only complete pages have a tag, and equal pages have equal tags, whichever
//! gateway made them; a page in another coding has another tag, so a tag is strong; a page that
//! is not complete, and a refusal, are never kept.
//!
//! Not here: which headers reach a part (see [`super::route`]), the coding of an answer (see
//! [`super::layers`]).

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{Either, Empty};
use xxhash_rust::xxh3::xxh3_128;

use crate::config::{CacheControl, Page};
use crate::edge::detached;

/// A tag in its quotes.
const TAG: usize = 34;

/// What caches are told of one page.
#[derive(Clone, Debug)]
pub(super) struct PageCaching {
    vary: HeaderValue,
    control: CacheControl,
}

impl PageCaching {
    pub(super) fn new(page: &Page) -> Self {
        let names = page.forward_headers.iter().map(HeaderName::as_str);
        let names: Vec<&str> = [ACCEPT_ENCODING.as_str()]
            .into_iter()
            .chain(names)
            .collect();
        #[expect(clippy::expect_used, reason = "names of headers and commas")]
        let vary = HeaderValue::from_str(&names.join(", ")).expect("names are visible ASCII");
        Self {
            vary,
            control: page.cache_control.clone(),
        }
    }

    /// Tells them of an answer with this body.
    pub(super) fn tell(&self, headers: &mut HeaderMap, body: &[u8], complete: bool) {
        headers.insert(VARY, self.vary.clone());
        if !complete {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            return;
        }
        headers.insert(CACHE_CONTROL, self.control.value.clone());
        if self.control.stores {
            headers.insert(ETAG, tag(xxh3_128(body)));
        }
    }
}

/// Not a secret and not a proof: it only tells versions of a page apart.
fn tag(hash: u128) -> HeaderValue {
    let mut text = String::with_capacity(TAG);
    // Writing to memory does not fail.
    let _ = write!(text, "\"{hash:032x}\"");
    visible(text)
}

/// The tag of the same page in a coding.
fn coded(tag: &HeaderValue, coding: &HeaderValue) -> HeaderValue {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let (mut tag, coding) = (text(tag), text(coding));
    tag.pop();
    visible(format!("{tag}-{coding}\""))
}

fn visible(text: String) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "digits, and a token of ours")]
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("a tag is visible ASCII")
}

/// The tags of pages that a client has: its `If-None-Match`.
#[derive(Clone, Debug)]
pub(super) struct Known(Vec<HeaderValue>);

impl Known {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let lists = headers.get_all(IF_NONE_MATCH).iter().map(detached);
        let lists: Vec<_> = lists.collect();
        (!lists.is_empty()).then_some(Self(lists))
    }

    /// By the weak comparison of RFC 9110 section 8.8.3.2. What is no list of tags names none.
    fn has(&self, tag: &HeaderValue) -> bool {
        let lists = self.0.iter().filter_map(|list| list.to_str().ok());
        let tag = tag.as_bytes();
        lists.into_iter().any(|list| {
            let is_it = |known: &str| known.as_bytes() == &tag[1..tag.len() - 1];
            list.trim() == "*" || list.split('"').skip(1).step_by(2).any(is_it)
        })
    }
}

/// Completes an answer whose coding is known: another coding is another tag, and who has the page
/// that was to be sent is told so instead.
pub(super) fn complete<R>(response: Response<R>) -> Response<Either<R, Empty<Bytes>>> {
    let (mut head, body) = response.into_parts();
    let Some(tag) = head.headers.get(ETAG) else {
        return Response::from_parts(head, Either::Left(body));
    };
    let tag = match head.headers.get(CONTENT_ENCODING) {
        Some(coding) => coded(tag, coding),
        None => tag.clone(),
    };
    let known = head.extensions.remove::<Known>();
    let is_known = known.is_some_and(|known| known.has(&tag));
    head.headers.insert(ETAG, tag);
    if !is_known {
        return Response::from_parts(head, Either::Left(body));
    }
    head.status = StatusCode::NOT_MODIFIED;
    for about_the_body in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
        head.headers.remove(about_the_body);
    }
    Response::from_parts(head, Either::Right(Empty::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(lists: &[&str]) -> Known {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(IF_NONE_MATCH, HeaderValue::from_str(list).unwrap());
        }
        Known::of(&headers).unwrap()
    }

    #[test]
    fn a_tag_is_known_if_a_list_names_it_weak_or_strong() {
        let tag = tag(0xab);
        let digits = "000000000000000000000000000000ab";
        assert_eq!(tag, format!("\"{digits}\""));
        for list in [
            format!("\"{digits}\""),
            format!("W/\"{digits}\""),
            format!("\"a,b\", W/\"\",\"{digits}\""),
            "*".to_owned(),
        ] {
            assert!(known(&[&list]).has(&tag), "{list}");
        }
        assert!(known(&["\"x\"", &format!("\"{digits}\"")]).has(&tag));
        for list in [
            String::new(),
            digits.to_owned(),
            format!("\"{digits}-gzip\""),
            format!("\"\"{digits}\"\""),
            "\"*\"".to_owned(),
            "*, \"x\"".to_owned(),
        ] {
            assert!(!known(&[&list]).has(&tag), "{list}");
        }
    }

    #[test]
    fn a_page_in_another_coding_has_another_tag() {
        let plain = tag(7);
        let zipped = coded(&plain, &HeaderValue::from_static("gzip"));
        assert_eq!(zipped, "\"00000000000000000000000000000007-gzip\"");
        assert!(!known(&[plain.to_str().unwrap()]).has(&zipped));
    }
}
