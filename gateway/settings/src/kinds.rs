//! The kinds of value that any file has: how each is read, shown and described.
//!
//! A kind is a value, not a type, because one Rust type is several kinds: a
//! duration that may be zero, one that may not, one that may be `"none"`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::problem::{Problem, did_you_mean};
use crate::raw::Raw;
use crate::units::{self, Rate};

/// How a value of one kind is read, shown and described.
#[derive(Clone, Copy)]
pub struct Kind<T> {
    /// Checks what was written.
    pub read: fn(&Raw<'_>) -> Result<T, Problem>,
    /// Writes it again, in the one spelling we use, without secrets.
    pub show: fn(&T) -> Json,
    /// Its JSON Schema.
    pub schema: fn() -> Json,
}

/// # Errors
/// The first control character there is.
pub fn no_control_characters(text: &str) -> Result<(), Problem> {
    match text.chars().find(|c| c.is_control()) {
        Some(c) => {
            Err(Problem::new(format!("contains the control character {c:?}")).help("remove it"))
        }
        None => Ok(()),
    }
}

/// One of a few words, and what each of them means.
///
/// # Errors
/// Any other, with the word that was probably meant.
pub fn one_of<T: Copy>(raw: &Raw<'_>, words: &[(&'static str, T)]) -> Result<T, Problem> {
    let names: Vec<String> = words
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect();
    let wanted = names.join(" or ");
    let text = raw.text(&wanted)?;
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let meant = did_you_mean(text, words.iter().map(|(word, _)| *word));
        Problem::new(format!("expected {wanted}, found {text:?}"))
            .write(meant.unwrap_or(words[0].0))
    })
}

/// `true` or `false`.
pub const BOOLEAN: Kind<bool> = Kind {
    read: |raw| match raw {
        Raw::Toml(DeValue::Boolean(value)) => Ok(*value),
        Raw::Plain("true") => Ok(true),
        Raw::Plain("false") => Ok(false),
        Raw::Toml(DeValue::String(text)) if text == "true" || text == "false" => Err(raw
            .instead("true or false without quotes")
            .write(text == "true")),
        Raw::Plain(_) | Raw::Toml(_) => Err(raw.instead("true or false").default()),
    },
    show: |value| json!(value),
    schema: || json!({"type": "boolean"}),
};

/// A share: 0.0 to 1.0.
pub const SHARE: Kind<f64> = Kind {
    read: |raw| {
        let number = raw.number();
        let number = number.ok_or_else(|| raw.instead("a number from 0.0 to 1.0").default())?;
        if (0.0..=1.0).contains(&number) {
            return Ok(number);
        }
        let percent = Some(number / 100.0).filter(|share| (0.01..=1.0).contains(share));
        Err(
            Problem::new("is not a share: from 0.0 (nothing) to 1.0 (everything)")
                .write(percent.unwrap_or(1.0)),
        )
    },
    show: |value| json!(value),
    schema: || json!({"type": "number", "minimum": 0, "maximum": 1}),
};

/// Words without control characters, as tags carry them.
pub const TEXT: Kind<String> = Kind {
    read: |raw| {
        let text = raw.text("a string")?;
        no_control_characters(text)?;
        match text.trim().is_empty() {
            true => Err(Problem::new("cannot be empty").help("write a word, or remove the key")),
            false if text.len() > 200 => Err(Problem::new(
                "is longer than 200 bytes, the most a tag can carry",
            )
            .help("write a shorter one")),
            false => Ok(text.to_owned()),
        }
    },
    show: |value| json!(value),
    schema: || json!({"type": "string", "minLength": 1, "maxLength": 200}),
};

/// The same, or nothing.
pub const TEXT_IF_ANY: Kind<Option<String>> = Kind {
    read: |raw| match raw.text("a string")? {
        "" => Ok(None),
        _ => (TEXT.read)(raw).map(Some),
    },
    show: |value| json!(value.as_deref().unwrap_or_default()),
    schema: || json!({"type": "string", "maxLength": 200}),
};

// ---- Durations, sizes, rates -------------------------------------------------

fn duration(raw: &Raw<'_>) -> Result<Duration, Problem> {
    units::duration(raw.duration()?)
}

fn show_duration(value: &Duration) -> Json {
    json!(units::show_duration(*value))
}

const DURATION_PATTERN: &str = "[0-9]+(ns|us|ms|s|m|h)";

/// A duration; zero is allowed.
pub const DURATION: Kind<Duration> = Kind {
    read: duration,
    show: show_duration,
    schema: || json!({"type": "string", "pattern": format!("^{DURATION_PATTERN}$")}),
};

