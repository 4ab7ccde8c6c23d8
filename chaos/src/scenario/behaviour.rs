//! How a downstream behaves, and what a fault changes of it: the fakes' own [`Behaviour`], read
//! key by key so that an error stands where the key does.

use std::fmt;
use std::num::NonZeroU32;

use fixtures::{Behaviour, ErrorShare, Latency};
use serde::de::DeserializeOwned;
use serde_json::json;
use settings::key::key;
use settings::kinds::Kind;
use settings::problem::Problem;
use settings::raw::Raw;
use settings::reader::Section;
use settings::units::show_duration;
use toml::Value;
use toml::de::DeValue;

use super::schema::values;

/// What a fault changes; what it does not name stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    latency: Option<Latency>,
    workers: Option<NonZeroU32>,
    contention: Option<f64>,
    errors: Option<Vec<ErrorShare>>,
    body_bytes: Option<u32>,
    work_goes_on: Option<bool>,
}

impl Change {
    /// The behaviour with this change.
    #[must_use]
    pub fn apply(&self, before: Behaviour) -> Behaviour {
        Behaviour {
            latency: self.latency.clone().unwrap_or(before.latency),
            workers: self.workers.or(before.workers),
            contention: self.contention.unwrap_or(before.contention),
            errors: self.errors.clone().unwrap_or(before.errors),
            body_bytes: self.body_bytes.or(before.body_bytes),
            work_goes_on: self.work_goes_on.unwrap_or(before.work_goes_on),
        }
    }
}

impl Change {
    /// Whether nothing changes at all.
    pub(super) fn is_none(&self) -> bool {
        let Self {
            latency,
            workers,
            contention,
            errors,
            body_bytes,
            work_goes_on,
        } = self;
        latency.is_none()
            && workers.is_none()
            && contention.is_none()
            && errors.is_none()
            && body_bytes.is_none()
            && work_goes_on.is_none()
    }
}

/// What changes, in words: `latency 1500ms, 30% reset`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = self.latency.as_ref();
        let latency = latency.map(|latency| {
            if let Latency::Fixed(time) = latency {
                return format!("latency {}", show_duration(*time));
            }
            format!("latency {}", words(&json!(latency)))
        });
        let workers = self.workers.map(|workers| format!("{workers} workers"));
        let contention = self
            .contention
            .map(|share| format!("{}% contention a call", (share * 1e4).round() / 100.0));
        let errors = self.errors.as_ref().map(|errors| {
            let shown = errors.iter().map(|e| {
                format!(
                    "{}% {}",
                    (e.share * 1e4).round() / 100.0,
                    words(&json!(e.kind))
                )
            });
            match errors.is_empty() {
                true => "no errors".to_owned(),
                false => shown.collect::<Vec<_>>().join(", "),
            }
        });
        let body = self
            .body_bytes
            .map(|bytes| format!("bodies of {bytes} bytes"));
        let goes_on = self.work_goes_on.map(|goes_on| match goes_on {
            true => "work goes on for callers that left".to_owned(),
            false => "work stops when the caller leaves".to_owned(),
        });
        let all = [latency, workers, contention, errors, body, goes_on]
            .into_iter()
            .flatten();
        f.write_str(&all.collect::<Vec<_>>().join(", "))
    }
}

/// Names and values without the punctuation.
fn words(value: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => text.replace('_', " "),
        Json::Object(keys) => {
            let pairs = keys
                .iter()
                .map(|(key, value)| format!("{key} {}", words(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => value.to_string(),
    }
}

/// Takes the keys of a behaviour; what is not written stays as it was `before`.
pub(super) fn read(section: &mut Section<'_, '_>, before: &Behaviour) -> Option<Change> {
    let latency = section.take(
        key("latency", by_serde(values::latency), "")
            .about("How long a worker is busy with one call: fixed, or drawn."),
    );
    let workers = section.take(key("workers", by_serde(values::workers), "").about(
        "How many calls are worked on at once; the others wait. Without it, as many as there are.",
    ));
    let contention = section.take(key("contention", by_serde(values::contention), "").about("How much longer the work takes for each call too many; 0.01 is 1 % a call (the contention of Gunther's law)."));
    let errors = section.take(
        key("errors", by_serde(values::errors), "")
            .about("What goes wrong and how often; the shares add up to at most 1."),
    );
    let body_bytes = section.take(
        key("body_bytes", by_serde(values::body_bytes), "")
            .about("Pads smaller bodies to this many bytes."),
    );
    let work_goes_on = section.take(
        key("work_goes_on", by_serde(values::work_goes_on), "")
            .about("Whether a worker stays with a call whose caller has gone away."),
    );
    let change = Change {
        latency: latency?,
        workers: workers?,
        contention: contention?,
        errors: errors?,
        body_bytes: body_bytes?,
        work_goes_on: work_goes_on?,
    };
    if let Err(bad) = change.apply(before.clone()).check() {
        let name = bad.field.split('.').next().unwrap_or(bad.field);
        let help = match name {
            "contention" => "write a share such as `contention = 0.01`",
            "body_bytes" => "write at most 67108864",
            "errors" => "write `errors = [{ share = 0.1, kind = \"reset\" }]`",
            _ => {
                "write quantiles that rise: `latency = { lognormal = { p50 = \"80ms\", p99 = \"120ms\" } }`"
            }
        };
        section.wrong(name, Problem::new(bad.problem).help(help));
        return None;
    }
    Some(change)
}

/// A value as serde reads it; `None` if it is not written.
fn by_serde<T: DeserializeOwned>(schema: fn() -> serde_json::Value) -> Kind<Option<T>> {
    Kind {
        read: |raw| {
            match raw {
            Raw::Plain(_) => Ok(None),
            Raw::Toml(value) => plain(value)
                .try_into()
                .map(Some)
                .map_err(|error| {
                    let what = error.to_string().trim_end().replace('\n', ", ");
                    Problem::new(what).help("write it as in `chaos/scenarios`: `latency = { fixed = \"80ms\" }`, `workers = 8`, `errors = [{ share = 0.1, kind = \"reset\" }]`")
                }),
        }
        },
        show: |_| json!(null),
        schema,
    }
}

/// The value without its places in the file.
pub(super) fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        // What does not fit is not a number anybody means here.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Integer(i64::MAX), Value::Integer),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(value) => Value::Datetime(*value),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| plain(item.get_ref())).collect())
        }
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref())))
                .collect(),
        ),
    }
}
