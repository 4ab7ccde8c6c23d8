//! Where the gateway and the fakes are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The two programs of a live run.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `gateway`.
    pub gateway: PathBuf,
    /// `fakes`.
    pub fakes: PathBuf,
}

impl Programs {
    /// Those named, or else those beside this program.
    ///
    /// # Errors
    /// When one is missing, with the command that builds it.
    pub fn find(gateway: Option<&Path>, fakes: Option<&Path>) -> Result<Self> {
        Ok(Self {
            gateway: find("gateway", gateway)?,
            fakes: find("fakes", fakes)?,
        })
    }
}

fn find(name: &str, named: Option<&Path>) -> Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()
            .context("cannot tell where this program is")?
            .with_file_name(name),
    };
    if !path.is_file() {
        bail!(
            "{} is missing: build it with `cargo build --release -p gateway -p fixtures`, or name another with --{name} PATH",
            path.display()
        );
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_told_with_the_command_that_builds_it() {
        let error = Programs::find(Some(Path::new("/nonexistent")), None).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/nonexistent is missing"), "{text}");
        assert!(text.contains("cargo build"), "{text}");
        assert!(text.contains("--gateway PATH"), "{text}");
    }
}
