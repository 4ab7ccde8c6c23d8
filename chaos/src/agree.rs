//! Whether simulated time and sockets say the same: each scenario in both worlds, phase by phase.
//!
//! A phase is what lies between two changes of a scenario: a load or a fault that begins or ends, the
//! drain. In each the shares of good and of refused pages agree within [`SHARE`], the medians of the
//! times of pages served and of refusals within [`P50`], or within [`AT_ONCE`] where they are that
//! short. Tails are not compared: on sockets they are the machine's.

use std::io::{self, Write};
use std::time::Duration;

use crate::record::{Measured, Record};
use crate::run::table::Table;
use crate::scenario::{Scenario, Window};
use crate::verdict::{Metric, Unit};

/// Scenarios that differ in what decides their figures: a slow required part, a slow optional part, a
/// downstream short of capacity, errors, faults that come and go, clients that ask again, services
/// that contend, arrivals in bursts, users who wait for their answers, and pages that are late.
pub const TEN: [&str; 10] = [
    "incident-required",
    "incident-optional",
    "one-of-four-short",
    "resets",
    "flapping",
    "clients-retry",
    "contention",
    "bursty-arrivals",
    "users-wait",
    "late-pages-retried",
];

/// How far shares may be apart.
pub const SHARE: f64 = 0.03;

/// How far medians may be apart, as a share of the simulated one.
pub const P50: f64 = 0.1;

/// How far medians may be apart in any case, in seconds: what an answer costs that takes no time in
/// simulated time.
pub const AT_ONCE: f64 = 0.004;

/// A phase has at least so many pages; a shorter one is taken together with the next.
const PAGES: usize = 100;

/// So many times have a median that can be compared.
const TIMES: usize = 20;

/// What is compared.
const FIGURES: [Metric; 4] = [
    Metric::GoodPages,
    Metric::Refused,
    Metric::P50,
    Metric::RefusalP50,
];

/// One scenario, run in both worlds.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The scenario.
    pub name: String,
    /// In order of time.
    pub phases: Vec<Phase>,
    /// How late the live clients were at p99.
    pub lag: Duration,
    /// Invariants that did not hold in either.
    pub broken: usize,
}

/// One phase of it.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Which stretch of the run.
    pub window: String,
    /// Simulated and live, of each figure in [`FIGURES`].
    figures: [[Measured; 2]; 4],
}

impl Pair {
    /// Takes from both records what is compared: simulated, live.
    #[must_use]
    pub fn of(name: &str, scenario: &Scenario, records: [&Record; 2]) -> Self {
        let phases = phases(scenario, records[0]).into_iter();
        let phase = |window: Window| Phase {
            figures: FIGURES
                .map(|metric| records.map(|record| record.measure(scenario, &window, metric))),
            window: window.describe(&scenario.config),
        };
        Self {
            name: name.to_owned(),
            phases: phases.map(phase).collect(),
            lag: records[1].lag,
            broken: records.iter().map(|record| record.broken.len()).sum(),
        }
    }

    /// Whether both worlds say the same, and nothing is broken in either.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let apart = self.phases.iter().any(|phase| !phase.apart().is_empty());
        !self.phases.is_empty() && !apart && self.broken == 0
    }
}

/// From one change to the next, each with pages enough.
fn phases(scenario: &Scenario, simulated: &Record) -> Vec<Window> {
    let mut cuts = vec![scenario.length];
    cuts.extend(
        scenario
            .loads
            .iter()
            .flat_map(|load| [load.from, load.until]),
    );
    cuts.extend(scenario.faults.iter().flat_map(|fault| fault.edges()));
    cuts.extend(scenario.refuses_from());
    cuts.retain(|cut| !cut.is_zero() && *cut <= scenario.length);
    cuts.sort();
    cuts.dedup();
    let window = |from, until| Window {
        from,
        until,
        page: None,
        client: None,
    };
    let mut phases: Vec<Window> = Vec::new();
    let mut from = Duration::ZERO;
    for cut in cuts {
        let phase = window(from, cut);
        let pages = simulated.measure(scenario, &phase, Metric::GoodPages).pages;
        if pages >= PAGES {
            phases.push(phase);
            from = cut;
        }
    }
    // What is left at the end belongs to the phase before.
    if let Some(last) = phases.last_mut() {
        last.until = scenario.length;
    }
    phases
}

