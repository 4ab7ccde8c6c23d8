//! One row per thing measured, printed as soon as it is known.

use std::fmt::Display;
use std::time::Duration;

/// The rows so far, as far as the exit code needs them.
pub(crate) struct Table {
    check: &'static str,
    missed: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        let table = Self {
            check: "",
            missed: 0,
        };
        table.print("check", "measured", "bound", "value", "");
        table
    }

    /// The rows that follow belong to `check`.
    pub(crate) fn begin(&mut self, check: &'static str) {
        self.check = check;
    }

    pub(crate) fn missed(&self) -> usize {
        self.missed
    }

    /// A latency with an upper bound. Nothing measured is a miss.
    pub(crate) fn within(&mut self, what: &str, value: Option<Duration>, bound: Duration) {
        let shown = value.map_or("nothing".to_owned(), millis);
        let ok = value.is_some_and(|value| value <= bound);
        self.verdict(what, format!("<= {}", millis(bound)), shown, ok);
    }

    pub(crate) fn at_most(&mut self, what: &str, value: f64, bound: f64) {
        self.verdict(
            what,
            format!("<= {}", short(bound)),
            short(value),
            value <= bound,
        );
    }

    pub(crate) fn at_least(&mut self, what: &str, value: f64, bound: f64) {
        self.verdict(
            what,
            format!(">= {}", short(bound)),
            short(value),
            value >= bound,
        );
    }

    pub(crate) fn exactly(&mut self, what: &str, value: impl Into<u64>, bound: impl Into<u64>) {
        let (value, bound) = (value.into(), bound.into());
        self.verdict(
            what,
            format!("= {bound}"),
            value.to_string(),
            value == bound,
        );
    }

    /// A figure nobody has promised anything about.
    pub(crate) fn info(&self, what: &str, value: impl Display) {
        self.print(self.check, what, "", &value.to_string(), "");
    }

    /// A check that could not be carried out.
    pub(crate) fn broken(&mut self, error: &anyhow::Error) {
        self.verdict(
            "could not be measured",
            String::new(),
            format!("{error:#}"),
            false,
        );
    }

    fn verdict(&mut self, what: &str, bound: String, value: String, ok: bool) {
        self.missed += usize::from(!ok);
        self.print(
            self.check,
            what,
            &bound,
            &value,
            if ok { "ok" } else { "MISSED" },
        );
    }

    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    fn print(&self, check: &str, what: &str, bound: &str, value: &str, verdict: &str) {
        println!("{check:<13} {what:<58} {bound:>14} {value:>14}  {verdict}");
    }
}

pub(crate) fn millis(value: Duration) -> String {
    format!("{:.1} ms", value.as_secs_f64() * 1e3)
}

/// Whole numbers whole, others with two decimals.
fn short(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}
