//! What differs between two configurations, key by key.

use serde_json::Value as Json;

use super::shown::fit;

/// A key that has another value, or is in one of the two only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// As the file spells it, with dots: `page.product-page.max_wait`.
    pub key: String,
    /// As TOML; `None` where the key is new.
    pub before: Option<String>,
    /// As TOML; `None` where the key is gone.
    pub after: Option<String>,
}

impl KeyChange {
    /// What differs between two effective configurations (see [`Loaded`](super::Loaded)), in the order of the
    /// second; what is gone comes last.
    pub fn between(before: &Json, after: &Json) -> Vec<Self> {
        let (before, after) = (flat(before), flat(after));
        let value = |all: &[(String, &Json)], key: &str| {
            let found = all.iter().find(|(known, _)| known == key);
            found.map(|(_, value)| shown(value))
        };
        let gone = before
            .iter()
            .filter(|(key, _)| value(&after, key).is_none());
        let keys = after.iter().chain(gone).map(|(key, _)| key);
        let change = |key: &String| Self {
            key: key.clone(),
            before: value(&before, key),
            after: value(&after, key),
        };
        keys.map(change)
            .filter(|change| change.before != change.after)
            .collect()
    }
}

impl std::fmt::Display for KeyChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
        let (before, after) = (value(&self.before), value(&self.after));
        write!(f, "{} = {before} -> {after}", self.key)
    }
}

/// Every key with its value, depth first.
fn flat(config: &Json) -> Vec<(String, &Json)> {
    fn into<'a>(prefix: &str, value: &'a Json, all: &mut Vec<(String, &'a Json)>) {
        let Json::Object(keys) = value else {
            return all.push((prefix.to_owned(), value));
        };
        for (key, value) in keys {
            match prefix {
                "" => into(key, value, all),
                prefix => into(&format!("{prefix}.{key}"), value, all),
            }
        }
    }
    let mut all = Vec::new();
    into("", config, &mut all);
    all
}

fn shown(value: &Json) -> String {
    fit(&value.to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_that_changed_came_or_went_are_named_in_the_order_of_the_file() {
        let before = json!({"a": {"x": 1, "y": "s"}, "gone": {"k": [1]}, "same": true});
        let after = json!({"a": {"x": 2, "y": "s"}, "new": {"k": "v"}, "same": true});
        let changes = KeyChange::between(&before, &after);
        let said: Vec<_> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "a.x = 1 -> 2",
                "new.k = (none) -> \"v\"",
                "gone.k = [1] -> (none)"
            ]
        );
        assert_eq!(KeyChange::between(&after, &after), []);
    }
}
