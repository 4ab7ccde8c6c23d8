//! The kinds of value a key can have: how each is read, shown and described.
//!
//! A kind is a value, not a type, because one Rust type is several kinds: a
//! duration that may be zero, one that may not, one that may be `"none"`.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use http::HeaderName;
use regex::Regex;
use serde_json::{Value as Json, json};
use toml::de::DeValue;
use url::Url;

use super::problem::{Problem, did_you_mean};
use super::{IdentifyBy, LogFormat, Rate, ShedStatus, address, is_reserved_header, units};

/// How a value of one kind is read, shown and described.
#[derive(Clone, Copy)]
pub(super) struct Kind<T> {
    /// Checks what was written.
    pub(super) read: fn(&Raw<'_>) -> Result<T, Problem>,
    /// Writes it again, in the one spelling we use, without secrets.
    pub(super) show: fn(&T) -> Json,
    /// Its JSON Schema.
    pub(super) schema: fn() -> Json,
}

/// What was written at a key.
pub(super) enum Raw<'a> {
    /// In a variable or as a default: text without quotes, whatever the kind.
    Plain(&'a str),
    /// In the file.
    Toml(&'a DeValue<'a>),
}

/// A value in the spelling of [`Raw::Plain`].
pub(super) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => value.to_string(),
    }
}

/// What a value is, with its article.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a section",
    }
}

impl Raw<'_> {
    /// What the value is in place of the `wanted`.
    fn instead(&self, wanted: &str) -> Problem {
        match self {
            Raw::Plain(text) => Problem::new(format!("expected {wanted}, found {text:?}")),
            Raw::Toml(value) => {
                Problem::new(format!("expected {wanted}, found {}", type_name(value)))
            }
        }
    }

    pub(super) fn text(&self, wanted: &str, example: &str) -> Result<&str, Problem> {
        match self {
            Raw::Plain(text) => Ok(text),
            Raw::Toml(DeValue::String(text)) => Ok(text),
            Raw::Toml(_) => Err(self.instead(wanted).write(example)),
        }
    }

    /// Text that has a unit; a bare number gets the usual one in the hint.
    fn with_unit(&self, wanted: &str, usual: &str, example: &str) -> Result<&str, Problem> {
        match self {
            Raw::Toml(DeValue::Integer(number)) if !number.as_str().starts_with('-') => {
                let what = format!("{wanted} needs its unit, and quotes around both");
                Err(Problem::new(what).write(format!("{}{usual}", number.as_str())))
            }
            Raw::Toml(_) | Raw::Plain(_) => self.text(wanted, example),
        }
    }

    fn integer(&self, low: u64, high: u64, example: u64) -> Result<u64, Problem> {
        let (text, radix) = match self {
            Raw::Plain(text) => (*text, 10),
            Raw::Toml(DeValue::Integer(number)) => (number.as_str(), number.radix()),
            Raw::Toml(_) => return Err(self.instead("a whole number").write(example)),
        };
        let negative = text.strip_prefix('-');
        let digits = negative.unwrap_or(text);
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(self.instead("a whole number").write(example));
        }
        let value = u64::from_str_radix(digits, radix).ok();
        match value {
            Some(value) if negative.is_none() && (low..=high).contains(&value) => Ok(value),
            _ if negative.is_some() => Err(Problem::new("cannot be negative").write(example)),
            Some(value) if value < low => {
                Err(Problem::new(format!("is too small; the least is {low}")).write(low))
            }
            _ => Err(Problem::new(format!("is too big; the most is {high}")).write(high)),
        }
    }
}

fn no_control_characters(text: &str) -> Result<(), Problem> {
    match text.chars().find(|c| c.is_control()) {
        Some(c) => {
            Err(Problem::new(format!("holds the control character {c:?}")).help("remove it"))
        }
        None => Ok(()),
    }
}

