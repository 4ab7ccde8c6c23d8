//! A gateway whose configuration is a file that a test changes.

use std::path::PathBuf;
use std::sync::Arc;

use gateway::app::App;
use gateway::app::reload::{Change, ConfigFile, Reloader, Trigger};
use gateway::config;
use gateway::generation::Generations;
use gateway::telemetry::names::ReloadOutcome;
use gateway::transport::HttpTransport;

use super::gateway::{Gateway, variables};
use super::until;

/// A running gateway and its file; both end with this value.
pub(crate) struct Reloading {
    pub(crate) gateway: Gateway,
    pub(crate) reloader: Arc<Reloader>,
    pub(crate) generations: Generations<HttpTransport>,
    pub(crate) file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Reloading {
    /// Returns when it is ready, with `text` in its file. Changes are `key=value`, and stay.
    pub(crate) async fn start(text: &str, changes: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        let variables = variables(changes);
        let loaded = config::load_file_with(&file, &variables);
        let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
        let app = App::bind(loaded).await.unwrap();
        let app = app.reading(ConfigFile::new(&file).overridden_by(variables));
        let (reloader, generations) = (Arc::clone(app.reloader()), app.generations().clone());
        Self {
            gateway: Gateway::run(app).await,
            reloader,
            generations,
            file,
            _folder: folder,
        }
    }

    /// The file says this from now on; returns what came of it, whoever noticed first.
    pub(crate) async fn write(&self, text: &str) -> ReloadOutcome {
        let before = self.generations.current().number;
        let new = self.file.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
        match self.reloader.reload(Trigger::Request).await {
            Ok(_) if self.generations.current().number > before => ReloadOutcome::Applied,
            Ok(_) => ReloadOutcome::Unchanged,
            Err(_) => ReloadOutcome::Refused,
        }
    }

    /// Waits for a change that the file itself caused, the latest.
    pub(crate) async fn noticed(&self, outcome: ReloadOutcome) -> Change {
        let of_file = || {
            let changes = self.reloader.changes().into_iter();
            let mut changes = changes.filter(|change| change.trigger == Trigger::File);
            changes.next().filter(|change| change.outcome == outcome)
        };
        until("the file's change", async || of_file().is_some()).await;
        of_file().unwrap()
    }
}
