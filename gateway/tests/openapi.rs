//! The description of pages: held against a committed one, and against itself.
//!
//! After a deliberate change: `UPDATE_GOLDEN=1 cargo test -p gateway --test openapi`, then
//! `npm run generate` in `clients/typescript`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its helpers fail by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use gateway::config::{self, Config};
use gateway::openapi;
use gateway::outcome::Reason;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn shop() -> Config {
    let path = root().join("clients/shop.toml");
    let text = fs::read_to_string(&path).unwrap();
    let name = path.to_str().unwrap();
    let loaded = config::load_text(name, &text, &[]).unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    loaded.config
}

fn of(text: &str, changes: &[(&str, &str)]) -> Value {
    let changes: Vec<_> = changes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let loaded = config::load_text("config.toml", text, &changes);
    openapi::document(&loaded.unwrap_or_else(|report| panic!("{report}")).config)
}

fn default_with(changes: &[(&str, &str)]) -> Value {
    of(config::default_text(), changes)
}

#[test]
fn the_committed_description_of_the_shop_is_what_the_gateway_says() {
    let golden = root().join("clients/typescript/openapi.json");
    let found = format!("{:#}\n", openapi::document(&shop()));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &found).unwrap();
    }
    let committed = fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        committed == found,
        "{} is out of date: UPDATE_GOLDEN=1 cargo test -p gateway --test openapi",
        golden.display()
    );
}

/// Every reference below a node.
fn references<'v>(node: &'v Value, all: &mut Vec<&'v str>) {
    match node {
        Value::Object(members) => {
            all.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, all));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, all)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Names that could be taken for one another.
const ALIKE: &str = r#"
[downstream.x]
url = "http://127.0.0.1:1"

[page.a]
path = "/a/{id}"
[page.a.part.complete]
downstream = "x"
path = "/{id}"
[page.a.part.partial]
downstream = "x"
path = "/{id}"
required = false

[page.a-part]
path = "/b"
[page.a-part.part.data]
downstream = "x"
path = "/"
"#;

