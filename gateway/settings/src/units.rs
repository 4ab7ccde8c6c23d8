//! Durations, sizes and rates as people write them: `"300ms"`, `"64KiB"`, `"500/s"`.
//!
//! One whole number and one unit, so that a value has one spelling and no
//! rounding; whatever is close to that is refused with the spelling that was
//! meant. Nothing here overflows: the number is bounded before it is scaled.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::problem::Problem;

/// A rate as written: `count` per `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In how long: one second, minute or hour.
    pub period: Duration,
}

impl Rate {
    /// Events per second.
    pub fn per_second(self) -> f64 {
        f64::from(self.count.get()) / self.period.as_secs_f64()
    }
}

/// Longest duration that can be written. A wait of more than a day is a slip of the pen.
pub const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// Largest size that can be written: one body of a gibibyte is already too much to hold in memory.
pub const MAX_SIZE: u64 = 1 << 30;

/// Units of a duration, largest first, in nanoseconds.
const TIMES: &[(&str, u64)] = &[
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Units of a size, the binary ones (largest first) being those we write ourselves.
const SIZES: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
];

/// Periods of a rate.
const PERIODS: &[(&str, u64)] = &[("h", 3600), ("min", 60), ("s", 1)];

/// Parses `"300ms"`: a whole number and one of `ns us ms s m h`, at most [`MAX_DURATION`].
///
/// # Errors
/// Whatever is not that, with the spelling that was probably meant.
pub fn duration(text: &str) -> Result<Duration, Problem> {
    let what = Quantity {
        noun: "duration",
        units: TIMES,
        usual: "ms",
        example: "300ms",
    };
    let nanos = what.parse(
        text,
        u64::try_from(MAX_DURATION.as_nanos()).unwrap_or(u64::MAX),
    )?;
    Ok(Duration::from_nanos(nanos))
}

/// Parses `"64KiB"`: a whole number and one of `B KiB MiB GiB` (powers of 1024) or `kB MB GB` (powers of 1000), at most [`MAX_SIZE`].
///
/// # Errors
/// Whatever is not that, with the spelling that was probably meant.
pub fn size(text: &str) -> Result<u64, Problem> {
    Quantity {
        noun: "size",
        units: SIZES,
        usual: "KiB",
        example: "256KiB",
    }
    .parse(text, MAX_SIZE)
}

/// Parses `"500/s"`, `"30/min"`, `"1000/h"`; `"none"` is no limit.
///
/// # Errors
/// Whatever is not that, with the spelling that was probably meant.
pub fn rate(text: &str) -> Result<Option<Rate>, Problem> {
    if text == "none" {
        return Ok(None);
    }
    let wrong = |why: &str| Problem::new(why).write("500/s");
    let Some((count, unit)) = text.split_once('/') else {
        return Err(match text.trim().parse::<u32>() {
            Ok(count) => wrong("a rate needs its period").write(format!("{count}/s")),
            Err(_) => wrong("not a rate, such as \"500/s\", \"30/min\" or \"none\""),
        });
    };
    if count.starts_with('-') {
        return Err(wrong("a rate cannot be negative"));
    }
    let Some((_, seconds)) = PERIODS.iter().find(|(name, _)| *name == unit) else {
        let meant = unit.trim().to_lowercase();
        let meant = PERIODS
            .iter()
            .find(|(name, _)| meant.starts_with(&name[..1]));
        let fix = format!("{}/{}", count.trim(), meant.map_or("s", |(name, _)| name));
        return Err(wrong("the period of a rate is s, min or h").write(fix));
    };
    if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong("the count of a rate is a whole number"));
    }
    let count: u32 = count
        .parse()
        .map_err(|_| wrong("a rate this high cannot be counted"))?;
    let count = NonZeroU32::new(count)
        .ok_or_else(|| Problem::new("a rate of zero admits nobody").write("none"))?;
    Ok(Some(Rate {
        count,
        period: Duration::from_secs(*seconds),
    }))
}

/// The shortest exact spelling: `"1500ms"`, `"5s"`, `"1m"`.
pub fn show_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0ms".to_owned();
    }
    let (name, scale) = exact(nanos, TIMES);
    format!("{}{name}", nanos / u128::from(scale))
}

