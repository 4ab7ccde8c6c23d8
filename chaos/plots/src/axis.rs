//! Axes: the range of a quantity, where its ticks are, and what they are called.
//!
//! What always holds: the range is not empty; ticks lie in it, in ascending order; what lies outside
//! of it is drawn at its edge.

use crate::unit::Unit;
use std::time::Duration;

/// Highest against lowest value from which times are drawn by their logarithm.
const WIDE: f64 = 8.0;

/// Times below this are drawn as this where the axis is logarithmic.
const SHORTEST: f64 = 0.001;

/// A range with ticks.
#[derive(Clone, Debug)]
pub struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Where, and what is written there.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From nothing to a little beyond `most`, with about so many ticks.
    pub fn linear(most: f64, unit: Unit, ticks: usize) -> Self {
        let least_step = match unit {
            Unit::Number | Unit::PerSecond => 1.0,
            Unit::Share => 0.25,
            Unit::Time => 0.001,
        };
        let step = round_up(most / ticks.max(1) as f64).max(least_step);
        let steps = (most / step - 1e-9).ceil().max(1.0);
        let all = (0..=steps as usize).map(|n| n as f64 * step);
        Self {
            low: 0.0,
            high: steps * step,
            logarithmic: false,
            ticks: all.map(|value| (value, written(value, unit))).collect(),
        }
    }

    /// Times: linear, or logarithmic if the longest is so much longer than the usual that the
    /// usual could not be read any more.
    pub fn times(least: f64, usual: f64, most: f64, ticks: usize) -> Self {
        let usual = usual.max(SHORTEST);
        if most <= usual * WIDE {
            return Self::linear(most.max(SHORTEST), Unit::Time, ticks);
        }
        Self::logarithmic(least.max(SHORTEST) * 0.99, most, Unit::Time)
    }

    /// From a little below the least to a little beyond the most, both above nothing.
    pub fn logarithmic(least: f64, most: f64, unit: Unit) -> Self {
        let (low, high) = (round_down(least), round_up(most));
        // Of so many decades, ticks in between would be in each other's way.
        let digits: &[f64] = if high / low > 600.0 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        let all = (-4..6).flat_map(|n| digits.iter().map(move |digit| digit * 10_f64.powi(n)));
        let inside = all.filter(|value| (low * 0.999..=high * 1.001).contains(value));
        Self {
            low,
            high,
            logarithmic: true,
            ticks: inside.map(|value| (value, written(value, unit))).collect(),
        }
    }

    /// The time of a run, with about so many ticks.
    pub fn of_run(length: Duration, ticks: usize) -> Self {
        /// Steps that people count time in, in seconds.
        const STEPS: [f64; 14] = [
            0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0,
        ];
        let length = length.as_secs_f64();
        let in_minutes = length >= 180.0;
        let good = |step: &f64| length / step <= ticks as f64 && (!in_minutes || *step >= 60.0);
        let step = STEPS.into_iter().find(good).unwrap_or(1200.0);
        let all = (0..=(length / step + 1e-9) as usize).map(|n| n as f64 * step);
        let written = |at: f64| match in_minutes {
            true => format!("{} min", at / 60.0),
            false => format!("{} s", (at * 10.0).round() / 10.0),
        };
        Self {
            low: 0.0,
            high: length,
            logarithmic: false,
            ticks: all.map(|at| (at, written(at))).collect(),
        }
    }

    /// Where in the range a value lies, 0 to 1.
    pub fn share(&self, value: f64) -> f64 {
        let share = match self.logarithmic {
            true => (value.max(SHORTEST) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        share.clamp(0.0, 1.0)
    }

    /// Whether a value can be drawn where it belongs.
    pub fn has(&self, value: f64) -> bool {
        (self.low..=self.high * (1.0 + 1e-9)).contains(&value)
    }

    /// What to say beside the name of the quantity.
    pub fn remark(&self) -> &'static str {
        if self.logarithmic {
            " (logarithmic axis)"
        } else {
            ""
        }
    }
}

/// The next 1, 2 or 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let decade = 10_f64.powf(value.log10().floor());
    let digits = [1.0, 2.0, 5.0, 10.0].into_iter();
    let rounded = digits.map(|digit| digit * decade);
    rounded
        .into_iter()
        .find(|rounded| *rounded >= value * (1.0 - 1e-9))
        .unwrap_or(value)
}

/// The last 1, 2 or 5 times a power of ten.
fn round_down(value: f64) -> f64 {
    1.0 / round_up(1.0 / value)
}

fn written(value: f64, unit: Unit) -> String {
    let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
    match unit {
        Unit::Share => format!("{}%", rounded(value * 100.0)),
        Unit::Time if value >= 1.0 => format!("{} s", rounded(value)),
        Unit::Time => format!("{} ms", rounded(value * 1e3)),
        Unit::PerSecond => format!("{}/s", rounded(value)),
        Unit::Number => format!("{}", rounded(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers_with_their_unit() {
        let axis = Axis::linear(213.0, Unit::PerSecond, 4);
        assert_eq!(texts(&axis), ["0/s", "100/s", "200/s", "300/s"]);
        let axis = Axis::linear(0.3, Unit::Time, 4);
        assert_eq!(texts(&axis), ["0 ms", "100 ms", "200 ms", "300 ms"]);
        let axis = Axis::linear(1.0, Unit::Share, 2);
        assert_eq!(texts(&axis), ["0%", "50%", "100%"]);
        let axis = Axis::linear(1.0, Unit::Number, 4);
        assert_eq!(texts(&axis), ["0", "1"]);
    }

    #[test]
    fn an_axis_of_nothing_still_has_a_range() {
        let axis = Axis::linear(0.0, Unit::PerSecond, 4);
        assert_eq!(texts(&axis), ["0/s", "1/s"]);
        assert!(axis.share(0.0).abs() < 1e-9);
        assert_eq!(texts(&Axis::times(0.0, 0.0, 0.0, 4)), ["0 ms", "1 ms"]);
    }

    #[test]
    fn times_of_very_different_length_have_a_logarithmic_axis() {
        let axis = Axis::times(0.06, 0.085, 3.2, 4);
        assert_eq!(
            texts(&axis),
            ["50 ms", "100 ms", "200 ms", "500 ms", "1 s", "2 s", "5 s"]
        );
        assert!(axis.share(0.0).abs() < 1e-9);
        assert!((axis.share(5.0) - 1.0).abs() < 1e-9);
        let axis = Axis::times(0.0, 0.085, 3.2, 4);
        assert_eq!(texts(&axis), ["1 ms", "10 ms", "100 ms", "1 s"]);
        assert_eq!(Axis::times(0.0, 0.085, 0.3, 4).remark(), "");
    }

    #[test]
    fn a_run_of_a_second_and_one_of_ten_minutes_have_ticks_that_people_count_in() {
        let of = |seconds| Axis::of_run(Duration::from_secs(seconds), 6);
        assert_eq!(
            texts(&of(1)),
            ["0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"]
        );
        assert_eq!(
            texts(&of(600)),
            ["0 min", "2 min", "4 min", "6 min", "8 min", "10 min"]
        );
        assert_eq!(texts(&of(35)), ["0 s", "10 s", "20 s", "30 s"]);
    }
}
