//! The chunked transfer coding, decoded (RFC 9112 section 7.1).

use super::answer::Malformed;

/// A chunk's size line, or one field of a trailer section, that comes in several reads.
const MAX_LINE: usize = 4 * 1024;

/// Bytes that carry nothing (sizes, extensions, trailers) that an answer may have besides six
/// for every byte of its body, which is what chunks of one byte take.
const MAX_FRAMING: u64 = 16 * 1024;

/// Takes a chunked body apart, over any number of reads.
#[derive(Debug)]
pub(super) struct Dechunker {
    state: State,
    /// Of the line being read, what came in earlier reads.
    line: Vec<u8>,
    framing: u64,
    data: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    /// So much of the chunk is to come.
    Data(u64),
    /// The line end after a chunk.
    DataEnd,
    Trailer,
    Ended,
}

impl Dechunker {
    pub(super) fn new() -> Self {
        Self {
            state: State::Size,
            line: Vec::new(),
            framing: 0,
            data: 0,
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes bytes from the front of `input` until it is empty or the body has ended, and hands
    /// what they carry to `sink`.
    pub(super) fn take(
        &mut self,
        input: &mut &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        while !input.is_empty() && !self.is_ended() {
            if let State::Data(left) = self.state {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                let (data, rest) = input.split_at(here);
                sink(data)?;
                *input = rest;
                self.data += here as u64;
                self.state = match left - here as u64 {
                    0 => State::DataEnd,
                    left => State::Data(left),
                };
                continue;
            }
            let Some(length) = input.iter().position(|&byte| byte == b'\n') else {
                self.spend(input.len())?;
                self.line.extend_from_slice(input);
                *input = &[];
                return match self.line.len() <= MAX_LINE {
                    true => Ok(()),
                    false => Err(Malformed::Framing("a chunk's line is too long")),
                };
            };
            let (line, rest) = input.split_at(length + 1);
            *input = rest;
            self.spend(line.len())?;
            self.state = if self.line.is_empty() {
                next(self.state, line)?
            } else {
                self.line.extend_from_slice(line);
                let state = next(self.state, &self.line)?;
                self.line.clear();
                state
            };
        }
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.framing += bytes as u64;
        if self.framing > MAX_FRAMING + 6 * self.data {
            return Err(Malformed::Framing("more framing than body in its chunks"));
        }
        Ok(())
    }
}

/// What follows a whole line, its end included.
fn next(state: State, line: &[u8]) -> Result<State, Malformed> {
    let Some(content) = line.strip_suffix(b"\r\n") else {
        return Err(Malformed::Framing("a line of a chunk ends without CR"));
    };
    match state {
        State::Size => match httparse::parse_chunk_size(line) {
            Ok(httparse::Status::Complete((_, 0))) => Ok(State::Trailer),
            Ok(httparse::Status::Complete((_, size))) => Ok(State::Data(size)),
            Ok(httparse::Status::Partial) | Err(httparse::InvalidChunkSize) => {
                Err(Malformed::Framing("the size of a chunk is not a number"))
            }
        },
        State::DataEnd if content.is_empty() => Ok(State::Size),
        State::DataEnd => Err(Malformed::Framing("a chunk is longer than it said")),
        State::Trailer if content.is_empty() => Ok(State::Ended),
        // A field of the trailer section: nothing of it is used.
        State::Trailer => Ok(State::Trailer),
        State::Data(_) | State::Ended => Ok(state),
    }
}
