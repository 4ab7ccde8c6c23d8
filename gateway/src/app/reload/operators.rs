//! What operators ask for, and the ends of what they set.
//!
//! What always holds: an override ends at its end, also while nobody asks for anything and
//! whatever the file has become; a change that was begun is made, also if whoever asked for it
//! has gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{Changed, NotChanged, Reloader, Trigger};
use crate::admin::change::{Asked, Change, InForce, Made, Refused};
use crate::config::{Override, fit_to_show, why_fixed};
use crate::overrides::{Layers, NoNext};
use crate::page::deadline::{now, until};
use crate::telemetry::events;

/// Between attempts to end an override whose end cannot be put in force: a file that the
/// configuration names has gone, for one.
const AGAIN: Duration = Duration::from_secs(10);

impl Reloader {
    /// What is in force, as it changes.
    #[must_use]
    pub fn in_force(&self) -> watch::Receiver<Arc<InForce>> {
        self.in_force.subscribe()
    }

    /// Makes the changes that are `asked` for, and ends overrides. Never ends.
    pub(in crate::app) async fn serve(&self, mut asked: mpsc::Receiver<Asked>) {
        let mut not_before = now();
        loop {
            let next_end = self.layers.lock().await.overrides().next_end();
            let next_end = next_end.map(|end| end.max(not_before));
            tokio::select! {
                Some((change, answer)) = asked.recv() => {
                    // Nobody may be waiting any more.
                    let _ = answer.send(self.make(change).await);
                }
                () = until(next_end) => {
                    if !self.end_overrides().await {
                        not_before = now() + AGAIN;
                    }
                }
            }
        }
    }

    async fn make(&self, change: Change) -> Result<Made, Refused> {
        let changed = match change {
            Change::Reload => self.reload(Trigger::Request).await,
            Change::Set { over, lasts } => self.set_override(over, lasts).await,
            Change::Unset { key } => self.unset_override(key).await,
        };
        changed.map(made).map_err(refused)
    }

    /// From now on `over` wins over the file and the variables, for as long as it `lasts`.
    ///
    /// # Errors
    /// [`NotChanged`]; the configuration in force serves on.
    pub async fn set_override(
        &self,
        over: Override,
        lasts: Duration,
    ) -> Result<Changed, NotChanged> {
        let key = over.key.clone();
        let value = fit_to_show(&over.value).into_owned();
        let changed = self
            .change(Trigger::Override, move |layers| {
                let next = layers.set(now(), over, lasts);
                next.map_err(NotChanged::from)
            })
            .await?;
        events::override_set(&key, &value, lasts);
        Ok(changed)
    }

    /// Ends the override of a key before its time.
    ///
    /// # Errors
    /// [`NotChanged`]; the configuration in force serves on.
    pub async fn unset_override(&self, key: String) -> Result<Changed, NotChanged> {
        let ended = key.clone();
        let unset = move |layers: &Layers| layers.unset(&key).map_err(NotChanged::from);
        let changed = self.change(Trigger::OverrideEnded, unset).await?;
        events::override_unset(&ended);
        Ok(changed)
    }

    /// Whether all whose end has come have ended.
    async fn end_overrides(&self) -> bool {
        let at = now();
        let ended: Vec<String> = {
            let layers = self.layers.lock().await;
            let all = layers.overrides().all().iter();
            all.filter(|set| set.ends <= at)
                .map(|set| set.over.key.clone())
                .collect()
        };
        if ended.is_empty() {
            return true;
        }
        let expire = move |layers: &Layers| Ok(layers.expire(at));
        let changed = self.change(Trigger::OverrideEnded, expire).await;
        if changed.is_ok() {
            ended.iter().for_each(|key| events::override_ended(key));
        }
        changed.is_ok()
    }
}

impl From<NoNext> for NotChanged {
    fn from(no_next: NoNext) -> Self {
        match no_next {
            NoNext::Unusable(report) => Self::Bad(report),
            other @ (NoNext::NotLive(..)
            | NoNext::Access(_)
            | NoNext::NotSet(_)
            | NoNext::Unknown(_)) => Self::Override(other),
        }
    }
}

fn made(changed: Changed) -> Made {
    Made {
        differences: changed.differences,
        dropped: changed.dropped.into_iter().map(|one| one.key).collect(),
    }
}

fn refused(not_changed: NotChanged) -> Refused {
    match not_changed {
        NotChanged::Bad(report) => Refused::Unusable(report),
        NotChanged::Fixed(keys) => {
            let keys = keys.into_iter().map(|change| {
                let why = why_fixed(&change.key).unwrap_or_default();
                (change.key, why)
            });
            Refused::NotLive(keys.collect())
        }
        NotChanged::Override(NoNext::NotLive(key, why)) => Refused::NotLive(vec![(key, why)]),
        NotChanged::Override(NoNext::Unknown(key)) => Refused::NotSet(key),
        other @ (NotChanged::NoFile(_)
        | NotChanged::Override(_)
        | NotChanged::Transport(_)
        | NotChanged::Defect) => Refused::Impossible(other.to_string()),
    }
}
