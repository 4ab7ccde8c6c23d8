//! The time of a run, cut into steps.

use std::time::Duration;

/// A run in steps of equal width; the last one may be shorter.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// Width of a step.
    pub width: Duration,
    /// Of the run.
    pub length: Duration,
}

impl Steps {
    /// At most so many, of a width that people count in and that has whole grains.
    #[must_use]
    pub fn new(length: Duration, grain: Duration, most: u32) -> Self {
        /// In grains.
        const WIDTHS: [u32; 9] = [1, 2, 5, 10, 20, 50, 100, 200, 600];
        let fits = |width: &u32| grain * *width * most >= length;
        let width = grain * WIDTHS.into_iter().find(fits).unwrap_or(600);
        Self { width, length }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.length.as_nanos().div_ceil(self.width.as_nanos()) as usize
    }

    /// Where a step begins and ends, in seconds.
    #[must_use]
    pub fn span(&self, step: usize) -> (f64, f64) {
        let from = self.width * step as u32;
        let until = (from + self.width).min(self.length);
        (from.as_secs_f64(), until.as_secs_f64())
    }
}
