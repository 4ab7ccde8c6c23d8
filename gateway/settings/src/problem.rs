//! What is wrong with one value, and what to write instead.
//!
//! A problem knows nothing of files: the reader adds the place. That keeps the
//! parsers of values usable for flags and variables as well.

use std::fmt;

use serde_json::Value as Json;

/// What is wrong with one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The fault, in words that follow the key: "has no unit".
    pub what: String,
    /// The way out.
    pub remedy: Remedy,
}

/// What a person does about a [`Problem`].
#[derive(Clone, Debug, PartialEq)]
pub enum Remedy {
    /// Nothing more can be said.
    None,
    /// Write this value; it is shown in the notation of the place: `key = "300ms"`.
    Write(Json),
    /// Write one of these values, the first being the likelier.
    Either(String, String),
    /// Write the key's default, or its example if it has none.
    Default,
    /// Anything else, as a sentence in lower case.
    Do(String),
}

impl Problem {
    /// A fault without a remedy.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: Remedy::None,
        }
    }

    /// The same fault, and the value to write instead.
    pub fn write(mut self, value: impl Into<Json>) -> Self {
        self.remedy = Remedy::Write(value.into());
        self
    }

    /// The same fault, and two values that could have been meant.
    pub fn either(mut self, value: impl Into<String>, other: impl Into<String>) -> Self {
        self.remedy = Remedy::Either(value.into(), other.into());
        self
    }

    /// The same fault; the default of its key would do.
    pub fn default(mut self) -> Self {
        self.remedy = Remedy::Default;
        self
    }

    /// The same fault, and what to do about it.
    pub fn help(mut self, sentence: impl Into<String>) -> Self {
        self.remedy = Remedy::Do(sentence.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.remedy {
            Remedy::None | Remedy::Default => Ok(()),
            Remedy::Write(value) => write!(f, "; write {value}"),
            Remedy::Either(value, other) => write!(f, "; write {value:?} or {other:?}"),
            Remedy::Do(sentence) => write!(f, "; {sentence}"),
        }
    }
}

impl std::error::Error for Problem {}

/// The candidate closest to a misspelt word, if one is close enough to be meant.
pub fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let allowed = (word.chars().count() / 3).max(1);
    let lower = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|c| {
            (
                strsim::osa_distance(&lower, &c.to_lowercase().replace('-', "_")),
                c,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
