//! What lines are written to, and what is said when that cannot be done.
//!
//! What always holds: a line of which the end was not written is lost, and counted; what of it
//! was written stays on a line of its own. A full disk, a closed pipe or a reader without room
//! costs lines: no panic, and no wait that its owner has not allowed.

use std::io::{self, Write};

/// Failing is over when so many writes in a row have succeeded: a disk that is almost full would
/// complain a hundred times a second.
const QUIET_WRITES: u32 = 100;

/// An output and its troubles.
#[derive(Debug)]
pub(super) struct Output<W, C> {
    out: W,
    /// Where people look when the log is silent.
    complaints: C,
    /// The end of a line is missing.
    torn: bool,
    failing: Option<Failing>,
}

/// A time in which lines are lost.
#[derive(Debug)]
struct Failing {
    error: io::Error,
    lost: u64,
    /// Writes in a row that succeeded.
    quiet: u32,
    told: bool,
}

impl<W: Write, C: Write> Output<W, C> {
    pub(super) fn new(out: W, complaints: C) -> Self {
        Self {
            out,
            complaints,
            torn: false,
            failing: None,
        }
    }

    /// Writes whole lines; returns how many of them are lost. While there is no room,
    /// `wait` is called; false from it means that there is no more time.
    pub(super) fn write(&mut self, lines: &[u8], mut wait: impl FnMut() -> bool) -> u64 {
        let mut left = lines;
        let result = self.write_all(&mut left, &mut wait);
        let lost = left.iter().filter(|byte| **byte == b'\n').count() as u64;
        match result {
            Ok(()) => {
                if let Some(failing) = &mut self.failing {
                    failing.quiet += 1;
                }
            }
            Err(error) => {
                let written = lines.len() - left.len();
                self.torn = match written {
                    0 => self.torn,
                    written => lines[written - 1] != b'\n',
                };
                let failing = self.failing.get_or_insert(Failing {
                    error,
                    lost: 0,
                    quiet: 0,
                    told: false,
                });
                failing.lost += lost;
                failing.quiet = 0;
            }
        }
        lost
    }

    /// Takes from `left` what has been written.
    fn write_all(
        &mut self,
        left: &mut &[u8],
        wait: &mut impl FnMut() -> bool,
    ) -> Result<(), io::Error> {
        if self.torn {
            let mut line_break = &b"\n"[..];
            self.write_some(&mut line_break, wait)?;
            self.torn = false;
        }
        while !left.is_empty() {
            self.write_some(left, wait)?;
        }
        self.out.flush()
    }

    fn write_some(
        &mut self,
        left: &mut &[u8],
        wait: &mut impl FnMut() -> bool,
    ) -> Result<(), io::Error> {
        match self.out.write(left) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                *left = &left[written..];
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && wait() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Says once that lines are lost, and once that they are no longer.
    pub(super) fn complain(&mut self) {
        let Some(failing) = &mut self.failing else {
            return;
        };
        let Failing { error, lost, .. } = failing;
        // Nobody is left to tell when this cannot be written either.
        if !std::mem::replace(&mut failing.told, true) {
            let _ = writeln!(
                self.complaints,
                "gateway: the log cannot be written: {error}; its lines are lost, and counted in \
                 gateway_telemetry_dropped_total{{signal=\"logs\",cause=\"not_written\"}}"
            );
        } else if failing.quiet >= QUIET_WRITES {
            let _ = writeln!(
                self.complaints,
                "gateway: the log is written again; {lost} lines were lost"
            );
            self.failing = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Takes so many bytes, or fails so, in turn; then takes everything.
    struct Scripted {
        turns: VecDeque<Result<usize, io::ErrorKind>>,
        written: Vec<u8>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = self.turns.pop_front().unwrap_or(Ok(bytes.len()))?;
            let taken = taken.min(bytes.len());
            self.written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn output(turns: &[Result<usize, io::ErrorKind>]) -> Output<Scripted, Vec<u8>> {
        let scripted = Scripted {
            turns: turns.iter().copied().collect(),
            written: Vec::new(),
        };
        Output::new(scripted, Vec::new())
    }

    const FULL: Result<usize, io::ErrorKind> = Err(io::ErrorKind::StorageFull);
    const NO_ROOM: Result<usize, io::ErrorKind> = Err(io::ErrorKind::WouldBlock);

    fn never() -> bool {
        panic!("nobody should wait")
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_whose_end_was_not_written_are_lost_and_what_is_left_of_one_stands_alone() {
        let mut output = output(&[Ok(6), FULL, Ok(1), FULL]);
        assert_eq!(output.write(b"one\ntwo\nthree\n", never), 2);
        // The line break that ends the torn line is written, and then nothing.
        assert_eq!(output.write(b"four\n", never), 1);
        assert_eq!(output.write(b"five\n", never), 0);
        assert_eq!(text(&output.out.written), "one\ntw\nfive\n");
    }

    #[test]
    fn a_line_that_was_written_to_its_end_is_not_lost_and_tears_nothing() {
        let mut output = output(&[Ok(4), FULL]);
        assert_eq!(output.write(b"one\ntwo\n", never), 1);
        assert_eq!(output.write(b"three\n", never), 0);
        assert_eq!(text(&output.out.written), "one\nthree\n");
    }

    #[test]
    fn an_output_without_room_is_waited_for_and_lost_only_when_time_is_over() {
        let mut waits = 0;
        let mut with_time = output(&[NO_ROOM, Err(io::ErrorKind::Interrupted), Ok(2), NO_ROOM]);
        let mut wait = || {
            waits += 1;
            true
        };
        assert_eq!(with_time.write(b"one\n", &mut wait), 0);
        assert_eq!((waits, text(&with_time.out.written)), (2, "one\n"));
        let mut without = output(&[NO_ROOM]);
        assert_eq!(without.write(b"one\ntwo\n", || false), 2);
    }

    #[test]
    fn it_is_said_once_that_lines_are_lost_and_once_that_they_no_longer_are() {
        let mut output = output(&[FULL, FULL, Ok(9), FULL]);
        for _ in 0..3 + QUIET_WRITES {
            output.write(b"a line\n", never);
            output.complain();
        }
        let said = text(&output.complaints);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("not_written"), "{said}");
        output.write(b"a line\n", never);
        output.complain();
        let said = text(&output.complaints);
        assert!(
            said.ends_with("written again; 3 lines were lost\n"),
            "{said}"
        );
        output.write(b"a line\n", never);
        output.complain();
        assert_eq!(text(&output.complaints).lines().count(), 2);
    }
}
