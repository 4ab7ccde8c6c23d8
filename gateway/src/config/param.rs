//! Parameters of a page: of its path, and of its query.
//!
//! What always holds: the names of a page's parameters differ, whichever they are of, so a part's
//! path names one in braces; a value that is checked can stand where the parts use it, whatever its
//! pattern allows; a query parameter is required or has a default that is such a value.
//!
//! Not here: how a value is decoded (the plan of a page), how parts are filled in ([`super::path`]).

use regex::Regex;
use serde_json::json;

use super::kinds::{Kind, no_control_characters, one_of};
use super::names;
use super::problem::Problem;

/// Most parameters of a path, and of a query; each is a pattern to compile and to match.
pub(super) const MAX_PARAMS: usize = 16;

/// A parameter and what its decoded value must be.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name, in braces in the paths of parts.
    pub name: String,
    /// Matched against the whole decoded value.
    pub pattern: Regex,
    /// Whether it stands in a path, the page's or a part's, where some characters are structure.
    pub in_path: bool,
}

/// A parameter of a page's query.
#[derive(Clone, Debug)]
pub struct QueryParam {
    /// Its name and pattern.
    pub param: Param,
    /// What it is where a request does not name it; `None`: it must.
    pub default: Option<String>,
}

/// What becomes of a request with a query parameter that its page does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownQuery {
    /// As if it were not there.
    Ignore,
    /// 400.
    Refuse,
}

impl Param {
    /// The pattern as it was written.
    pub fn pattern_text(&self) -> &str {
        names::written(&self.pattern)
    }

    /// Checks a decoded value.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow a colon.
    pub fn check(&self, value: &str) -> Result<(), &'static str> {
        if self.in_path {
            // Never in an identifier, whatever the pattern allows: something behind the
            // gateway may take them for structure, or decode them once more.
            if value.contains(['/', '\\', '%']) || value.chars().any(char::is_control) {
                return Err("slashes, percent signs and control characters are not allowed in it");
            }
            if matches!(value, "" | "." | "..") {
                return Err("it must name something");
            }
        } else if value.chars().any(char::is_control) {
            return Err("control characters are not allowed in it");
        }
        match self.pattern.is_match(value) {
            true => Ok(()),
            false => Err("it does not match the pattern configured for it"),
        }
    }
}

const UNKNOWN: &[(&str, UnknownQuery)] = &[
    ("ignore", UnknownQuery::Ignore),
    ("refuse", UnknownQuery::Refuse),
];

/// `"ignore"` or `"refuse"`.
pub(super) const UNKNOWN_QUERY: Kind<UnknownQuery> = Kind {
    read: |raw| one_of(raw, UNKNOWN),
    show: |unknown| match unknown {
        UnknownQuery::Ignore => json!("ignore"),
        UnknownQuery::Refuse => json!("refuse"),
    },
    schema: || json!({"enum": ["ignore", "refuse"]}),
};

/// A value; `""` is an empty one.
pub(super) const VALUE: Kind<String> = Kind {
    read: |raw| {
        let text = raw.text("a value in quotes")?;
        no_control_characters(text)?;
        Ok(text.to_owned())
    },
    show: |value| json!(value),
    schema: || json!({"type": "string"}),
};

/// What the name of a parameter may look like, for the schema.
pub(super) const PARAM_PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_]{0,31}$";

/// Whether braces can hold it.
pub(super) fn is_name(name: &str) -> bool {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Keys of a query parameter: as its name, they are one that was forgotten.
const KEYS: [&str; 3] = ["pattern", "default", "required"];

/// Checks the name of a query parameter beside the others that the page has.
pub(super) fn check_query_name<'n>(
    name: &str,
    others: impl IntoIterator<Item = &'n str>,
) -> Result<(), Problem> {
    if KEYS.contains(&name) {
        let what = format!("a query parameter cannot be called `{name}`, which is a key of one");
        return Err(Problem::new(what).help("put the parameter's name before it: `query.NAME`"));
    }
    if !is_name(name) {
        let what = "is not the name of a query parameter that parts can use";
        let help = "it is up to 32 letters, digits and _, and no digit first";
        return Err(Problem::new(what).help(help));
    }
    if name.contains("__") || name.starts_with('_') || name.ends_with('_') {
        let what =
            "cannot be named by a variable, in which two underscores in a row stand for a dot";
        return Err(Problem::new(what).help("write single underscores, between other characters"));
    }
    match others
        .into_iter()
        .find(|other| other.eq_ignore_ascii_case(name))
    {
        None => Ok(()),
        Some(other) if other == name => {
            let what = format!("`{{{name}}}` is a parameter of the page's path");
            Err(Problem::new(what).help("give one of the two another name"))
        }
        Some(other) => {
            let what = format!("differs from `{{{other}}}` only in upper and lower case");
            Err(Problem::new(what).help("give one of the two another name"))
        }
    }
}
