//! Noticing that the file has changed.
//!
//! Its folder is watched, not the file: editors and Kubernetes put another file, or another
//! folder, in its place, and a watch on what was replaced sees nothing any more. What is reported
//! is only that something has changed there; whether it was the file is seen by reading it.
//!
//! What always holds: however many events there are, one is remembered; a burst is waited out,
//! but no longer than [`LONGEST`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::page::deadline::{Deadline, now};
use crate::telemetry::events;

/// A change is over when nothing happened for so long: whoever writes a file does so in steps.
const QUIET: Duration = Duration::from_millis(250);

/// A folder in which something always happens is looked at this often.
const LONGEST: Duration = Duration::from_secs(2);

/// The folder of a file, as long as this lives.
#[derive(Debug)]
pub(super) struct Watched {
    /// Ends the watching when it is dropped.
    _watcher: RecommendedWatcher,
    happened: Arc<Notify>,
}

impl Watched {
    /// # Errors
    /// The system's, for example where it allows no more watches.
    pub(super) fn folder_of(file: &Path) -> notify::Result<Self> {
        let folder = match file.parent() {
            Some(folder) if folder != Path::new("") => folder,
            Some(_) | None => Path::new("."),
        };
        let happened = Arc::new(Notify::new());
        let noticed = Arc::clone(&happened);
        let mut watcher = notify::recommended_watcher(move |event| {
            // After an error something may have been missed.
            if !matches!(
                event,
                Ok(Event {
                    kind: EventKind::Access(_),
                    ..
                })
            ) {
                noticed.notify_one();
            }
        })?;
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(Self {
            _watcher: watcher,
            happened,
        })
    }

    /// Resolves when something has happened in the folder and is over. Dropping the future loses
    /// nothing that has not begun to.
    pub(super) async fn changed(&self) {
        self.happened.notified().await;
        let longest = Deadline::after(now(), LONGEST);
        loop {
            let quiet = Deadline::after(now(), QUIET).min(longest);
            let more = quiet.limit(self.happened.notified()).await.is_ok();
            if !more || longest.is_past(now()) {
                return;
            }
        }
    }
}

/// Watches the folders of these files, each once.
pub(super) fn folders_of(files: &[PathBuf]) -> Vec<Watched> {
    let folders: BTreeMap<_, _> = files.iter().map(|file| (file.parent(), file)).collect();
    folders.values().filter_map(|file| watch(file)).collect()
}

/// Watches the folder of `file`; where that cannot be, says so once.
pub(super) fn watch(file: &Path) -> Option<Watched> {
    match Watched::folder_of(file) {
        Ok(watched) => Some(watched),
        Err(error) => {
            events::file_not_watched(&file.display(), &error);
            None
        }
    }
}
