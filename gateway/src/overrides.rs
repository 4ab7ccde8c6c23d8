//! Keys that were changed live, each until its end: which there are, and for how long.
//!
//! A pure state machine: the time is passed in. What always holds: a key has one override at
//! most; each ends no later than [`LONGEST`] after it was set, and none counts from its end on;
//! there are never more than [`MOST`].
//!
//! Not here: what a value means, and whether a configuration can be used with it (see
//! [`crate::config`]). Nothing of this is written anywhere: a restart ends all of them.

mod layers;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

pub use self::layers::{Layers, Next, NoNext};
use crate::config;

/// Most overrides at once. They are for an incident, in which a few keys are turned; more is a
/// configuration of its own, and belongs in the file.
pub const MOST: usize = 32;

/// The longest that one may last: a shift and its handover. What holds for longer belongs in the file.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest: below it nobody could see what it did.
pub const SHORTEST: Duration = Duration::from_secs(1);

/// Longest value, in bytes. The longest that a key of the file usually has is a pattern of some dozen.
pub const LONGEST_VALUE: usize = 1024;

/// A key that was changed live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The key and its value.
    pub over: config::Override,
    /// When that began.
    pub since: Instant,
    /// From when on it no longer counts.
    pub ends: Instant,
}

/// Why there is no such override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSet {
    /// As many as there may be are there already.
    #[error(
        "there are {MOST} overrides already, the most there may be: unset one, or write them in the file"
    )]
    TooMany,
    /// It would last too long, or no time.
    #[error("an override lasts from 1s to 24h: what holds for longer belongs in the file")]
    Lasts,
    /// The value is too long.
    #[error("the value is longer than {LONGEST_VALUE} bytes")]
    Value,
}

/// All overrides of a gateway, in the order in which they were set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    all: Vec<Set>,
}

impl Overrides {
    /// From `now` on `over` counts, for as long as it `lasts`. Returns what it takes the place of.
    ///
    /// # Errors
    /// [`NotSet`]; then nothing has changed.
    pub fn set(
        &mut self,
        now: Instant,
        over: config::Override,
        lasts: Duration,
    ) -> Result<Option<Set>, NotSet> {
        if !(SHORTEST..=LONGEST).contains(&lasts) {
            return Err(NotSet::Lasts);
        }
        if over.value.len() > LONGEST_VALUE {
            return Err(NotSet::Value);
        }
        let before = self.all.iter().position(|set| set.over.key == over.key);
        if before.is_none() && self.all.len() >= MOST {
            return Err(NotSet::TooMany);
        }
        let before = before.map(|at| self.all.remove(at));
        self.all.push(Set {
            over,
            since: now,
            ends: now + lasts,
        });
        Ok(before)
    }

    /// Ends the one of `key`, if there is one.
    pub fn unset(&mut self, key: &str) -> Option<Set> {
        let at = self.all.iter().position(|set| set.over.key == key)?;
        Some(self.all.remove(at))
    }

    /// Ends those whose end has come by `now`, and returns them.
    pub fn expire(&mut self, now: Instant) -> Vec<Set> {
        let (ended, rest) = std::mem::take(&mut self.all)
            .into_iter()
            .partition(|set| set.ends <= now);
        self.all = rest;
        ended
    }

    /// When the next one ends.
    #[must_use]
    pub fn next_end(&self) -> Option<Instant> {
        self.all.iter().map(|set| set.ends).min()
    }

    /// Those there are, the one that was set last at the end.
    #[must_use]
    pub fn all(&self) -> &[Set] {
        &self.all
    }

    /// The one of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Set> {
        self.all.iter().find(|set| set.over.key == key)
    }

    /// Their keys and values, for a configuration.
    #[must_use]
    pub fn values(&self) -> Vec<config::Override> {
        self.all.iter().map(|set| set.over.clone()).collect()
    }
}
