//! Finding the programs that are measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};

/// How long a program may take to start.
pub(crate) const START: Duration = Duration::from_secs(10);

/// The release binary `name` beside this program, not older than the sources of its crate.
pub(crate) fn binary(name: &str) -> Result<PathBuf> {
    const REMEDY: &str = "build it first: cargo build --release --workspace";
    let here = std::env::current_exe()?;
    let release = here
        .parent()
        .and_then(Path::parent)
        .context("no directory above this program")?;
    let path = release.join(name);
    let Ok(built) = path.metadata().and_then(|meta| meta.modified()) else {
        bail!("{} is missing; {REMEDY}", path.display());
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources = match name {
        "fakes" => "fixtures/src",
        "chaos" => "chaos/src",
        _ => "gateway/src",
    };
    ensure!(
        newest(&root.join(sources))? <= built,
        "{name} is older than {sources}; {REMEDY}"
    );
    Ok(path)
}

fn newest(directory: &Path) -> Result<SystemTime> {
    let mut latest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        latest = latest.max(if meta.is_dir() {
            newest(&entry.path())?
        } else {
            meta.modified()?
        });
    }
    Ok(latest)
}
