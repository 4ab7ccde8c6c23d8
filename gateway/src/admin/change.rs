//! What operators change: they reload the file, and override keys for a while.
//!
//! A change is passed on to whoever owns the configuration in force, one after the other, and
//! answered when it is made or refused. Always holds: a change that is refused has changed
//! nothing, and its answer has all that is wrong with it, with places.
//!
//! Not here: how a configuration comes into force (see [`crate::app`]), how long an override lasts
//! (see [`crate::overrides`]).

mod request;

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

pub(super) use self::request::{read_key, read_set};
use super::answer::{AdminBody, answer, view};
use crate::config::units::show_duration;
use crate::config::{Difference, EffectiveKey, Loaded, Override, Report};
use crate::overrides::{Layers, Set};

/// Changes that wait for others to be made. Each waits for one request, of which there are no more
/// than connections of operators.
const WAITING: usize = 64;

/// A change that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Read the file again.
    Reload,
    /// Override a key.
    Set {
        /// The key, and its value as it was written.
        over: Override,
        /// For how long.
        lasts: Duration,
    },
    /// End an override.
    Unset {
        /// Of this key.
        key: String,
    },
}

/// A change that was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// What is different now.
    pub differences: Vec<Difference>,
    /// Overrides that the new file cannot be used with, and that have ended for it.
    pub dropped: Vec<String>,
}

/// Why a change was not made.
#[derive(Clone, Debug)]
pub enum Refused {
    /// The configuration cannot be used with it.
    Unusable(Report),
    /// These keys cannot be changed while the gateway runs, each with the reason why.
    NotLive(Vec<(String, &'static str)>),
    /// Anything else that is in the way, in words.
    Impossible(String),
    /// There is no override of this key.
    NotSet(String),
    /// What was sent says nothing that could be done, in words.
    Malformed(String),
    /// The gateway is ending.
    Ending,
}

/// A change and whoever waits for it.
pub type Asked = (Change, oneshot::Sender<Result<Made, Refused>>);

/// What is in force, as operators see it.
#[derive(Clone, Debug)]
pub struct InForce {
    keys: Vec<EffectiveKey>,
    /// In the order in which they were set.
    overrides: Vec<Overridden>,
}

/// A key that is overridden.
#[derive(Clone, Debug, PartialEq)]
struct Overridden {
    /// Dotted.
    key: String,
    value: Value,
    /// What it is without the override.
    was: Value,
    ends: Instant,
}

/// Asks for changes, and sees what is in force.
#[derive(Clone, Debug)]
pub struct Changes {
    asked: mpsc::Sender<Asked>,
    in_force: watch::Receiver<Arc<InForce>>,
}

impl Changes {
    /// Whoever asks for changes, and where they are received.
    #[must_use]
    pub fn new(in_force: watch::Receiver<Arc<InForce>>) -> (Self, mpsc::Receiver<Asked>) {
        let (asked, receiver) = mpsc::channel(WAITING);
        (Self { asked, in_force }, receiver)
    }

    /// What is in force now.
    #[must_use]
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.borrow())
    }

    /// Asks for a change, and waits for it. Whoever stops waiting does not take it back.
    ///
    /// # Errors
    /// [`Refused`]; nothing has changed then.
    pub async fn ask(&self, change: Change) -> Result<Made, Refused> {
        let (sender, made) = oneshot::channel();
        let sent = self.asked.send((change, sender)).await;
        sent.map_err(|_| Refused::Ending)?;
        made.await.map_err(|_| Refused::Ending)?
    }
}

impl InForce {
    /// A configuration without overrides.
    #[must_use]
    pub fn without_overrides(loaded: &Loaded) -> Self {
        Self {
            keys: loaded.keys.clone(),
            overrides: Vec::new(),
        }
    }

