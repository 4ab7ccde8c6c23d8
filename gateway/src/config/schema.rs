//! The JSON Schema (2020-12) of `config.toml`, for editors.
//!
//! It is what the reader takes from a file with one of everything: there is no
//! second list of keys to forget.

use serde_json::{Value as Json, json};
use settings::schema;
use toml::de::DeTable;

use super::param::PARAM_PATTERN;
use super::reader::Section;
use super::registry::KeyRegistry;
use super::{MAX_PARTS, file};

/// A file in which each section that takes names has one.
const ONE_OF_EVERYTHING: &str = "[downstream.name]\nurls = []\n[downstream.name.tls]\n[page.name]\npath = '/{name}'\n[page.name.query.other]\n[page.name.part.name]\n";

/// The schema as text, indented, with a newline at the end.
pub fn json_schema() -> String {
    let (table, _) = DeTable::parse_recoverable(ONE_OF_EVERYTHING);
    let mut registry = KeyRegistry::default();
    // Its faults (no `url`, for one) do not matter: a key is taken before it is judged.
    file::read(&mut Section::root(&mut registry, table.get_ref()));

    let mut root = schema::of(
        &registry,
        "Configuration of the gateway; see the comments in config.toml.",
    );
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
        (
            "/properties/page/additionalProperties/properties/params",
            "propertyNames",
            // Those between the braces of the path.
            json!({"pattern": PARAM_PATTERN}),
        ),
        (
            "/properties/page/additionalProperties/properties/query",
            "propertyNames",
            json!({"pattern": PARAM_PATTERN}),
        ),
    ] {
        if let Some(Json::Object(node)) = root.pointer_mut(pointer) {
            node.insert(key.to_owned(), value);
        }
    }
    format!("{root:#}\n")
}
