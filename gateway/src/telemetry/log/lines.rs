//! Lines that wait to be written, and the one thread that writes them.
//!
//! Adding a line costs a copy into a buffer under a lock, which the writer holds only to
//! swap the buffer for an empty one. The writer wakes at the first line, lets others gather
//! for [`GATHER`], and writes all of them at once: a wake-up and a write for each line
//! would cost the process more than making the line.
//!
//! What always holds: nobody who adds a line waits for the reader of the log; at most
//! [`MOST_WAITING`] bytes wait, those that are being written included; every line is
//! written whole or counted as lost, by cause (see [`output`](super::output)).

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

use super::output::Output;

/// Bytes of lines that may wait; a line that finds no room is dropped. Some 25 000 pages.
pub(super) const MOST_WAITING: usize = 16 * 1024 * 1024;

/// How long lines gather before they are written together; an output that has no room for more
/// is tried again as often.
const GATHER: Duration = Duration::from_millis(10);

/// Room that stays with a buffer when a burst of lines is over.
const KEPT_ROOM: usize = 256 * 1024;

/// How long a log that ends may take to write what waits.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Where lines are added.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when there is a line again after there was none.
    added: Condvar,
    /// Told when there will be no more lines.
    ended: Condvar,
    /// Told when the writer has written the last of them.
    finished: Condvar,
    /// Without room to wait.
    too_many: AtomicU64,
    /// Not taken by the system.
    not_written: AtomicU64,
}

/// Lines that were lost, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::telemetry) struct Lost {
    /// There was no room for them to wait.
    pub(in crate::telemetry) too_many: u64,
    /// The system did not take them.
    pub(in crate::telemetry) not_written: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// Bytes the writer has taken and not yet written.
    in_hand: usize,
    ended: bool,
    finished: bool,
}

/// The writer's thread. Dropped, it writes what waits, for [`LAST_LINES`] at most.
#[derive(Debug)]
pub(super) struct Writer(Arc<Shared>);

