//! What can be expected of a run: the figures, and bounds on them as people write them:
//! `">= 99.5%"`, `"<= 310ms"`, `"== 0"`, `"<= 1.5x"`.

use std::fmt;
use std::time::Duration;

use gateway::config::Problem;
use gateway::config::units::duration;

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

macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $unit:ident;)*) => {
        /// A figure of the pages that arrived in a window.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric { $($(#[doc = $doc])* $name,)* }

        impl Metric {
            /// All figures, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The key in a scenario.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it counts in.
            #[must_use]
            pub fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }
        }
    };
}

metrics! {
    /// Share of pages served in time with every required part.
    GoodPages = "good_pages", Share;
    /// Good pages per second.
    Goodput = "goodput", PerSecond;
    /// Share of pages whose client was owed one.
    Owed = "owed", Share;
    /// Share of the pages owed that were good.
    Sli = "sli", Share;
    /// Share of pages refused because of load, drain or quota.
    Refused = "refused", Share;
    /// Share of pages refused because their client is over its quota.
    OverQuota = "over_quota", Share;
    /// Share of pages that limits which are only watched would have refused, of all pages and
    /// clients.
    WouldShed = "would_shed", Share;
    /// Share of pages served without some optional part.
    Partial = "partial", Share;
    /// Share of pages lost because a required part failed or was late.
    Failed = "failed", Share;
    /// Share of pages whose client left, or that were cut off.
    Cancelled = "cancelled", Share;
    /// Share of pages whose client left after waiting longer than a healthy page takes.
    Abandoned = "abandoned", Share;
    /// Median time to a page that was served.
    P50 = "p50", Time;
    /// 99th percentile of the time to a page that was served.
    P99 = "p99", Time;
    /// 99.9th percentile of the time to a page that was served.
    P999 = "p999", Time;
    /// 99th percentile of the time to any answer, refusals included, or to the client's leaving.
    AnyP99 = "any_p99", Time;
    /// 99.9th percentile of the time to any answer, refusals included, or to the client's leaving.
    AnyP999 = "any_p999", Time;
    /// The longest time to any answer, refusals included, or to a client's leaving.
    Slowest = "slowest", Time;
    /// Median time to a refusal for load.
    RefusalP50 = "refusal_p50", Time;
    /// 99th percentile of the time to a refusal for load.
    RefusalP99 = "refusal_p99", Time;
    /// Most pages in flight at once, of all pages and clients.
    InFlightMax = "in_flight_max", Number;
    /// Calls started for each good page.
    CallsPerGoodPage = "calls_per_good_page", Number;
    /// Calls started per second.
    Calls = "calls", PerSecond;
    /// Share of calls ended by the gateway: late, their page lost, or their client gone.
    Aborted = "aborted", Share;
    /// Share of calls that a downstream went on working on after their end.
    Wasted = "wasted", Share;
    /// Time from the start of the window to the first stretch of good pages that lasts; infinite if
    /// there is none in the window: never.
    Recovery = "recovery", Time;
}

impl Metric {
    /// The fewest pages that the figure can be told from. Of a percentile `q` these are 1 / (1 - q),
    /// so that one page at least lies beyond it; of [`Metric::Recovery`] as many as tell a share of
    /// 95 % from a larger one.
    #[must_use]
    pub fn needs(self) -> usize {
        match self {
            Self::P50 | Self::RefusalP50 => 2,
            Self::Recovery => RECOVERY_PAGES,
            Self::P99 | Self::AnyP99 | Self::RefusalP99 => 100,
            Self::P999 | Self::AnyP999 => 1000,
            Self::GoodPages
            | Self::Goodput
            | Self::Owed
            | Self::Sli
            | Self::Refused
            | Self::OverQuota
            | Self::WouldShed
            | Self::Partial
            | Self::Failed
            | Self::Cancelled
            | Self::Abandoned
            | Self::Slowest
            | Self::InFlightMax
            | Self::CallsPerGoodPage
            | Self::Calls
            | Self::Aborted
            | Self::Wasted => 1,
        }
    }
}

/// Pages are good again where at least this share of them is.
pub const RECOVERED: f64 = 0.95;

/// Pages that tell that share from a larger one.
pub const RECOVERY_PAGES: usize = 20;

/// How long pages must stay good to have recovered, in a window of twice that at least, and longer
/// until there are [`RECOVERY_PAGES`] of them.
pub const RECOVERY_LASTS: Duration = Duration::from_secs(1);

/// How a figure is held against its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<=`
    AtMost,
    /// `>=`
    AtLeast,
    /// `==`
    Exactly,
}

