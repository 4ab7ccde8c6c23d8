//! Where results are written.
//!
//! Always holds: nothing is overwritten that was read, and no path is taken that is probably a
//! scenario's name or a word that belongs to another flag.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::scenario::SHIPPED;

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file whose name ends in this, with the dot.
    File(&'static str),
    /// A file that is neither a config nor a scenario.
    AnyFile,
    /// A folder of files.
    Folder,
}

/// Whether this can be meant as the value of `flag`; `read` are the paths that are read.
///
/// # Errors
/// What it is instead, and what to write.
pub fn check(flag: &str, path: &Path, kind: Kind, read: &[&Path]) -> Result<()> {
    let shown = format!("{flag} {}", path.display());
    let example = match kind {
        Kind::File(ending) => format!("write {flag} target/run{ending}"),
        Kind::AnyFile => format!("write {flag} target/events.txt"),
        Kind::Folder => format!("write {flag} target/plots"),
    };
    let same = |other: &&Path| {
        let real = |path: &Path| path.canonicalize().ok();
        *other == path || real(other).is_some_and(|other| real(path) == Some(other))
    };
    if path.as_os_str().is_empty() {
        bail!("{flag} names no path: {example}");
    }
    if read.iter().any(same) {
        bail!("{shown} is read by this command and would be overwritten: {example}");
    }
    if SHIPPED.iter().any(|(name, _)| Path::new(name) == path) {
        bail!("{shown} is the name of a scenario, not a path: {example}");
    }
    let extension = path.extension().and_then(|extension| extension.to_str());
    let ends = |ending: &str| extension == Some(ending.trim_start_matches('.'));
    match kind {
        Kind::File(_) | Kind::AnyFile if path.is_dir() => {
            bail!("{shown} is a folder, and one file is to be written: {example}")
        }
        Kind::File(ending) if !ends(ending) => bail!("{shown} does not end in {ending}: {example}"),
        Kind::AnyFile if ends(".toml") => {
            bail!("{shown} has the name of a config or a scenario: {example}")
        }
        Kind::Folder if path.exists() && !path.is_dir() => {
            bail!("{shown} is a file, and a folder is needed: {example}")
        }
        Kind::Folder if extension.is_some() => {
            bail!("{shown} looks like a file, and a folder is needed: {example}")
        }
        Kind::File(_) | Kind::AnyFile | Kind::Folder => Ok(()),
    }
}

/// Writes a file, and makes its folder.
///
/// # Errors
/// When either cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    std::fs::write(path, text).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str, kind: Kind) -> String {
        let checked = check("--x", Path::new(path), kind, &[Path::new("my.toml")]);
        checked
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_path_that_cannot_be_meant_is_refused_with_one_that_can() {
        for (path, kind, why) in [
            ("", Kind::Folder, "names no path"),
            ("my.toml", Kind::AnyFile, "would be overwritten"),
            ("resets", Kind::Folder, "is the name of a scenario"),
            ("resets", Kind::AnyFile, "is the name of a scenario"),
            ("other.toml", Kind::AnyFile, "a config or a scenario"),
            ("src", Kind::AnyFile, "is a folder"),
            ("src", Kind::File(".svg"), "is a folder"),
            ("out.png", Kind::File(".svg"), "does not end in .svg"),
            ("plot.svg", Kind::Folder, "looks like a file"),
            ("Cargo.toml", Kind::Folder, "is a file"),
        ] {
            let error = refused(path, kind);
            assert!(error.contains(why), "{path}: {error}");
            assert!(error.contains("write --x target/"), "{path}: {error}");
        }
    }

    #[test]
    fn a_path_that_can_be_meant_is_taken() {
        assert_eq!(refused("out/picture.svg", Kind::File(".svg")), "");
        assert_eq!(refused("events.txt", Kind::AnyFile), "");
        assert_eq!(refused("target/plots", Kind::Folder), "");
        assert_eq!(refused("src", Kind::Folder), "");
    }
}
