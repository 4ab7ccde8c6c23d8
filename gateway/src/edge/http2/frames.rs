//! Frames as they are received: how far one has come, and how many ask for nothing. A pure state, with
//! the time given.
//!
//! PING, SETTINGS, PRIORITY, WINDOW_UPDATE and unknown frames cost work, some of them an answer, and
//! no limit of pages sees them (CVE-2019-9512 and -9515). Each takes one from an allowance, to which
//! requests, what has been written, and time add. h2 limits frames of CONTINUATION and empty ones by itself.
//!
//! Not here: what frames mean. Those that are none are h2's to refuse.

use std::time::Duration;

use tokio::time::Instant;

/// RFC 9113 section 4.1.
const HEADER: usize = 9;

/// The client's preface (RFC 9113 section 3.4) is followed by the first frame.
const PREFACE: usize = 24;

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// Frames that a connection may begin with, and never more at once.
const MOST: u32 = 1000;

/// One more after so long,
const EVERY: Duration = Duration::from_millis(10);

/// so many more with each request,
const WITH_REQUEST: u32 = 16;

/// and one more for so many bytes written: a client gives windows back.
const WRITTEN: usize = 1024;

/// More frames than were allowed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flood;

/// The frames of one connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes of the preface that are still to come.
    preface: usize,
    header: [u8; HEADER],
    /// Bytes of `header` that have come.
    have: usize,
    /// Bytes of the frame that are still to come.
    rest: usize,
    /// A header block is not complete.
    in_block: bool,
    /// Bytes of it that have come.
    block: usize,
    left: u32,
    written: usize,
    counted: Instant,
}

impl Frames {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            preface: PREFACE,
            header: [0; HEADER],
            have: 0,
            rest: 0,
            in_block: false,
            block: 0,
            left: MOST,
            written: 0,
            counted: now,
        }
    }

    /// These bytes came, after those before.
    pub(super) fn received(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Flood> {
        let skipped = self.preface.min(bytes.len());
        self.preface -= skipped;
        bytes = &bytes[skipped..];
        let mut within = Ok(());
        while !bytes.is_empty() {
            let taken = if self.rest > 0 {
                let taken = self.rest.min(bytes.len());
                self.rest -= taken;
                taken
            } else {
                let taken = (HEADER - self.have).min(bytes.len());
                self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
                self.have += taken;
                if self.have == HEADER {
                    within = within.and(self.begin(now));
                }
                taken
            };
            if self.in_block {
                self.block += taken;
            }
            bytes = &bytes[taken..];
        }
        if self.rest == 0 && self.have == 0 && self.ends_block() {
            self.in_block = false;
        }
        within
    }

    /// A frame begins.
    fn begin(&mut self, now: Instant) -> Result<(), Flood> {
        let [high, middle, low, kind, ..] = self.header;
        self.have = 0;
        self.rest = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        match kind {
            HEADERS | CONTINUATION => {
                if kind == HEADERS {
                    self.block = 0;
                    self.earn(WITH_REQUEST);
                }
                self.in_block = true;
                Ok(())
            }
            _ => {
                self.in_block = false;
                self.spend(now)
            }
        }
    }

    /// Whether the last frame of headers was the last of its block.
    fn ends_block(&self) -> bool {
        self.header[4] & END_HEADERS != 0
    }

    fn earn(&mut self, more: u32) {
        self.left = self.left.saturating_add(more).min(MOST);
    }

    fn spend(&mut self, now: Instant) -> Result<(), Flood> {
        if self.left == 0 {
            let passed = now.saturating_duration_since(self.counted);
            let more = u32::try_from(passed.as_nanos() / EVERY.as_nanos()).unwrap_or(u32::MAX);
            self.earn(more);
            self.counted = now;
        }
        self.left = self.left.checked_sub(1).ok_or(Flood)?;
        Ok(())
    }

    /// So many bytes have been written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        let more = self.written / WRITTEN;
        self.written %= WRITTEN;
        self.earn(u32::try_from(more).unwrap_or(u32::MAX));
    }

    /// Whether something has begun that is not complete: a frame, a header block, the preface.
    pub(super) fn is_partial(&self) -> bool {
        self.preface > 0 || self.have > 0 || self.rest > 0 || self.in_block
    }

    /// Bytes that have come of a header block that is not complete.
    pub(super) fn partial_block(&self) -> usize {
        if self.in_block { self.block } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::deadline::now;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![
            0,
            (length >> 8) as u8,
            length as u8,
            kind,
            flags,
            0,
            0,
            0,
            1,
        ];
        frame.resize(HEADER + length, 7);
        frame
    }

    fn begun(at: Instant) -> Frames {
        let mut frames = Frames::new(at);
        assert!(frames.is_partial(), "the preface has not come");
        frames.received(&[b'x'; PREFACE], at).unwrap();
        frames
    }

    #[test]
    fn what_is_not_complete_is_partial_however_it_is_cut() {
        let whole = [
            frame(4, 0, 18),
            frame(HEADERS, 0, 300),
            frame(CONTINUATION, END_HEADERS, 20),
            frame(0, 1, 0),
        ]
        .concat();
        let ends = [27, 27 + 309 + 29, whole.len()];
        let mut frames = begun(now());
        assert!(!frames.is_partial());
        for (at, byte) in whole.iter().enumerate() {
            frames.received(&[*byte], now()).unwrap();
            assert_eq!(frames.is_partial(), !ends.contains(&(at + 1)), "{at}");
        }
        let mut frames = begun(now());
        frames.received(&whole, now()).unwrap();
        assert!(!frames.is_partial() && frames.partial_block() == 0);
        frames.received(&whole[27..27 + 309], now()).unwrap();
        assert!(frames.is_partial());
        assert!(frames.partial_block() >= 300, "{}", frames.partial_block());
    }

    #[test]
    fn frames_that_ask_for_nothing_are_a_flood_once_they_are_many() {
        let (began, ping) = (now(), frame(6, 0, 8));
        let mut frames = begun(began);
        for _ in 0..MOST {
            frames.received(&ping, began).unwrap();
        }
        assert_eq!(frames.received(&ping, began), Err(Flood));
        // Time allows for more of them, and so does what was asked for and answered.
        let later = began + EVERY * 2;
        assert_eq!(frames.received(&ping, later), Ok(()));
        assert_eq!(frames.received(&ping, later), Ok(()));
        assert_eq!(frames.received(&ping, later), Err(Flood));
        frames
            .received(&frame(HEADERS, END_HEADERS, 40), later)
            .unwrap();
        frames.wrote(WRITTEN * 3 / 2);
        frames.wrote(WRITTEN / 2);
        for _ in 0..WITH_REQUEST + 2 {
            frames.received(&ping, later).unwrap();
        }
        assert_eq!(frames.received(&ping, later), Err(Flood));
    }
}