/// One of a few words.
fn one_of<T: Copy>(raw: &Raw<'_>, words: &[(&'static str, T)]) -> Result<T, Problem> {
    let names: Vec<String> = words
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect();
    let wanted = names.join(" or ");
    let text = raw.text(&wanted, words[0].0)?;
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let meant = did_you_mean(text, words.iter().map(|(word, _)| *word));
        Problem::new(format!("expected {wanted}, found {text:?}"))
            .write(meant.unwrap_or(words[0].0))
    })
}

const LOGS: &[(&str, LogFormat)] = &[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];

/// `"pretty"` or `"json"`.
pub(super) const LOG: Kind<LogFormat> = Kind {
    read: |raw| one_of(raw, LOGS),
    show: |log| match log {
        LogFormat::Pretty => json!("pretty"),
        LogFormat::Json => json!("json"),
    },
    schema: || json!({"enum": ["pretty", "json"]}),
};

/// `true` or `false`.
pub(super) const BOOLEAN: Kind<bool> = Kind {
    read: |raw| match raw {
        Raw::Toml(DeValue::Boolean(value)) => Ok(*value),
        Raw::Plain("true") => Ok(true),
        Raw::Plain("false") => Ok(false),
        Raw::Toml(DeValue::String(text)) if text == "true" || text == "false" => Err(raw
            .instead("true or false without quotes")
            .write(text == "true")),
        Raw::Plain(_) | Raw::Toml(_) => Err(raw.instead("true or false").write(true)),
    },
    show: |value| json!(value),
    schema: || json!({"type": "boolean"}),
};

