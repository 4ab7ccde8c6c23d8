//! Checks a downstream's body, so that it can be spliced into a page as it is.
//!
//! A page is one JSON text: what a strict reader refuses in one part would cost it all of them.
//! So a part must be what the strictest of the common readers take (RFC 7493, I-JSON): every
//! escaped surrogate paired, every number within a double, no nesting beyond [`MAX_DEPTH`].

mod scan;
mod special;

use bytes::Bytes;

/// Deepest nesting of arrays and objects passed on. Far beyond any real answer; together with
/// the three levels of the page, the 100 levels that common readers stop at (Ruby's does; .NET's
/// default is 64, which some services go beyond).
pub const MAX_DEPTH: usize = 97;

/// One complete JSON value that every strict reader takes, with no white space around it.
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
    /// Half of a surrogate pair: no character (RFC 8259 section 8.2).
    #[error("body holds an unpaired surrogate, such as \\ud83d alone")]
    LoneSurrogate,
    /// A number that no double can hold (RFC 7493 section 2.2).
    #[error("body holds a number beyond the range of a double")]
    NumberTooLarge,
}

impl CheckedJson {
    /// Checks `body`. Linear in its length, without recursion.
    ///
    /// # Errors
    /// [`JsonError`] names the first check that failed.
    pub fn new(body: Bytes) -> Result<Self, JsonError> {
        let text = simdutf8::basic::from_utf8(&body).map_err(|_| JsonError::NotUtf8)?;
        let value = scan::value(text.as_bytes())?;
        Ok(Self(body.slice(value)))
    }

    /// The value's text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn what_was_opened_is_known_at_every_level() {
        let objects = |n: usize, ends: &str| {
            let opened = "{\"a\":".repeat(n);
            Bytes::from(format!("{opened}1{}{ends}", "}".repeat(n - 1)))
        };
        for depth in 1..=MAX_DEPTH {
            assert!(CheckedJson::new(objects(depth, "}")).is_ok(), "{depth}");
            let mixed = CheckedJson::new(objects(depth, "]"));
            assert_eq!(mixed, Err(JsonError::NotJson), "{depth}");
        }
    }

    #[test]
    fn half_a_character_is_refused_and_a_whole_one_is_not() {
        for body in [
            r#""\ud83d""#,
            r#"{"a":"x\uD83D y"}"#,
            r#""\ude00""#,
            r#""\ud83d\ud83d""#,
            r#""\ud83d\\ude00""#,
            r#"{"\udfff":1}"#,
        ] {
            assert_eq!(
                check(body.as_bytes()),
                Err(JsonError::LoneSurrogate),
                "{body}"
            );
        }
        for body in [
            r#""\ud83d\ude00""#,
            r#""\\ud83d""#,
            r#""\u00e9\ud7ff\ue000""#,
        ] {
            assert!(check(body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn a_number_beyond_a_double_is_refused_wherever_it_stands() {
        let long = |digits: usize| Bytes::from(format!("[\"a\",{}]", "9".repeat(digits)));
        assert!(CheckedJson::new(long(308)).is_ok());
        assert_eq!(CheckedJson::new(long(400)), Err(JsonError::NumberTooLarge));
        for body in ["1e400", "-1E+309", r#"{"n":[1,1e999]}"#] {
            assert_eq!(
                check(body.as_bytes()),
                Err(JsonError::NumberTooLarge),
                "{body}"
            );
        }
        for body in ["1e308", "1e-400", "-0", r#""1e400""#, r#"{"3e999":"\\"}"#] {
            assert!(check(body.as_bytes()).is_ok(), "{body}");
        }
    }

    /// JSON, most of it strict.
    fn json() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "null",
            "true",
            "0",
            "-1.5",
            "1e5",
            "1e309",
            "-2E400",
            "\"\"",
            "\"e9\"",
            "\"[{\"",
            r#""\ud83d\ude00""#,
            r#""\ud83d""#,
            r#""\udc00x""#,
            r#""\\\"""#,
            r#""a\u00e9""#,
        ]);
        let leaf = leaf.prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 4, |inner| {
            let several = prop::collection::vec(inner, 0..4);
            prop_oneof![
                several
                    .clone()
                    .prop_map(|all| format!("[{}]", all.join(","))),
                several.prop_map(|all| {
                    let members = all
                        .iter()
                        .enumerate()
                        .map(|(n, value)| format!("\"{n}\":{value}"));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(" , "))
                }),
            ]
        })
    }

    /// What breaks JSON, or makes other JSON of it.
    fn other() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "", "{", "}", "[", "]", "\"", ":", ",", " ", "\n", "\t", "\u{1}", "\u{7f}", "é", "\\",
            "\\u", "\\ud83d", "\\ude00", "\\n", "\\x", "0", "-", "+", ".", "e", "E9", "1e999", "9",
            "a", "nul", "null", "tru", "true", "/",
        ])
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_what_a_strict_reader_reads(text in json()) {
            let strict = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(CheckedJson::new(Bytes::from(text)).is_ok(), strict);
        }

        #[test]
        fn what_is_broken_somewhere_is_judged_as_by_a_strict_reader(
            text in json(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), other()), 1..3),
        ) {
            let mut text = text.into_bytes();
            for (place, with) in changes {
                let place = place.index(text.len() + 1);
                let end = text.len().min(place + place % 2);
                text.splice(place..end, with.bytes());
            }
            let strict = serde_json::from_slice::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(CheckedJson::new(Bytes::from(text)).is_ok(), strict);
        }
    }
}
