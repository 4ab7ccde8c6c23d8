//! Names, references to them, and the patterns of parameters.

use std::borrow::Cow;

use regex::Regex;
use serde_json::json;

use super::kinds::Kind;
use super::problem::Problem;
use settings::name::NAME_PATTERN;

/// Wraps a pattern so that it matches whole values only.
const WHOLE: (&str, &str) = (r"\A(?:", r")\z");

/// Ends a comment of `(?x)`, which would go on to the end of its line.
const AFTER_COMMENT: &str = "\n(?:)";

/// A regular expression for whole values.
pub(super) const PATTERN: Kind<Regex> = Kind {
    read: |raw| {
        let text = raw.text("a pattern")?;
        if text.is_empty() {
            return Err(
                Problem::new("an empty pattern matches no value").write("^[A-Za-z0-9_-]{1,64}$")
            );
        }
        let whole = Regex::new(text).and_then(|_| {
            let whole = Regex::new(&format!("{}{text}{}", WHOLE.0, WHOLE.1));
            whole.or_else(|_| Regex::new(&format!("{}{text}{AFTER_COMMENT}{}", WHOLE.0, WHOLE.1)))
        });
        whole.map_err(|error| {
            let why = error.to_string();
            let why = why
                .lines()
                .last()
                .unwrap_or("")
                .trim_start_matches("error: ")
                .to_owned();
            let what = format!("is not a pattern: {why}");
            Problem::new(what)
                .help("the syntax is that of https://docs.rs/regex, e.g. '^[0-9]{1,10}$'")
        })
    },
    show: |pattern| json!(written(pattern)),
    schema: || json!({"type": "string", "format": "regex", "minLength": 1}),
};

/// A pattern as it was written.
pub(super) fn written(pattern: &Regex) -> &str {
    let text = pattern.as_str();
    let bare = text
        .strip_prefix(WHOLE.0)
        .and_then(|text| text.strip_suffix(WHOLE.1));
    bare.map_or(text, |bare| {
        bare.strip_suffix(AFTER_COMMENT).unwrap_or(bare)
    })
}

/// The name of a downstream, as a reference.
pub(super) const REFERENCE: Kind<Cow<'static, str>> = Kind {
    read: |raw| Ok(Cow::Owned(raw.text("the name of a downstream")?.to_owned())),
    show: |value| json!(value),
    schema: || json!({"type": "string", "pattern": NAME_PATTERN}),
};