/// A share: 0.0 to 1.0.
pub(super) const SHARE: Kind<f64> = Kind {
    read: |raw| {
        let number: Option<f64> = match raw {
            Raw::Toml(DeValue::Float(number)) => number.as_str().parse().ok(),
            Raw::Toml(DeValue::Integer(number)) => number.to_string().parse().ok(),
            Raw::Plain(text) => text.parse().ok(),
            Raw::Toml(_) => None,
        };
        let number = number.ok_or_else(|| raw.instead("a number from 0.0 to 1.0").write(1.0))?;
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
pub(super) const TEXT: Kind<String> = Kind {
    read: |raw| {
        let text = raw.text("a string", "product-gateway")?;
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

// ---- Durations, sizes, rates -------------------------------------------------

fn duration(raw: &Raw<'_>) -> Result<Duration, Problem> {
    units::duration(raw.with_unit("a duration", "ms", "300ms")?)
}

fn show_duration(value: &Duration) -> Json {
    json!(units::show_duration(*value))
}

const DURATION_PATTERN: &str = "[0-9]+(ns|us|ms|s|m|h)";

/// A duration; zero is allowed.
pub(super) const DURATION: Kind<Duration> = Kind {
    read: duration,
    show: show_duration,
    schema: || json!({"type": "string", "pattern": format!("^{DURATION_PATTERN}$")}),
};

/// A duration that must pass.
pub(super) const POSITIVE_DURATION: Kind<Duration> = Kind {
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
pub(super) const DURATION_OR_NONE: Kind<Option<Duration>> = Kind {
    read: |raw| {
        if raw.with_unit("a duration", "ms", "300ms")? == "none" {
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

/// A size in bytes, at least one.
pub(super) const SIZE: Kind<NonZeroUsize> = Kind {
    read: |raw| {
        let bytes = units::size(raw.with_unit("a size", "B", "256KiB")?)?;
        let bytes = usize::try_from(bytes).ok().and_then(NonZeroUsize::new);
        bytes.ok_or_else(|| Problem::new("cannot be zero").write("256KiB"))
    },
    show: |value| json!(units::show_size(value.get() as u64)),
    schema: || json!({"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|kB|KB|MB|GB)$"}),
};

/// A rate, or `"none"`.
pub(super) const RATE: Kind<Option<Rate>> = Kind {
    read: |raw| units::rate(raw.with_unit("a rate", "/s", "500/s")?),
    show: |value| json!(units::show_rate(*value)),
    schema: || json!({"type": "string", "pattern": "^(none|[0-9]+/(s|min|h))$"}),
};

// ---- Counts ------------------------------------------------------------------

/// Most of anything that is counted; beyond it a limit limits nothing.
const MANY: u64 = 1_000_000;

fn count(raw: &Raw<'_>) -> Result<NonZeroU32, Problem> {
    let value = raw.integer(1, MANY, 64)?;
    let value = u32::try_from(value).ok().and_then(NonZeroU32::new);
    value.ok_or_else(|| Problem::new("is too big").write(MANY))
}

/// At least one of something.
pub(super) const COUNT: Kind<NonZeroU32> = Kind {
    read: count,
    show: |value| json!(value.get()),
    schema: || json!({"type": "integer", "minimum": 1, "maximum": MANY}),
};

/// How many; zero is `None`.
pub(super) const COUNT_OR_ZERO: Kind<Option<NonZeroU32>> = Kind {
    read: |raw| {
        let value = raw.integer(0, MANY, 64)?;
        Ok(u32::try_from(value).ok().and_then(NonZeroU32::new))
    },
    show: |value| json!(value.map_or(0, NonZeroU32::get)),
    schema: || json!({"type": "integer", "minimum": 0, "maximum": MANY}),
};

/// 429 or 503.
pub(super) const STATUS: Kind<ShedStatus> = Kind {
    read: |raw| match raw.integer(0, u64::MAX, 429)? {
        429 => Ok(ShedStatus::TooManyRequests),
        503 => Ok(ShedStatus::ServiceUnavailable),
        other => Err(
            Problem::new(format!("load is refused with 429 or 503, not with {other}"))
                .write(if other >= 500 { 503 } else { 429 }),
        ),
    },
    show: |status| match status {
        ShedStatus::TooManyRequests => json!(429),
        ShedStatus::ServiceUnavailable => json!(503),
    },
    schema: || json!({"enum": [429, 503]}),
};

// ---- Addresses, headers, patterns, names -------------------------------------

/// An IP address and a port.
pub(super) const ADDRESS: Kind<SocketAddr> = Kind {
    read: |raw| {
        let text = raw.text("an address and a port", "127.0.0.1:8080")?;
        text.parse().map_err(|_| address::not_an_address(text))
    },
    show: |value| json!(value.to_string()),
    schema: || json!({"type": "string", "pattern": "^.+:[0-9]{1,5}$"}),
};

/// Where a downstream is.
pub(super) const URL: Kind<Url> = Kind {
    read: |raw| {
        address::read(
            raw.text("a URL", "http://127.0.0.1:7102")?,
            &["http", "https"],
        )
    },
    show: |value| json!(address::show(value)),
    schema: || json!({"type": "string", "format": "uri", "pattern": "^https?://"}),
};

/// Where the agent is; `""` is nowhere.
pub(super) const AGENT: Kind<Option<Url>> = Kind {
    read: |raw| match raw.text("a URL", "http://127.0.0.1:8126")? {
        "" => Ok(None),
        text => address::read(text, &["http"]).map(Some),
    },
    show: |value| json!(value.as_ref().map_or(String::new(), address::show)),
    schema: || json!({"type": "string", "pattern": "^(http://.+)?$"}),
};

fn header(text: &str) -> Result<HeaderName, Problem> {
    text.parse().map_err(|_| {
        Problem::new(format!("{text:?} is not a header name"))
            .help("a header name is letters, digits and dashes, such as `accept-language`")
    })
}

/// What tells clients apart: `"ip"` or `"header:NAME"`.
pub(super) const IDENTIFY_BY: Kind<IdentifyBy> = Kind {
    read: |raw| {
        let text = raw.text("\"ip\" or \"header:NAME\"", "ip")?;
        match text.strip_prefix("header:") {
            Some(name) => header(name).map(IdentifyBy::Header),
            None if text == "ip" => Ok(IdentifyBy::Ip),
            None => {
                let what = format!("expected \"ip\" or \"header:NAME\", found {text:?}");
                let plausible = text.parse::<HeaderName>().is_ok() && text.contains('-');
                let fix = if plausible {
                    format!("header:{text}")
                } else {
                    "ip".to_owned()
                };
                Err(Problem::new(what).write(fix))
            }
        }
    },
    show: |value| match value {
        IdentifyBy::Ip => json!("ip"),
        IdentifyBy::Header(name) => json!(format!("header:{name}")),
    },
    schema: || json!({"type": "string", "pattern": "^(ip|header:[!-~]+)$"}),
};

/// A list of header names that calls may carry.
pub(super) const HEADERS: Kind<Vec<HeaderName>> = Kind {
    read: |raw| {
        let mut all: Vec<HeaderName> = Vec::new();
        for text in list(raw)? {
            let name = header(&text)?;
            if is_reserved_header(&name) {
                let what = format!("`{name}` is not the client's to send on: calls have their own");
                return Err(Problem::new(what).help("remove it from the list"));
            }
            if all.contains(&name) {
                let what = format!("`{name}` stands here twice");
                return Err(Problem::new(what).help("remove one of them"));
            }
            all.push(name);
        }
        Ok(all)
    },
    show: |all| all.iter().map(HeaderName::as_str).collect(),
    schema: || json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "minLength": 1}}),
};

/// An array of strings; in a variable `a,b` or `["a", "b"]`, and nothing for an empty one.
fn list(raw: &Raw<'_>) -> Result<Vec<String>, Problem> {
    let wrong = || {
        raw.instead("an array of strings")
            .write(json!(["accept-language"]))
    };
    let from_toml = |value: &DeValue<'_>| match value {
        DeValue::Array(items) => {
            let text =
                |item: &toml::Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
            items.iter().map(text).collect::<Option<Vec<_>>>()
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Table(_) => None,
    };
    match raw {
        Raw::Toml(DeValue::String(text)) => Err(wrong().write(json!([&**text]))),
        Raw::Toml(value) => from_toml(value).ok_or_else(wrong),
        Raw::Plain(text) if text.trim_start().starts_with('[') => {
            let value = DeValue::parse(text).map_err(|_| wrong())?;
            from_toml(value.get_ref()).ok_or_else(wrong)
        }
        Raw::Plain("") => Ok(Vec::new()),
        Raw::Plain(text) => Ok(text.split(',').map(|item| item.trim().to_owned()).collect()),
    }
}

/// Wraps a pattern so that it matches whole values only.
const WHOLE: (&str, &str) = (r"\A(?:", r")\z");

/// A regular expression for whole values.
pub(super) const PATTERN: Kind<Regex> = Kind {
    read: |raw| {
        let text = raw.text("a pattern", "^[A-Za-z0-9_-]{1,64}$")?;
        if text.is_empty() {
            return Err(
                Problem::new("an empty pattern matches no value").write("^[A-Za-z0-9_-]{1,64}$")
            );
        }
        let whole =
            Regex::new(text).and_then(|_| Regex::new(&format!("{}{text}{}", WHOLE.0, WHOLE.1)));
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
    show: |pattern| {
        let text = pattern.as_str();
        let bare = text
            .strip_prefix(WHOLE.0)
            .and_then(|text| text.strip_suffix(WHOLE.1));
        json!(bare.unwrap_or(text))
    },
    schema: || json!({"type": "string", "format": "regex", "minLength": 1}),
};

/// What a name may look like, for the schema.
pub(super) const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";

/// Checks a name of a page, part or downstream.
pub(super) fn name(text: &str) -> Result<(), Problem> {
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

/// The name of a downstream, as a reference.
pub(super) const REFERENCE: Kind<Cow<'static, str>> = Kind {
    read: |raw| {
        Ok(Cow::Owned(
            raw.text("the name of a downstream", "pricing")?.to_owned(),
        ))
    },
    show: |value| json!(value),
    schema: || json!({"type": "string", "pattern": NAME_PATTERN}),
};
