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
        "4 permits would carry 14 pages a second",
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

#[test]
fn permits_that_no_page_can_ever_use_are_mentioned_with_as_many_as_can() {
    let key = "downstream.pricing.permits";
    let tickets = |count: u32| format!("[admission]\nmax_in_flight = {count}");
    let queue = "queue = 1";
    let text = file(&tickets(32), "permits = 64", queue, "");
    warns(
        &text,
        key,
        &["32 pages at once with 1 call each make 32", "permits = 32"],
    );
    assert_eq!(warnings(&file(&tickets(32), "permits = 32", queue, "")), "");
    assert_eq!(
        warnings(&file(&tickets(32), "", queue, "")),
        "",
        "nobody wrote it"
    );
    let two = "[page.product-page.part.more]\ndownstream = \"pricing\"\npath = \"/more\"";
    let text = file(&tickets(32), "permits = 64", queue, two);
    assert_eq!(warnings(&text), "", "each page may make two");
    let observed = format!("{}\nobserve = true", tickets(32));
    assert_eq!(warnings(&file(&observed, "permits = 64", queue, "")), "");
}

#[test]
fn a_timeout_that_bounds_how_many_pages_get_a_part_is_mentioned_with_the_numbers() {
    let optional = "required = false\ntimeout = \"200ms\"\n\
                    [page.product-page.part.stock]\ndownstream = \"stock\"\npath = \"/stock\"\n\
                    [downstream.stock]\nurl = \"http://127.0.0.1:7103\"";
    let text = file("", "permits = 4", "", optional);
    let words = [
        "its timeout",
        "20 pages a second",
        "500/s",
        "100 permits",
        "200ms",
    ];
    warns(&text, "downstream.pricing.permits", &words);
    assert_eq!(warnings(&file("", "permits = 10", "", optional)), "");
}

#[test]
fn operators_on_loopback_behind_a_public_listener_are_mentioned_as_probes_come_from_outside() {
    let listen = |public: &str, admin: &str| {
        let listeners = format!(
            "[server]\nlisten = \"{public}\"\n[admin]\nlisten = \"{admin}\"\n[clients]\nrate = \"none\""
        );
        file(&listeners, "", "", "")
    };
    let text = listen("0.0.0.0:8080", "127.0.0.1:9901");
    warns(
        &text,
        "admin.listen",
        &["probe", "0.0.0.0:9901", "where clients connect"],
    );
    let text = listen("[::]:8080", "[::1]:9901");
    warns(&text, "admin.listen", &["[::]:9901"]);
    let reached = warnings(&listen("0.0.0.0:8080", "10.0.0.1:9901"));
    assert!(!reached.contains("probe"), "{reached}");
    assert_eq!(warnings(&listen("127.0.0.1:8080", "127.0.0.1:9901")), "");
}

#[test]
fn variables_with_one_underscore_are_mentioned_as_ignored_but_for_those_of_kubernetes() {
    let with = |names: &[&str]| {
        let env: Vec<_> = names
            .iter()
            .map(|name| ((*name).to_owned(), "1".to_owned()))
            .collect();
        let loaded = config::load_text("c.toml", &file("", "", "", ""), &env);
        loaded
            .unwrap_or_else(|e| panic!("{e}"))
            .warnings
            .to_string()
    };
    let text = with(&["GATEWAY_SERVER_MAX_CONNECTIONS", "GATEWAY_CLIENTS__BURST"]);
    assert_eq!(text.matches("is ignored").count(), 2, "{text}");
    assert!(
        text.contains("did you mean GATEWAY__SERVER__MAX_CONNECTIONS?"),
        "{text}"
    );
    assert!(
        text.contains("did you mean GATEWAY__CLIENTS__BURST?"),
        "{text}"
    );
    assert!(with(&["gateway_colour"]).contains("GATEWAY__SERVER__LISTEN"));
    let of_kubernetes = [
        "GATEWAY_SERVICE_HOST",
        "GATEWAY_ADMIN_TOKEN_FILE",
        "GATEWAY_SERVICE_PORT",
        "GATEWAY_SERVICE_PORT_HTTP",
        "GATEWAY_PORT",
        "GATEWAY_PORT_8080_TCP_ADDR",
        "GATEWAY",
        "GATEWAYS_X",
    ];
    assert_eq!(with(&of_kubernetes), "");
    // What `gateway reload` and its like read is no mistake.
    assert_eq!(with(&["GATEWAY_ADMIN_TOKEN_FILE"]), "");
}