impl Phase {
    /// The figures that are too far apart.
    #[must_use]
    pub fn apart(&self) -> Vec<Metric> {
        let figures = FIGURES.iter().zip(&self.figures);
        let apart = figures.filter(|(metric, figures)| !is_near(**metric, figures));
        apart.map(|(metric, _)| *metric).collect()
    }
}

fn is_near(metric: Metric, [simulated, live]: &[Measured; 2]) -> bool {
    // Where one of them has few times, or none, the shares say whether that is too few.
    if metric.unit() == Unit::Time && simulated.pages.min(live.pages) < TIMES {
        return true;
    }
    let (Some(a), Some(b)) = (simulated.value, live.value) else {
        return false;
    };
    match metric.unit() {
        Unit::Time => (a - b).abs() <= (a * P50).max(AT_ONCE),
        Unit::Share | Unit::PerSecond | Unit::Number => (a - b).abs() <= SHARE,
    }
}

/// Prints all pairs, a line for each phase. Returns whether all agree.
///
/// # Errors
/// Only those of `out`.
pub fn show(pairs: &[Pair], out: &mut dyn Write) -> io::Result<bool> {
    let mut table = Table::new([
        "scenario",
        "phase",
        "good",
        "refused",
        "p50",
        "p50 of refusals",
        "clients late, p99",
        "",
    ]);
    for pair in pairs {
        let lag = Unit::Time.show(pair.lag.as_secs_f64());
        for phase in &pair.phases {
            let cells: Vec<String> = FIGURES.iter().zip(&phase.figures).map(cell).collect();
            table.row([
                &pair.name,
                &phase.window,
                &cells[0],
                &cells[1],
                &cells[2],
                &cells[3],
                &lag,
                &mark(pair, phase),
            ]);
        }
    }
    writeln!(out, "each figure: simulated, live")?;
    write!(out, "{table}")?;
    Ok(pairs.iter().all(Pair::agrees))
}

/// `50.21%, 49.13%`
fn cell((metric, figures): (&Metric, &[Measured; 2])) -> String {
    let shown = figures.map(|figure| {
        let value = figure.value.map(|value| metric.unit().show(value));
        value.unwrap_or_else(|| "none".to_owned())
    });
    shown.join(", ")
}

fn mark(pair: &Pair, phase: &Phase) -> String {
    let apart = phase.apart();
    let names: Vec<&str> = apart.iter().map(|metric| metric.name()).collect();
    match (pair.broken, names.is_empty()) {
        (0, true) => "ok".to_owned(),
        (_, true) => "APART: an invariant is broken".to_owned(),
        (_, false) => format!("APART: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(good: [f64; 2], p50: [f64; 2]) -> Pair {
        let measured = |value, pages| Measured {
            value: Some(value),
            pages,
        };
        let nothing = Measured {
            value: None,
            pages: 0,
        };
        let phase = Phase {
            window: "0ms..1s".to_owned(),
            figures: [
                good.map(|value| measured(value, 200)),
                good.map(|value| measured(1.0 - value, 200)),
                p50.map(|value| measured(value, 100)),
                [nothing; 2],
            ],
        };
        Pair {
            name: "x".to_owned(),
            phases: vec![phase],
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
    fn an_answer_at_once_may_cost_sockets_a_few_milliseconds() {
        assert!(pair([0.5, 0.5], [0.0, 0.003]).agrees());
        assert!(!pair([0.5, 0.5], [0.0, 0.006]).agrees());
    }

    #[test]
    fn what_was_not_measured_or_is_broken_does_not_agree() {
        let mut nothing = pair([0.5, 0.5], [0.1, 0.1]);
        nothing.phases[0].figures[2][1].value = None;
        let broken = Pair {
            broken: 1,
            ..pair([0.5, 0.5], [0.1, 0.1])
        };
        let mut out = Vec::new();
        assert!(!show(&[nothing, broken], &mut out).unwrap());
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("APART: p50"), "{text}");
        assert!(text.contains("APART: an invariant is broken"), "{text}");
    }
}
