//! Bounds on figures as people write them: `">= 99.5%"`, `"<= 310ms"`, `"== 0"`, `"<= 1.5x"`.

use std::fmt;

use settings::problem::Problem;
use settings::units::duration;

use super::metric::Metric;
use super::unit::Unit;

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
    pub(crate) fn in_the_wrong_unit(&self, metric: Metric) -> Problem {
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
