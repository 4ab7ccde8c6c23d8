//! Reading the configuration again while pages flow.
//!
//! [`Reloader`] is the one owner of every change: one is made at a time, whole or not at all.
//! What always holds: a configuration with an error changes nothing, nor does one that changes a
//! key which only a restart can ([`fixed`]); of either, all that is wrong is in the log and in the
//! answer, and the one in force serves on.
//!
//! Not here: what a configuration becomes and what is carried over ([`crate::generation`]), who
//! asks for it.

mod changes;
pub mod fixed;
mod source;
mod watch;

use std::sync::Arc;

use parking_lot::Mutex as Lock;
use tokio::sync::{Mutex, Notify};

pub use self::changes::{Change, Trigger};
pub use self::source::ConfigFile;

use self::changes::Changes;
use self::source::Contents;
use super::files::Budget;
use super::listeners::ListenerLimits;
use crate::config::{Kept, KeyChange, Loaded, Report};
use crate::generation::{Generation, Generations};
use crate::page::deadline::wall_clock;
use crate::telemetry::events;
use crate::telemetry::names::ReloadOutcome;
use crate::transport::{HttpTransport, TransportError};

/// Makes every change of the configuration of one gateway.
#[derive(Debug)]
pub struct Reloader {
    generations: Generations<HttpTransport>,
    limits: Arc<ListenerLimits>,
    source: Option<ConfigFile>,
    one_at_a_time: Mutex<()>,
    asked: Notify,
    changes: Lock<Changes>,
}

/// What a change did.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The keys that have other values now; none, where the file says what is in force.
    pub keys: Vec<KeyChange>,
    /// What is legal in the configuration but probably not meant.
    pub warnings: Report,
}

/// Why nothing changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotChanged {
    /// There is nothing that could be read again.
    #[error("{0}")]
    NoFile(String),
    /// The configuration has errors: all of them.
    #[error("{0}")]
    Bad(Report),
    /// It changes keys that only a restart can change: all of them.
    #[error("{}", only_by_restart(.0))]
    Fixed(Vec<KeyChange>),
    /// There is no way to a downstream that is new or reached otherwise.
    #[error(transparent)]
    Transport(Arc<TransportError>),
    /// It could not be compiled, and that is the gateway's fault.
    #[error("a defect: the configuration could not be compiled")]
    Defect,
}

fn only_by_restart(keys: &[KeyChange]) -> String {
    let lines: Vec<_> = keys.iter().map(|key| format!("{key}: restart")).collect();
    lines.join("\n")
}

/// A configuration that can be put in force.
struct Prepared {
    next: Generation<HttpTransport>,
    files: Budget,
    keys: Vec<KeyChange>,
    warnings: Report,
    /// Whether anything would be otherwise.
    differs: bool,
}

impl Reloader {
    /// Changes `generations` and the `limits` of listeners, as `source` says.
    pub(super) fn new(
        generations: Generations<HttpTransport>,
        limits: Arc<ListenerLimits>,
        source: Option<ConfigFile>,
    ) -> Self {
        Self {
            generations,
            limits,
            source,
            one_at_a_time: Mutex::new(()),
            asked: Notify::new(),
            changes: Lock::default(),
        }
    }

    /// Reads the configuration again, and puts it in force if it can be used and says something
    /// new. Dropping the future before it is in force changes nothing.
    ///
    /// # Errors
    /// [`NotChanged`]; the one in force serves on.
    pub async fn reload(&self, trigger: Trigger) -> Result<Changed, NotChanged> {
        let _one_at_a_time = self.one_at_a_time.lock().await;
        let result = self.change().await;
        self.note(trigger, &result);
        result
    }

    /// Has [`run`](Self::run) reload soon; however often this is called before it does, once.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Reloads whenever it is asked to by a signal, and when the file has changed. Never ends.
    pub async fn run(&self) {
        tokio::join!(self.follow_signals(), self.follow_file());
    }

    async fn follow_signals(&self) {
        loop {
            self.asked.notified().await;
            // What came of it has been logged.
            let _ = self.reload(Trigger::Signal).await;
        }
    }

