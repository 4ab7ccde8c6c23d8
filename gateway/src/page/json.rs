//! Checks a downstream's body, so that it can be spliced into a page as it is.

use bytes::Bytes;
use serde_json::value::RawValue;

/// Deepest nesting of arrays and objects passed on. Far beyond any real answer, and
/// what common parsers in front ends still read (serde_json itself stops at 128).
pub const MAX_DEPTH: usize = 100;

/// One complete JSON value in valid UTF-8, nested at most [`MAX_DEPTH`] deep, with no
/// white space around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedJson(Bytes);

/// Why a body cannot be part of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Bytes that are not UTF-8.
    #[error("body is not UTF-8")]
    NotUtf8,
    /// Not exactly one JSON value (RFC 8259).
    #[error("body is not one JSON value")]
    NotJson,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("body is nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

impl CheckedJson {
    /// Checks `body`. Linear in its length, without recursion.
    ///
    /// # Errors
    /// [`JsonError`] names the first check that failed.
    pub fn new(body: Bytes) -> Result<Self, JsonError> {
        let text = simdutf8::basic::from_utf8(&body).map_err(|_| JsonError::NotUtf8)?;
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| JsonError::NotJson)?;
        let json = raw.get().as_bytes();
        // Few bodies have more brackets than levels allowed, and only those are read again.
        if openings(json) > MAX_DEPTH && depth(json) > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        Ok(Self(body.slice_ref(json)))
    }

    /// The value's text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Brackets that open something, those inside strings too: no text is nested deeper.
/// Counted in bytes of a few hundred at a time, which compilers turn into wide
/// instructions; it costs a fraction of [`depth`].
fn openings(json: &[u8]) -> usize {
    // They differ in one bit: '[' is 0x5b, '{' is 0x7b.
    let opens = |byte: &u8| u8::from(byte & 0xdf == b'[');
    let count = |chunk: &[u8]| usize::from(chunk.iter().map(opens).sum::<u8>());
    json.chunks(usize::from(u8::MAX)).map(count).sum()
}

/// Deepest nesting of a text already known to be JSON.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &'static [u8]) -> Result<CheckedJson, JsonError> {
        CheckedJson::new(Bytes::from_static(body))
    }

    #[test]
    fn a_value_is_kept_byte_for_byte_without_the_space_around_it() {
        let body = b" \n{\"b\":1.0e2, \"a\":[ ]}\r\n";
        assert_eq!(check(body).unwrap().as_bytes(), b"{\"b\":1.0e2, \"a\":[ ]}");
    }

    #[test]
    fn what_is_not_exactly_one_value_is_refused() {
        for body in [
            &b""[..],
            b" ",
            b"{",
            b"{}{}",
            b"{} x",
            b"nul",
            b"NaN",
            b"{\"a\":}",
            b"[1,]",
            b"'a'",
            b"\xef\xbb\xbf{}",
            b"\"\x01\"",
            b"01",
            b"<html>",
            b"\"\\x\"",
        ] {
            assert_eq!(check(body), Err(JsonError::NotJson), "{body:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_also_inside_strings() {
        assert_eq!(check(b"\"\xff\""), Err(JsonError::NotUtf8));
        assert_eq!(check(b"\"\xc0\xaf\""), Err(JsonError::NotUtf8));
    }

    #[test]
    fn openings_are_counted_over_any_length() {
        for length in [0, 1, 254, 255, 256, 1000, 5000] {
            assert_eq!(openings("[".repeat(length).as_bytes()), length);
            assert_eq!(openings("a]}\\{".repeat(length).as_bytes()), length);
        }
    }

    #[test]
    fn nesting_is_counted_outside_strings_only() {
        assert!(check(br#"{"a":"[[[[\"[[[[","b":["\\"]}"#).is_ok());
        let nested = |n: usize| Bytes::from("[".repeat(n) + &"]".repeat(n));
        assert!(CheckedJson::new(nested(MAX_DEPTH)).is_ok());
        assert_eq!(
            CheckedJson::new(nested(MAX_DEPTH + 1)),
            Err(JsonError::TooDeep)
        );
        assert_eq!(CheckedJson::new(nested(1_000_000)), Err(JsonError::TooDeep));
    }
}
