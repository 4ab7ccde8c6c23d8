//! What caches are told of a page (RFC 9111).
//!
//! Always holds: only complete pages have a tag, and equal pages have equal tags, whichever gateway
//! made them; `Vary` names every header of the client's that reached a part; what is not complete is
//! never kept.
//!
//! Not here: what a client is answered that has the page already (see [`crate::edge`]).

use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, ETAG, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use xxhash_rust::xxh3::xxh3_128;

use crate::config::{CacheControl, Page};
use crate::text::{header_value, push_hex_128};

/// A tag in its quotes.
const TAG: usize = 34;

/// What caches are told of one page.
#[derive(Clone, Debug)]
pub struct PageCaching {
    vary: HeaderValue,
    control: CacheControl,
}

impl PageCaching {
    /// As configured.
    pub fn new(page: &Page) -> Self {
        let names = page.forward_headers.iter().map(HeaderName::as_str);
        let names: Vec<&str> = [ACCEPT_ENCODING.as_str()]
            .into_iter()
            .chain(names)
            .collect();
        Self {
            vary: header_value(names.join(", ")),
            control: page.cache_control.clone(),
        }
    }

    /// Whether a cache that many clients share may keep an answer that is `complete`.
    pub fn is_shared(&self, complete: bool) -> bool {
        complete && self.control.shared
    }

    /// Tells them of an answer with this body.
    pub fn tell(&self, headers: &mut HeaderMap, body: &[u8], complete: bool) {
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
pub(crate) fn tag(hash: u128) -> HeaderValue {
    let mut text = Vec::with_capacity(TAG);
    text.push(b'"');
    push_hex_128(&mut text, hash);
    text.push(b'"');
    header_value(text)
}
