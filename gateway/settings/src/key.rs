//! A key as the shape of the file names it: name, kind, default, meaning.

use serde_json::Value as Json;
use toml::de::DeValue;

use crate::kinds::Kind;
use crate::problem::{Problem, Remedy};
use crate::raw::Raw;

/// A key of the file: its name, kind, default and meaning.
pub struct Key<'n, T> {
    /// As it is written.
    pub name: &'n str,
    /// How its value is read.
    pub kind: Kind<T>,
    /// What it is where nobody writes it.
    pub fallback: Fallback,
    /// What it means.
    pub about: &'static str,
}

/// What happens when a key is not there.
#[derive(Clone, Copy)]
pub enum Fallback {
    /// It has this value, in the spelling of a variable.
    Default(&'static str),
    /// That is an error; this is what a value looks like, in the same spelling.
    Required(&'static str),
    /// The same where no other key takes its place, which a schema cannot tell.
    RequiredHere(&'static str),
}

impl Fallback {
    /// A value of the key, as plain text.
    pub fn text(self) -> &'static str {
        match self {
            Fallback::Default(text) | Fallback::Required(text) | Fallback::RequiredHere(text) => {
                text
            }
        }
    }

    /// What the key is where nobody writes it, if it need not be written.
    pub fn default<T>(self, kind: &Kind<T>) -> Option<Json> {
        match self {
            Fallback::Default(text) => self.shown(kind, text),
            Fallback::Required(_) | Fallback::RequiredHere(_) => None,
        }
    }

    /// The problem, with a remedy that itself can be read: a value of the key where there is no
    /// better one.
    pub fn in_remedy<T>(self, mut problem: Problem, kind: &Kind<T>) -> Problem {
        problem.remedy = sound(problem.remedy, kind);
        if problem.remedy == Remedy::Default {
            let value = self.shown(kind, self.text()).map(Remedy::Write);
            problem.remedy = value.unwrap_or(Remedy::None);
        }
        problem
    }

    fn shown<T>(self, kind: &Kind<T>, text: &str) -> Option<Json> {
        let value = (kind.read)(&Raw::Plain(text)).ok()?;
        Some((kind.show)(&value))
    }
}

/// The remedy, without values that are none of the kind.
fn sound<T>(remedy: Remedy, kind: &Kind<T>) -> Remedy {
    let is_sound = |value: &Json| {
        let text = value.to_string();
        // What JSON calls a value TOML does too, but for null.
        let value = DeValue::parse(&text);
        value.is_ok_and(|value| (kind.read)(&Raw::Toml(value.get_ref())).is_ok())
    };
    match remedy {
        Remedy::Write(value) if is_sound(&value) => Remedy::Write(value),
        Remedy::Write(_) => Remedy::Default,
        Remedy::Either(one, other) => {
            let sound = |text: &String| is_sound(&Json::from(text.as_str()));
            match (sound(&one), sound(&other)) {
                (true, true) => Remedy::Either(one, other),
                (true, false) => Remedy::Write(one.into()),
                (false, true) => Remedy::Write(other.into()),
                (false, false) => Remedy::Default,
            }
        }
        remedy @ (Remedy::None | Remedy::Default | Remedy::Do(_)) => remedy,
    }
}

/// A key that has a default, written as in a variable.
pub fn key<'n, T>(name: &'n str, kind: Kind<T>, default: &'static str) -> Key<'n, T> {
    Key {
        name,
        kind,
        fallback: Fallback::Default(default),
        about: "",
    }
}

/// A key that must be there, with an example of its value.
pub fn required<'n, T>(name: &'n str, kind: Kind<T>, example: &'static str) -> Key<'n, T> {
    Key {
        name,
        kind,
        fallback: Fallback::Required(example),
        about: "",
    }
}

/// As [`required`], where another key that may take its place is not there.
pub fn required_here<'n, T>(name: &'n str, kind: Kind<T>, example: &'static str) -> Key<'n, T> {
    Key {
        name,
        kind,
        fallback: Fallback::RequiredHere(example),
        about: "",
    }
}

impl<T> Key<'_, T> {
    /// What the key means; the description in the schema.
    #[must_use]
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}