/// A bound on a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Which side of the value is right.
    pub comparison: Comparison,
    /// In the figure's unit, or the factor of the same figure in the window compared to.
    pub value: f64,
    /// What was written after the number; `None` is a factor.
    pub unit: Option<Unit>,
}

const COMPARISONS: [(&str, Comparison); 3] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Exactly),
];

impl Bound {
    /// Reads a comparison and a value with its unit.
    ///
    /// # Errors
    /// Whatever is not that.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::new(format!("{text:?} is not a bound"))
                .help("write `<=`, `>=` or `==` and a value: \">= 99.5%\", \"<= 310ms\", \"== 0\"")
        };
        let find = |(sign, _): &&(&str, Comparison)| text.starts_with(sign);
        let (sign, comparison) = COMPARISONS.iter().find(find).ok_or_else(wrong)?;
        let value = text[sign.len()..].trim();
        let split = value
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(value.len());
        let (number, unit) = value.split_at(split);
        let parsed: f64 = number.parse().map_err(|_| wrong())?;
        let (value, unit) = match unit {
            "%" => (parsed / 100.0, Some(Unit::Share)),
            "/s" => (parsed, Some(Unit::PerSecond)),
            "x" => (parsed, None),
            "" => (parsed, Some(Unit::Number)),
            _ => (duration(value)?.as_secs_f64(), Some(Unit::Time)),
        };
        Ok(Self {
            comparison: *comparison,
            value,
            unit,
        })
    }

    /// What to write instead, for a figure that is counted in something else.
    pub(super) fn in_the_wrong_unit(&self, metric: Metric) -> Problem {
        let (noun, example) = match metric.unit() {
            Unit::Share => ("a share, in percent", "%"),
            Unit::Time => ("a time", "ms"),
            Unit::PerSecond => ("a rate", "/s"),
            Unit::Number => ("a plain number", ""),
        };
        let problem = Problem::new(format!("is {noun}, and \"{self}\" is not"));
        match self.unit {
            Some(Unit::Number) => problem.write(format!("{self}{example}")),
            _ => problem,
        }
    }

    /// Whether the figure is on the right side; `reference` is the one compared to.
    #[must_use]
    pub fn holds(&self, measured: f64, reference: Option<f64>) -> bool {
        let limit = match (self.unit, reference) {
            (Some(_), _) => self.value,
            (None, Some(reference)) => self.value * reference,
            (None, None) => return false,
        };
        // Shares and quotients are rounded; a bound is not missed by the last bit.
        let slack = limit.abs() * 1e-9;
        match self.comparison {
            Comparison::AtMost => measured <= limit + slack,
            Comparison::AtLeast => measured >= limit - slack,
            Comparison::Exactly => (measured - limit).abs() <= slack,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = COMPARISONS.iter().find(|(_, c)| *c == self.comparison);
        let value = match self.unit {
            None => format!("{}x", self.value),
            Some(unit) => unit.show_exact(self.value),
        };
        write!(f, "{} {value}", sign.map_or("", |(sign, _)| sign))
    }
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
    fn show_exact(self, value: f64) -> String {
        let rounded = |value: f64| (value * 1e6).round() / 1e6;
        match self {
            Unit::Share => format!("{}%", rounded(value * 100.0)),
            Unit::Time => gateway::config::units::show_duration(Duration::from_secs_f64(value)),
            Unit::PerSecond => format!("{value}/s"),
            Unit::Number => format!("{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_shown_as_it_was_written() {
        for text in [
            ">= 99.5%", "<= 310ms", "== 0", "<= 4.05", ">= 88/s", "<= 1.5x", "<= 2s",
        ] {
            assert_eq!(Bound::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_bound_is_refused() {
        for text in [
            "",
            "99%",
            "< 5",
            ">=",
            ">= -1",
            ">= 5 apples",
            "<= 1.2.3",
            "=> 5",
        ] {
            assert!(Bound::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_figure_is_right_on_its_side_of_the_bound_and_on_the_bound_itself() {
        let holds =
            |bound: &str, measured| Bound::parse(bound).unwrap().holds(measured, Some(10.0));
        assert!(holds("<= 310ms", 0.310) && !holds("<= 310ms", 0.311));
        assert!(holds(">= 99.5%", 0.995) && !holds(">= 99.5%", 0.994));
        assert!(holds("== 0", 0.0) && !holds("== 0", 1.0));
        assert!(holds("<= 1.5x", 15.0) && !holds("<= 1.5x", 15.1));
    }

    #[test]
    fn a_factor_without_anything_to_compare_to_never_holds() {
        assert!(!Bound::parse("<= 1.5x").unwrap().holds(0.0, None));
    }
}
