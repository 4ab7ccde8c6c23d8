//! Reading the configuration again while pages flow.
//!
//! [`Reloader`] is the one owner of every change: one is made at a time, whole or not at all.
//! What always holds: a configuration with an error changes nothing, nor does one that changes a
//! key which only a restart can ([`FIXED`](crate::config::FIXED)); of either, all that is wrong is in the log and in the
//! answer, and the one in force serves on.
//!
//! Not here: what a configuration becomes and what is carried over ([`crate::generation`]), who
//! asks for it.

mod certificates;
mod changes;
mod operators;
mod source;
mod watch;

use std::sync::Arc;

use parking_lot::Mutex as Lock;
use tokio::sync::watch::Sender;
use tokio::sync::{Mutex, Notify};

pub use self::changes::{Change, Trigger};
pub use self::source::ConfigFile;

use self::changes::Changes;
use self::source::Contents;
use super::files::Budget;
use super::listeners::ListenerLimits;
use crate::admin::change::InForce;
use crate::admin::console::snapshot;
use crate::config::{
    Difference, Kept, KeyChange, Loaded, Misfit, Report, differences, fixed_among,
};
use crate::generation::{Generation, Generations};
use crate::lifecycle::manager::ServiceManager;
use crate::overrides::{Layers, Next, NoNext};
use crate::page::deadline::wall_clock;
use crate::telemetry::events;
use crate::telemetry::names::ReloadOutcome;
use crate::transport::{HttpTransport, TransportError};

/// Makes every change of the configuration of one gateway.
#[derive(Debug)]
pub struct Reloader {
    generations: Generations<HttpTransport>,
    limits: Arc<ListenerLimits>,
    source: Lock<Option<ConfigFile>>,
    /// What is in force, and the right to change it.
    layers: Mutex<Layers>,
    in_force: Sender<Arc<InForce>>,
    asked: Notify,
    changes: Lock<Changes>,
}

/// What a change did.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The keys that have other values now; none, where the file says what is in force.
    pub keys: Vec<KeyChange>,
    /// The same, with what each of them does.
    pub differences: Vec<Difference>,
    /// Whether another certificate is shown to clients, or another asked for.
    pub certificates: bool,
    /// Overrides that the configuration cannot be used with, and that have ended for it.
    pub dropped: Vec<Misfit>,
    /// What is legal in the configuration but probably not meant.
    pub warnings: Report,
}

impl Changed {
    fn is_nothing(&self) -> bool {
        self.keys.is_empty() && !self.certificates
    }
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
    /// The override cannot be made, or ended.
    #[error(transparent)]
    Override(NoNext),
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
    layers: Layers,
    in_force: InForce,
    files: Budget,
    changed: Changed,
    /// Whether anything would be otherwise.
    differs: bool,
}

