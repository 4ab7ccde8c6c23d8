//! Numbers as text, for what every page writes: headers and log lines.
//!
//! Whole digits appended to bytes; formatting traits would cost some five times as much,
//! dozens of times a page.

use std::time::Duration;

/// Appends `number` in decimal.
pub fn push_decimal(to: &mut Vec<u8>, number: u64) {
    to.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `number` as 16 lower-case hex digits.
pub fn push_hex(to: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 16];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * place)) as usize & 15];
    }
    to.extend_from_slice(&digits);
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
