//! An answer's bytes, as they arrive, become an [`Answer`]: no sockets, no clock.
//!
//! httparse reads the head; what follows from its fields is here: where the body ends (RFC 9112
//! section 6.3), whether the connection may be used again, and the limits. A peer is not
//! trusted: two lengths that differ, a transfer coding other than `chunked`, interim answers
//! without end, bytes after the end of the answer each end the connection at least.

use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::Bytes;
use httparse::{ParserConfig, Status};

use super::chunked::Dechunker;
use crate::page::downstream::AnswerFields;
use crate::transport::coding::{Coding, members};

/// Largest head, interim ones included, in bytes.
pub(in crate::transport) const MAX_HEAD: usize = 64 * 1024;

/// Fields of a head.
pub(in crate::transport) const MAX_FIELDS: usize = 128;

/// Interim answers (1xx) before the final one.
const MAX_INTERIM: u32 = 32;

/// Memory set aside for a body on its announcement alone.
const TRUSTED_LENGTH: u64 = 64 * 1024;

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::transport) struct Answer {
    /// HTTP status.
    pub(in crate::transport) status: u16,
    /// As sent; empty unless the status is a success.
    pub(in crate::transport) body: Bytes,
    /// What the body is encoded with.
    pub(in crate::transport) coding: Coding,
    /// Whether the connection may carry another exchange.
    pub(in crate::transport) reusable: bool,
    /// How long the peer keeps an idle connection, if it says so (`Keep-Alive: timeout=`).
    pub(in crate::transport) idle_timeout: Option<Duration>,
    /// What it says beside its status, where that may be passed on.
    pub(in crate::transport) fields: Option<Box<AnswerFields>>,
}

/// What came is not an answer, or more than is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::transport) enum Malformed {
    /// Not HTTP/1.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(String),
    /// A head beyond [`MAX_HEAD`].
    #[error("the answer's head is larger than {MAX_HEAD} bytes")]
    HeadTooLarge,
    /// A head with more than [`MAX_FIELDS`] fields.
    #[error("the answer's head has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// It cannot be told where the answer ends.
    #[error("the end of the answer cannot be determined: {0}")]
    Framing(&'static str),
    /// A body beyond the limit, in bytes.
    #[error("body is larger than {0} bytes")]
    TooLarge(usize),
}

/// Reads one answer.
#[derive(Debug)]
pub(in crate::transport) struct AnswerReader {
    max_body: usize,
    untouched: bool,
    /// The head's bytes, while it is not whole.
    head: Vec<u8>,
    /// Length at which an unfinished head is looked at again.
    look_at: usize,
    interim: u32,
    interim_bytes: usize,
    body: Option<Reading>,
}

/// A body being read.
#[derive(Debug)]
struct Reading {
    head: Head,
    framing: Framing,
    body: Vec<u8>,
}

/// What a head says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    coding: Coding,
    keep_alive: bool,
    idle_timeout: Option<Duration>,
    fields: Option<Box<AnswerFields>>,
}

#[derive(Debug)]
enum Framing {
    /// So much is to come.
    Length(u64),
    Chunked(Dechunker),
    UntilClose,
}

impl AnswerReader {
    /// For an answer with a body of at most `max_body` bytes.
    pub(in crate::transport) fn new(max_body: usize) -> Self {
        Self {
            max_body,
            untouched: true,
            head: Vec::new(),
            look_at: 0,
            interim: 0,
            interim_bytes: 0,
            body: None,
        }
    }

    /// Whether no byte has come yet.
    pub(in crate::transport) fn is_untouched(&self) -> bool {
        self.untouched
    }

