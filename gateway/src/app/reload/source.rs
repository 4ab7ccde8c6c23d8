//! Where the configuration is read from, again and again.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::NotChanged;
use crate::config::{self, Loaded};

/// A file, and the variables that override it.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    /// Those of the process, if not these.
    variables: Option<Vec<(String, String)>>,
    /// What stood in it when this was made.
    seen: Contents,
}

/// So much of a file is looked at: more than a configuration may have.
const MOST: u64 = 2 << 20;

/// What stands in a file, as a number; `None` where there is no file.
pub(super) type Contents = Option<u64>;

impl ConfigFile {
    /// The file at `path`, overridden by the variables of this process.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let mut file = Self {
            path: path.into(),
            variables: None,
            seen: None,
        };
        file.seen = file.contents();
        file
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

    /// What stood in it when this was made.
    pub(super) fn first_seen(&self) -> Contents {
        self.seen
    }

    /// What stands in it now.
    pub(super) fn contents(&self) -> Contents {
        let file = File::open(self.path().ok()?).ok()?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes).ok()?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        Some(hasher.finish())
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
