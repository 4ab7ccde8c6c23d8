//! The JSON Schema of a part's data, from a file that the part names.
//!
//! What always holds: it is one file without references to others, of keywords of JSON Schema
//! 2020-12 with values of their kinds, and every reference in it leads somewhere. So whatever
//! is made of it is as sound as what the gateway writes itself.
//!
//! Not here: whether answers match it. Nobody holds them against it.

use std::path::Path;

use serde_json::{Map, Value as Json};

use super::input;
use super::problem::{Problem, did_you_mean};

/// Largest file that is read; it becomes a part of a document that clients load.
const MAX_FILE: u64 = 256 << 10;

/// The dialect of OpenAPI 3.1.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A checked JSON Schema.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSchema {
    /// Without `$schema`, `$id` and `$defs`.
    pub root: Json,
    /// The file's own definitions; references to them begin with [`DataSchema::OWN`].
    pub definitions: Map<String, Json>,
}

impl DataSchema {
    /// What begins a reference to one of the file's own definitions.
    pub const OWN: &str = "#/$defs/";
}

/// What a keyword's value is.
#[derive(Clone, Copy)]
enum Value {
    /// One schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas by name.
    Named,
    /// One of the seven words, or several.
    Type,
    /// Names of members.
    Names,
    /// To one of the file's own definitions.
    Reference,
    Text,
    Number,
    /// At least zero.
    Count,
    Flag,
    List,
    Any,
}

const KEYWORDS: &[(&str, Value)] = &[
    ("$comment", Value::Text),
    ("$ref", Value::Reference),
    ("additionalProperties", Value::Schema),
    ("allOf", Value::Schemas),
    ("anyOf", Value::Schemas),
    ("const", Value::Any),
    ("contains", Value::Schema),
    ("contentEncoding", Value::Text),
    ("contentMediaType", Value::Text),
    ("default", Value::Any),
    ("dependentSchemas", Value::Named),
    ("deprecated", Value::Flag),
    ("description", Value::Text),
    ("else", Value::Schema),
    ("enum", Value::List),
    ("examples", Value::List),
    ("exclusiveMaximum", Value::Number),
    ("exclusiveMinimum", Value::Number),
    ("format", Value::Text),
    ("if", Value::Schema),
    ("items", Value::Schema),
    ("maxContains", Value::Count),
    ("maxItems", Value::Count),
    ("maxLength", Value::Count),
    ("maxProperties", Value::Count),
    ("maximum", Value::Number),
    ("minContains", Value::Count),
    ("minItems", Value::Count),
    ("minLength", Value::Count),
    ("minProperties", Value::Count),
    ("minimum", Value::Number),
    ("multipleOf", Value::Number),
    ("not", Value::Schema),
    ("oneOf", Value::Schemas),
    ("pattern", Value::Text),
    ("patternProperties", Value::Named),
    ("prefixItems", Value::Schemas),
    ("properties", Value::Named),
    ("propertyNames", Value::Schema),
    ("readOnly", Value::Flag),
    ("required", Value::Names),
    ("then", Value::Schema),
    ("title", Value::Text),
    ("type", Value::Type),
    ("unevaluatedItems", Value::Schema),
    ("unevaluatedProperties", Value::Schema),
    ("uniqueItems", Value::Flag),
    ("writeOnly", Value::Flag),
];

const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Reads the schema in `file`, which is relative to `folder`.
///
/// # Errors
/// What is wrong, with the file and the place in it.
pub(super) fn read(folder: &Path, file: &Path) -> Result<DataSchema, Problem> {
    let path = folder.join(file);
    let name = path.display();
    let bytes = input::read(&path, MAX_FILE + 1).map_err(|error| {
        Problem::new(format!("cannot read {name}: {error}"))
            .help("the path is relative to the configuration file's folder")
    })?;
    if bytes.len() as u64 > MAX_FILE {
        let what = format!("{name} is larger than 256 KiB");
        return Err(Problem::new(what).help("describe less: one part's data"));
    }
    let json: Json = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(format!("{name} is not JSON: {error}")).help("write a JSON Schema there")
    })?;
    parse(json).map_err(|problem| Problem {
        what: format!("{name}: {}", problem.what),
        ..problem
    })
}