    /// Takes bytes that arrived; the answer once it is whole.
    ///
    /// # Errors
    /// [`Malformed`], after which nothing more must be read.
    pub(in crate::transport) fn take(&mut self, input: &[u8]) -> Result<Option<Answer>, Malformed> {
        self.untouched = false;
        let mut input = input;
        if self.body.is_none() && !self.take_head(&mut input)? {
            return Ok(None);
        }
        let Some(mut reading) = self.body.take() else {
            return Ok(None);
        };
        if reading.take(&mut input, self.max_body)? {
            return Ok(Some(reading.finish(input.is_empty())));
        }
        if !reading.head.is_success() {
            // Its status is all that counts, and its body may be without end.
            return Ok(Some(reading.finish(false)));
        }
        self.body = Some(reading);
        Ok(None)
    }

    /// The peer closed: the answer, if that is what ends it.
    pub(in crate::transport) fn end(&mut self) -> Option<Answer> {
        let reading = self.body.take()?;
        matches!(reading.framing, Framing::UntilClose).then(|| reading.finish(false))
    }

    /// Whether the head is whole now; leaves in `input` what follows it.
    fn take_head(&mut self, input: &mut &[u8]) -> Result<bool, Malformed> {
        if self.head.is_empty() {
            return self.parse_heads(input);
        }
        let mut gathered = std::mem::take(&mut self.head);
        let before = gathered.len();
        gathered.extend_from_slice(input);
        // Looked at when it may be whole, or has doubled: a head that comes byte by byte must
        // not be parsed as often.
        let may_be_whole = has_empty_line(&gathered[before.saturating_sub(3)..]);
        if !may_be_whole && gathered.len() < self.look_at {
            self.head = gathered;
            return Ok(false);
        }
        let mut rest = gathered.as_slice();
        let whole = self.parse_heads(&mut rest)?;
        // What follows the head lies at the end of what has just come.
        *input = &input[input.len() - rest.len().min(input.len())..];
        Ok(whole)
    }

    /// Parses interim heads and the final one; keeps what is left of an unfinished one.
    fn parse_heads(&mut self, input: &mut &[u8]) -> Result<bool, Malformed> {
        loop {
            let Some((length, head, framing)) = parse_head(input)? else {
                if self.interim_bytes + input.len() > MAX_HEAD {
                    return Err(Malformed::HeadTooLarge);
                }
                self.head = input.to_vec();
                self.look_at = input.len().saturating_mul(2);
                *input = &[];
                return Ok(false);
            };
            *input = &input[length..];
            self.interim_bytes += length;
            if self.interim_bytes > MAX_HEAD {
                return Err(Malformed::HeadTooLarge);
            }
            if (100..200).contains(&head.status) && head.status != 101 {
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Err(Malformed::Framing("interim answers without end"));
                }
                continue;
            }
            if head.is_success()
                && let Framing::Length(length) = framing
                && length > self.max_body as u64
            {
                return Err(Malformed::TooLarge(self.max_body));
            }
            self.body = Some(Reading::new(head, framing));
            return Ok(true);
        }
    }
}

