//! Names that people give to sections.

use std::fmt;

use crate::problem::Problem;

/// A name that somebody gave: `[a-z0-9][a-z0-9_-]{0,62}`. It appears in
/// JSON, in headers and in metric tags, so it needs no escaping anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub(crate) String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name for what belongs to both: no file can have written it, since it has a dot in it.
    #[must_use]
    pub fn beside(&self, other: &Name) -> Name {
        Name(format!("{self}.{other}"))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a name may look like, for the schema.
pub const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";

/// Checks a name.
///
/// # Errors
/// What is none, with one that would do.
pub fn check(text: &str) -> Result<(), Problem> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let first = text.bytes().next().is_some_and(good);
    if first && text.len() <= 63 && text.bytes().all(|b| good(b) || b == b'_' || b == b'-') {
        return Ok(());
    }
    let what = "is not a name: up to 63 of a-z, 0-9, - and _, and the first a letter or digit";
    let usable = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let better: String = text.chars().map(usable).take(63).collect();
    let better = better.trim_matches('-');
    Err(match better {
        "" => Problem::new(what),
        better => Problem::new(what).help(format!("call it `{better}`")),
    })
}
