//! The data of parts: whatever the part's own file says.

use serde_json::{Map, Value, json};

use super::reference;
use crate::config::DataSchema;

/// Adds the schema of the data of `part`, and what it refers to; returns what stands for it.
pub(super) fn add(
    part: &str,
    schema: Option<&DataSchema>,
    schemas: &mut Map<String, Value>,
) -> Value {
    let Some(schema) = schema else {
        return json!({"description": "Whatever JSON the service answered."});
    };
    let name = format!("{part}.data");
    for (own, definition) in &schema.definitions {
        schemas.insert(format!("{name}.{own}"), moved(definition, &name));
    }
    schemas.insert(name.clone(), moved(&schema.root, &name));
    reference("schemas", &name)
}

/// The schema, with references to where the file's own definitions are in the document.
fn moved(schema: &Value, name: &str) -> Value {
    match schema {
        Value::Object(members) => {
            let member =
                |(word, value): (&String, &Value)| (word.clone(), moved_member(word, value, name));
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => items.iter().map(|item| moved(item, name)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}

fn moved_member(word: &str, value: &Value, name: &str) -> Value {
    match word {
        // Data, whatever it looks like.
        "const" | "enum" | "default" | "examples" => value.clone(),
        "$ref" => {
            let own = value
                .as_str()
                .and_then(|to| to.strip_prefix(DataSchema::OWN));
            own.map_or_else(
                || moved(value, name),
                |own| json!(format!("#/components/schemas/{name}.{own}")),
            )
        }
        _ => moved(value, name),
    }
}
