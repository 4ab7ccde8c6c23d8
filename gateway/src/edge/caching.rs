//! What a client is answered that has the page already (RFC 9110 section 13).
//!
//! Always holds: a page in another coding has another tag, so a tag is strong; who has the page that
//! would be sent gets 304, and nothing is compressed for it.
//!
//! Not here: which pages have a tag, and what caches are told (see [`crate::generation::caching`]),
//! the coding of an answer (see [`super::layers`]).

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{Either, Empty};

use crate::page::detached;
use crate::text::header_value;

/// The tag of the same page in a coding.
fn coded(tag: &HeaderValue, coding: &HeaderValue) -> HeaderValue {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let (mut tag, coding) = (text(tag), text(coding));
    tag.pop();
    header_value(format!("{tag}-{coding}\""))
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
    use crate::generation::caching::tag;

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