/// Checks a schema, and takes its definitions apart from it.
fn parse(json: Json) -> Result<DataSchema, Problem> {
    let Json::Object(mut root) = json else {
        let problem = Problem::new("a schema of a part is an object");
        return Err(problem.help("write at least `{\"type\": \"object\"}`"));
    };
    let dialect = root.shift_remove("$schema");
    if dialect.is_some_and(|dialect| dialect.as_str() != Some(DIALECT)) {
        let problem = Problem::new("`$schema` is another dialect than that of OpenAPI 3.1");
        return Err(problem.help(format!("write it in {DIALECT}, or leave `$schema` out")));
    }
    // Nobody looks it up: what refers to the schema names its place in the document.
    root.shift_remove("$id");
    let definitions = match root.shift_remove("$defs") {
        None => Map::new(),
        Some(Json::Object(definitions)) => definitions,
        Some(_) => return Err(wrong("$defs", "has to be schemas by name")),
    };
    let usable = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if let Some(name) = definitions
        .keys()
        .find(|name| !name.chars().all(usable) || name.is_empty())
    {
        let problem = Problem::new(format!("`{name}` in `$defs` is not a name"));
        return Err(problem.help("use letters, digits, - and _"));
    }
    let root = Json::Object(root);
    let check = Check(&definitions);
    check.schema(&root, "")?;
    for (name, schema) in &definitions {
        check.schema(schema, &format!("/$defs/{name}"))?;
    }
    Ok(DataSchema { root, definitions })
}

/// Walks through schemas. serde_json bounds how deep they are.
struct Check<'a>(&'a Map<String, Json>);

impl Check<'_> {
    fn schema(&self, schema: &Json, at: &str) -> Result<(), Problem> {
        let keywords = match schema {
            Json::Bool(_) => return Ok(()),
            Json::Object(keywords) => keywords,
            Json::Null | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                return Err(wrong(at, "has to be a schema: an object, true or false"));
            }
        };
        for (word, value) in keywords {
            let at = format!("{at}/{word}");
            match KEYWORDS.iter().find(|(known, _)| known == word) {
                Some((_, kind)) => self.value(*kind, value, &at)?,
                None if word.starts_with("x-") => {}
                None => return Err(unknown(word, &at)),
            }
        }
        Ok(())
    }

    fn value(&self, kind: Value, value: &Json, at: &str) -> Result<(), Problem> {
        let strings = |list: &[Json]| list.iter().all(Json::is_string);
        let (fits, wanted) = match kind {
            Value::Schema => return self.schema(value, at),
            Value::Named => match value.as_object() {
                Some(all) => return self.all(all.iter().map(|(n, s)| (n.clone(), s)), at),
                None => (false, "schemas by name"),
            },
            Value::Schemas => match value.as_array().filter(|all| !all.is_empty()) {
                Some(all) => {
                    return self.all(all.iter().enumerate().map(|(n, s)| (n.to_string(), s)), at);
                }
                None => (false, "a list of schemas, at least one"),
            },
            Value::Type => (
                is_type(value),
                "one or several of array, boolean, integer, null, number, object, string",
            ),
            Value::Names => (
                value.as_array().is_some_and(|all| strings(all)),
                "a list of names",
            ),
            Value::Reference => return self.reference(value, at),
            Value::Text => (value.is_string(), "text"),
            Value::Number => (value.is_number(), "a number"),
            Value::Count => (value.is_u64(), "a whole number"),
            Value::Flag => (value.is_boolean(), "true or false"),
            Value::List => (value.is_array(), "a list"),
            Value::Any => (true, ""),
        };
        match fits {
            true => Ok(()),
            false => Err(wrong(at, &format!("has to be {wanted}"))),
        }
    }

    fn all<'s>(
        &self,
        schemas: impl Iterator<Item = (String, &'s Json)>,
        at: &str,
    ) -> Result<(), Problem> {
        for (name, schema) in schemas {
            self.schema(schema, &format!("{at}/{name}"))?;
        }
        Ok(())
    }

    fn reference(&self, value: &Json, at: &str) -> Result<(), Problem> {
        let target = value.as_str().unwrap_or_default();
        let Some(name) = target.strip_prefix(DataSchema::OWN) else {
            let problem = wrong(at, "leads out of the file's own `$defs`");
            return Err(problem.help("put what it means into `$defs` of this file: `#/$defs/NAME`"));
        };
        if self.0.contains_key(name) {
            return Ok(());
        }
        let problem = wrong(at, &format!("there is no `{name}` in `$defs`"));
        match did_you_mean(name, self.0.keys().map(String::as_str)) {
            Some(meant) => Err(problem.help(format!("did you mean `{}{meant}`?", DataSchema::OWN))),
            None => Err(problem.help("define it there")),
        }
    }
}