    /// Ends where there is no file that could change.
    async fn follow_file(&self) {
        let Some((source, path)) = self.source.as_ref().and_then(|s| Some((s, s.path().ok()?)))
        else {
            return;
        };
        let Some(watched) = watch::watch(path) else {
            return;
        };
        let mut seen = source.first_seen();
        loop {
            // Also at the start: it may have changed since it was read.
            let now = contents(source).await;
            if now != seen {
                seen = now;
                // What came of it has been logged.
                let _ = self.reload(Trigger::File).await;
            }
            watched.changed().await;
        }
    }

    /// The last changes, the latest first.
    pub fn changes(&self) -> Vec<Change> {
        self.changes.lock().all()
    }

    /// Everything that the configuration is made of, in the order in which one overrides the other:
    /// defaults, the file, the variables of the process.
    fn load(source: Option<&ConfigFile>) -> Result<Loaded, NotChanged> {
        let no_file = || NotChanged::NoFile("no file was named at the start: restart".to_owned());
        source.ok_or_else(no_file)?.load()
    }

    async fn change(&self) -> Result<Changed, NotChanged> {
        let (source, current) = (self.source.clone(), self.generations.current());
        let prepare = move || {
            let loaded = Self::load(source.as_ref())?;
            prepare(&current, loaded)
        };
        // Files are read and patterns compiled: milliseconds that pages need not wait for.
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let Prepared {
            next,
            files,
            keys,
            warnings,
            differs,
        } = prepared.unwrap_or(Err(NotChanged::Defect))?;
        if differs {
            let before = self.generations.current();
            let (now, was) = (next.pages.transport(), before.pages.transport());
            if files.suffice_to_warm(&next.config) {
                now.warm_beside(was).await;
            }
            now.succeed(was);
            self.limits.set(&next.config, files);
            self.generations.put_in_force(next);
        }
        Ok(Changed { keys, warnings })
    }

    /// Counts it, logs it, and keeps it for operators.
    fn note(&self, trigger: Trigger, result: &Result<Changed, NotChanged>) {
        let outcome = match result {
            Ok(changed) if changed.keys.is_empty() => ReloadOutcome::Unchanged,
            Ok(_) => ReloadOutcome::Applied,
            Err(_) => ReloadOutcome::Refused,
        };
        let pages = self.generations.pages();
        pages.telemetry().counts().reload(outcome);
        let why = trigger.as_str();
        match result {
            Ok(changed) if changed.keys.is_empty() => events::reload_unchanged(why),
            Ok(changed) => {
                events::reloaded(why, &changed.keys);
                changed
                    .warnings
                    .titles()
                    .for_each(|title| events::reload_warning(&title));
            }
            Err(NotChanged::Bad(report)) => {
                events::reload_refused(why, &"the configuration has errors");
                report
                    .faults()
                    .for_each(|fault| events::reload_error(&fault));
            }
            Err(error) => events::reload_refused(why, error),
        }
        let keys = match result {
            Ok(changed) => changed.keys.clone(),
            Err(NotChanged::Fixed(keys)) => keys.clone(),
            Err(_) => Vec::new(),
        };
        self.changes.lock().add(Change {
            at: wall_clock(),
            trigger,
            outcome,
            keys,
            error: result.as_ref().err().map(ToString::to_string),
        });
    }
}

async fn contents(source: &ConfigFile) -> Contents {
    let source = source.clone();
    let read = tokio::task::spawn_blocking(move || source.contents());
    read.await.ok().flatten()
}

fn prepare(current: &Generation<HttpTransport>, loaded: Loaded) -> Result<Prepared, NotChanged> {
    let keys = KeyChange::between(&current.effective, &loaded.effective);
    let fixed = fixed::among(&keys);
    if !fixed.is_empty() {
        return Err(NotChanged::Fixed(fixed));
    }
    let kept = Kept::between(&current.config, &loaded.config);
    let mut reached = kept.clone();
    let transport = current.pages.transport();
    let transport = transport
        .carried(&loaded.config, &mut reached)
        .map_err(|error| NotChanged::Transport(Arc::new(error)))?;
    Ok(Prepared {
        files: Budget::of_process(&loaded.config),
        // A certificate or a token may have been renewed under its name.
        differs: !keys.is_empty()
            || reached != kept
            || current.config.admin.token != loaded.config.admin.token,
        keys,
        warnings: loaded.warnings.clone(),
        next: current.next(loaded, &kept, &reached, transport),
    })
}
