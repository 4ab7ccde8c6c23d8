//! Where reports are written, and the command that repeats a run.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::subject::Report;
use crate::output::{self, Kind, write};

/// What somebody wants to keep of a run.
#[derive(Args, Clone, Debug, Default)]
pub struct Wanted {
    /// Write a report of the run to this HTML file; of several scenarios, one each in this folder.
    #[arg(long, value_name = "FILE.html", conflicts_with = "seeds")]
    report: Option<PathBuf>,
    /// Write the plots as SVG files into this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "seeds")]
    svg: Option<PathBuf>,
}

impl Wanted {
    /// Whether there is anything to write.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.report.is_some() || self.svg.is_some()
    }

    /// Whether so many scenarios can be written there; `read` are the paths that are read.
    ///
    /// # Errors
    /// When one file is wanted for several, or a path cannot be meant.
    pub fn check(&self, scenarios: usize, read: &[&Path]) -> Result<()> {
        if let Some(path) = &self.report {
            let kind = match is_file(path) || path.extension().is_some() {
                true => Kind::File(".html"),
                false => Kind::Folder,
            };
            output::check("--report", path, kind, read)?;
        }
        if let Some(folder) = &self.svg {
            output::check("--svg", folder, Kind::Folder, read)?;
        }
        match &self.report {
            Some(path) if scenarios > 1 && is_file(path) => bail!(
                "--report {} is one file, and there are {scenarios} scenarios; name a folder",
                path.display()
            ),
            _ => Ok(()),
        }
    }

    /// Writes what is wanted of the scenario of this name; returns what was written, in words.
    ///
    /// # Errors
    /// When a file or folder cannot be written.
    pub fn write(&self, scenario: &str, report: &Report<'_>) -> Result<Vec<String>> {
        let name = Path::new(scenario).file_stem().unwrap_or_default();
        let name = name.to_string_lossy();
        let mut written = Vec::new();
        if let Some(path) = &self.report {
            let path = match is_file(path) {
                true => path.clone(),
                false => path.join(format!("{name}.html")),
            };
            write(&path, &report.html())?;
            written.push(format!("report: {}", path.display()));
        }
        if let Some(folder) = &self.svg {
            let svgs = report.svgs();
            for (plot, svg) in &svgs {
                write(&folder.join(format!("{name}.{plot}.svg")), svg)?;
            }
            let (count, folder) = (svgs.len(), folder.display());
            written.push(format!("plots: {count} files in {folder}"));
        }
        Ok(written)
    }
}

fn is_file(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "html")
}

/// A command line that a shell reads as these words.
#[must_use]
pub fn shell(words: &[impl AsRef<str>]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let quoted = words.iter().map(AsRef::as_ref).map(|word| {
        match !word.is_empty() && word.chars().all(plain) {
            true => word.to_owned(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_blanks_or_quotes_is_one_word_again() {
        assert_eq!(
            shell(&["chaos", "run", "a b.toml", "it's", ""]),
            r"chaos run 'a b.toml' 'it'\''s' ''"
        );
    }

    #[test]
    fn several_scenarios_need_a_folder() {
        let wanted = |path: &str| Wanted {
            report: Some(PathBuf::from(path)),
            svg: None,
        };
        assert!(wanted("out.html").check(1, &[]).is_ok());
        assert!(wanted("out.html").check(2, &[]).is_err());
        assert!(wanted("out").check(2, &[]).is_ok());
    }
}