/// The shortest exact spelling in powers of 1024: `"64KiB"`, `"1000B"`.
pub fn show_size(bytes: u64) -> String {
    let (name, scale) = exact(u128::from(bytes), &SIZES[..4]);
    format!("{}{name}", bytes / scale)
}

/// `"500/s"`, or `"none"`.
pub fn show_rate(rate: Option<Rate>) -> String {
    let Some(rate) = rate else {
        return "none".to_owned();
    };
    let unit = PERIODS
        .iter()
        .find(|(_, seconds)| rate.period.as_secs() == *seconds);
    format!("{}/{}", rate.count, unit.map_or("s", |(name, _)| name))
}

/// So many of something: "1 page", "2 pages". The noun is one that only takes an `s`.
pub fn counted(number: impl fmt::Display, noun: &str) -> String {
    match number.to_string() {
        one if one == "1" => format!("1 {noun}"),
        many => format!("{many} {noun}s"),
    }
}

/// The first unit that divides the value without a rest.
fn exact(value: u128, units: &[(&'static str, u64)]) -> (&'static str, u64) {
    let divides = |(_, scale): &&(&str, u64)| value.is_multiple_of(u128::from(*scale));
    units.iter().find(divides).copied().unwrap_or(("", 1))
}

/// A number with a unit.
struct Quantity {
    noun: &'static str,
    units: &'static [(&'static str, u64)],
    /// The unit assumed when one is missing, for the hint only.
    usual: &'static str,
    example: &'static str,
}

impl Quantity {
    /// The value in the smallest unit, at most `max` of them.
    fn parse(&self, text: &str, max: u64) -> Result<u64, Problem> {
        let noun = self.noun;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if text.trim().is_empty() {
            return Err(Problem::new(format!("a {noun} cannot be empty")).write(self.example));
        }
        if text.starts_with('-') {
            let positive = text.trim_start_matches('-');
            let fix = if self.parse(positive, max).is_ok() {
                positive
            } else {
                self.example
            };
            return Err(Problem::new(format!("a {noun} cannot be negative")).write(fix));
        }
        if number.is_empty() {
            let what = format!("not a {noun}, which is a whole number and its unit");
            return Err(Problem::new(what).write(self.example));
        }
        let too_big = || {
            let most = if noun == "size" {
                show_size(max)
            } else {
                show_duration(MAX_DURATION)
            };
            Problem::new(format!("the {noun} is too big; the most is {most}")).write(most)
        };
        let Some((_, scale)) = self.units.iter().find(|(name, _)| *name == unit) else {
            return Err(self.misspelt(number, unit));
        };
        let number: u64 = number.parse().map_err(|_| too_big())?;
        number
            .checked_mul(*scale)
            .filter(|value| *value <= max)
            .ok_or_else(too_big)
    }

    /// Says what was probably meant by `number` followed by something that is no unit.
    fn misspelt(&self, number: &str, unit: &str) -> Problem {
        if unit.trim().is_empty() {
            let what = format!("a {} needs its unit", self.noun);
            return Problem::new(what).write(format!("{number}{}", self.usual));
        }
        if let Some(fraction) = unit.strip_prefix('.') {
            let what = format!("a {} is a whole number and its unit", self.noun);
            return match self.whole(number, fraction) {
                Some(exact) => Problem::new(what).write(exact),
                None => Problem::new(what).write(self.example),
            };
        }
        let names: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        let what = format!("`{}` is not a unit of a {}", unit.trim(), self.noun);
        match self.meant(unit.trim()) {
            Some(meant) => Problem::new(what).write(format!("{number}{meant}")),
            None => Problem::new(what).help(format!("the units are {}", names.join(", "))),
        }
    }

    /// `1` and `5s` as `1500ms`: the same value as a whole number, if there is one.
    fn whole(&self, number: &str, fraction: &str) -> Option<String> {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let (fraction, unit) = fraction.split_at(digits);
        let (_, scale) = self.units.iter().find(|(name, _)| *name == unit)?;
        let tens = 10_u64.checked_pow(u32::try_from(digits).ok()?)?;
        let all: u64 = format!("{number}{fraction}").parse().ok()?;
        let value = all.checked_mul(*scale)?;
        let value = value.is_multiple_of(tens).then_some(value / tens)?;
        Some(match self.noun {
            "size" => show_size(value),
            _ => show_duration(Duration::from_nanos(value)),
        })
    }

