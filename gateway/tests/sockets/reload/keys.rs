//! Every key is live, or is one of those that only a restart can change.

use gateway::app::App;
use gateway::app::reload::ConfigFile;
use gateway::config::{self, FIXED, KeyChange};
use serde_json::Value;

use super::*;
use crate::common::secured::Authority;

/// Another value of each key that is not the shipped one, as TOML.
const OTHERS: &[(&str, &str)] = &[
    ("server.listen", "\"127.0.0.1:1\""),
    ("server.max_connections", "9999"),
    ("server.max_connections_per_client", "63"),
    ("server.header_read_timeout", "\"6s\""),
    ("server.keep_alive", "\"74s\""),
    ("server.max_age", "\"2h\""),
    ("server.drain_delay", "\"1s\""),
    ("server.drain_timeout", "\"24s\""),
    ("server.openapi", "\"public\""),
    ("server.health_path", "\"/healthz\""),
    ("server.client_address", "\"forwarded\""),
    ("server.trusted_proxies", "[\"10.0.0.0/8\"]"),
    ("server.http2", "false"),
    ("server.tls.cert", "\"FOLDER/cert.pem\""),
    ("server.tls.key", "\"FOLDER/key.pem\""),
    ("server.tls.client_ca", "\"FOLDER/ca.pem\""),
    ("server.tls.client_auth", "\"required\""),
    ("server.cors.origins", "[\"https://shop.example\"]"),
    ("server.cors.credentials", "true"),
    ("server.cors.max_age", "\"5m\""),
    ("admin.listen", "\"127.0.0.1:1\""),
    ("admin.hosts", "[\"gateway.example\"]"),
    ("admin.token_file", "\"TOKEN\""),
    ("admin.unready_when_shedding", "true"),
    ("admission.max_in_flight", "1000"),
    ("admission.max_lag", "\"20ms\""),
    ("admission.observe", "true"),
    ("admission.observe_lag", "true"),
    ("shed.status", "503"),
    ("clients.identify_by", "\"header:x-api-key\""),
    ("clients.rate", "\"400/s\""),
    ("clients.burst", "900"),
    ("clients.attempts", "5"),
    ("clients.early_returns", "\"refuse\""),
    ("clients.observe", "true"),
    ("telemetry.service", "\"other\""),
    ("telemetry.env", "\"live\""),
    ("telemetry.log", "\"json\""),
    ("telemetry.log_sample", "0.5"),
    ("telemetry.exporter", "\"none\""),
    ("telemetry.datadog_agent", "\"http://127.0.0.1:1\""),
    ("telemetry.otlp_endpoint", "\"http://127.0.0.1:1\""),
    ("telemetry.otlp_headers_file", "\"/dev/null\""),
    ("telemetry.propagation", "[\"tracecontext\"]"),
    ("telemetry.sample", "0.5"),
    ("telemetry.keep_slower_than", "\"200ms\""),
    ("telemetry.recent", "\"4MiB\""),
    ("telemetry.dogstatsd", "\"127.0.0.1:1\""),
    ("downstream.product.url", "\"http://127.0.0.1:1\""),
    ("downstream.product.resolve", "\"11s\""),
    ("downstream.product.permits", "63"),
    ("downstream.product.observe", "true"),
    ("downstream.product.connect_timeout", "\"90ms\""),
    ("downstream.product.warm", "3"),
    ("downstream.product.idle_timeout", "\"3s\""),
    ("downstream.product.max_age", "\"4m\""),
    ("downstream.product.max_body", "\"255KiB\""),
    ("downstream.product.http2", "true"),
    ("page.product-page.path", "\"/other/{id}\""),
    ("page.product-page.deadline", "\"310ms\""),
    ("page.product-page.abandoned_after", "\"140ms\""),
    ("page.product-page.reserve", "\"6ms\""),
    ("page.product-page.min_budget", "\"50ms\""),
    ("page.product-page.max_wait", "\"40ms\""),
    ("page.product-page.queue", "63"),
    ("page.product-page.observe", "true"),
    ("page.product-page.forward_headers", "[]"),
    ("page.product-page.cache_control", "\"no-store\""),
    ("page.product-page.params.id", "\"^[a-z0-9-]+$\""),
    ("page.product-page.unknown_query", "\"refuse\""),
    ("page.product-page.part.product.downstream", "\"pricing\""),
    ("page.product-page.part.product.path", "\"/other/{id}\""),
    ("page.product-page.part.product.required", "false"),
    ("page.product-page.part.product.timeout", "\"100ms\""),
    ("page.product-page.part.product.pass", "[401, 404]"),
    (
        "page.product-page.part.product.schema",
        "\"product.schema.json\"",
    ),
];

