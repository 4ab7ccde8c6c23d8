//! What is legal but probably not meant is said once, where it stands; what is fine is not mentioned.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its helpers fail by panicking"
)]

use gateway::config;

/// A good file, to which each test adds a slip.
fn file(server: &str, downstream: &str, page: &str, part: &str) -> String {
    format!(
        "{server}\n[downstream.pricing]\nurl = \"http://127.0.0.1:7102\"\n{downstream}\n\
         [page.product-page]\npath = \"/product-page/{{id}}\"\n{page}\n\
         [page.product-page.part.pricing]\ndownstream = \"pricing\"\npath = \"/prices/{{id}}\"\n{part}\n"
    )
}

fn warnings(text: &str) -> String {
    config::load_text("c.toml", text, &[])
        .unwrap_or_else(|e| panic!("{e}"))
        .warnings
        .to_string()
}

/// Holds that there is one warning, that it is one of `key`, and that it says all of `words`.
fn warns(text: &str, key: &str, words: &[&str]) {
    let found = warnings(text);
    assert_eq!(found.matches("warning: ").count(), 1, "{found}");
    assert!(found.starts_with(&format!("warning: `{key}`: ")), "{found}");
    assert!(found.contains("--> c.toml:"), "{found}");
    assert!(found.contains("= help: "), "{found}");
    for word in words {
        assert!(found.contains(word), "no {word:?} in\n{found}");
    }
}

#[test]
fn a_plain_file_has_no_warnings() {
    assert_eq!(warnings(&file("", "", "", "")), "");
}

#[test]
fn no_deadline_and_no_bulkhead_are_mentioned() {
    warns(
        &file("", "", "deadline = \"none\"", ""),
        "page.product-page.deadline",
        &["300ms"],
    );
    warns(
        &file("", "permits = 0", "", ""),
        "downstream.pricing.permits",
        &["without a bulkhead"],
    );
}

#[test]
fn a_timeout_that_never_fires_is_mentioned_with_what_the_page_leaves() {
    let key = "page.product-page.part.pricing.timeout";
    warns(
        &file("", "", "", "timeout = \"295ms\""),
        key,
        &["295ms", "`deadline` is not written here"],
    );
    assert_eq!(warnings(&file("", "", "", "timeout = \"294ms\"")), "");
}

#[test]
fn a_wait_as_long_as_the_page_is_mentioned() {
    let text = file("", "", "max_wait = \"300ms\"", "");
    warns(&text, "page.product-page.max_wait", &["295ms"]);
}

#[test]
fn a_queue_without_a_wait_and_a_wait_without_a_queue_are_mentioned() {
    let key = |name: &str| format!("page.product-page.{name}");
    warns(
        &file("", "", "queue = 0\nmax_wait = \"9ms\"", ""),
        &key("max_wait"),
        &["queue = 0"],
    );
    warns(
        &file("", "", "queue = 9\nmax_wait = \"0ms\"", ""),
        &key("queue"),
        &["max_wait"],
    );
    assert_eq!(
        warnings(&file("", "", "queue = 0", "")),
        "",
        "one key is enough to say it"
    );
}

#[test]
fn a_queue_that_never_fills_is_mentioned() {
    let text = file("[admission]\nmax_in_flight = 32", "", "", "");
    warns(&text, "page.product-page.queue", &["32 pages", "it is 64"]);
}

#[test]
fn permits_far_from_what_the_quota_allows_are_mentioned_with_the_numbers() {
    let text = file("", "permits = 4", "", "");
    let words = [
        "4 permits carry 14 pages a second",
        "500/s",
        "148 permits",
        "295ms",
    ];
    warns(&text, "downstream.pricing.permits", &words);
    assert_eq!(
        warnings(&file("", "permits = 15", "", "")),
        "",
        "a tenth of the rate is enough"
    );
    assert_eq!(
        warnings(&file("[clients]\nrate = \"none\"", "permits = 4", "", "")),
        ""
    );
    assert_eq!(
        warnings(&file("", "permits = 4", "", "timeout = \"50ms\"")),
        ""
    );
}

#[test]
fn a_downstream_that_nobody_uses_is_mentioned() {
    let text = file("[downstream.old]\nurl = \"http://old\"", "", "", "");
    warns(&text, "downstream.old", &["no part uses this downstream"]);
}

#[test]
fn a_connection_that_may_take_the_whole_page_is_mentioned() {
    let text = file("", "", "deadline = \"90ms\"", "");
    warns(
        &text,
        "downstream.pricing.connect_timeout",
        &["85ms", "it is \"100ms\""],
    );
}

#[test]
fn a_page_without_a_required_part_is_mentioned() {
    let text = file("", "", "", "required = false");
    warns(&text, "page.product-page.part", &["200"]);
}

#[test]
fn a_pattern_that_lets_dots_through_is_mentioned() {
    let key = "page.product-page.params.id";
    warns(&file("", "", "params.id = \".*\"", ""), key, &["`..`"]);
    assert_eq!(
        warnings(&file("", "", "params.id = '[a-z]+\\.[a-z]+'", "")),
        ""
    );
}

#[test]
fn a_drain_shorter_than_a_page_is_mentioned() {
    let text = file("[server]\ndrain_timeout = \"100ms\"", "", "", "");
    warns(&text, "server.drain_timeout", &["300ms"]);
}

#[test]
fn a_client_that_could_never_leave_so_late_is_mentioned() {
    let key = "page.product-page.abandoned_after";
    let page = |after: &str| file("", "", &format!("abandoned_after = \"{after}\""), "");
    warns(&page("300ms"), key, &["auto"]);
    assert_eq!(warnings(&page("299ms")), "");
}

#[test]
fn holding_an_address_to_what_one_behind_it_was_told_is_mentioned() {
    let clients = |by: &str| {
        let keys = format!("identify_by = \"{by}\"\nearly_returns = \"refuse\"");
        file(&format!("[clients]\n{keys}"), "", "", "")
    };
    warns(&clients("ip"), "clients.early_returns", &["auto"]);
    assert_eq!(warnings(&clients("header:x-api-key")), "");
}

#[test]
fn an_address_of_otlp_that_speaks_no_http_or_takes_no_traces_is_mentioned() {
    let otlp = |exporter: &str, port: u16| {
        let telemetry = format!(
            "[telemetry]\nexporter = \"{exporter}\"\notlp_endpoint = \"http://collector:{port}\""
        );
        file(&telemetry, "", "", "")
    };
    let key = "telemetry.otlp_endpoint";
    warns(&otlp("otlp", 4317), key, &["gRPC", "4318"]);
    assert_eq!(warnings(&otlp("otlp", 4318)), "");
    assert_eq!(warnings(&otlp("datadog", 4317)), "");
    let env = [(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT".to_owned(),
        "http://collector:4318".to_owned(),
    )];
    let loaded = config::load_text("c.toml", &otlp("otlp", 1), &env).unwrap();
    let text = loaded.warnings.to_string();
    assert!(text.contains("traces are sent to `/`"), "{text}");
}