#[test]
fn every_reference_leads_somewhere_and_everything_named_is_referred_to() {
    for document in [
        openapi::document(&shop()),
        default_with(&[]),
        of(ALIKE, &[]),
        passing("[]"),
        passing("[401, 404, 429]"),
    ] {
        let mut all = Vec::new();
        references(&document, &mut all);
        assert!(all.len() > 50);
        for reference in &all {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for (kind, components) in document["components"].as_object().unwrap() {
            for name in components.as_object().unwrap().keys() {
                let reference = format!("#/components/{kind}/{name}");
                assert!(
                    all.contains(&reference.as_str()),
                    "nobody refers to {reference}"
                );
            }
        }
    }
}

#[test]
fn names_that_are_alike_stay_apart() {
    let document = of(ALIKE, &[]);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut pages: Vec<_> = schemas
        .keys()
        .filter(|name| name.starts_with('a'))
        .collect();
    pages.sort();
    let expected = [
        "a",
        "a-part",
        "a-part.complete",
        "a-part.part.data",
        "a.complete",
        "a.part.complete",
        "a.part.partial",
        "a.partial",
    ];
    assert_eq!(pages, expected);
}

#[test]
fn a_page_without_optional_parts_is_never_partial_and_a_required_part_is_always_there() {
    let document = of(ALIKE, &[]);
    let schemas = &document["components"]["schemas"];
    assert!(schemas.get("a-part.partial").is_none());
    let one = json!({"oneOf": [{"$ref": "#/components/schemas/a-part.complete"}]});
    assert_eq!(schemas["a-part"], one);
    let partial = &schemas["a.partial"]["properties"];
    let there = json!({"$ref": "#/components/schemas/a.part.complete"});
    assert_eq!(partial["parts"]["properties"]["complete"], there);
    assert_eq!(partial["missing"]["items"]["enum"], json!(["partial"]));
    let ends = partial["parts"]["properties"]["partial"]["oneOf"]
        .as_array()
        .unwrap();
    assert_eq!(ends.len(), 3);
}

/// One page whose required part passes on all there is and whose optional part passes on `pass`;
/// another that passes on nothing.
fn passing(pass: &str) -> Value {
    let page =
        "[page.b]\npath = \"/b\"\n[page.b.part.x]\ndownstream = \"x\"\npath = \"/\"\npass = []";
    let text = format!(
        "{page}\n[downstream.x]\nurl = \"http://127.0.0.1:1\"\n[page.a]\npath = \"/a\"\n\
         [page.a.part.x]\ndownstream = \"x\"\npath = \"/\"\npass = [401, 403, 404, 409, 410, 429]\n\
         [page.a.part.y]\ndownstream = \"x\"\npath = \"/\"\nrequired = false\npass = {pass}\n"
    );
    of(&text, &[])
}

#[test]
fn what_a_part_passes_on_is_described_where_it_does_and_nowhere_else() {
    let document = passing("[403, 429]");
    let responses = |page: &str| document["paths"][page]["get"]["responses"].clone();
    let schemas = &document["components"]["schemas"];
    for (status, reason) in [
        (401, "unauthorized"),
        (403, "forbidden"),
        (409, "conflict"),
        (410, "gone"),
    ] {
        let status = status.to_string();
        assert!(responses("/b").get(&status).is_none(), "{status}");
        assert!(responses("/a").get(&status).is_some(), "{status}");
        let problem = &schemas[format!("Problem{status}")]["properties"];
        assert_eq!(problem["reason"]["enum"], json!([reason]));
        let response = &document["components"]["responses"][format!("Problem{status}")];
        let signs_in = response["headers"].get("WWW-Authenticate").is_some();
        assert_eq!(signs_in, matches!(status.as_str(), "401" | "403"));
    }
    let reasons = schemas["Problem429"]["properties"]["reason"]["enum"].as_array();
    assert!(reasons.unwrap().contains(&json!("downstream_busy")));
    let ends = |page: &str| {
        let part = &schemas[page]["properties"]["parts"]["properties"]["y"];
        let all = part["oneOf"].as_array().unwrap().iter();
        let name = |one: &Value| {
            one["$ref"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned()
        };
        all.map(name).collect::<Vec<_>>()
    };
    assert_eq!(ends("a.complete"), ["a.part.y", "PartDenied"]);
    let partial = ["a.part.y", "PartDenied", "PartLost", "PartBusy"];
    assert_eq!(ends("a.partial"), partial);
    let usual = default_with(&[]);
    assert!(usual["components"]["schemas"].get("Problem401").is_none());
    assert!(
        usual["components"]["headers"]
            .get("WWW-Authenticate")
            .is_none()
    );
}

#[test]
fn parameters_of_the_query_are_described_as_they_are_read() {
    let text = ALIKE.replace(
        "path = \"/a/{id}\"",
        "path = \"/a/{id}\"\nunknown_query = \"refuse\"\nquery.c = { pattern = \"^[A-Z]{3}$\", default = \"EUR\" }\nquery.q = { pattern = \"^.+$\", required = true }",
    );
    let document = of(
        &text.replace(
            "path = \"/{id}\"\nrequired",
            "path = \"/{id}/{c}?q={q}\"\nrequired",
        ),
        &[],
    );
    let parameters = document["paths"]["/a/{id}"]["parameters"]
        .as_array()
        .unwrap();
    let query = parameters.iter().filter(|one| one["in"] == "query");
    let found: Vec<_> = query
        .map(|one| {
            (
                one["name"].clone(),
                one["required"].clone(),
                one["schema"].clone(),
            )
        })
        .collect();
    let c = json!({"type": "string", "minLength": 1, "pattern": "^[A-Z]{3}$", "default": "EUR"});
    let q = json!({"type": "string", "pattern": "^.+$"});
    let expected = [(json!("c"), json!(false), c), (json!("q"), json!(true), q)];
    assert_eq!(found, expected);
    let about = |path: &str| document["paths"][path]["get"]["description"].to_string();
    assert!(about("/a/{id}").contains("not listed here is refused"));
    assert!(!about("/b").contains("refused"));
}

#[test]
fn load_refusals_are_described_with_the_status_that_they_have() {
    let reasons = |document: &Value, status: u16| {
        let schema = format!("/components/schemas/Problem{status}/properties/reason/enum");
        document.pointer(&schema).cloned().unwrap()
    };
    let load = [
        "gateway_full",
        "bulkhead_full",
        "queue_evicted",
        "deadline_unreachable",
    ];
    let usual = default_with(&[]);
    let all = [&["client_quota"][..], &load].concat();
    assert_eq!(reasons(&usual, 429), json!(all));
    assert_eq!(reasons(&usual, 503), json!(["draining"]));
    let moved = default_with(&[("GATEWAY__SHED__STATUS", "503")]);
    assert_eq!(reasons(&moved, 429), json!(["client_quota"]));
    let all = [&load[..], &["draining"]].concat();
    assert_eq!(reasons(&moved, 503), json!(all));
}

#[test]
fn request_headers_are_those_that_the_configuration_reads_and_each_is_named_once() {
    let names = |changes: &[(&str, &str)]| {
        let document = default_with(changes);
        let parameters = document["paths"]["/product-page/{id}"]["parameters"].clone();
        let name = |parameter: &Value| {
            let text = parameter["name"].as_str().or(parameter["$ref"].as_str());
            text.unwrap().rsplit('/').next().unwrap().to_owned()
        };
        parameters
            .as_array()
            .unwrap()
            .iter()
            .map(name)
            .collect::<Vec<_>>()
    };
    let changed = names(&[
        ("GATEWAY__TELEMETRY__PROPAGATION", "tracecontext"),
        ("GATEWAY__CLIENTS__IDENTIFY_BY", "header:x-api-key"),
        (
            "GATEWAY__PAGE__PRODUCT_PAGE__FORWARD_HEADERS",
            "accept-language,authorization,x-api-key",
        ),
    ]);
    let expected = [
        "id",
        "X-Request-Timeout-Ms",
        "X-Request-Id",
        "traceparent",
        "tracestate",
        "x-api-key",
        "accept-language",
    ];
    // OpenAPI has tools ignore a parameter that is named `authorization`.
    assert_eq!(changed, expected);
}

#[test]
fn the_documentation_for_clients_has_every_reason_and_every_status_of_a_part() {
    let text = fs::read_to_string(root().join("docs/clients.md")).unwrap();
    for reason in Reason::ALL {
        assert!(text.contains(&format!("`{reason}`")), "{reason}");
    }
    let document = default_with(&[]);
    let schemas = &document["components"]["schemas"];
    let lost = schemas["PartLost"]["properties"]["status"]["enum"].as_array();
    let statuses = lost.unwrap().iter().filter_map(Value::as_str);
    for status in statuses.chain(["ok", "not_found", "denied", "busy"]) {
        assert!(text.contains(&format!("| `{status}` |")), "{status}");
    }
}

#[test]
fn a_schema_is_found_beside_its_configuration_and_what_is_wrong_with_it_is_said_there() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("config.toml");
    let load = |schema: &str| {
        fs::write(folder.path().join("data.json"), schema).unwrap();
        let named = ALIKE.replace("path = \"/b\"", "path = \"/b\"\n[page.a-part.part.x]\nschema = \"data.json\"\ndownstream = \"x\"\npath = \"/\"");
        config::load_text(name.to_str().unwrap(), &named, &[])
    };
    let loaded =
        load(r##"{"$ref": "#/$defs/a", "$defs": {"a": {"const": {"$ref": "#/$defs/a"}}}}"##);
    let document = openapi::document(&loaded.unwrap().config);
    let schemas = &document["components"]["schemas"];
    let to = "#/components/schemas/a-part.part.x.data.a";
    assert_eq!(schemas["a-part.part.x.data"]["$ref"], to);
    // What only looks like a reference stays as it is.
    let data = json!({"const": {"$ref": "#/$defs/a"}});
    assert_eq!(schemas["a-part.part.x.data.a"], data);

    for (schema, said) in [
        (
            "{\n  \"type\": object\n}",
            "is not JSON: expected value at line 2 column 11",
        ),
        (
            r#"{"type": "text"}"#,
            "at `/type`: has to be one or several of",
        ),
    ] {
        let report = load(schema).unwrap_err().to_string();
        assert!(report.contains("page.a-part.part.x.schema"), "{report}");
        assert!(
            report.contains("data.json") && report.contains(said),
            "{report}"
        );
    }
    fs::remove_file(folder.path().join("data.json")).unwrap();
    let text = fs::read_to_string(root().join("clients/shop.toml")).unwrap();
    let report = config::load_text(name.to_str().unwrap(), &text, &[]).unwrap_err();
    assert_eq!(
        report.to_string().matches("cannot read").count(),
        5,
        "{report}"
    );
}
