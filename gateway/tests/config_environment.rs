//! Variables override keys, and say so when they do not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its helpers fail by panicking"
)]

use std::time::Duration;

use gateway::config::{self, Http2, Loaded, Report};

fn load(env: &[(&str, &str)]) -> Result<Loaded, Report> {
    let env: Vec<(String, String)> = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    config::load_text("config.toml", config::default_text(), &env)
}

fn error(env: &[(&str, &str)]) -> String {
    load(env).unwrap_err().to_string()
}

#[test]
fn a_variable_overrides_a_key_of_any_kind() {
    let loaded = load(&[
        ("GATEWAY__SERVER__LISTEN", "0.0.0.0:80"),
        ("GATEWAY__SERVER__MAX_CONNECTIONS", "7"),
        ("GATEWAY__PAGE__PRODUCT_PAGE__DEADLINE", "900ms"),
        ("GATEWAY__PAGE__PRODUCT_PAGE__PARAMS__ID", "[0-9]+"),
        (
            "GATEWAY__PAGE__PRODUCT_PAGE__PART__PRICING__TIMEOUT",
            "250ms",
        ),
        (
            "GATEWAY__PAGE__PRODUCT_PAGE__FORWARD_HEADERS",
            "accept-language, x-tenant",
        ),
        ("GATEWAY__DOWNSTREAM__PRICING__HTTP2", "true"),
        ("GATEWAY__TELEMETRY__SAMPLE", "0.25"),
    ])
    .unwrap();
    let (config, page) = (&loaded.config, &loaded.config.pages[0]);
    assert_eq!(config.server.listen.port(), 80);
    assert_eq!(config.server.max_connections.get(), 7);
    assert_eq!(page.deadline, Some(Duration::from_millis(900)));
    assert!(page.path.params[0].pattern.is_match("123"));
    assert!(
        !page.path.params[0].pattern.is_match("123a"),
        "a pattern must match whole values"
    );
    assert_eq!(page.parts[1].timeout, Some(Duration::from_millis(250)));
    assert_eq!(page.forward_headers.len(), 2);
    assert_eq!(config.downstreams[1].http2, Http2::Always);
    assert_eq!(config.telemetry.sample, 0.25);
    assert_eq!(
        loaded.effective["page"]["product-page"]["deadline"],
        "900ms"
    );
}

#[test]
fn the_case_of_a_variable_does_not_matter() {
    let loaded = load(&[("gateway__shed__Status", "503")]).unwrap();
    assert_eq!(
        loaded.config.shed.status,
        config::ShedStatus::ServiceUnavailable
    );
}