impl Lines {
    /// Starts a thread that writes to `out`, and says on `complaints` when that cannot be done.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn written_to(
        out: impl Write + Send + 'static,
        complaints: impl Write + Send + 'static,
    ) -> io::Result<(Self, Writer)> {
        let lines = Self::default();
        let shared = Arc::clone(&lines.0);
        // Ends with the writer; a reader that takes nothing holds it until the process ends.
        thread::Builder::new()
            .name("log".into())
            .spawn(move || shared.write_to(Output::new(out, complaints)))?;
        let writer = Writer(Arc::clone(&lines.0));
        Ok((lines, writer))
    }

    /// Adds `line`, which ends with a line break; without room for it, it is dropped and
    /// counted.
    pub(super) fn add(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        let waiting = state.waiting.len();
        if waiting + state.in_hand + line.len() > MOST_WAITING {
            drop(state);
            self.0.too_many.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.waiting.extend_from_slice(line);
        drop(state);
        if waiting == 0 {
            self.0.added.notify_one();
        }
    }

    /// Lines that were lost so far.
    pub(super) fn lost(&self) -> Lost {
        Lost {
            too_many: self.0.too_many.load(Ordering::Relaxed),
            not_written: self.0.not_written.load(Ordering::Relaxed),
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// An event is written by one call: a line.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn write_to(&self, mut output: Output<impl Write, impl Write>) {
        let mut taken = Vec::new();
        let mut last_tries = LAST_LINES.as_millis() / GATHER.as_millis();
        while self.take(&mut taken) {
            let lost = output.write(&taken, || {
                // A process that ends waits for nobody.
                let ended = self.pause();
                last_tries = last_tries.saturating_sub(u128::from(ended));
                last_tries > 0
            });
            self.not_written.fetch_add(lost, Ordering::Relaxed);
            output.complain();
            taken.clear();
            taken.shrink_to(KEPT_ROOM);
        }
    }

    /// Waits for the output to have room; returns whether the log has ended.
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread of its own, that nothing else runs on"
    )]
    fn pause(&self) -> bool {
        thread::sleep(GATHER);
        self.state.lock().ended
    }

    /// Waits for lines, and takes all there are; false when there will be no more.
    fn take(&self, taken: &mut Vec<u8>) -> bool {
        let mut state = self.state.lock();
        state.in_hand = 0;
        self.added
            .wait_while(&mut state, |state| state.waiting.is_empty() && !state.ended);
        self.ended
            .wait_while_for(&mut state, |state| !state.ended, GATHER);
        std::mem::swap(&mut state.waiting, taken);
        state.in_hand = taken.len();
        state.finished = taken.is_empty();
        if state.finished {
            self.finished.notify_all();
        }
        !state.finished
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.ended = true;
        self.0.added.notify_all();
        self.0.ended.notify_all();
        let finished = |state: &mut State| !state.finished;
        self.0
            .finished
            .wait_while_for(&mut state, finished, LAST_LINES);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes what is written, as fast as the test lets it.
    struct Reader {
        written: Arc<Mutex<Vec<u8>>>,
        /// A write waits for one of these; none left to come means no more waiting.
        turns: mpsc::Receiver<()>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.turns.recv();
            self.written.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Log {
        lines: Lines,
        writer: Writer,
        written: Arc<Mutex<Vec<u8>>>,
        turns: mpsc::Sender<()>,
    }

    fn log() -> Log {
        let (sender, turns) = mpsc::channel();
        let written = Arc::default();
        let reader = Reader {
            written: Arc::clone(&written),
            turns,
        };
        let (lines, writer) = Lines::written_to(reader, io::sink()).unwrap();
        Log {
            lines,
            writer,
            written,
            turns: sender,
        }
    }

    fn text(written: &Mutex<Vec<u8>>) -> String {
        String::from_utf8(written.lock().clone()).unwrap()
    }

    #[test]
    fn lines_of_many_threads_are_written_whole_and_each_threads_in_its_order() {
        let log = log();
        drop(log.turns);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let lines = log.lines.clone();
                scope.spawn(move || {
                    for n in 0..10_000 {
                        lines.add(format!("{thread} {n}\n").as_bytes());
                    }
                });
            }
        });
        drop(log.writer);
        assert_eq!(log.lines.lost(), Lost::default());
        let text = text(&log.written);
        for thread in 0..4 {
            let own = text.lines().filter_map(|line| {
                let (of, n) = line.split_once(' ').unwrap();
                (of == thread.to_string()).then(|| n.parse::<u32>().unwrap())
            });
            assert!(own.eq(0..10_000), "thread {thread}");
        }
    }

    #[test]
    fn a_reader_that_takes_nothing_costs_lines_which_are_counted() {
        let log = log();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let fit = MOST_WAITING / line.len();
        for _ in 0..fit + 100 {
            log.lines.add(&line);
        }
        // Room there is only for whole lines, whatever the writer has taken of them.
        let lost = log.lines.lost();
        assert_eq!((lost.too_many, lost.not_written), (100, 0));
        drop(log.turns);
        drop(log.writer);
        assert_eq!(text(&log.written).lines().count(), fit);
    }

    #[test]
    fn what_has_been_written_makes_room_again() {
        let log = log();
        drop(log.turns);
        let line = vec![b'\n'; MOST_WAITING];
        let written = || log.written.lock().len();
        for times in 1..=3 {
            log.lines.add(&line);
            while written() < times * MOST_WAITING {
                std::thread::yield_now();
            }
            // The room is given back when the writer comes for more.
            while log.lines.0.state.lock().in_hand > 0 {
                std::thread::yield_now();
            }
        }
        assert_eq!(log.lines.lost(), Lost::default());
        drop(log.writer);
    }

    #[test]
    fn a_log_that_ends_does_not_wait_for_a_reader_that_takes_nothing() {
        let log = log();
        log.lines.add(b"nobody reads this\n");
        drop(log.writer);
        assert_eq!(text(&log.written), "");
    }
}
