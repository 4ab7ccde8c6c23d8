//! A `DDSketch`: how often values of about the same size occurred.
//!
//! Bins grow by a constant factor, so a quantile read from it is within 1 % of the real
//! one, and sketches of many processes add up (Masson, Rim, Lee, "`DDSketch`", VLDB 2019).
//! Mapping and encoding are those of the agent's own statistics, which then takes it as it
//! is. Values are times from a microsecond to an hour; what is shorter or longer counts as
//! that, which bounds a sketch to 1101 bins.

use std::sync::LazyLock;
use std::time::Duration;

/// Relative accuracy of what is read from a sketch.
const ACCURACY: f64 = 0.01;

/// From one bin's lower edge to the next one's.
const GAMMA: f64 = (1.0 + ACCURACY) / (1.0 - ACCURACY);

/// Logarithms to the base [`GAMMA`] from natural ones.
static PER_LN: LazyLock<f64> = LazyLock::new(|| GAMMA.ln().recip());

/// In nanoseconds.
const SHORTEST: f64 = 1e3;

/// In nanoseconds.
const LONGEST: f64 = 3.6e12;

/// Times, by size.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    /// Index of the first bin.
    first: i32,
    /// Cleared, it keeps its bins, so that the next ones need no memory.
    bins: Vec<u32>,
}

impl Sketch {
    /// One more value.
    pub(super) fn add(&mut self, took: Duration) {
        let index = index(took);
        if self.bins.is_empty() {
            self.first = index;
        }
        if index < self.first {
            let before = (self.first - index) as usize;
            self.bins.splice(..0, std::iter::repeat_n(0, before));
            self.first = index;
        }
        let place = (index - self.first) as usize;
        if place >= self.bins.len() {
            self.bins.resize(place + 1, 0);
        }
        self.bins[place] = self.bins[place].saturating_add(1);
    }

    pub(super) fn clear(&mut self) {
        self.bins.fill(0);
    }

    /// As a message of protocol buffers, appended to `to`.
    /// <https://github.com/DataDog/sketches-go/blob/master/ddsketch/pb/ddsketch.proto>
    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        let bins = self.bins.iter();
        let empty = bins.clone().take_while(|count| **count == 0).count();
        let after = bins.rev().take_while(|count| **count == 0).count();
        let filled = self
            .bins
            .get(empty..self.bins.len() - after)
            .unwrap_or_default();

        // DDSketch.mapping: IndexMapping.gamma; no offset, no interpolation.
        message(to, 1, 9);
        key(to, 1, FIXED64);
        to.extend_from_slice(&GAMMA.to_le_bytes());

        // DDSketch.positiveValues: Store.contiguousBinCounts, .contiguousBinIndexOffset.
        let mut offset = Vec::with_capacity(6);
        if !filled.is_empty() {
            key(&mut offset, 3, VARINT);
            varint(&mut offset, zigzag(self.first + empty as i32));
        }
        let packed = 8 * filled.len();
        let mut counts = Vec::with_capacity(6);
        if !filled.is_empty() {
            message(&mut counts, 2, packed);
        }
        message(to, 2, counts.len() + packed + offset.len());
        to.extend_from_slice(&counts);
        for count in filled {
            to.extend_from_slice(&f64::from(*count).to_le_bytes());
        }
        to.extend_from_slice(&offset);

        // DDSketch.negativeValues: there are none, but readers expect a store.
        message(to, 3, 0);
    }
}

/// The bin that a time belongs to.
fn index(took: Duration) -> i32 {
    let nanos = (took.as_nanos() as f64).clamp(SHORTEST, LONGEST);
    (nanos.ln() * *PER_LN).floor() as i32
}

/// Wire types.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;

fn key(to: &mut Vec<u8>, field: u64, wire_type: u64) {
    varint(to, field << 3 | wire_type);
}

/// The head of a field that is so many bytes long.
fn message(to: &mut Vec<u8>, field: u64, length: usize) {
    key(to, field, LENGTH);
    varint(to, length as u64);
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Signed numbers, so that small ones are short.
fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    const MICROSECOND: Duration = Duration::from_micros(1);

    impl Sketch {
        /// The time that this share of all are not longer than, as Datadog reads it: the
        /// middle of a bin's values.
        fn quantile(&self, share: f64) -> Duration {
            let rank = share * f64::from(self.bins.iter().sum::<u32>() - 1);
            let mut below = 0.0;
            for (place, count) in self.bins.iter().enumerate() {
                below += f64::from(*count);
                if below > rank {
                    let lower = GAMMA.powi(self.first + place as i32);
                    return Duration::from_nanos((lower * (1.0 + ACCURACY)) as u64);
                }
            }
            panic!("an empty sketch has no quantiles");
        }
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent_whatever_the_order(
            mut micros in prop::collection::vec(1_u64..10_000_000, 1..300),
            share in 0.0..1.0_f64,
        ) {
            let mut sketch = Sketch::default();
            micros.iter().for_each(|micros| sketch.add(MICROSECOND * *micros as u32));
            micros.sort_unstable();
            let exact = micros[(share * (micros.len() - 1) as f64) as usize] as f64 * 1e-6;
            let read = sketch.quantile(share).as_secs_f64();
            prop_assert!((read / exact - 1.0).abs() < ACCURACY + 1e-6, "{read}, not {exact}");
        }
    }

    #[test]
    fn no_time_needs_more_than_1101_bins() {
        let mut sketch = Sketch::default();
        for took in [Duration::MAX, Duration::ZERO, MICROSECOND] {
            sketch.add(took);
        }
        assert_eq!(sketch.bins.len(), 1101);
        assert_eq!((sketch.bins[0], sketch.bins[1100]), (2, 1));
    }

    #[test]
    fn a_cleared_sketch_has_no_values_and_keeps_its_memory() {
        let mut sketch = Sketch::default();
        sketch.add(MICROSECOND * 7);
        sketch.add(MICROSECOND * 9_000);
        let (memory, length) = (sketch.bins.as_ptr(), sketch.bins.len());
        sketch.clear();
        let mut written = Vec::new();
        sketch.encode(&mut written);
        let mut empty = Vec::new();
        Sketch::default().encode(&mut empty);
        assert_eq!(written, empty);
        sketch.add(MICROSECOND * 500);
        assert_eq!((sketch.bins.as_ptr(), sketch.bins.len()), (memory, length));
    }

    #[test]
    fn it_is_written_as_protocol_buffers_without_empty_bins_at_either_end() {
        let mut sketch = Sketch::default();
        for micros in [1, 300_000, 300_000, 310_000, 3_000_000_000_u64] {
            sketch.add(Duration::from_micros(micros));
        }
        sketch.bins[0] = 0;
        *sketch.bins.last_mut().unwrap() = 0;
        let mut written = Vec::new();
        sketch.encode(&mut written);
        // ln(3e8) / ln(GAMMA) = 975.9…, ln(3.1e8) / ln(GAMMA) = 977.5…
        let mut expected = vec![0x0a, 9, 0x09];
        expected.extend(GAMMA.to_le_bytes());
        expected.extend([0x12, 2 + 24 + 3, 0x12, 24]);
        for count in [2.0_f64, 0.0, 1.0] {
            expected.extend(count.to_le_bytes());
        }
        // 975 is 1950 in zigzag: 0x9e 0x0f.
        expected.extend([0x18, 0x9e, 0x0f, 0x1a, 0]);
        assert_eq!(written, expected);
    }
}