#[test]
fn one_of_something_is_not_several() {
    let text = file("[admission]\nmax_in_flight = 1", "permits = 1", "", "");
    let found = warnings(&text);
    assert!(found.contains("only 1 page is in flight"), "{found}");
    assert!(found.contains("1 permit would carry 3 pages"), "{found}");
    assert!(
        !found.contains("1 pages") && !found.contains("1 permits"),
        "{found}"
    );
}

#[test]
fn what_a_warning_says_to_write_ends_the_warning() {
    for (server, downstream, page, part) in [
        ("", "", "deadline = \"none\"", ""),
        ("", "permits = 0", "", ""),
        ("", "", "max_wait = \"300ms\"", ""),
        (
            "",
            "connect_timeout = \"100us\"",
            "deadline = \"2ms\"\nreserve = \"1ms\"\nmax_wait = \"1ms\"",
            "",
        ),
        ("", "", "queue = 0\nmax_wait = \"9ms\"", ""),
        ("", "", "abandoned_after = \"300ms\"", ""),
        ("", "", "", "timeout = \"295ms\""),
        ("", "", "params.id = \".*\"", ""),
        (
            "[admission]\nmax_in_flight = 32",
            "permits = 64",
            "queue = 9",
            "",
        ),
        ("[server]\ndrain_timeout = \"100ms\"", "", "", ""),
        ("", "connect_timeout = \"90ms\"", "deadline = \"90ms\"", ""),
    ] {
        let text = file(server, downstream, page, part);
        let before = warnings(&text);
        let (_, advice) = before.split_once("= help: write `").unwrap();
        let (advice, _) = advice.split_once('`').unwrap();
        let (key, value) = advice.split_once(" = ").unwrap();
        let title = before.lines().next().unwrap();
        let line = text.lines().position(|line| {
            line.split('=').next().unwrap().trim().ends_with(key) && line.contains('=')
        });
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let line = line.unwrap_or_else(|| panic!("{key} is not in\n{text}"));
        let left = lines[line].split('=').next().unwrap().to_owned();
        lines[line] = format!("{left}= {value}");
        let after = warnings(&lines.join("\n"));
        assert!(!after.contains(title), "{advice} leaves\n{after}");
    }
}

#[test]
fn a_list_of_statuses_without_404_is_mentioned_unless_it_is_empty() {
    let key = "page.product-page.part.pricing.pass";
    let text = file("", "", "", "pass = [410, 429]");
    warns(&text, key, &["without 404", "pass = [404,410,429]"]);
    for pass in ["[]", "[404]", "[404, 409, 410, 429]"] {
        let text = file("", "", "", &format!("pass = {pass}"));
        assert_eq!(warnings(&text), "", "{pass}");
    }
}

#[test]
fn passing_on_what_a_service_says_of_credentials_that_it_never_gets_is_mentioned() {
    let key = "page.product-page.part.pricing.pass";
    for (status, pass) in [("401", "[401, 403, 404]"), ("403", "[403, 404]")] {
        let text = file("", "", "", &format!("pass = {pass}"));
        warns(
            &text,
            key,
            &[status, "`forward_headers` is not written here"],
        );
        for header in ["authorization", "cookie", "x-api-key"] {
            let forward = format!("forward_headers = [\"accept-language\", \"{header}\"]");
            let text = file("", "", &forward, &format!("pass = {pass}"));
            assert_eq!(warnings(&text), "", "{header}");
        }
    }
}

#[test]
fn a_query_parameter_that_no_part_uses_is_mentioned() {
    let text = file("", "", "query.currency = { default = \"EUR\" }", "");
    warns(
        &text,
        "page.product-page.query.currency",
        &["no part uses it", "`{currency}`"],
    );
    let used = text.replace("/prices/{id}", "/prices/{id}?c={currency}");
    assert_eq!(warnings(&used), "");
}