impl Head {
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Reading {
    fn new(head: Head, framing: Framing) -> Self {
        let room = match framing {
            Framing::Length(length) if head.is_success() => length.min(TRUSTED_LENGTH),
            Framing::Length(_) | Framing::Chunked(_) | Framing::UntilClose => 0,
        };
        Self {
            head,
            framing,
            body: Vec::with_capacity(room as usize),
        }
    }

    /// Whether the body has ended; leaves in `input` what follows it.
    fn take(&mut self, input: &mut &[u8], max_body: usize) -> Result<bool, Malformed> {
        let wanted = self.head.is_success();
        let body = &mut self.body;
        let mut keep = |data: &[u8]| {
            if !wanted {
                return Ok(());
            }
            if data.len() > max_body - body.len() {
                return Err(Malformed::TooLarge(max_body));
            }
            body.extend_from_slice(data);
            Ok(())
        };
        match &mut self.framing {
            Framing::Length(left) => {
                let here = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                keep(&input[..here])?;
                *input = &input[here..];
                *left -= here as u64;
                Ok(*left == 0)
            }
            Framing::Chunked(chunks) => {
                chunks.take(input, keep)?;
                Ok(chunks.is_ended())
            }
            Framing::UntilClose => {
                keep(input)?;
                *input = &[];
                Ok(false)
            }
        }
    }

    fn finish(self, nothing_follows: bool) -> Answer {
        let until_close = matches!(self.framing, Framing::UntilClose);
        Answer {
            status: self.head.status,
            body: self.body.into(),
            coding: self.head.coding,
            reusable: self.head.keep_alive && nothing_follows && !until_close,
            idle_timeout: self.head.idle_timeout,
            fields: self.head.fields,
        }
    }
}

/// The head at the front of `input` with its length, or `None` when it is not whole.
fn parse_head(input: &[u8]) -> Result<Option<(usize, Head, Framing)>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let config = ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut answer, input, &mut fields);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::TooManyFields),
        Err(error) => return Err(Malformed::NotHttp(error.to_string())),
    };
    let (Some(status), Some(minor)) = (answer.code, answer.version) else {
        return Ok(None);
    };
    if status < 100 {
        return Err(Malformed::NotHttp(format!("status {status:03}")));
    }
    let mut said = Said::default();
    for field in answer.headers.iter() {
        said.field(field.name, field.value)?;
    }
    let (mut head, framing) = said.conclude(status, minor)?;
    let fields = answer.headers.iter();
    head.fields = AnswerFields::of(status, fields.map(|field| (field.name, field.value)));
    Ok(Some((length, head, framing)))
}

/// What the fields of a head say, as far as it matters.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    codings: u32,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    coding: Coding,
    idle_timeout: Option<Duration>,
}

impl Said {
    fn field(&mut self, name: &str, value: &[u8]) -> Result<(), Malformed> {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        if is("content-length") {
            for length in members(value) {
                let length = decimal(length);
                if length.is_none() || self.length.is_some_and(|before| Some(before) != length) {
                    return Err(Malformed::Framing("Content-Length is not one number"));
                }
                self.length = length;
            }
            if self.length.is_none() {
                return Err(Malformed::Framing("Content-Length is empty"));
            }
        } else if is("transfer-encoding") {
            for coding in members(value) {
                self.codings += 1;
                self.chunked = coding.eq_ignore_ascii_case(b"chunked");
            }
        } else if is("connection") {
            for option in members(value) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if is("content-encoding") {
            self.coding.add(value);
        } else if is("keep-alive") {
            let timeout = members(value).find_map(|member| {
                let (name, value) = member.split_at_checked(b"timeout=".len())?;
                name.eq_ignore_ascii_case(b"timeout=").then_some(value)
            });
            self.idle_timeout = timeout.and_then(decimal).map(Duration::from_secs);
        }
        Ok(())
    }

    /// RFC 9112 section 6.3, in its order.
    fn conclude(self, status: u16, minor: u8) -> Result<(Head, Framing), Malformed> {
        let mut keep_alive = match minor {
            0 => self.keep_alive && !self.close,
            _ => !self.close,
        };
        let framing = if status < 200 || status == 204 || status == 304 {
            // 101 makes the connection something else.
            keep_alive &= status != 101;
            Framing::Length(0)
        } else if self.codings > 0 {
            if minor == 0 {
                return Err(Malformed::Framing("HTTP/1.0 has no Transfer-Encoding"));
            }
            if !self.chunked || self.codings > 1 {
                return Err(Malformed::Framing(
                    "a Transfer-Encoding that was not requested",
                ));
            }
            // Both may be an attempt to smuggle: the coding counts, and the connection ends.
            keep_alive &= self.length.is_none();
            Framing::Chunked(Dechunker::new())
        } else {
            self.length.map_or(Framing::UntilClose, Framing::Length)
        };
        let head = Head {
            status,
            coding: self.coding,
            keep_alive,
            idle_timeout: self.idle_timeout,
            fields: None,
        };
        Ok((head, framing))
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// Whether a head may end here: CRLF CRLF, or LF LF, which is tolerated.
fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

#[cfg(test)]
mod tests;
