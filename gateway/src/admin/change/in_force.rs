//! Which keys there are, what they are, and where each was written.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::config::units::show_duration;
use crate::config::{EffectiveKey, Loaded};
use crate::overrides::{Layers, Set};

/// What is in force, as operators see it.
#[derive(Clone, Debug)]
pub struct InForce {
    keys: Vec<EffectiveKey>,
    /// In the order in which they were set.
    overrides: Vec<Overridden>,
}

/// A key that is overridden.
#[derive(Clone, Debug, PartialEq)]
struct Overridden {
    /// Dotted.
    key: String,
    value: Value,
    /// What it is without the override.
    was: Value,
    ends: Instant,
}

impl InForce {
    /// A configuration without overrides.
    #[must_use]
    pub fn without_overrides(loaded: &Loaded) -> Self {
        Self {
            keys: loaded.keys.clone(),
            overrides: Vec::new(),
        }
    }

    /// `loaded`, which is what `layers` amount to.
    #[must_use]
    pub fn new(layers: &Layers, loaded: &Loaded) -> Self {
        let value = |loaded: &Loaded, key: &str| {
            let found = loaded.keys.iter().find(|one| one.key == key);
            found.map_or(Value::Null, |one| one.value.clone())
        };
        let shown = |set: &Set| Overridden {
            key: set.over.key.clone(),
            value: value(loaded, &set.over.key),
            was: value(layers.base(), &set.over.key),
            ends: set.ends,
        };
        Self {
            overrides: layers.overrides().all().iter().map(shown).collect(),
            ..Self::without_overrides(loaded)
        }
    }

    /// Every key with its value and where it came from; an override with what it took the place
    /// of, and when it ends.
    pub(in crate::admin) fn origins(&self, now: Instant) -> Value {
        let shown = |key: &EffectiveKey| {
            let mut json = key.json();
            let overridden = self.overrides.iter().find(|over| over.key == key.key);
            if let (Some(over), Value::Object(json)) = (overridden, &mut json) {
                json.extend(over.ends_json(now));
            }
            (key.key.clone(), json)
        };
        let keys = self.keys.iter().map(shown);
        Value::Object(keys.collect())
    }

    /// The overrides, by their keys.
    pub(in crate::admin) fn overrides(&self, now: Instant) -> Value {
        let shown = |over: &Overridden| {
            let mut json = Map::new();
            json.insert("value".into(), over.value.clone());
            json.extend(over.ends_json(now));
            (over.key.clone(), Value::Object(json))
        };
        Value::Object(self.overrides.iter().map(shown).collect())
    }
}

impl Overridden {
    fn ends_json(&self, now: Instant) -> Map<String, Value> {
        let left = self.ends.saturating_duration_since(now);
        let seconds = Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0));
        Map::from_iter([
            ("was".to_owned(), self.was.clone()),
            ("ends_in".to_owned(), json!(show_duration(seconds))),
            ("ends_in_s".to_owned(), json!(left.as_secs_f64())),
        ])
    }
}