    /// `loaded`, which is what `layers` amount to.
    #[must_use]
    pub fn new(layers: &Layers, loaded: &Loaded) -> Self {
        let value = |loaded: &Loaded, key: &str| {
            let found = loaded.keys.iter().find(|one| one.key == key);
            found.map_or(Value::Null, |one| one.value.clone())
        };
        let shown = |set: &Set| Overridden {
            key: set.over.key.clone(),
            value: value(loaded, &set.over.key),
            was: value(layers.base(), &set.over.key),
            ends: set.ends,
        };
        Self {
            overrides: layers.overrides().all().iter().map(shown).collect(),
            ..Self::without_overrides(loaded)
        }
    }

    /// Every key with its value and where it came from; an override with what it took the place
    /// of, and when it ends.
    pub(super) fn origins(&self, now: Instant) -> Value {
        let shown = |key: &EffectiveKey| {
            let mut json = key.json();
            let overridden = self.overrides.iter().find(|over| over.key == key.key);
            if let (Some(over), Value::Object(json)) = (overridden, &mut json) {
                json.extend(over.ends_json(now));
            }
            (key.key.clone(), json)
        };
        let keys = self.keys.iter().map(shown);
        Value::Object(keys.collect())
    }

    /// The overrides, by their keys.
    pub(super) fn overrides(&self, now: Instant) -> Value {
        let shown = |over: &Overridden| {
            let mut json = Map::new();
            json.insert("value".into(), over.value.clone());
            json.extend(over.ends_json(now));
            (over.key.clone(), Value::Object(json))
        };
        Value::Object(self.overrides.iter().map(shown).collect())
    }
}

impl Overridden {
    fn ends_json(&self, now: Instant) -> Map<String, Value> {
        let left = self.ends.saturating_duration_since(now);
        let seconds = Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0));
        Map::from_iter([
            ("was".to_owned(), self.was.clone()),
            ("ends_in".to_owned(), json!(show_duration(seconds))),
            ("ends_in_s".to_owned(), json!(left.as_secs_f64())),
        ])
    }
}

/// How a change is answered.
pub(super) fn answered(made: Result<Made, Refused>) -> Response<AdminBody> {
    match made {
        Ok(made) => view(&made.json()),
        Err(refused) => refused.answer(),
    }
}

impl Made {
    fn json(&self) -> Value {
        let outcome = match self.differences.is_empty() {
            true => "unchanged",
            false => "applied",
        };
        let differences: Vec<Value> = self.differences.iter().map(Difference::json).collect();
        json!({"outcome": outcome, "differences": differences, "dropped_overrides": self.dropped})
    }
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unusable(_) | Self::Impossible(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotLive(_) => StatusCode::CONFLICT,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotSet(_) => StatusCode::NOT_FOUND,
            Self::Ending => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// All that is wrong, each with `what` and, where there are, `help` and its place.
    fn errors(&self) -> Value {
        let one =
            |what: String, help: &str| json!({"severity": "error", "what": what, "help": help});
        match self {
            Self::Unusable(report) => report.json(),
            Self::NotLive(keys) => keys
                .iter()
                .map(|(key, why)| {
                    let what = format!("`{key}`: cannot be changed while the gateway runs: {why}");
                    one(what, "write it in the file, and restart the gateway")
                })
                .collect(),
            Self::Impossible(what) | Self::Malformed(what) => {
                json!([one(what.clone(), "see docs/changing.md")])
            }
            Self::NotSet(key) => {
                let what = format!("`{key}`: there is no override of it");
                json!([one(what, "GET /overrides lists all there are")])
            }
            Self::Ending => json!([one("the gateway is stopping".into(), "ask its successor")]),
        }
    }

    /// For a person.
    fn text(&self, errors: &Value) -> String {
        if let Self::Unusable(report) = self {
            return report.to_string();
        }
        let errors = errors.as_array().into_iter().flatten();
        let words = |error: &Value| {
            let word = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            format!("error: {}\n  = help: {}", word("what"), word("help"))
        };
        errors.map(words).collect::<Vec<_>>().join("\n\n")
    }

    fn answer(&self) -> Response<AdminBody> {
        let errors = self.errors();
        let text = self.text(&errors);
        let json = json!({"outcome": "refused", "errors": errors, "text": text});
        let body = format!("{json:#}\n");
        answer(self.status(), "application/json", body.into())
    }
}
