//! Whether simulated time and sockets say the same: each scenario in both worlds, side by side.
//!
//! Agreement is about what a rehearsal is for: the share of good pages within [`SHARE`], the median
//! time of the pages served within [`P50`]. Tails are not compared: on sockets they are the machine's.

use std::io::{self, Write};
use std::time::Duration;

use crate::record::Record;
use crate::run::table::Table;
use crate::scenario::{Metric, Scenario, Unit, Window};

/// Scenarios that differ in what decides their figures: a slow required part, a slow optional part, a
/// downstream short of capacity, errors, faults that come and go, and clients that ask again.
pub const SIX: [&str; 6] = [
    "incident-required",
    "incident-optional",
    "one-of-four-short",
    "resets",
    "flapping",
    "clients-retry",
];

/// How far shares of good pages may be apart.
pub const SHARE: f64 = 0.03;

/// How far medians may be apart, as a share of the simulated one.
pub const P50: f64 = 0.1;

/// One scenario, run in both worlds.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The scenario.
    pub name: String,
    /// Share of good pages over the whole run: simulated, live.
    pub good: [Option<f64>; 2],
    /// Median time of the pages served, in seconds: simulated, live.
    pub p50: [Option<f64>; 2],
    /// How late the live clients were at p99.
    pub lag: Duration,
    /// Invariants that did not hold in either.
    pub broken: usize,
}

impl Pair {
    /// Takes from both records what is compared.
    #[must_use]
    pub fn of(name: &str, scenario: &Scenario, records: [&Record; 2]) -> Self {
        let whole = Window {
            from: Duration::ZERO,
            until: scenario.length,
            page: None,
            client: None,
        };
        let figure = |metric| records.map(|record| record.figure(scenario, &whole, metric));
        Self {
            name: name.to_owned(),
            good: figure(Metric::GoodPages),
            p50: figure(Metric::P50),
            lag: records[1].lag,
            broken: records.iter().map(|record| record.broken.len()).sum(),
        }
    }

    /// Live share less simulated share.
    #[must_use]
    pub fn good_apart(&self) -> Option<f64> {
        let [simulated, live] = self.good;
        Some(live? - simulated?)
    }

    /// Live median over simulated median, less one.
    #[must_use]
    pub fn p50_apart(&self) -> Option<f64> {
        let [simulated, live] = self.p50;
        Some(live? / simulated? - 1.0)
    }

    /// Whether both worlds say the same, and nothing is broken in either.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let within = |apart: Option<f64>, most| apart.is_some_and(|apart| apart.abs() <= most);
        within(self.good_apart(), SHARE) && within(self.p50_apart(), P50) && self.broken == 0
    }
}

/// Prints all pairs, a line each. Returns whether all agree.
///
/// # Errors
/// Only those of `out`.
pub fn show(pairs: &[Pair], out: &mut dyn Write) -> io::Result<bool> {
    let mut table = Table::new([
        "scenario",
        "good, simulated",
        "good, live",
        "apart",
        "p50, simulated",
        "p50, live",
        "apart",
        "clients late, p99",
        "",
    ]);
    for pair in pairs {
        let shown = |unit: Unit, figure: Option<f64>| {
            figure.map_or_else(|| "nothing".to_owned(), |figure| unit.show(figure))
        };
        let apart = |apart: Option<f64>, unit| {
            apart.map_or_else(String::new, |apart| format!("{:+.1}{unit}", apart * 100.0))
        };
        let good = pair.good.map(|good| shown(Unit::Share, good));
        let p50 = pair.p50.map(|p50| shown(Unit::Time, p50));
        let lag = Unit::Time.show(pair.lag.as_secs_f64());
        table.row([
            &pair.name,
            &good[0],
            &good[1],
            &apart(pair.good_apart(), " points"),
            &p50[0],
            &p50[1],
            &apart(pair.p50_apart(), "%"),
            &lag,
            if pair.agrees() { "ok" } else { "APART" },
        ]);
    }
    write!(out, "{table}")?;
    Ok(pairs.iter().all(Pair::agrees))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(good: [f64; 2], p50: [f64; 2]) -> Pair {
        Pair {
            name: "x".to_owned(),
            good: good.map(Some),
            p50: p50.map(Some),
            lag: Duration::ZERO,
            broken: 0,
        }
    }

    #[test]
    fn worlds_agree_within_three_points_and_a_tenth() {
        assert!(pair([0.50, 0.529], [0.100, 0.109]).agrees());
        assert!(!pair([0.50, 0.531], [0.100, 0.100]).agrees());
        assert!(!pair([0.50, 0.50], [0.100, 0.111]).agrees());
        assert!(!pair([0.50, 0.50], [0.100, 0.089]).agrees());
    }

    #[test]
    fn what_was_not_measured_or_is_broken_does_not_agree() {
        let mut nothing = pair([0.5, 0.5], [0.1, 0.1]);
        nothing.p50[1] = None;
        let broken = Pair {
            broken: 1,
            ..pair([0.5, 0.5], [0.1, 0.1])
        };
        let mut out = Vec::new();
        assert!(!show(&[nothing, broken], &mut out).unwrap());
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("APART").count(), 2, "{text}");
    }
}
