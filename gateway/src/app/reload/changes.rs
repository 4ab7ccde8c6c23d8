//! The last changes of the configuration, for operators.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::admin::console::{since_1970, snapshot};
use crate::config::KeyChange;
use crate::telemetry::names::ReloadOutcome;

/// Changes that are kept: an hour of trying out one limit.
const KEPT: usize = 64;

/// Keys of one change that the console shows.
const SHOWN: usize = 20;

/// What had the configuration read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// SIGHUP.
    Signal,
    /// The file has changed.
    File,
    /// A certificate, its key or an authority has changed in its file.
    Certificate,
    /// An operator asked for it on the admin listener.
    Request,
    /// A key was overridden.
    Override,
    /// An override ended.
    OverrideEnded,
}

impl Trigger {
    /// In a word, for logs and views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::File => "file",
            Self::Certificate => "certificate",
            Self::Request => "request",
            Self::Override => "override",
            Self::OverrideEnded => "override_ended",
        }
    }
}

/// One time that the configuration was read again.
#[derive(Clone, Debug)]
pub struct Change {
    /// When.
    pub at: SystemTime,
    /// What for.
    pub trigger: Trigger,
    /// What came of it.
    pub outcome: ReloadOutcome,
    /// Keys with another value; of one that was refused, those it was refused for.
    pub keys: Vec<KeyChange>,
    /// Why it was refused.
    pub error: Option<String>,
}

impl Change {
    /// As the console shows it.
    pub(super) fn shown(self) -> snapshot::Change {
        snapshot::Change {
            at_ms: since_1970(self.at),
            trigger: self.trigger.as_str().to_owned(),
            outcome: self.outcome.as_str().to_owned(),
            keys: self
                .keys
                .into_iter()
                .map(|change| change.key)
                .take(SHOWN)
                .collect(),
        }
    }
}

/// The last [`KEPT`] of them.
#[derive(Debug, Default)]
pub(super) struct Changes(VecDeque<Change>);

impl Changes {
    pub(super) fn add(&mut self, change: Change) {
        self.0.truncate(KEPT - 1);
        self.0.push_front(change);
    }

    /// The latest first.
    pub(super) fn all(&self) -> Vec<Change> {
        self.0.iter().cloned().collect()
    }
}
