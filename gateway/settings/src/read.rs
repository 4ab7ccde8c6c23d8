//! From the text of a file to what was taken from it, or to all that is wrong.

use serde_json::{Map, Value as Json};
use toml::de::DeTable;

use crate::problem::Problem;
use crate::reader::Section;
use crate::registry::KeyRegistry;
use crate::report::Report;
use crate::syntax;

/// Reads a file: every fault of it at once, each with its line and what to write instead. `read` takes
/// all keys; `header` is a section that such a file may have, for an example.
///
/// # Errors
/// All that is wrong.
pub fn read_text<T>(
    name: &str,
    text: &str,
    header: &str,
    read: impl FnOnce(&mut Section<'_, '_>) -> Option<T>,
) -> Result<T, Report> {
    let (table, faults, readable) = syntax::parse(text, header);
    if !readable {
        return Err(Report::of(name, text, faults));
    }
    let mut registry = KeyRegistry::default();
    registry.faults = faults;
    let mut root = Section::root(&mut registry, table.get_ref());
    root.noun = "key";
    let value = read(&mut root);
    root.finish();
    match value {
        Some(value) if registry.faults.is_empty() => Ok(value),
        _ => Err(Report::of(name, text, registry.faults)),
    }
}

/// Reads the keys of a JSON object as those of a file; one that is `null` is not there. `read` takes all
/// keys.
///
/// # Errors
/// What is wrong first: the key, dotted, and its problem.
pub fn read_json<T>(
    keys: &Map<String, Json>,
    read: impl FnOnce(&mut Section<'_, '_>) -> Option<T>,
) -> Result<T, (String, Problem)> {
    let whole = |what: String| (String::new(), Problem::new(what));
    let keys = present(keys);
    let text = toml::to_string(&keys).map_err(|error| whole(error.to_string()))?;
    let table = DeTable::parse(&text).map_err(|error| whole(error.message().to_owned()))?;
    let mut registry = KeyRegistry::default();
    let mut root = Section::root(&mut registry, table.get_ref());
    root.noun = "key";
    let value = read(&mut root);
    root.finish();
    match (value, registry.into_first()) {
        (Some(value), None) => Ok(value),
        (_, Some(first)) => Err(first),
        (None, None) => Err(whole("cannot be read".to_owned())),
    }
}

fn present(keys: &Map<String, Json>) -> Json {
    let there = keys.iter().filter(|(_, value)| !value.is_null());
    let below = |(key, value): (&String, &Json)| match value {
        Json::Object(keys) => (key.clone(), present(keys)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            (key.clone(), value.clone())
        }
    };
    Json::Object(there.map(below).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{key, required};
    use crate::kinds::{COUNT, TEXT};

    fn read(text: &str) -> Result<(String, u32), (String, Problem)> {
        let json: Json = text.parse().unwrap();
        read_json(json.as_object().unwrap(), |s| {
            let name = s.take(required("name", TEXT, "a"));
            let most = s.section("limits", "", |s| s.take(key("most", COUNT, "7")));
            Some((name?, most?.get()))
        })
    }

    #[test]
    fn keys_of_json_are_read_as_those_of_a_file_and_null_is_not_there() {
        let name = "a \"b\"".to_owned();
        let text = r#"{"name": "a \"b\"", "limits": {"most": 3}}"#;
        assert_eq!(read(text), Ok((name, 3)));
        let text = r#"{"name": "a", "limits": {"most": null}}"#;
        assert_eq!(read(text), Ok(("a".to_owned(), 7)));
    }

    #[test]
    fn what_is_wrong_first_is_told_with_its_key() {
        let wrong = |text| read(text).unwrap_err().0;
        assert_eq!(wrong(r#"{"name": null}"#), "name");
        assert_eq!(
            wrong(r#"{"name": "a", "limits": {"most": 0}}"#),
            "limits.most"
        );
        assert_eq!(
            wrong(r#"{"name": "a", "limits": {"moost": 1}}"#),
            "limits.moost"
        );
        assert_eq!(wrong(r#"{"name": "a", "limits": [1]}"#), "limits");
        assert_eq!(
            wrong(r#"{"name": "a", "limits": {"most": 18446744073709551615}}"#),
            "limits.most"
        );
    }
}
