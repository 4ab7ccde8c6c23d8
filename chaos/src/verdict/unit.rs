//! What figures count in, and how they are written.

use std::time::Duration;

use settings::units::show_duration;

/// What a figure counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 0 to 1; written in percent.
    Share,
    /// Seconds; written as a duration.
    Time,
    /// Per second.
    PerSecond,
    /// A plain number.
    Number,
}

impl Unit {
    /// A measured figure for a table: few digits.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Share => format!("{:.2}%", value * 100.0),
            Unit::Time if value.is_infinite() => "never".to_owned(),
            Unit::Time => format!("{:.0}ms", value * 1e3),
            Unit::PerSecond => format!("{value:.1}/s"),
            Unit::Number if value.fract() == 0.0 => format!("{value:.0}"),
            Unit::Number => format!("{value:.2}"),
        }
    }

    /// A value as it was written: all digits, none invented by rounding.
    pub(super) fn show_exact(self, value: f64) -> String {
        let rounded = |value: f64| (value * 1e6).round() / 1e6;
        match self {
            Unit::Share => format!("{}%", rounded(value * 100.0)),
            Unit::Time => show_duration(Duration::from_secs_f64(value)),
            Unit::PerSecond => format!("{value}/s"),
            Unit::Number => format!("{value}"),
        }
    }
}
