//! Numbers as text, for what every page writes: headers and log lines; and text as a header's value, or
//! inside a string of JSON.
//!
//! Whole digits appended to bytes; formatting traits would cost some five times as much,
//! dozens of times a page.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

/// The value of a header. Always visible ASCII: it is written here, of numbers and configured names,
/// or made of what came in headers.
pub fn header_value(text: impl Into<Bytes>) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "callers write nothing else")]
    HeaderValue::from_maybe_shared(text.into()).expect("visible ASCII")
}

/// Appends `text` as it stands between the quotes of a string of JSON (RFC 8259 section 7).
pub fn push_json_inside(to: &mut Vec<u8>, text: &str) {
    let is_special = |byte| matches!(byte, ..0x20 | b'"' | b'\\');
    // All of it is looked at, many bytes at once, which takes less than to stop at the first.
    let escaped = text.bytes().fold(false, |any, byte| any | is_special(byte));
    if !escaped {
        return to.extend_from_slice(text.as_bytes());
    }
    // A string can always be written, and has its quotes then.
    let quoted = serde_json::to_vec(text).unwrap_or_default();
    if let [_, inside @ .., _] = &*quoted {
        to.extend_from_slice(inside);
    }
}

/// Appends `number` in decimal.
pub fn push_decimal(to: &mut Vec<u8>, number: u64) {
    to.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `number` as 16 lower-case hex digits.
pub fn push_hex(to: &mut Vec<u8>, number: u64) {
    let halves = [(number >> 32) as u32, number as u32];
    to.extend_from_slice(halves.map(hex).as_flattened());
}

/// Appends `number` as 32 lower-case hex digits.
pub fn push_hex_128(to: &mut Vec<u8>, number: u128) {
    push_hex(to, (number >> 64) as u64);
    push_hex(to, number as u64);
}

/// Eight digits at once: each half byte in a byte of its own, and then what makes it a character.
fn hex(number: u32) -> [u8; 8] {
    const EACH: u64 = u64::MAX / 0xff;
    const LETTERS: u64 = (b'a' - b'0' - 10) as u64;
    let pairs = u64::from(number);
    let pairs = (pairs | pairs << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (pairs | pairs << 4) & (EACH * 0x0f);
    // The carry into the upper half is that of ten and more.
    let is_letter = (digits + EACH * 6) >> 4 & EACH;
    (digits + EACH * u64::from(b'0') + is_letter * LETTERS).to_be_bytes()
}

/// Appends milliseconds with two decimals, rounded down: `12.30`.
pub fn push_milliseconds(to: &mut Vec<u8>, duration: Duration) {
    let (whole, hundredths) = split(duration);
    push_decimal(to, whole);
    to.extend_from_slice(&[b'.', b'0' + hundredths / 10, b'0' + hundredths % 10]);
}

/// Appends milliseconds with at most two decimals, rounded down, as JSON has numbers: `12.3`.
pub fn push_short_milliseconds(to: &mut Vec<u8>, duration: Duration) {
    let (whole, hundredths) = split(duration);
    push_decimal(to, whole);
    match (hundredths / 10, hundredths % 10) {
        (0, 0) => {}
        (tenths, 0) => to.extend_from_slice(&[b'.', b'0' + tenths]),
        (tenths, rest) => to.extend_from_slice(&[b'.', b'0' + tenths, b'0' + rest]),
    }
}

/// Appends microseconds as seconds, with no more decimals than it takes: `0.0123`.
pub fn push_seconds(to: &mut Vec<u8>, micros: u32) {
    push_decimal(to, u64::from(micros / 1_000_000));
    let mut fraction = micros % 1_000_000;
    if fraction == 0 {
        return;
    }
    to.push(b'.');
    let mut place = 100_000;
    while fraction > 0 {
        to.push(b'0' + (fraction / place) as u8);
        (fraction, place) = (fraction % place, place / 10);
    }
}

/// Whole milliseconds, and hundredths of one.
fn split(duration: Duration) -> (u64, u8) {
    let hundredths = (duration.as_micros() / 10) as u64;
    (hundredths / 100, (hundredths % 100) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        write(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn numbers_are_written_as_formatting_writes_them() {
        for number in [0, 1, 0xf, 0x10, 0xdead_beef, 1 << 63, u64::MAX] {
            assert_eq!(written(|to| push_decimal(to, number)), number.to_string());
            assert_eq!(written(|to| push_hex(to, number)), format!("{number:016x}"));
        }
        for (digit, place) in (0..16).flat_map(|digit| (0..16).map(move |place| (digit, place))) {
            let number = u64::MAX / 15 - (1 << (4 * place)) + (digit << (4 * place));
            assert_eq!(written(|to| push_hex(to, number)), format!("{number:016x}"));
        }
    }

    #[test]
    fn text_is_escaped_where_json_wants_it() {
        let long = format!("{}\"{}", "a".repeat(70), "\u{7f}\u{e9}".repeat(40));
        for text in ["", "plain", "a\"b", "\\", "\n\u{1}", "\u{1f600}", &long] {
            let quoted = written(|to| {
                to.push(b'"');
                push_json_inside(to, text);
                to.push(b'"');
            });
            assert_eq!(quoted, serde_json::to_string(text).unwrap());
        }
    }

    #[test]
    fn seconds_have_as_many_decimals_as_it_takes() {
        for micros in (0..2_100).chain([999_999, 1_000_000, 1_500_000, u32::MAX]) {
            let seconds = f64::from(micros) / 1e6;
            assert_eq!(written(|to| push_seconds(to, micros)), seconds.to_string());
        }
    }

    #[test]
    fn milliseconds_have_two_decimals_or_as_few_as_tell_the_same() {
        for micros in (0..2_100).chain([12_345_678, 600_000_000_009]) {
            let duration = Duration::from_micros(micros);
            let hundredths = (micros / 10) as f64 / 100.0;
            let long = written(|to| push_milliseconds(to, duration));
            let short = written(|to| push_short_milliseconds(to, duration));
            assert_eq!(
                (long, short),
                (format!("{hundredths:.2}"), hundredths.to_string())
            );
        }
    }
}
