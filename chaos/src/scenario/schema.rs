//! The JSON Schema (2020-12) of scenario files, for editors and checks.
//!
//! It is what the reader takes from a file with one of everything. What no key alone can tell is added:
//! which keys need each other, in which unit a figure is bounded, that something must be expected.
//! Not here: the keys of `config`, which have a schema of their own, and of which a scenario has but some.

pub(super) mod values;

use serde_json::{Value as Json, json};
use settings::reader::Section;
use settings::registry::KeyRegistry;
use toml::de::DeTable;

use self::values::{DURATION, text};
use super::file;
use super::text::Text;
use crate::verdict::{Metric, Unit};

/// A file in which each section that takes names, and each list, has one.
const ONE_OF_EVERYTHING: &str =
    "[downstream.name]\n[[load]]\nrate = \"1/s\"\n[[load]]\nusers = 1\n[[fault]]\n[[expect]]\n";

/// The schema as text, indented, with a newline at the end.
///
/// # Errors
/// When the built-in config cannot be read, which would be a defect.
pub fn json_schema() -> Result<String, settings::report::Report> {
    let config = Text::default_config();
    let loaded = gateway::config::load_text(&config.name, &config.text, &[])?;
    let (table, _) = DeTable::parse_recoverable(ONE_OF_EVERYTHING);
    let mut registry = KeyRegistry::default();
    // Its faults (no `title`, for one) do not matter: a key is taken before it is judged.
    file::scenario(
        &mut Section::root(&mut registry, table.get_ref()),
        loaded,
        config.text,
    );

    let mut root = settings::schema::of(
        &registry,
        "Hardship for the gateway; see docs/scenarios.md.",
    );
    root["title"] = json!("A scenario of chaos");
    root["properties"]["config"] = json!({
        "type": "object",
        "description": "Any keys of config.toml, on top of the config that is rehearsed.",
    });
    require(&mut root, "load");
    loads(&mut root["properties"]["load"]);
    let fault = &mut root["properties"]["fault"]["items"];
    one_of(
        fault,
        &[
            "latency",
            "workers",
            "contention",
            "errors",
            "body_bytes",
            "work_goes_on",
        ],
    );
    expectations(&mut root["properties"]["expect"]["items"]);
    Ok(format!("{root:#}\n"))
}

fn require(node: &mut Json, name: &str) {
    if let Some(all) = node["required"].as_array_mut() {
        all.push(json!(name));
    }
}

/// At least one of these keys is there.
fn one_of(node: &mut Json, names: &[&str]) {
    let each = names.iter().map(|name| json!({"required": [name]}));
    node["anyOf"] = Json::Array(each.collect());
}

fn loads(list: &mut Json) {
    list["minItems"] = json!(1);
    let load = &mut list["items"];
    load["properties"]["retries"]["maximum"] = json!(10);
    load["oneOf"] = json!([{"required": ["rate"]}, {"required": ["users"]}]);
    load["dependentRequired"] = json!({
        "users": ["think"],
        "think": ["users"],
        "arrivals": ["rate"],
        "clients": ["client"],
        "retry_late": ["retries"],
        "backoff": ["retries"],
        "otherwise": ["retries", "backoff"],
        "retry_budget": ["retries"],
    });
}

fn expectations(expect: &mut Json) {
    let names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    one_of(expect, &names);
    for metric in Metric::ALL {
        let bound = bound(*metric);
        let live = format!("none|{bound}");
        expect["properties"][metric.name()]["pattern"] = text(&bound)["pattern"].take();
        expect["properties"]["live"]["properties"][metric.name()]["pattern"] =
            text(&live)["pattern"].take();
    }
}

/// What bounds of a figure look like; one in `x` is a factor.
fn bound(metric: Metric) -> String {
    let value = match metric.unit() {
        Unit::Share => "[0-9.]+(%|x)".to_owned(),
        Unit::Time => format!("{DURATION}|[0-9.]+x"),
        Unit::PerSecond => "[0-9.]+(/s|x)".to_owned(),
        Unit::Number => "[0-9.]+x?".to_owned(),
    };
    format!("(<=|>=|==) *({value})")
}