#[test]
fn a_list_may_be_written_as_in_the_file_or_be_empty() {
    let name = "GATEWAY__PAGE__PRODUCT_PAGE__FORWARD_HEADERS";
    let headers = |value| {
        load(&[(name, value)]).unwrap().config.pages[0]
            .forward_headers
            .len()
    };
    assert_eq!(headers(r#"["accept-language", "x-tenant"]"#), 2);
    assert_eq!(headers(""), 0);
    assert!(error(&[(name, "[\"a\"")]).contains("an array of strings"));
}

#[test]
fn datadogs_variables_win_over_the_file_and_over_ours() {
    let loaded = load(&[
        ("GATEWAY__TELEMETRY__SERVICE", "ours"),
        ("DD_SERVICE", "shop"),
        ("DD_ENV", "prod"),
        ("DD_VERSION", "1.2.3"),
        ("DD_TRACE_AGENT_URL", "http://agent:8126"),
    ])
    .unwrap();
    let telemetry = loaded.config.telemetry;
    assert_eq!(telemetry.service, "shop");
    assert_eq!(telemetry.env, "prod");
    assert_eq!(telemetry.version, "1.2.3");
    assert_eq!(agent_of(&telemetry), "http://agent:8126");
}

#[test]
fn an_empty_datadog_variable_is_not_set() {
    let loaded = load(&[
        ("DD_SERVICE", ""),
        ("DD_VERSION", ""),
        ("DD_TRACE_AGENT_URL", ""),
    ]);
    let telemetry = loaded.unwrap().config.telemetry;
    assert_eq!(telemetry.service, "product-gateway");
    assert_eq!(telemetry.version, env!("CARGO_PKG_VERSION"));
    assert!(telemetry.datadog_agent.is_some());
}

#[test]
fn an_empty_agent_exports_nothing() {
    let loaded = load(&[("GATEWAY__TELEMETRY__DATADOG_AGENT", "")]).unwrap();
    assert!(loaded.config.telemetry.datadog_agent.is_none());
    assert_eq!(loaded.effective["telemetry"]["datadog_agent"], "");
}

#[test]
fn a_misspelt_variable_is_an_error_with_the_name_that_was_meant() {
    let text = error(&[("GATEWAY__SERVER__LISTN", "127.0.0.1:1")]);
    assert!(
        text.contains("GATEWAY__SERVER__LISTN names no key"),
        "{text}"
    );
    assert!(
        text.contains("did you mean GATEWAY__SERVER__LISTEN?"),
        "{text}"
    );
}

#[test]
fn a_bad_value_names_the_variable_and_what_to_write_there() {
    let text = error(&[("GATEWAY__PAGE__PRODUCT_PAGE__DEADLINE", "300")]);
    assert!(
        text.contains("GATEWAY__PAGE__PRODUCT_PAGE__DEADLINE=\"300\""),
        "{text}"
    );
    assert!(
        text.contains("write `GATEWAY__PAGE__PRODUCT_PAGE__DEADLINE=300ms`"),
        "{text}"
    );
}

#[test]
fn an_agent_may_be_a_socket_or_a_host_and_a_port() {
    for (env, agent, dogstatsd) in [
        (
            &[
                ("DD_TRACE_AGENT_URL", "unix:///var/run/datadog/apm.socket"),
                ("DD_DOGSTATSD_URL", "unix:///var/run/datadog/dsd.socket"),
                ("DD_AGENT_HOST", "10.0.0.5"),
            ][..],
            "unix:/var/run/datadog/apm.socket",
            "unix:/var/run/datadog/dsd.socket",
        ),
        (
            &[("DD_AGENT_HOST", "10.0.0.5")],
            "http://10.0.0.5:8126",
            "10.0.0.5:8125",
        ),
        (
            &[
                ("DD_AGENT_HOST", "fd00::5"),
                ("DD_TRACE_AGENT_PORT", "9126"),
                ("DD_DOGSTATSD_PORT", "9125"),
            ],
            "http://[fd00::5]:9126",
            "[fd00::5]:9125",
        ),
        (
            &[
                ("DD_AGENT_HOST", ""),
                ("DD_DOGSTATSD_PORT", "9125"),
                ("GATEWAY__TELEMETRY__DATADOG_AGENT", "http://ours:1"),
            ],
            "http://ours:1",
            "localhost:9125",
        ),
    ] {
        let telemetry = load(env).unwrap().config.telemetry;
        assert_eq!(agent_of(&telemetry), agent, "{env:?}");
        assert_eq!(
            telemetry.dogstatsd.unwrap().to_string(),
            dogstatsd,
            "{env:?}"
        );
    }
}

#[test]
fn who_the_pod_is_comes_from_variables_only_and_a_bad_one_costs_no_start() {
    let telemetry = |env: &[(&str, &str)]| load(env).unwrap().config.telemetry;
    let none = telemetry(&[("DD_ENTITY_ID", "")]);
    assert_eq!((none.entity_id, none.external_env), (None, None));
    let some = telemetry(&[
        ("DD_ENTITY_ID", "75a2"),
        ("DD_EXTERNAL_ENV", "it-false,pu-75a2"),
    ]);
    assert_eq!(some.entity_id.as_deref(), Some("75a2"));
    assert_eq!(some.external_env.as_deref(), Some("it-false,pu-75a2"));
    let bad = load(&[("DD_ENTITY_ID", "7\n5")]).unwrap();
    assert_eq!(bad.config.telemetry.entity_id, None);
    let text = bad.warnings.to_string();
    assert!(
        text.contains("DD_ENTITY_ID=") && text.contains("does not learn the pod"),
        "{text}"
    );
}

fn agent_of(telemetry: &config::Telemetry) -> String {
    telemetry.datadog_agent.as_ref().unwrap().to_string()
}

#[test]
fn an_address_of_a_receiver_that_cannot_be_used_is_a_warning_that_names_it_and_the_remedy() {
    for (env, named, remedy) in [
        (
            ("DD_TRACE_AGENT_URL", "unix://run/apm.socket"),
            "DD_TRACE_AGENT_URL=\"unix://run/apm.socket\"",
            "write `DD_TRACE_AGENT_URL=unix:///run/apm.socket`",
        ),
        (
            ("DD_TRACE_AGENT_URL", "npipe:////./pipe/apm"),
            "not npipe",
            "or `unix:///var/run/datadog/apm.socket`",
        ),
        (
            ("DD_TRACE_AGENT_PORT", "eight"),
            "DD_TRACE_AGENT_PORT=\"eight\"",
            "write scheme, host and port",
        ),
        (
            ("DD_DOGSTATSD_URL", "http://agent:8125"),
            "DD_DOGSTATSD_URL=\"http://agent:8125\"",
            "write `DD_DOGSTATSD_URL=127.0.0.1:8125`",
        ),
        (
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
            "OTEL_EXPORTER_OTLP_ENDPOINT=\"collector:4318\"",
            "write `OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318`",
        ),
        (
            (
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "http://me:hush@c:4318",
            ),
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=\"http://***@c:4318\"",
            "write `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c:4318`",
        ),
        (
            ("OTEL_EXPORTER_OTLP_HEADERS", "hush"),
            "OTEL_EXPORTER_OTLP_HEADERS=***",
            "write a name and a value",
        ),
    ] {
        let loaded = load(&[env]).unwrap();
        let text = loaded.warnings.to_string();
        assert_eq!(loaded.warnings.len(), 1, "{text}");
        assert!(text.starts_with("warning: `telemetry."), "{text}");
        assert!(text.contains(named) && text.contains(remedy), "{text}");
        assert!(!text.contains("hush"), "{text}");
        let telemetry = loaded.config.telemetry;
        let sent = match env.0 {
            "DD_DOGSTATSD_URL" => telemetry.dogstatsd.is_some(),
            "OTEL_EXPORTER_OTLP_ENDPOINT" => telemetry.otlp_endpoint.is_some(),
            "OTEL_EXPORTER_OTLP_HEADERS" => !telemetry.otlp_headers.is_empty(),
            name if name.starts_with("OTEL") => continue,
            _ => telemetry.datadog_agent.is_some(),
        };
        assert!(!sent, "{env:?}");
    }
}

#[test]
fn the_variables_of_opentelemetry_say_where_traces_go_and_with_which_headers() {
    let endpoint = |env: &[(&str, &str)]| {
        let telemetry = load(env).unwrap().config.telemetry;
        telemetry.otlp_endpoint.unwrap().to_string()
    };
    let (base, own) = (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    );
    for (env, traces) in [
        (&[(base, "http://c:4318")][..], "http://c:4318/v1/traces"),
        (&[(base, "https://c/otlp")], "https://c/otlp/v1/traces"),
        (
            &[(base, "http://c:4318/v1/traces")],
            "http://c:4318/v1/traces",
        ),
        (&[(own, "https://c/at/all")], "https://c/at/all"),
        (&[(own, "http://c:4318")], "http://c:4318/"),
        (
            &[(base, "http://b"), (own, "http://c/v1/traces")],
            "http://c/v1/traces",
        ),
        (&[(base, "http://b"), (own, "")], "http://b/v1/traces"),
        (
            &[
                ("GATEWAY__TELEMETRY__OTLP_ENDPOINT", "http://a"),
                (base, "http://b"),
            ],
            "http://b/v1/traces",
        ),
    ] {
        assert_eq!(endpoint(env), traces, "{env:?}");
    }
    let headers = |env: &[(&str, &str)]| {
        let telemetry = load(env).unwrap().config.telemetry;
        let headers = telemetry.otlp_headers;
        let shown = |(name, value): &(http::HeaderName, http::HeaderValue)| {
            format!("{name}={}", value.to_str().unwrap())
        };
        headers.iter().map(shown).collect::<Vec<_>>().join(",")
    };
    let (all, own) = (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    );
    assert_eq!(headers(&[(all, "a=1,b=x%20y")]), "a=1,b=x y");
    assert_eq!(headers(&[(all, "a=1"), (own, "b=2")]), "b=2");
}

#[test]
fn headers_come_from_a_file_and_none_of_them_is_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "api-key = hush\n").unwrap();
    let path = file.path().to_str().unwrap();
    let loaded = load(&[("GATEWAY__TELEMETRY__OTLP_HEADERS_FILE", path)]).unwrap();
    let [(name, value)] = &loaded.config.telemetry.otlp_headers[..] else {
        panic!("{:?}", loaded.config.telemetry.otlp_headers);
    };
    assert_eq!(
        (name.as_str(), value.to_str().unwrap()),
        ("api-key", "hush")
    );
    assert_eq!(loaded.effective["telemetry"]["otlp_headers_file"], path);
    assert!(!format!("{:?}", loaded.config).contains("hush"));
    let loaded = load(&[("GATEWAY__TELEMETRY__OTLP_HEADERS_FILE", "/nowhere")]).unwrap();
    let text = loaded.warnings.to_string();
    assert!(
        text.contains("`telemetry.otlp_headers_file`: cannot read /nowhere"),
        "{text}"
    );
}

