//! Checks a downstream's body, so that it can be spliced into a page as it is.
//!
//! A page is one JSON text: what a strict reader refuses in one part would cost it all of them.
//! So a part must be what the strictest of the common readers take (RFC 7493, I-JSON): every
//! escaped surrogate paired, every number within a double, no nesting beyond [`MAX_DEPTH`].

use bytes::Bytes;
use serde_json::value::RawValue;

/// Deepest nesting of arrays and objects passed on. Far beyond any real answer; together with
/// the three levels of the page, what readers with a limit of 64 levels still take.
pub const MAX_DEPTH: usize = 60;

/// The largest double has 309 digits.
const DIGITS_OF_A_DOUBLE: usize = 309;

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
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| JsonError::NotJson)?;
        let json = raw.get().as_bytes();
        // Few bodies have anything that needs a closer look.
        if openings(json) > MAX_DEPTH || may_hold_large_number(json) || json.contains(&b'\\') {
            look_closely(json)?;
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
/// instructions; it costs a fraction of [`look_closely`].
///
/// Not inlined, like the next one: within another function the loop stays one of bytes.
#[inline(never)]
fn openings(json: &[u8]) -> usize {
    // They differ in one bit: '[' is 0x5b, '{' is 0x7b.
    let opens = |byte: &u8| u8::from(byte & 0xdf == b'[');
    let count = |chunk: &[u8]| usize::from(chunk.iter().map(opens).sum::<u8>());
    json.chunks(usize::from(u8::MAX)).map(count).sum()
}

/// Whether something looks like an exponent, or digits stand where a number longer than any
/// double would have some; strings count too.
#[inline(never)]
fn may_hold_large_number(json: &[u8]) -> bool {
    let exponent = |(before, byte): (&u8, &u8)| {
        u8::from(before.is_ascii_digit()) & u8::from(byte & 0xdf == b'E')
    };
    let behind = json.get(1..).unwrap_or_default();
    let exponents = json.iter().zip(behind).map(exponent);
    exponents.fold(0, |any, one| any | one) != 0
        || json
            .iter()
            .skip(DIGITS_OF_A_DOUBLE - 1)
            .step_by(DIGITS_OF_A_DOUBLE)
            .any(u8::is_ascii_digit)
}

/// Walks through a text already known to be JSON.
fn look_closely(json: &[u8]) -> Result<(), JsonError> {
    let mut depth = 0_usize;
    let mut rest = json;
    while let [byte, after @ ..] = rest {
        rest = match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(JsonError::TooDeep);
                }
                after
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                after
            }
            b'"' => after_string(after)?,
            b'-' | b'0'..=b'9' => after_number(rest)?,
            _ => after,
        };
    }
    Ok(())
}

/// What follows a string whose opening quote has been passed.
fn after_string(mut rest: &[u8]) -> Result<&[u8], JsonError> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'u', after @ ..] => after_escape(after)?,
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
            [] => return Ok(rest),
        };
    }
}

/// What follows the digits of `\u`, and the second half where they are the first of a pair.
fn after_escape(digits: &[u8]) -> Result<&[u8], JsonError> {
    match digits {
        [
            b'd' | b'D',
            b'8' | b'9' | b'a' | b'b' | b'A' | b'B',
            _,
            _,
            low @ ..,
        ] => match low {
            [
                b'\\',
                b'u',
                b'd' | b'D',
                b'c'..=b'f' | b'C'..=b'F',
                _,
                _,
                after @ ..,
            ] => Ok(after),
            _ => Err(JsonError::LoneSurrogate),
        },
        [b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', _, _, ..] => Err(JsonError::LoneSurrogate),
        [_, _, _, _, after @ ..] => Ok(after),
        _ => Ok(&[]),
    }
}

/// What follows a number.
fn after_number(rest: &[u8]) -> Result<&[u8], JsonError> {
    let of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let length = rest.iter().take_while(|byte| of_number(byte)).count();
    let (number, after) = rest.split_at(length);
    let may_be_large = length >= DIGITS_OF_A_DOUBLE || number.iter().any(|b| b & 0xdf == b'E');
    if may_be_large {
        let value = std::str::from_utf8(number)
            .ok()
            .and_then(|text| text.parse::<f64>().ok());
        if !value.is_some_and(f64::is_finite) {
            return Err(JsonError::NumberTooLarge);
        }
    }
    Ok(after)
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

    proptest! {
        #[test]
        fn what_is_accepted_is_what_a_strict_reader_reads(text in json()) {
            let strict = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(CheckedJson::new(Bytes::from(text)).is_ok(), strict);
        }
    }
}
