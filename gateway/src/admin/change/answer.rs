//! How changes are answered: what is different, or all that is wrong.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::{Made, Refused};
use crate::admin::answer::{AdminBody, answer, view};
use crate::config::Difference;

/// How a change is answered.
pub(in crate::admin) fn answered(made: Result<Made, Refused>) -> Response<AdminBody> {
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