    /// The unit a near miss stands for: wrong case, a long name, a missing `i`.
    fn meant(&self, unit: &str) -> Option<&'static str> {
        let lower = unit.to_lowercase();
        let long = [
            ("milli", "ms"),
            ("msec", "ms"),
            ("micro", "us"),
            ("µs", "us"),
            ("sec", "s"),
            ("min", "m"),
            ("hour", "h"),
            ("hr", "h"),
            ("k", "KiB"),
            ("meg", "MiB"),
            ("g", "GiB"),
            ("byte", "B"),
        ];
        let known = |name: &str| self.units.iter().find(|(n, _)| *n == name).map(|(n, _)| *n);
        let same = self
            .units
            .iter()
            .find(|(name, _)| name.to_lowercase() == lower);
        same.map(|(name, _)| *name).or_else(|| {
            long.iter()
                .filter(|(prefix, _)| lower.starts_with(prefix))
                .find_map(|(_, name)| known(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::problem::Remedy;

    fn fix<T: std::fmt::Debug>(read: Result<T, Problem>) -> String {
        let problem = read.unwrap_err();
        let Remedy::Write(value) = problem.remedy else {
            panic!("no value to write: {problem:?}");
        };
        value.as_str().unwrap().to_owned()
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, nanos) in [
            ("0ms", 0),
            ("7ns", 7),
            ("250us", 250_000),
            ("300ms", 300_000_000),
            ("5s", 5_000_000_000),
            ("1m", 60_000_000_000),
            ("24h", 86_400_000_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn a_near_miss_of_a_duration_is_answered_with_what_was_meant() {
        for (text, meant) in [
            ("300", "300ms"),
            ("", "300ms"),
            ("-5s", "5s"),
            ("1.5s", "1500ms"),
            ("0.25ms", "250us"),
            ("300MS", "300ms"),
            ("300 ms", "300ms"),
            ("5 seconds", "5s"),
            ("2min", "2m"),
            ("25h", "24h"),
            ("99999999999999999999h", "24h"),
            ("18446744073709551615h", "24h"),
        ] {
            assert_eq!(fix(duration(text)), meant, "{text}");
        }
        for text in ["ms", "5x", "1s500ms", "+5s", "1e3ms", "٣s", "5s "] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024_or_of_1000() {
        for (text, bytes) in [
            ("512B", 512),
            ("64KiB", 65_536),
            ("1MiB", 1 << 20),
            ("1GiB", 1 << 30),
            ("1kB", 1000),
            ("1KB", 1000),
            ("2MB", 2_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert_eq!(fix(size("64")), "64KiB");
        assert_eq!(fix(size("64kib")), "64KiB");
        assert_eq!(fix(size("64K")), "64KiB");
        assert_eq!(fix(size("2GiB")), "1GiB");
        assert_eq!(fix(size("1.5KiB")), "1536B");
    }

    #[test]
    fn rates_are_a_count_and_a_period() {
        let seconds = |text: &str| rate(text).unwrap().map(|rate| rate.per_second());
        assert_eq!(seconds("500/s"), Some(500.0));
        assert_eq!(seconds("30/min"), Some(0.5));
        assert_eq!(seconds("3600/h"), Some(1.0));
        assert_eq!(seconds("none"), None);
        assert_eq!(fix(rate("500")), "500/s");
        assert_eq!(fix(rate("0/s")), "none");
        assert_eq!(fix(rate("5/sec")), "5/s");
        assert_eq!(fix(rate("5/minute")), "5/min");
        for text in [
            "",
            "/s",
            "-5/s",
            "1.5/s",
            "5/",
            "5/d",
            "99999999999/s",
            "5 /s",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(nanos in 0..=86_400_000_000_000_u64, bytes in 0..=MAX_SIZE) {
            let time = Duration::from_nanos(nanos);
            prop_assert_eq!(duration(&show_duration(time)), Ok(time));
            prop_assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,24}|[0-9.]{0,30}[a-zA-Z/]{0,4}") {
            let _ = (duration(&text), size(&text), rate(&text));
        }
    }
}
