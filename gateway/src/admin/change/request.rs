//! What a request to override a key says.

use std::time::Duration;

use bytes::Buf as _;
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::Change;
use crate::config::{Override, units};
use crate::overrides::LONGEST_VALUE;
use crate::page::deadline::{Deadline, now};

/// Longest body that is read, in bytes: a value, every byte of which may be escaped, and the rest.
const LONGEST_BODY: usize = 6 * LONGEST_VALUE + 256;

/// For the body to come. Who may send one is known by now, but may be on a bad connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// The override of `key` that a body asks for.
///
/// # Errors
/// What is wrong with it, in words.
pub(in crate::admin) async fn read_set<B>(key: &str, body: B) -> Result<Change, String>
where
    B: Body<Error: std::error::Error + Send + Sync + 'static>,
{
    let body = Limited::new(body, LONGEST_BODY).collect();
    let body = Deadline::after(now(), PATIENCE).limit(body).await;
    let body = body.map_err(|_| "the body did not come in time")?;
    let body = body.map_err(|error| format!("the body cannot be read: {error}"))?;
    let json: Value = serde_json::from_reader(body.aggregate().reader())
        .map_err(|error| format!("the body is no JSON: {error}"))?;
    change(key, &json)
}

/// The key of a path below `/overrides/`.
///
/// # Errors
/// It is no UTF-8.
pub(in crate::admin) fn read_key(segment: &str) -> Result<String, String> {
    let key = percent_decode_str(segment).decode_utf8();
    key.map(Into::into)
        .map_err(|_| "the key is no UTF-8".to_owned())
}

fn change(key: &str, json: &Value) -> Result<Change, String> {
    const SHAPE: &str = "write {\"value\": \"20ms\", \"for\": \"10m\"}";
    let members = json.as_object().ok_or(SHAPE)?;
    if let Some(other) = members
        .keys()
        .find(|name| !["value", "for"].contains(&name.as_str()))
    {
        return Err(format!("{other:?} is no part of an override: {SHAPE}"));
    }
    let value = members.get("value").ok_or(SHAPE)?;
    if value.is_null() || value.is_object() {
        return Err(format!(
            "\"value\" is text, a number, true or false, or a list: {SHAPE}"
        ));
    }
    let lasts = members.get("for").and_then(Value::as_str);
    let lasts = lasts.ok_or_else(|| format!("\"for\" is missing: an override ends; {SHAPE}"))?;
    let lasts = units::duration(lasts).map_err(|problem| format!("\"for\": {problem}"))?;
    Ok(Change::Set {
        over: Override::new(key, value),
        lasts,
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use serde_json::json;

    use super::*;

    async fn read(body: &str) -> Result<Change, String> {
        read_set(
            "a.b",
            Full::new(bytes::Bytes::copy_from_slice(body.as_bytes())),
        )
        .await
    }

    #[tokio::test]
    async fn an_override_has_a_value_and_an_end() {
        let set = |value: Value, seconds| Change::Set {
            over: Override::new("a.b", &value),
            lasts: Duration::from_secs(seconds),
        };
        for (body, expected) in [
            (
                r#"{"value": "20ms", "for": "10m"}"#,
                set(json!("20ms"), 600),
            ),
            (r#"{"value": 5, "for": "1s"}"#, set(json!("5"), 1)),
            (r#"{"value": true, "for": "1h"}"#, set(json!("true"), 3600)),
            (
                r#"{"value": ["a,b"], "for": "1h"}"#,
                set(json!(["a,b"]), 3600),
            ),
        ] {
            assert_eq!(read(body).await, Ok(expected), "{body}");
        }
    }

    #[tokio::test]
    async fn what_is_no_override_is_told_what_one_is() {
        let long = format!(
            r#"{{"value": "{}", "for": "1s"}}"#,
            "x".repeat(LONGEST_BODY)
        );
        for body in [
            "",
            "[]",
            "{",
            r#"{"value": "20ms"}"#,
            r#"{"for": "10m"}"#,
            r#"{"value": "20ms", "for": 600}"#,
            r#"{"value": "20ms", "for": "600"}"#,
            r#"{"value": null, "for": "1s"}"#,
            r#"{"value": {"a": 1}, "for": "1s"}"#,
            r#"{"value": "20ms", "for": "10m", "key": "a"}"#,
            &long,
        ] {
            assert!(read(body).await.is_err(), "{body}");
        }
        assert_eq!(
            read_key("page.p.params.%69d"),
            Ok("page.p.params.id".to_owned())
        );
        assert!(read_key("%ff").is_err());
    }
}
