//! Where strings may end: quotes, backslashes and control characters, 64 bytes at a time.
//!
//! Whoever looks for the end of a string from its beginning on has to know where the one before has
//! ended, and most of the time of a check is that wait. Which bytes of a block are special depends on
//! nothing before it (Langdale, Lemire: "Parsing Gigabytes of JSON per Second", 2019, section 3.1).

use wide::u8x16;

const LANE: usize = 16;
const BLOCK: usize = u64::BITS as usize;

/// The special bytes of a text, found in order.
pub(super) struct Special<'a> {
    text: &'a [u8],
    /// Which block is known.
    block: usize,
    /// Its bytes, the first lowest: whether they are special. What is beyond the text is.
    bits: u64,
}

impl<'a> Special<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self {
            text,
            block: 0,
            bits: bits(text),
        }
    }

    /// Where the first one stands at `at` or after; the end of the text, if there is none. `at` is in
    /// the text, or its end.
    pub(super) fn next(&mut self, mut at: usize) -> usize {
        loop {
            let block = at / BLOCK;
            if block != self.block {
                self.block = block;
                self.bits = bits(&self.text[block * BLOCK..]);
            }
            let rest = self.bits >> (at % BLOCK);
            if rest != 0 {
                return at + rest.trailing_zeros() as usize;
            }
            at = (block + 1) * BLOCK;
        }
    }
}

/// Of the block at the beginning of `text`.
fn bits(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(block) => bits_of(block),
        None => {
            let mut block = [0; BLOCK];
            block[..text.len()].copy_from_slice(text);
            bits_of(&block)
        }
    }
}

fn bits_of(block: &[u8; BLOCK]) -> u64 {
    let (lanes, _) = block.as_chunks::<LANE>();
    let mut bits = 0;
    for (nth, lane) in lanes.iter().enumerate() {
        let lane = u8x16::new(*lane);
        let special = lane.simd_eq(u8x16::splat(b'"'))
            | lane.simd_eq(u8x16::splat(b'\\'))
            | lane.simd_le(u8x16::splat(0x1f));
        bits |= u64::from(special.to_bitmask()) << (LANE * nth);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the first special byte of `text` stands.
    fn first(text: &[u8]) -> usize {
        Special::of(text).next(0)
    }

    #[test]
    fn what_is_plain_ends_at_the_first_special_byte_wherever_it_stands() {
        for length in (0..40).chain([63, 64, 65, 130]) {
            let text = vec![b'a'; length];
            for from in 0..=length {
                assert_eq!(Special::of(&text).next(from), length, "from {from}");
            }
            for at in 0..length {
                for special in (0..0x20).chain([b'"', b'\\']) {
                    let mut text = text.clone();
                    text[at] = special;
                    assert_eq!(first(&text), at, "{special:#x} of {length}");
                    // What comes after it changes nothing.
                    text[at + 1..].fill(0);
                    assert_eq!(first(&text), at, "{special:#x} of {length}");
                }
            }
        }
        for byte in (0x20..=0xff).filter(|byte| !matches!(byte, b'"' | b'\\')) {
            assert_eq!(first(&[byte; 100]), 100, "{byte:#x}");
        }
    }

    #[test]
    fn all_are_found_in_order() {
        let text: Vec<u8> = (0..300).map(|n: u32| (n * n % 251) as u8).collect();
        let is_special = |&at: &usize| matches!(text[at], b'"' | b'\\' | ..0x20);
        let mut special = Special::of(&text);
        let mut at = 0;
        for wanted in (0..text.len()).filter(is_special) {
            assert_eq!(special.next(at), wanted);
            at = wanted + 1;
        }
        assert_eq!(special.next(at), text.len());
    }
}