/// The keys that are changed with one: a certificate is nothing without its key.
fn and_more(key: &str) -> &'static [&'static str] {
    match key {
        "server.tls.cert" => &["server.tls.key"],
        "server.tls.key" => &["server.tls.cert"],
        "server.tls.client_ca" => &[
            "server.tls.cert",
            "server.tls.key",
            "server.tls.client_auth",
        ],
        "server.tls.client_auth" => &["server.tls.cert", "server.tls.key", "server.tls.client_ca"],
        _ => &[],
    }
}

/// The shipped file on free ports, with other values of these keys.
fn with(others: &[(&str, String)]) -> String {
    let text = config::default_text()
        .replace("\"127.0.0.1:8080\"", "\"127.0.0.1:0\"")
        .replace("\"127.0.0.1:9901\"", "\"127.0.0.1:0\"");
    others
        .iter()
        .fold(text, |text, (key, value)| with_one(&text, key, value))
}

fn with_one(text: &str, key: &str, value: &str) -> String {
    let (section, name) = key
        .strip_suffix(".params.id")
        .map(|section| (section, "params.id"))
        .or_else(|| key.rsplit_once('.'))
        .unwrap();
    let at = text.find(&format!("[{section}]\n")).unwrap();
    let (before, after) = text.split_at(at);
    let mut lines = after.lines();
    let line = lines.find(|line| line.starts_with(&format!("{name} =")));
    let line = line.unwrap_or_else(|| panic!("{key} is not in the shipped file"));
    let (line, other) = (format!("\n{line}\n"), format!("\n{name} = {value}\n"));
    before.to_owned() + &after.replacen(&line, &other, 1)
}

#[tokio::test]
async fn every_key_takes_effect_with_a_reload_or_is_named_as_one_that_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a-token-that-is-long-enough-0123456789").unwrap();
    std::fs::write(folder.path().join("product.schema.json"), "{}").unwrap();
    let file = folder.path().join("config.toml");
    let authority = Authority::new();
    std::fs::write(&file, with(&[])).unwrap();
    let loaded = config::load_file_with(&file, &[]).unwrap();
    let first = loaded.effective.clone();
    let app = App::bind(loaded).await.unwrap();
    let app = app.reading(ConfigFile::new(&file).overridden_by(Vec::new()));
    for &(key, value) in OTHERS {
        let filled = |value: &str| {
            let folder = authority.folder.path().to_str().unwrap();
            let value = value.replace("TOKEN", token.to_str().unwrap());
            value.replace("FOLDER", folder)
        };
        let more = OTHERS
            .iter()
            .filter(|(other, _)| and_more(key).contains(other));
        let all = more.copied().chain([(key, value)]);
        let all: Vec<_> = all.map(|(key, value)| (key, filled(value))).collect();
        std::fs::write(&file, with(&all)).unwrap();
        let fixed = FIXED.iter().any(|(fixed, _)| *fixed == key);
        match app.reloader().reload(Trigger::Request).await {
            Ok(_) => {
                assert!(!fixed, "{key} is live");
                let now = app.generations().current();
                let changed = KeyChange::between(&first, &now.effective);
                assert!(changed.iter().any(|change| change.key == key), "{key}");
            }
            Err(NotChanged::Fixed(keys)) => {
                assert!(fixed, "{key}: {keys:?}");
                assert_eq!(keys[0].key, key);
            }
            Err(error) => panic!("{key}: {error}"),
        }
        std::fs::write(&file, with(&[])).unwrap();
        app.reloader().reload(Trigger::Request).await.unwrap();
    }
    assert_eq!(untried(&first), Vec::<String>::new());
}

/// Keys of the shipped configuration (of one downstream, page and part each) of which no other
/// value is tried.
fn untried(effective: &Value) -> Vec<String> {
    let all = KeyChange::between(&serde_json::json!({}), effective);
    let others = ["pricing", "inventory", "reviews", "recommendations"];
    let is_other = |key: &str| key.split('.').any(|name| others.contains(&name));
    let known = |key: &str| OTHERS.iter().any(|(known, _)| *known == key);
    let all = all.into_iter().map(|change| change.key);
    all.filter(|key| !is_other(key) && !known(key)).collect()
}
