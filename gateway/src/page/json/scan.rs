//! One pass over a text: whether it is one JSON value (RFC 8259) that every strict reader
//! takes.
//!
//! Every part of every page is checked so. The bytes are known to be UTF-8; what is plain
//! in strings, most of any body, is passed at once ([`super::special`]).

use std::ops::Range;

use super::special::Special;
use super::{JsonError, MAX_DEPTH};

/// The largest double has 309 digits.
const DIGITS_OF_A_DOUBLE: usize = 309;

const _: () = assert!(MAX_DEPTH <= u128::BITS as usize, "a bit for each level");

/// A position in a text, and what has been opened before it.
struct Scan<'a> {
    json: &'a [u8],
    special: Special<'a>,
    at: usize,
    depth: usize,
    /// By level, the innermost lowest: whether it is an object. [`MAX_DEPTH`] bits are used.
    objects: u128,
}

/// Where the value of `json` stands, without the white space around it.
pub(super) fn value(json: &[u8]) -> Result<Range<usize>, JsonError> {
    let mut scan = Scan {
        json,
        special: Special::of(json),
        at: 0,
        depth: 0,
        objects: 0,
    };
    scan.space();
    let begin = scan.at;
    while scan.opens_or_is_a_value()? || scan.goes_on()? {}
    let end = scan.at;
    scan.space();
    match scan.at == json.len() {
        true => Ok(begin..end),
        false => Err(JsonError::NotJson),
    }
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    /// Whether `byte` is next.
    ///
    /// What follows is a branch: it is foreseen, where a position that is computed of what was read
    /// has to be waited for by everything after it.
    fn is_next(&self, byte: u8) -> bool {
        self.peek() == Some(byte)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// At a value. True if a value must follow, that of something that was opened; false
    /// after a whole one.
    fn opens_or_is_a_value(&mut self) -> Result<bool, JsonError> {
        match self.peek() {
            Some(b'{') => return self.open(true),
            Some(b'[') => return self.open(false),
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            _ => return Err(JsonError::NotJson),
        }
        Ok(false)
    }

    fn open(&mut self, object: bool) -> Result<bool, JsonError> {
        self.at += 1;
        self.space();
        if self.depth == MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        if self.is_next(if object { b'}' } else { b']' }) {
            self.at += 1;
            return Ok(false);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        if object {
            self.name()?;
        }
        Ok(true)
    }

    /// After a whole value. True if another one must follow; false at the end of all.
    fn goes_on(&mut self) -> Result<bool, JsonError> {
        while self.depth > 0 {
            let object = self.objects & 1 == 1;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                    if object {
                        self.name()?;
                    }
                    return Ok(true);
                }
                Some(b'}') if object => {}
                Some(b']') if !object => {}
                _ => return Err(JsonError::NotJson),
            }
            self.at += 1;
            self.depth -= 1;
            self.objects >>= 1;
        }
        Ok(false)
    }

    /// A member's name, up to its value.
    fn name(&mut self) -> Result<(), JsonError> {
        if !self.is_next(b'"') {
            return Err(JsonError::NotJson);
        }
        self.string()?;
        self.space();
        if !self.is_next(b':') {
            return Err(JsonError::NotJson);
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if !self.json[self.at..].starts_with(word) {
            return Err(JsonError::NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    /// At its opening quote.
    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            self.at = self.special.next(self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(JsonError::NotJson),
            }
        }
    }

    /// At its backslash.
    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => match self.unit()? {
                0xd800..=0xdbff if self.json[self.at..].starts_with(b"\\u") => {
                    self.at += 1;
                    match self.unit()? {
                        0xdc00..=0xdfff => Ok(()),
                        _ => Err(JsonError::LoneSurrogate),
                    }
                }
                0xd800..=0xdfff => Err(JsonError::LoneSurrogate),
                _ => Ok(()),
            },
            _ => Err(JsonError::NotJson),
        }
    }

    /// `uXXXX`: half of a UTF-16 pair, or a character.
    fn unit(&mut self) -> Result<u32, JsonError> {
        let digits = self.json.get(self.at + 1..self.at + 5);
        let digit = |sum, byte: &u8| Some(sum << 4 | char::from(*byte).to_digit(16)?);
        let unit = digits.and_then(|digits| digits.iter().try_fold(0, digit));
        self.at += 5;
        unit.ok_or(JsonError::NotJson)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let begin = self.at;
        match self.peek() {
            Some(b'-') => self.negative()?,
            _ => self.whole()?,
        }
        if self.is_next(b'.') {
            self.at += 1;
            self.digits()?;
        }
        match self.peek() {
            Some(b'e' | b'E') => self.exponent()?,
            _ if self.at - begin < DIGITS_OF_A_DOUBLE => return Ok(()),
            _ => {}
        }
        let number = &self.json[begin..self.at];
        let read = std::str::from_utf8(number).map(str::parse::<f64>);
        match read {
            Ok(Ok(double)) if double.is_finite() => Ok(()),
            _ => Err(JsonError::NumberTooLarge),
        }
    }

    fn negative(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        self.whole()
    }

    /// What stands before the point: no zero before other digits.
    fn whole(&mut self) -> Result<(), JsonError> {
        if self.is_next(b'0') {
            self.at += 1;
            return Ok(());
        }
        self.digits()
    }

    fn exponent(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        if let Some(b'+' | b'-') = self.peek() {
            self.at += 1;
        }
        self.digits()
    }

    /// One or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let begin = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        match self.at > begin {
            true => Ok(()),
            false => Err(JsonError::NotJson),
        }
    }
}
