//! Where the configuration is read from, again and again.

use std::path::{Path, PathBuf};

use super::NotChanged;
use crate::config::{self, Loaded};

/// A file, and the variables that override it.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    /// Those of the process, if not these.
    variables: Option<Vec<(String, String)>>,
}

impl ConfigFile {
    /// The file at `path`, overridden by the variables of this process.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            variables: None,
        }
    }

    /// The same with these variables instead.
    #[must_use]
    pub fn overridden_by(mut self, variables: Vec<(String, String)>) -> Self {
        self.variables = Some(variables);
        self
    }

    /// Its path, if it can be read more than once.
    ///
    /// # Errors
    /// Standard input and pipes are read once, and then gone.
    pub(super) fn path(&self) -> Result<&Path, NotChanged> {
        let is_pipe = |path: &Path| {
            let kind = std::fs::metadata(path).map(|metadata| metadata.file_type());
            // Of one that is not there the loader says so.
            kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir())
        };
        if self.path == Path::new("-") || is_pipe(&self.path) {
            let name = config::fit_to_show(&self.path.display().to_string()).into_owned();
            return Err(NotChanged::NoFile(format!(
                "{name} was read once and is gone: start with a file to reload it, or restart"
            )));
        }
        Ok(&self.path)
    }

    /// As it is now.
    pub(super) fn load(&self) -> Result<Loaded, NotChanged> {
        let path = self.path()?;
        let loaded = match &self.variables {
            None => config::load_file(path),
            Some(variables) => config::load_file_with(path, variables),
        };
        loaded.map_err(NotChanged::Bad)
    }
}
