//! The JSON Schema (2020-12) of `config.toml`, for editors.
//!
//! It is what the reader takes from a file with one of everything: there is no
//! second list of keys to forget.

use serde_json::{Value as Json, json};
use toml::de::DeTable;

use super::reader::Section;
use super::registry::{KeyRegistry, Taken, What};
use super::{MAX_PARTS, file};
use settings::name::NAME_PATTERN;

/// A file in which each section that takes names has one.
const ONE_OF_EVERYTHING: &str = "[downstream.name]\nurls = []\n[downstream.name.tls]\n[page.name]\npath = '/{name}'\n[page.name.part.name]\n";

/// The schema as text, indented, with a newline at the end.
pub fn json_schema() -> String {
    let (table, _) = DeTable::parse_recoverable(ONE_OF_EVERYTHING);
    let mut registry = KeyRegistry::default();
    // Its faults (no `url`, for one) do not matter: a key is taken before it is judged.
    file::read(&mut Section::root(&mut registry, table.get_ref()));

    let mut root = object("Configuration of the gateway; see the comments in config.toml.");
    for taken in registry.taken() {
        add(&mut root, taken);
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("config.toml of the gateway");
    root["required"] = json!(["page"]);
    for (pointer, key, value) in [
        ("/properties/page", "minProperties", json!(1)),
        (
            "/properties/page/additionalProperties/properties/part",
            "minProperties",
            json!(1),
        ),
        (
            "/properties/page/additionalProperties/properties/part",
            "maxProperties",
            json!(MAX_PARTS),
        ),
    ] {
        if let Some(Json::Object(node)) = root.pointer_mut(pointer) {
            node.insert(key.to_owned(), value);
        }
    }
    format!("{root:#}\n")
}

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
        What::Key {
            value,
            schema,
            required,
            ..
        } => {
            let mut node = json!({"description": taken.about});
            if let (Json::Object(node), Json::Object(schema)) = (&mut node, schema()) {
                node.extend(schema);
            }
            if let Some(default) = value.as_ref().filter(|_| !required) {
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
    let parent = parents
        .iter()
        .fold(root, |node, name| match node.get("properties") {
            Some(_) => &mut node["properties"][name.as_str()],
            None => &mut node["additionalProperties"],
        });
    let node = node_of(taken);
    if parent.get("properties").is_none() {
        parent["additionalProperties"] = node;
        if taken.path.iter().any(|name| name == "params") {
            // Parameters have names of their own: those between the braces of the path.
            parent["propertyNames"] = json!({"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,31}$"});
        }
        return;
    }
    parent["properties"][last.as_str()] = node;
    if let What::Key { required: true, .. } = taken.what {
        let mut all = parent["required"].as_array().cloned().unwrap_or_default();
        all.push(json!(last));
        parent["required"] = Json::Array(all);
    }
}
