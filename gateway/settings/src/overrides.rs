//! Values that win over the file and the variables for a while.
//!
//! Here they are text that is read as a variable's is, for a key that is named as it is: which of
//! them there are, and until when, is [`crate::overrides`]'s to say.

use serde_json::Value as Json;

use crate::raw;

/// A key and the value it has instead of the written one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Dotted, as the file has it.
    pub key: String,
    /// As a variable would hold it.
    pub value: String,
}

impl Override {
    /// `value` for `key`; as in the file, or as text.
    #[must_use]
    pub fn new(key: &str, value: &Json) -> Self {
        // The items of a list may hold commas.
        let value = match value.is_array() {
            true => value.to_string(),
            false => raw::plain(value),
        };
        Self {
            key: key.to_owned(),
            value,
        }
    }

    /// `key="value"`, for a person.
    pub fn shown(&self) -> String {
        crate::variables::shown(&self.key, &self.value)
    }
}

/// The overrides of one configuration, and which of them found their key.
#[derive(Debug, Default)]
pub struct Overrides {
    all: Vec<(Override, bool)>,
}

impl Overrides {
    /// None of which has found its key yet.
    #[must_use]
    pub fn new(all: &[Override]) -> Self {
        let all = all.iter().cloned().map(|one| (one, false)).collect();
        Self { all }
    }

    /// Whether there is one for this key, or one below it.
    pub fn stands_for(&self, path: &str) -> bool {
        let below = |key: &str| {
            key.strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        let mut all = self.all.iter();
        all.any(|(one, _)| one.key == path || below(&one.key))
    }

    /// The one for this key, if there is one.
    pub fn take(&mut self, path: &str) -> Option<Override> {
        let found = self.all.iter_mut().find(|(one, _)| one.key == path)?;
        found.1 = true;
        Some(found.0.clone())
    }

    /// Those that stand for no key.
    pub fn unknown(&self) -> impl Iterator<Item = &Override> {
        let unknown = self.all.iter().filter(|(_, taken)| !taken);
        unknown.map(|(one, _)| one)
    }
}
