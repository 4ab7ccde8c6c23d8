//! How long rehearsals take in simulated time: many random ones, and a long one.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::binaries::binary;
use crate::table::Table;
use crate::world::now;

/// Enough that a change which nobody rehearsed is rehearsed.
const SEEDS: &str = "2000";

/// A usual day, ten minutes of it.
const LONG: &str = "title = \"ten minutes\"\nlength = \"10m\"\n[[load]]\nrate = \"200/s\"\n\
                    [[expect]]\ngood_pages = \">= 99.9%\"\n";

/// Nothing is broken, and nobody waits for it so long that it is not done.
pub(crate) fn rehearsals(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("long.toml"), LONG)?;
    let sweep = lasts(&["sweep", "--seeds", SEEDS], folder.path())?;
    table.within(
        "2000 random scenarios",
        Some(sweep),
        Duration::from_secs(60),
    );
    let long = lasts(&["run", "long.toml"], folder.path())?;
    table.within("ten minutes at 200/s", Some(long), Duration::from_secs(10));
    Ok(())
}

/// How long this takes, if it finds all as it should be.
fn lasts(args: &[&str], folder: &Path) -> Result<Duration> {
    let mut chaos = Command::new(binary("chaos")?);
    chaos.args(args).current_dir(folder).stdout(Stdio::null());
    let began = now();
    let status = chaos.status()?;
    let took = began.elapsed();
    ensure!(
        status.success(),
        "chaos {} ends with {status}",
        args.join(" ")
    );
    Ok(took)
}