fn is_type(value: &Json) -> bool {
    let known = |word: &Json| word.as_str().is_some_and(|word| TYPES.contains(&word));
    match value.as_array() {
        Some(words) => !words.is_empty() && words.iter().all(known),
        None => known(value),
    }
}

fn wrong(at: &str, what: &str) -> Problem {
    Problem::new(format!("at `{at}`: {what}")).help("see https://json-schema.org/draft/2020-12")
}

fn unknown(word: &str, at: &str) -> Problem {
    let problem = Problem::new(format!("at `{at}`: unknown keyword"));
    match (
        word,
        did_you_mean(word, KEYWORDS.iter().map(|(known, _)| *known)),
    ) {
        ("$defs" | "definitions", _) => problem.help("write `$defs` at the top of the file"),
        (_, Some(meant)) => problem.help(format!("did you mean `{meant}`?")),
        (_, None) => problem.help("words of your own begin with `x-`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn definitions_are_taken_apart_and_everything_else_stays() {
        let schema = parse(json!({
            "$schema": DIALECT,
            "$id": "https://shop.example/price",
            "type": "object",
            "required": ["price"],
            "properties": {"price": {"$ref": "#/$defs/money"}, "label": {"type": ["string", "null"]}},
            "$defs": {"money": {"type": "integer", "minimum": 0}},
            "x-owner": "pricing",
        }))
        .unwrap();
        assert_eq!(schema.definitions.keys().collect::<Vec<_>>(), ["money"]);
        let words: Vec<_> = schema.root.as_object().unwrap().keys().collect();
        assert_eq!(words, ["type", "required", "properties", "x-owner"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_a_remedy() {
        for (schema, said) in [
            (json!([]), "a schema of a part is an object"),
            (
                json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
                "another dialect",
            ),
            (
                json!({"propertys": {}}),
                "at `/propertys`: unknown keyword; did you mean `properties`?",
            ),
            (json!({"definitions": {}}), "write `$defs` at the top"),
            (
                json!({"items": {"$defs": {}}}),
                "at `/items/$defs`: unknown keyword; write `$defs`",
            ),
            (
                json!({"properties": {"a": {"type": "text"}}}),
                "at `/properties/a/type`: has to be one",
            ),
            (json!({"type": []}), "at `/type`: has to be one"),
            (
                json!({"anyOf": []}),
                "at `/anyOf`: has to be a list of schemas",
            ),
            (
                json!({"allOf": [true, 1]}),
                "at `/allOf/1`: has to be a schema",
            ),
            (
                json!({"required": "id"}),
                "at `/required`: has to be a list of names",
            ),
            (
                json!({"minLength": -1}),
                "at `/minLength`: has to be a whole number",
            ),
            (
                json!({"$ref": "other.json"}),
                "at `/$ref`: leads out of the file",
            ),
            (
                json!({"$ref": "#/$defs/mony", "$defs": {"money": true}}),
                "no `mony` in `$defs`; did you mean `#/$defs/money`?",
            ),
            (
                json!({"$defs": {"a b": true}}),
                "`a b` in `$defs` is not a name",
            ),
            (json!({"$defs": {"a": {"items": 1}}}), "at `/$defs/a/items`"),
        ] {
            let problem = parse(schema).unwrap_err().to_string();
            assert!(problem.contains(said), "{problem}\nhas not: {said}");
        }
    }

    #[test]
    fn every_keyword_stands_in_the_table_once_and_in_order() {
        assert!(KEYWORDS.is_sorted_by(|(a, _), (b, _)| a < b));
    }
}