#[test]
fn a_variable_can_supply_a_key_that_has_no_default() {
    let text = "[downstream.a]\n[page.p]\npath='/p'\n[page.p.part.a]\ndownstream='a'\npath='/a'\n";
    let env = [(
        "GATEWAY__DOWNSTREAM__A__URL".to_owned(),
        "http://a:80".to_owned(),
    )];
    assert!(config::load_text("c.toml", text, &[]).is_err());
    let loaded = config::load_text("c.toml", text, &env).unwrap();
    assert_eq!(loaded.config.downstreams[0].urls[0].as_str(), "http://a/");
}

#[test]
fn one_variable_for_two_keys_is_an_error() {
    let text = "[downstream.a-b]\nurl='http://a'\n[downstream.a_b]\nurl='http://b'\n\
                [page.p]\npath='/p'\n[page.p.part.a]\ndownstream='a-b'\npath='/a'\n";
    let env = [(
        "GATEWAY__DOWNSTREAM__A_B__PERMITS".to_owned(),
        "3".to_owned(),
    )];
    let text = config::load_text("c.toml", text, &env)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("could mean downstream.a-b.permits and downstream.a_b.permits"),
        "{text}"
    );
}

#[test]
fn two_variables_for_one_key_are_an_error() {
    let text = error(&[
        ("GATEWAY__SHED__STATUS", "503"),
        ("gateway__shed__status", "429"),
    ]);
    assert!(text.contains("set the same key"), "{text}");
}

#[test]
fn other_programs_variables_are_none_of_our_business() {
    let env = [
        ("GATEWAY_PORT", "x"),
        ("DD_SITE", "y"),
        ("OTEL_SERVICE_NAME", "o"),
        ("GATEWAY", "z"),
        ("PATH", "/bin"),
    ];
    assert!(load(&env).is_ok());
}

#[test]
fn the_credentials_of_a_url_in_a_variable_are_not_repeated() {
    let text = error(&[(
        "GATEWAY__DOWNSTREAM__PRICING__URL",
        "http://me:hush@pricing:80",
    )]);
    assert!(text.contains("GATEWAY__DOWNSTREAM__PRICING__URL"), "{text}");
    assert!(!text.contains("hush"), "{text}");
}