impl Reloader {
    /// Changes `generations`, of which the first is that of `loaded`, and the `limits` of listeners.
    pub(super) fn new(
        generations: Generations<HttpTransport>,
        limits: Arc<ListenerLimits>,
        loaded: Loaded,
    ) -> Self {
        Self {
            generations,
            limits,
            source: Lock::default(),
            in_force: Sender::new(Arc::new(InForce::without_overrides(&loaded))),
            layers: Mutex::new(Layers::new(loaded)),
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
        let source = self.source.lock().clone();
        let read = move |layers: &Layers| Ok(layers.on(Self::load(source.as_ref())?));
        self.change(trigger, read).await
    }

    /// Puts the layers in force that `make` makes of those there are.
    async fn change(
        &self,
        trigger: Trigger,
        make: impl FnOnce(&Layers) -> Result<Next, NotChanged> + Send + 'static,
    ) -> Result<Changed, NotChanged> {
        let mut layers = self.layers.lock().await;
        let result = self.replace(&mut layers, make).await;
        self.note(trigger, &result);
        result
    }

    /// From now on this is what is read again.
    pub(super) fn read_from(&self, source: ConfigFile) {
        *self.source.lock() = Some(source);
    }

    /// Has [`run`](Self::run) reload soon; however often this is called before it does, once.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Reloads whenever it is asked to by a signal, and when a file has changed. Never ends.
    pub async fn run(&self, manager: &ServiceManager) {
        tokio::join!(
            self.follow_signals(manager),
            self.follow_file(),
            self.follow_certificates()
        );
    }

    /// The manager may have sent the signal, and waits for what comes of it.
    async fn follow_signals(&self, manager: &ServiceManager) {
        loop {
            self.asked.notified().await;
            manager.reloading();
            // What came of it has been logged.
            let _ = self.reload(Trigger::Signal).await;
            manager.ready();
        }
    }

    /// Ends where there is no file that could change.
    async fn follow_file(&self) {
        let source = self.source.lock().clone();
        let Some((source, path)) = source.as_ref().and_then(|s| Some((s, s.path().ok()?))) else {
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

    /// The same, as the console shows them.
    pub(super) fn shown_changes(&self) -> Vec<snapshot::Change> {
        self.changes().into_iter().map(Change::shown).collect()
    }

    /// Everything that the configuration is made of, in the order in which one overrides the other:
    /// defaults, the file, the variables of the process.
    fn load(source: Option<&ConfigFile>) -> Result<Loaded, NotChanged> {
        let no_file = || NotChanged::NoFile("no file was named at the start: restart".to_owned());
        source.ok_or_else(no_file)?.load()
    }

    async fn replace(
        &self,
        layers: &mut Layers,
        make: impl FnOnce(&Layers) -> Result<Next, NotChanged> + Send + 'static,
    ) -> Result<Changed, NotChanged> {
        let (before, current) = (layers.clone(), self.generations.current());
        let prepare = move || prepare(&current, &before, make(&before)?);
        // Files are read and patterns compiled: milliseconds that pages need not wait for.
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let Prepared {
            next,
            layers: next_layers,
            in_force,
            files,
            changed,
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
        // Nothing is awaited between the two: they are never of different changes.
        *layers = next_layers;
        self.in_force.send_replace(Arc::new(in_force));
        Ok(changed)
    }

    /// Counts it, logs it, and keeps it for operators.
    fn note(&self, trigger: Trigger, result: &Result<Changed, NotChanged>) {
        let outcome = match result {
            Ok(changed) if changed.is_nothing() => ReloadOutcome::Unchanged,
            Ok(_) => ReloadOutcome::Applied,
            Err(_) => ReloadOutcome::Refused,
        };
        let pages = self.generations.pages();
        pages.telemetry().counts().reload(outcome);
        let why = trigger.as_str();
        match result {
            Ok(changed) if changed.is_nothing() => events::reload_unchanged(why),
            Ok(changed) => {
                events::reloaded(why, &changed.keys, changed.certificates);
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
        for misfit in result.iter().flat_map(|changed| &changed.dropped) {
            let why: Vec<_> = misfit.report.titles().collect();
            events::override_dropped(&misfit.key, &why.join("; "));
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

fn prepare(
    current: &Generation<HttpTransport>,
    before: &Layers,
    next: Next,
) -> Result<Prepared, NotChanged> {
    let Next {
        layers,
        loaded,
        dropped,
    } = next;
    let keys = KeyChange::between(&current.effective, &loaded.effective);
    let fixed = fixed_among(&keys);
    if !fixed.is_empty() {
        return Err(NotChanged::Fixed(fixed));
    }
    let kept = Kept::between(&current.config, &loaded.config);
    let mut reached = kept.clone();
    let transport = current.pages.transport();
    let transport = transport
        .carried(&loaded.config, &mut reached)
        .map_err(|error| NotChanged::Transport(Arc::new(error)))?;
    // A certificate or a token may have been renewed under its name, and a secret that is not
    // shown may be written otherwise.
    let certificates = current.config.server.tls != loaded.config.server.tls;
    let same_secrets = current.config.admin.token == loaded.config.admin.token
        && !certificates
        && layers.base().is_written_as(before.base());
    Ok(Prepared {
        files: Budget::of_process(&loaded.config),
        differs: !keys.is_empty() || reached != kept || !same_secrets,
        in_force: InForce::new(&layers, &loaded),
        changed: Changed {
            certificates,
            differences: differences(&current.effective, &loaded),
            keys,
            dropped,
            warnings: loaded.warnings.clone(),
        },
        next: current.next(loaded, &kept, &reached, transport),
        layers,
    })
}
