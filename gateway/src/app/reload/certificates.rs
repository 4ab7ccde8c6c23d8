//! Taking certificates anew when their files change.
//!
//! What always holds: the configuration is otherwise the one in force, whatever its file has become
//! meanwhile: a certificate must not expire because somebody else's change has an error. What cannot
//! be used changes nothing, and is in the log once for each time that the files change.

use std::hash::{DefaultHasher, Hasher as _};
use std::path::PathBuf;

use super::watch::{self, Watched};
use super::{NotChanged, Reloader, Trigger};
use crate::config::ServerTls;
use crate::overrides::Layers;

impl Reloader {
    /// Reads the files again whenever something happens in their folders. Never ends.
    pub(super) async fn follow_certificates(&self) {
        loop {
            let current = self.generations.current();
            let other = self.generations.after(current.number);
            match &current.config.server.tls {
                None => other.await,
                Some(tls) => {
                    tokio::select! {
                        () = other => {}
                        () = self.follow(tls) => {}
                    }
                }
            }
        }
    }

    /// Ends when others are in force.
    async fn follow(&self, tls: &ServerTls) {
        let files: Vec<PathBuf> = tls.files().map(ToOwned::to_owned).collect();
        let folders: Vec<Watched> = watch::folders_of(&files);
        let mut tried = None;
        loop {
            // Also at the start: they may have changed since they were read.
            let (again, found) = (tls.clone(), files.clone());
            let look = move || (again.has_changed(), contents(&found));
            let looked = tokio::task::spawn_blocking(look).await;
            if let Ok((true, now)) = looked
                && tried != Some(now)
            {
                tried = Some(now);
                let read = |layers: &Layers| layers.again().map_err(NotChanged::Bad);
                // What came of it has been logged.
                if self.change(Trigger::Certificate, read).await.is_ok() {
                    return;
                }
            }
            let events = folders.iter().map(|folder| Box::pin(folder.changed()));
            match folders.is_empty() {
                true => std::future::pending().await,
                false => _ = futures_util::future::select_all(events).await,
            }
        }
    }
}

/// What stands in these files, as a number.
fn contents(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(&std::fs::read(file).unwrap_or_default());
    }
    hasher.finish()
}
