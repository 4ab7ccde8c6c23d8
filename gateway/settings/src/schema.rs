//! The JSON Schema (2020-12) of a file: what its reader took from one with one of everything.
//!
//! So there is no second list of keys to forget. What a schema cannot be told by a key alone (one of
//! two must be there, at least one of a list) is for whoever reads the file to add.

use serde_json::{Value as Json, json};

use crate::name::NAME_PATTERN;
use crate::registry::{KeyRegistry, Taken, What};

/// The schema of everything that was taken: an object described as `about`.
#[must_use]
pub fn of(registry: &KeyRegistry, about: &str) -> Json {
    let mut root = object(about);
    for taken in registry.taken() {
        add(&mut root, taken);
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root
}

/// An object that has no keys yet.
fn object(about: &str) -> Json {
    let mut node = json!({"type": "object"});
    if !about.is_empty() {
        node["description"] = json!(about);
    }
    node["properties"] = json!({});
    node["additionalProperties"] = json!(false);
    node
}

fn node_of(taken: &Taken) -> Json {
    match &taken.what {
        What::Section => object(taken.about),
        What::Names => json!({
            "type": "object",
            "description": taken.about,
            "propertyNames": {"pattern": NAME_PATTERN},
            "additionalProperties": false,
        }),
        What::List { most } => json!({
            "type": "array",
            "description": taken.about,
            "maxItems": most,
            "items": object(""),
        }),
        What::Key {
            default,
            schema,
            required,
            ..
        } => {
            let mut node = json!({"description": taken.about});
            if let (Json::Object(node), Json::Object(schema)) = (&mut node, schema()) {
                node.extend(schema);
            }
            if let Some(default) = default
                .as_ref()
                .filter(|value| !required && !value.is_null())
            {
                node["default"] = default.clone();
            }
            node
        }
    }
}

/// Puts what was taken at its place below the root.
fn add(root: &mut Json, taken: &Taken) {
    let Some((last, parents)) = taken.path.split_last() else {
        return;
    };
    let parent = parents.iter().fold(root, |node, name| below(node, name));
    let node = node_of(taken);
    if parent.get("properties").is_none() {
        parent["additionalProperties"] = node;
        return;
    }
    parent["properties"][last.as_str()] = node;
    if let What::Key { required: true, .. } = taken.what {
        let mut all = parent["required"].as_array().cloned().unwrap_or_default();
        if !all.contains(&json!(last)) {
            all.push(json!(last));
        }
        parent["required"] = Json::Array(all);
    }
}

/// The node of this name: a section, one of any name, or one of a list (`name[0]`).
fn below<'n>(node: &'n mut Json, name: &str) -> &'n mut Json {
    if let Some((list, _)) = name.split_once('[') {
        return &mut node["properties"][list]["items"];
    }
    match node.get("properties") {
        Some(_) => &mut node["properties"][name],
        None => &mut node["additionalProperties"],
    }
}
