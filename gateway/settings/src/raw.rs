//! A value as it was written, in the file or as plain text.

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::problem::Problem;

/// What was written at a key.
#[derive(Clone, Copy)]
pub enum Raw<'a> {
    /// In a variable or as a default: text without quotes, whatever the kind.
    Plain(&'a str),
    /// In the file.
    Toml(&'a DeValue<'a>),
}

/// A value in the spelling of [`Raw::Plain`].
pub fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => value.to_string(),
    }
}

/// What a value is, with its article.
pub fn type_name(value: &DeValue<'_>) -> &'static str {
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
    /// The number that it is, whole or not.
    pub fn number(self) -> Option<f64> {
        match self {
            Raw::Toml(DeValue::Float(number)) => number.as_str().parse().ok(),
            Raw::Toml(DeValue::Integer(number)) => number.to_string().parse().ok(),
            Raw::Plain(text) => text.parse().ok(),
            Raw::Toml(_) => None,
        }
    }

    /// What the value is in place of the `wanted`.
    pub fn instead(&self, wanted: &str) -> Problem {
        match self {
            Raw::Plain(text) => Problem::new(format!("expected {wanted}, found {text:?}")),
            Raw::Toml(value) => {
                Problem::new(format!("expected {wanted}, found {}", type_name(value)))
            }
        }
    }

    /// Text of any kind.
    ///
    /// # Errors
    /// What stands there in place of the `wanted`.
    pub fn text(&self, wanted: &str) -> Result<&str, Problem> {
        match self {
            Raw::Plain(text) => Ok(text),
            Raw::Toml(DeValue::String(text)) => Ok(text),
            Raw::Toml(_) => Err(self.instead(wanted).default()),
        }
    }

    /// Text that has a unit; a bare number gets the usual one in the hint. Small numbers
    /// that were meant in another unit would be wrong by a lot, so those get both.
    fn with_unit(&self, wanted: &str, usual: &str, other: Option<&str>) -> Result<&str, Problem> {
        let Raw::Toml(DeValue::Integer(number)) = self else {
            return self.text(wanted);
        };
        let number = number.as_str();
        if number.starts_with('-') {
            return Err(Problem::new(format!("{wanted} cannot be negative")).default());
        }
        let problem = Problem::new(format!("{wanted} needs its unit, and quotes around both"));
        let with = |unit: &str| format!("{number}{unit}");
        Err(match other.filter(|_| number.len() < 3) {
            Some(other) => problem.either(with(usual), with(other)),
            None => problem.write(with(usual)),
        })
    }

    /// Text that is a duration.
    pub fn duration(&self) -> Result<&str, Problem> {
        self.with_unit("a duration", "ms", Some("s"))
    }

    /// Text that is a size.
    pub fn size(&self) -> Result<&str, Problem> {
        self.with_unit("a size", "B", Some("KiB"))
    }

    /// Text that is a rate.
    pub fn rate(&self) -> Result<&str, Problem> {
        self.with_unit("a rate", "/s", None)
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// What is not one, with the bound it breaks.
    pub fn integer(&self, low: u64, high: u64) -> Result<u64, Problem> {
        let (text, radix) = match self {
            Raw::Plain(text) => (*text, 10),
            Raw::Toml(DeValue::Integer(number)) => (number.as_str(), number.radix()),
            Raw::Toml(_) => return Err(self.instead("a whole number").default()),
        };
        let negative = text.strip_prefix('-');
        let digits = negative.unwrap_or(text);
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(self.instead("a whole number").default());
        }
        let value = u64::from_str_radix(digits, radix).ok();
        match value {
            Some(value) if negative.is_none() && (low..=high).contains(&value) => Ok(value),
            _ if negative.is_some() => Err(Problem::new("cannot be negative")
                .help(format!("write a whole number from {low} to {high}"))),
            Some(value) if value < low => {
                Err(Problem::new(format!("is too small; the least is {low}")).write(low))
            }
            _ => Err(Problem::new(format!("is too big; the most is {high}")).write(high)),
        }
    }
}

/// An array of strings as [`list`] reads it, each of which `read` makes something else of.
/// None may come twice: `twice` says so.
pub fn list_of<T: PartialEq>(
    raw: &Raw<'_>,
    read: impl Fn(&str) -> Result<T, Problem>,
    twice: impl Fn(&T) -> String,
) -> Result<Vec<T>, Problem> {
    let mut all = Vec::new();
    for text in list(raw)? {
        let item = read(&text)?;
        if all.contains(&item) {
            return Err(Problem::new(twice(&item)).help("remove one of them"));
        }
        all.push(item);
    }
    Ok(all)
}

/// An array of strings; in a variable `a,b` or `["a", "b"]`, and nothing for an empty one.
pub fn list(raw: &Raw<'_>) -> Result<Vec<String>, Problem> {
    let wrong = || raw.instead("an array of strings").default();
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
