//! Scenarios run for a person at a terminal: once, with two configs, with many seeds, or both.
//!
//! Owns what is printed (`show`) and nothing of what is measured. Where a run is longer than two seconds
//! and somebody looks, a bar on stderr shows how far it is; stdout has only results.

mod progress;
mod seeds;
mod show;
pub(crate) mod table;

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub(crate) use self::progress::Progress;
pub use self::seeds::each_seed;
pub use self::show::{show, show_both, show_spread, show_spreads};
use self::table::Table;
use crate::clock::wall;
use crate::live::{self, Programs};
use crate::play::Watch;
use crate::record::Record;
use crate::scenario::{SHIPPED, Scenario, Text};
use crate::simulated;
use crate::verdict::Verdict;

/// Largest scenario or config that is read.
const MAX_FILE: u64 = 1 << 20;

/// One scenario that was run, and what came of it.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// What happened.
    pub record: Record,
    /// Whether it is as expected.
    pub verdict: Verdict,
    /// How long this machine took.
    pub took: Duration,
}

/// The scenario of this name, or in this file.
///
/// # Errors
/// When it is neither, with what there is.
pub fn find(name: &str) -> Result<Text> {
    if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Ok(Text {
            name: format!("{name}.toml"),
            text: (*text).to_owned(),
        });
    }
    let path = Path::new(name);
    if path.extension().is_none() && !path.exists() {
        bail!(
            "there is no scenario `{name}`; `chaos list` shows those that come with it, and a path names any other"
        );
    }
    read(path)
}

/// A file as a text of this name.
///
/// # Errors
/// When it cannot be read, is not UTF-8, or is too large to be meant.
pub fn read(path: &Path) -> Result<Text> {
    let name = path.display().to_string();
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
    file.take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {name}"))?;
    if text.len() as u64 > MAX_FILE {
        bail!("{name} is larger than 1 MiB; check the path");
    }
    Ok(Text { name, text })
}

/// Runs a scenario in simulated time.
///
/// # Errors
/// Those of [`simulated::play`].
pub fn rehearse(scenario: &Scenario, keep_events: bool) -> Result<Rehearsal> {
    watched(scenario, keep_events, |watch| {
        simulated::play(scenario, watch)
    })
}

/// Runs a scenario on sockets.
///
/// # Errors
/// Those of [`live::play`].
pub fn live(scenario: &Scenario, programs: &Programs) -> Result<Rehearsal> {
    watched(scenario, false, |watch| {
        live::play(scenario, programs, watch)
    })
}

fn watched(
    scenario: &Scenario,
    keep_events: bool,
    play: impl FnOnce(&Watch<'_>) -> Result<Record>,
) -> Result<Rehearsal> {
    let started = wall();
    let progress = Progress::new(&scenario.title);
    let watch = Watch {
        keep_events,
        progress: &|done| progress.show(done),
    };
    let record = play(&watch)?;
    Ok(Rehearsal {
        verdict: Verdict::of(scenario, &record),
        record,
        took: started.elapsed(),
    })
}

/// Prints every scenario that comes with this program.
///
/// # Errors
/// Those of `out`, and of a scenario that cannot be read, which would be a defect.
pub fn list(out: &mut dyn Write) -> Result<()> {
    let mut table = Table::new(["scenario", "length", "what happens"]);
    for (name, text) in SHIPPED {
        let text = Text {
            name: format!("{name}.toml"),
            text: (*text).to_owned(),
        };
        let scenario = Scenario::load(&text, &Text::default_config())?;
        let length = settings::units::show_duration(scenario.length);
        table.row([name, &length, &scenario.title]);
    }
    write!(out, "{table}")?;
    Ok(())
}