/// A duration that must pass.
pub const POSITIVE_DURATION: Kind<Duration> = Kind {
    read: |raw| {
        let value = duration(raw)?;
        if value.is_zero() {
            return Err(
                Problem::new("cannot be zero: nothing would ever be in time").write("100ms"),
            );
        }
        Ok(value)
    },
    ..DURATION
};

/// A duration that must pass, or `"none"`.
pub const DURATION_OR_NONE: Kind<Option<Duration>> = Kind {
    read: |raw| {
        if raw.duration()? == "none" {
            return Ok(None);
        }
        let value = duration(raw)?;
        if value.is_zero() {
            return Err(
                Problem::new("cannot be zero: nothing would ever be in time").write("none"),
            );
        }
        Ok(Some(value))
    },
    show: |value| value.as_ref().map_or_else(|| json!("none"), show_duration),
    schema: || json!({"type": "string", "pattern": format!("^(none|{DURATION_PATTERN})$")}),
};

/// A duration that must pass, or `"auto"`, which is `None`.
pub const DURATION_OR_AUTO: Kind<Option<Duration>> = Kind {
    read: |raw| match raw.duration()? {
        "auto" => Ok(None),
        _ => match duration(raw)? {
            value if value.is_zero() => {
                Err(Problem::new("cannot be zero: every client takes longer").write("auto"))
            }
            value => Ok(Some(value)),
        },
    },
    show: |value| value.as_ref().map_or_else(|| json!("auto"), show_duration),
    schema: || json!({"type": "string", "pattern": format!("^(auto|{DURATION_PATTERN})$")}),
};

/// A size in bytes, at least one.
pub const SIZE: Kind<NonZeroUsize> = Kind {
    read: |raw| {
        let bytes = units::size(raw.size()?)?;
        let bytes = usize::try_from(bytes).ok().and_then(NonZeroUsize::new);
        bytes.ok_or_else(|| Problem::new("cannot be zero").write("256KiB"))
    },
    show: |value| json!(units::show_size(value.get() as u64)),
    schema: || json!({"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|kB|KB|MB|GB)$"}),
};

/// A size in bytes, at least one, or `"none"`.
pub const SIZE_OR_NONE: Kind<Option<NonZeroUsize>> = Kind {
    read: |raw| match raw.size()? {
        "none" => Ok(None),
        _ => (SIZE.read)(raw).map(Some),
    },
    show: |value| value.as_ref().map_or_else(|| json!("none"), SIZE.show),
    schema: || json!({"type": "string", "pattern": "^(none|[0-9]+(B|KiB|MiB|GiB|kB|KB|MB|GB))$"}),
};

/// A rate, or `"none"`.
pub const RATE: Kind<Option<Rate>> = Kind {
    read: |raw| units::rate(raw.rate()?),
    show: |value| json!(units::show_rate(*value)),
    schema: || json!({"type": "string", "pattern": "^(none|[0-9]+/(s|min|h))$"}),
};

// ---- Counts ------------------------------------------------------------------

/// Most of anything that is counted; beyond it a limit limits nothing.
const MANY: u64 = 1_000_000;

fn count(raw: &Raw<'_>) -> Result<NonZeroU32, Problem> {
    let value = raw.integer(1, MANY)?;
    let value = u32::try_from(value).ok().and_then(NonZeroU32::new);
    value.ok_or_else(|| Problem::new("is too big").write(MANY))
}

/// At least one of something.
pub const COUNT: Kind<NonZeroU32> = Kind {
    read: count,
    show: |value| json!(value.get()),
    schema: || json!({"type": "integer", "minimum": 1, "maximum": MANY}),
};

/// How many; `"auto"` is `None`.
pub const COUNT_OR_AUTO: Kind<Option<NonZeroU32>> = Kind {
    read: |raw| match raw.text("a number or \"auto\"") {
        Ok("auto") => Ok(None),
        Ok(_) | Err(_) => count(raw).map(Some),
    },
    show: |value| value.map_or_else(|| json!("auto"), |value| json!(value.get())),
    schema: || json!({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": MANY}]}),
};

/// How many; zero is `None`.
pub const COUNT_OR_ZERO: Kind<Option<NonZeroU32>> = Kind {
    read: |raw| {
        let value = raw.integer(0, MANY)?;
        Ok(u32::try_from(value).ok().and_then(NonZeroU32::new))
    },
    show: |value| json!(value.map_or(0, NonZeroU32::get)),
    schema: || json!({"type": "integer", "minimum": 0, "maximum": MANY}),
};
