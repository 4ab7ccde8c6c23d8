//! Random scenarios for random configs, to see what must hold whatever happens.
//!
//! A seed is a [`Case`]: a config and a scenario, as texts that somebody could have written and that
//! go through the same readers. It is played in [simulated time](crate::simulated), which checks
//! the invariants; nothing is expected of how good the pages are. The same seed gives the same case
//! and the same events, so a failure is repeated by its number.
//!
//! In reading order: `draw` is how a seed chooses, `config` and `scenario` what it chooses. Not
//! here: the invariants, which every simulated run is held to.

mod config;
mod draw;
mod scenario;

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::Result;
use settings::report::Report;

use crate::output::write;
use crate::play::Watch;
use crate::record::Events;
use crate::run::{Progress, each_seed};
use crate::scenario::{Scenario, Text};
use crate::simulated::{NegativeControl, play_with};

/// What a seed stands for.
#[derive(Clone, Debug)]
pub struct Case {
    /// The seed.
    pub seed: u64,
    /// A config, always a legal one.
    pub config: Text,
    /// What happens to it.
    pub scenario: Text,
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Played {
    /// The seed.
    pub seed: u64,
    /// Invariants that did not hold, the first of them; empty in a sound gateway.
    pub broken: Vec<String>,
    /// How many pages ended in which way, and for which reason.
    pub outcomes: BTreeMap<(&'static str, &'static str), usize>,
    /// The event log, or its fingerprint.
    pub events: Events,
}

impl Case {
    /// The case of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let shape = config::draw(seed);
        Self {
            seed,
            scenario: Text {
                name: format!("seed-{seed}.toml"),
                text: scenario::draw(seed, &shape),
            },
            config: Text {
                name: format!("seed-{seed}.config.toml"),
                text: shape.text,
            },
        }
    }

    /// Both texts, read as files are.
    ///
    /// # Errors
    /// When one of them is not legal, which would be a defect here.
    pub fn load(&self) -> Result<Scenario, Report> {
        Scenario::load(&self.scenario, &self.config)
    }

    /// Plays it, with a gateway that may be broken on purpose.
    ///
    /// # Errors
    /// Those of [`Case::load`] and [`play_with`].
    pub fn play(&self, watch: &Watch<'_>, control: Option<NegativeControl>) -> Result<Played> {
        let scenario = self.load()?;
        let play = || play_with(&scenario, watch, control);
        // What is broken by a panic is dropped here, and its message is already on stderr.
        let Ok(record) = catch_unwind(AssertUnwindSafe(play)) else {
            return Ok(Played {
                seed: self.seed,
                broken: vec!["the gateway panicked".to_owned()],
                outcomes: BTreeMap::new(),
                events: Events::default(),
            });
        };
        let record = record?;
        Ok(Played {
            seed: self.seed,
            outcomes: record.by_outcome(),
            broken: record.broken,
            events: record.events,
        })
    }

    /// Writes both texts into a folder, for `chaos run` and for cutting them down.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for text in [&self.config, &self.scenario] {
            write(&folder.join(&text.name), &text.text)?;
        }
        Ok(())
    }
}

/// Plays every one of these seeds on all cores and prints what was broken, and how to repeat it.
/// Returns whether nothing was.
///
/// # Errors
/// Those of [`Case::play`] and of `out`.
pub fn sweep(seeds: Range<u64>, out: &mut dyn Write) -> Result<bool> {
    let progress = Progress::new("sweep");
    let play = |seed| Case::of(seed).play(&Watch::NOBODY, None);
    let played = each_seed(seeds, play, &|done| progress.show(done))?;
    drop(progress);
    show(&played, out)
}

fn show(played: &[Played], out: &mut dyn Write) -> Result<bool> {
    let (mut pages, mut events) = (BTreeMap::<_, usize>::new(), Events::default());
    for one in played {
        for (outcome, count) in &one.outcomes {
            *pages.entry(*outcome).or_default() += count;
        }
        events.push(format_args!("{:016x}", one.events.hash));
    }
    for ((outcome, reason), count) in &pages {
        writeln!(out, "{count:>9} {outcome} {reason}")?;
    }
    let broken: Vec<_> = played.iter().filter(|one| !one.broken.is_empty()).collect();
    for one in &broken {
        writeln!(out, "\nINVARIANT BROKEN {}", one.broken[0])?;
        writeln!(
            out,
            "repeat it with: chaos sweep --seeds 1 --from {}",
            one.seed
        )?;
    }
    let count = |number: usize| match number {
        1 => "1 seed".to_owned(),
        _ => format!("{number} seeds"),
    };
    let verdict = match broken.len() {
        0 => "all invariants held".to_owned(),
        some => format!("invariants broken by {}", count(some)),
    };
    writeln!(
        out,
        "\n{}, {} pages, hash of all events {:016x}: {verdict}",
        count(played.len()),
        pages.values().sum::<usize>(),
        events.hash
    )?;
    Ok(broken.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(broken: &[&str]) -> (bool, String) {
        let played = Played {
            seed: 17,
            broken: broken.iter().map(|what| (*what).to_owned()).collect(),
            outcomes: BTreeMap::from([(("complete", ""), 3)]),
            events: Events::default(),
        };
        let mut out = Vec::new();
        let sound = show(&[played], &mut out).unwrap();
        (sound, String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_was_broken_is_told_with_the_command_that_repeats_it() {
        let (sound, out) = shown(&["at 5ms, page 3: 1 calls outlive their page"]);
        assert!(!sound);
        assert!(out.contains("1 calls outlive their page"), "{out}");
        assert!(out.contains("chaos sweep --seeds 1 --from 17"), "{out}");
    }

    #[test]
    fn where_nothing_was_broken_that_is_said() {
        let (sound, out) = shown(&[]);
        assert!(sound);
        assert!(out.contains("all invariants held"), "{out}");
    }
}
