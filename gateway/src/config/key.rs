//! A key as the shape of the file names it: name, kind, default, meaning.

use super::kinds::Kind;

/// A key of the file: its name, kind, default and meaning.
pub struct Key<'n, T> {
    pub(super) name: &'n str,
    pub(super) kind: Kind<T>,
    pub(super) fallback: Fallback,
    pub(super) about: &'static str,
}

/// What happens when a key is not there.
#[derive(Clone, Copy)]
pub(super) enum Fallback {
    /// It has this value, in the spelling of a variable.
    Default(&'static str),
    /// That is an error; this is what a value looks like, in the same spelling.
    Required(&'static str),
    /// The same where no other key takes its place, which a schema cannot tell.
    RequiredHere(&'static str),
}

impl Fallback {
    /// A value of the key, as plain text.
    pub(super) fn text(self) -> &'static str {
        match self {
            Fallback::Default(text) | Fallback::Required(text) | Fallback::RequiredHere(text) => {
                text
            }
        }
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
pub(super) fn required_here<'n, T>(
    name: &'n str,
    kind: Kind<T>,
    example: &'static str,
) -> Key<'n, T> {
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
