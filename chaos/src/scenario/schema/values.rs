//! The shapes of values that only scenarios have, for the JSON Schema.

use serde_json::{Value as Json, json};

/// A duration that is written, as a pattern.
pub(in crate::scenario) const DURATION: &str = "[0-9]+(ns|us|ms|s|m|h)";

/// A text that is all of this pattern.
pub(in crate::scenario) fn text(pattern: &str) -> Json {
    json!({"type": "string", "pattern": format!("^({pattern})$")})
}

fn duration() -> Json {
    text(DURATION)
}

fn share() -> Json {
    json!({"type": "number", "minimum": 0, "maximum": 1})
}

/// A table with these keys, all of them or those that must be there.
fn table(keys: &Json, required: &[&str]) -> Json {
    json!({"type": "object", "properties": keys, "required": required, "additionalProperties": false})
}

/// A table with one key that names what stands below it.
fn tagged(tag: &str, below: &Json) -> Json {
    table(&json!({tag: below}), &[tag])
}

/// How long something takes.
pub(in crate::scenario) fn latency() -> Json {
    let times = |keys: [&str; 2]| {
        let [one, other] = keys;
        table(&json!({one: duration(), other: duration()}), &keys)
    };
    let modes = json!({"fast": duration(), "slow": duration(), "slow_share": share()});
    json!({"anyOf": [
        tagged("fixed", &duration()),
        tagged("uniform", &times(["from", "to"])),
        tagged("lognormal", &times(["p50", "p99"])),
        tagged("pareto", &times(["min", "p99"])),
        tagged("bimodal", &table(&modes, &["fast", "slow", "slow_share"])),
    ]})
}

/// Whole milliseconds, a distribution, or `"none"`.
pub(in crate::scenario) fn time_or_none() -> Json {
    let mut all = vec![text(
        "none|0*[1-9][0-9]*(ms|s|m|h)|0*[1-9][0-9]*000us|0*[1-9][0-9]*000000ns",
    )];
    if let Json::Array(drawn) = latency()["anyOf"].take() {
        all.extend(drawn);
    }
    json!({"anyOf": all})
}

/// How arrivals are spaced.
pub(in crate::scenario) fn arrivals() -> Json {
    let cv = json!({"type": "number", "minimum": 0, "maximum": 3});
    let bursty = table(&json!({"cv": cv, "every": duration()}), &["cv"]);
    json!({"anyOf": [{"enum": ["poisson", "constant"]}, bursty]})
}

pub(in crate::scenario) fn workers() -> Json {
    json!({"type": "integer", "minimum": 1, "maximum": u32::MAX})
}

pub(in crate::scenario) fn contention() -> Json {
    share()
}

/// What goes wrong, and how often.
pub(in crate::scenario) fn errors() -> Json {
    let status = json!({"type": "integer", "minimum": 400, "maximum": 599});
    let every = table(&json!({"every": duration()}), &["every"]);
    let kind = json!({"anyOf": [
        {"enum": ["reset", "close", "hang", "truncated", "wrong_json", "endless"]},
        tagged("status", &status),
        tagged("trickle", &every),
    ]});
    let error = table(&json!({"share": share(), "kind": kind}), &["share", "kind"]);
    json!({"type": "array", "items": error})
}

pub(in crate::scenario) fn body_bytes() -> Json {
    json!({"type": "integer", "minimum": 0, "maximum": 64 << 20})
}

pub(in crate::scenario) fn work_goes_on() -> Json {
    json!({"type": "boolean"})
}
