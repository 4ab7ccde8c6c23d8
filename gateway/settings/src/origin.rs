//! What each key is, and where that was written.
//!
//! A key is written in the file, in a variable that wins over the file, or in an override that
//! wins over both; otherwise it has its default. What always holds: every key of a configuration
//! has exactly one origin, and nothing secret is in its value.

use std::fmt;

use serde_json::{Map, Value as Json, json};

use crate::registry::{KeyRegistry, Source, What};

/// Where the value of a key came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it.
    Default,
    /// The file.
    File {
        /// Its name.
        name: String,
        /// The line, from 1.
        line: usize,
    },
    /// The variable of this name, or several that make one value.
    Variable(String),
    /// An override.
    Override,
}

impl Origin {
    /// The layer, as machines read it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Variable(_) => "variable",
            Self::Override => "override",
        }
    }

    /// Where in that layer; `None` where that is all there is to say.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        match self {
            Self::File { name, line } => Some(format!("{name}:{line}")),
            Self::Variable(name) => Some(name.clone()),
            Self::Default | Self::Override => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place().unwrap_or_else(|| self.as_str().to_owned()))
    }
}

/// One key of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveKey {
    /// Dotted.
    pub key: String,
    /// As the file would spell it, without secrets.
    pub value: Json,
    /// Where it came from.
    pub origin: Origin,
    /// What it is where nobody writes it; `None` if it must be written.
    pub default: Option<Json>,
}

impl EffectiveKey {
    /// The value and its origin: `{"value", "from"}`, and `place` where there is one.
    #[must_use]
    pub fn json(&self) -> Json {
        let mut shown = json!({ "value": self.value, "from": self.origin.as_str() });
        if let Some(place) = self.origin.place() {
            shown["place"] = json!(crate::shown::fit(&place));
        }
        shown
    }

    /// The key that `json` shows, without its default, or `None` if it shows none. For a file the
    /// line is as good as its place has it.
    #[must_use]
    pub fn from_json(key: &str, json: &Json) -> Option<Self> {
        let place = json.get("place").and_then(Json::as_str).unwrap_or_default();
        let origin = match json.get("from")?.as_str()? {
            "default" => Origin::Default,
            "file" => {
                let (name, line) = place.rsplit_once(':')?;
                Origin::File {
                    name: name.to_owned(),
                    line: line.parse().ok()?,
                }
            }
            "variable" => Origin::Variable(place.to_owned()),
            "override" => Origin::Override,
            _ => return None,
        };
        Some(Self {
            key: key.to_owned(),
            value: json.get("value")?.clone(),
            origin,
            default: None,
        })
    }
}

/// All `keys` with their values and origins, by their dotted names.
#[must_use]
pub fn origins_json(keys: &[EffectiveKey]) -> Json {
    let shown = keys.iter().map(|key| (key.key.clone(), key.json()));
    Json::Object(shown.collect::<Map<_, _>>())
}

/// Every key that was taken from the file called `name` with this `text`, in the order of the file's shape.
pub fn keys(registry: &KeyRegistry, name: &str, text: &str) -> Vec<EffectiveKey> {
    let newlines: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let line = |at: usize| newlines.partition_point(|newline| *newline < at) + 1;
    let origin = |source: &Source| match source {
        Source::Default(_) => Origin::Default,
        Source::File(span) => Origin::File {
            name: name.to_owned(),
            line: line(span.start),
        },
        Source::Variable(variable) => Origin::Variable(variable.name()),
        Source::Override(_) => Origin::Override,
    };
    let taken = registry.taken().iter();
    let keys = taken.filter_map(|taken| match &taken.what {
        What::Key { value, default, .. } => Some(EffectiveKey {
            key: taken.path.join("."),
            value: value.clone().unwrap_or(Json::Null),
            origin: origin(&taken.origin),
            default: default.clone(),
        }),
        What::Section | What::Names | What::List { .. } => None,
    });
    keys.collect()
}
