//! One JSON line per page, and nothing in it that does not belong there.

use std::collections::HashMap;
use std::time::Duration;

use fixtures::{Behaviour, Fakes, Fault, Options, Service};
use gateway::config;
use serde_json::Value;

use crate::common::binary::Binary;
use crate::common::client::{ask, get};
use crate::common::gateway::{PAGE, shop_changes, variables};
use crate::common::scripted::{Script, Scripted, ok, with_length};
use crate::common::until;
use crate::process::{file, run};

const SECRETS: &str = "Cookie: secret=1\r\nAuthorization: Bearer secret\r\nX-Api-Key: secret\r\n\
    Accept-Language: secret\r\nUser-Agent: secret\r\n";

/// The lines of pages, by request id.
fn pages(said: &str) -> HashMap<String, Value> {
    // Warnings about the configuration are for people, on standard error.
    let logged = said.lines().filter(|line| line.starts_with('{'));
    let lines = logged.map(|line| {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let pages = lines.filter(|line| line["message"] == "page");
    let by_id = |line: Value| (line["request_id"].as_str().unwrap().to_owned(), line);
    pages.map(by_id).collect()
}

#[tokio::test]
async fn a_page_is_one_json_line_that_leads_to_its_trace() {
    let (mut gateway, _fakes, _folder) = run(&["telemetry.log=json"]).await;
    let (public, _) = gateway.serving().await;
    let whole = ask(public, get(PAGE, "X-Request-Id: whole\r\n")).await;
    let lost = "X-Request-Id: lost\r\nX-Request-Timeout-Ms: 1\r\n";
    let lost = ask(public, get(PAGE, lost)).await;
    let bad = get("/product-page/not%20allowed", "X-Request-Id: bad\r\n");
    assert_eq!(ask(public, bad).await.status, 400);
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());

    let said = gateway.said();
    let pages = pages(&said);
    assert_eq!(pages.len(), 3, "{said}");
    let line = &pages["whole"];
    for (key, value) in [
        ("level", "INFO"),
        ("target", "gateway::page"),
        ("page", "product-page"),
        ("outcome", "complete"),
        ("dd.service", "product-gateway"),
        ("dd.env", "dev"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert_eq!(line["http.status_code"], 200);
    assert!(line["duration"].as_u64().unwrap() > 0, "{line}");
    assert!(line["wait_ms"].as_f64().unwrap() >= 0.0, "{line}");
    assert!(
        line["lag_ms"].as_f64().unwrap() * 1e6 <= line["duration"].as_f64().unwrap(),
        "{line}"
    );
    assert!(line["lag_ms"].is_number(), "{line}");
    let parts = line["parts"].as_object().unwrap();
    let names: Vec<_> = parts.keys().map(String::as_str).collect();
    let in_order = [
        "product",
        "pricing",
        "inventory",
        "reviews",
        "recommendations",
    ];
    assert_eq!(names, in_order);
    assert!(
        parts
            .values()
            .all(|part| part["outcome"] == "ok" && part["ms"].is_number())
    );

    let traceparent = whole.header("traceparent").unwrap();
    let (trace, span) = (&traceparent[3..35], &traceparent[36..52]);
    assert_eq!(
        (line["trace_id"].as_str(), line["span_id"].as_str()),
        (Some(trace), Some(span))
    );
    let decimal = |hex: &str| u64::from_str_radix(hex, 16).unwrap().to_string();
    assert_eq!(line["dd.trace_id"], decimal(&trace[16..]));
    assert_eq!(line["dd.span_id"], decimal(span));

    let line = &pages["lost"];
    let problem: Value = serde_json::from_slice(&lost.body).unwrap();
    assert_eq!(line["http.status_code"], u64::from(lost.status));
    assert_eq!(
        (&line["reason"], &line["scope"]),
        (&problem["reason"], &problem["scope"])
    );
    assert_eq!(line["trace_id"], problem["trace_id"]);
    let line = &pages["bad"];
    assert_eq!(line["level"], "INFO", "{line}");
    assert_eq!(
        (&line["outcome"], &line["reason"]),
        (&"bad_request".into(), &"bad_request".into())
    );
}

#[tokio::test]
async fn what_a_client_keeps_to_itself_is_in_no_log() {
    for format in ["json", "pretty"] {
        let format = format!("telemetry.log={format}");
        let (mut gateway, _fakes, _folder) = run(&[&format]).await;
        let (public, _) = gateway.serving().await;
        for path in [&format!("{PAGE}?token=secret"), "/product-page/secret%20id"] {
            ask(public, get(path, SECRETS)).await;
        }
        gateway.signal("TERM");
        assert!(gateway.ended().await.success());
        let said = gateway.said();
        assert!(
            said.contains("complete") && said.contains("bad_request"),
            "{said}"
        );
        assert!(!said.contains("secret"), "{said}");
    }
}

/// What a gateway logs of three pages: complete, late, and refused for its client's doing.
async fn logged(changes: &[&str]) -> HashMap<String, Value> {
    let own = [
        "telemetry.log=json",
        "page.product-page.part.pricing.timeout=1s",
    ];
    let changes = [&own, changes].concat();
    let (mut gateway, fakes, _folder) = run(&changes).await;
    let (public, _) = gateway.serving().await;
    let whole = get(PAGE, "X-Request-Id: whole\r\n");
    assert_eq!(ask(public, whole).await.status, 200);
    let bad = get("/product-page/not%20allowed", "X-Request-Id: bad\r\n");
    assert_eq!(ask(public, bad).await.status, 400);
    let slow = Behaviour::fixed(Duration::from_secs(20));
    fakes.set(Service::Pricing, slow).unwrap();
    let late = get(PAGE, "X-Request-Id: late\r\n");
    assert_eq!(ask(public, late).await.status, 504);
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    pages(&gateway.said())
}

fn ids(pages: &HashMap<String, Value>) -> Vec<&str> {
    let mut ids: Vec<_> = pages.keys().map(String::as_str).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn of_complete_pages_none_is_logged_if_so_asked_and_all_others_are() {
    let all = logged(&[]).await;
    assert_eq!(ids(&all), ["bad", "late", "whole"]);
    let levels = ["whole", "bad", "late"].map(|id| all[id]["level"].clone());
    assert_eq!(levels, ["INFO", "INFO", "WARN"]);
    let without = ["telemetry.log_sample=0", "telemetry.keep_slower_than=none"];
    assert_eq!(ids(&logged(&without).await), ["bad", "late"]);
}

#[tokio::test]
async fn a_log_of_warnings_keeps_what_went_wrong_in_either_form() {
    for format in ["json", "pretty"] {
        let fakes = Fakes::start(Options::default()).await.unwrap();
        let format = format!("telemetry.log={format}");
        let mut variables = variables(&shop_changes(&fakes, &[&format]));
        variables.push(("RUST_LOG".into(), "info,gateway::page=warn".into()));
        let (_folder, path) = file(config::default_text());
        let mut gateway = Binary::start(&["run", "--config", &path], &variables);
        let (public, _) = gateway.serving().await;
        let whole = get(PAGE, "X-Request-Id: whole\r\n");
        assert_eq!(ask(public, whole).await.status, 200);
        let broken = Behaviour::failing(Fault::Status(500));
        fakes.set(Service::Pricing, broken).unwrap();
        let failed = get(PAGE, "X-Request-Id: failed\r\n");
        assert_eq!(ask(public, failed).await.status, 502);
        gateway.signal("TERM");
        assert!(gateway.ended().await.success());
        let said = gateway.said();
        assert!(!said.contains("whole"), "{said}");
        let line = said.lines().find(|line| line.contains("failed")).unwrap();
        assert!(line.contains("WARN") && line.contains("502"), "{line}");
    }
}

#[tokio::test]
async fn where_traces_go_to_opentelemetry_its_names_are_in_the_log() {
    let otlp = ["telemetry.exporter=otlp", "telemetry.otlp_endpoint="];
    let pages = logged(&otlp).await;
    let line = &pages["whole"];
    assert_eq!(line["http.response.status_code"], 200);
    assert_eq!(line["service.name"], "product-gateway");
    assert_eq!(line["trace_flags"], "01");
    let seconds = line["http.server.request.duration"].as_f64().unwrap();
    assert!(seconds > 0.0 && seconds < 20.0, "{line}");
    let datadogs = ["http.status_code", "duration", "dd.trace_id", "dd.service"];
    assert!(
        datadogs.iter().all(|name| line.get(name).is_none()),
        "{line}"
    );
}

/// A query in a part's path and a file of headers: neither is anybody's business.
const WITH_SECRETS: &str = "\
    [downstream.d]\nurl = \"URL\"\n[page.p]\npath = \"/p/{id}\"\n\
    [page.p.part.x]\ndownstream = \"d\"\npath = \"/x/{id}?token=hush&k={id}\"\n";

#[tokio::test]
async fn what_a_query_or_a_header_of_the_configuration_holds_is_sent_and_shown_nowhere() {
    let downstream = Scripted::start(ok("not json")).await;
    let folder = tempfile::tempdir().unwrap();
    let headers = folder.path().join("headers");
    std::fs::write(&headers, "api-key=hush\n").unwrap();
    let (_folder, path) = file(&WITH_SECRETS.replace("URL", &downstream.url));
    let receiver = Scripted::start(Script::Say(with_length("403 No", "", b"hush"))).await;
    let changes = [
        "telemetry.log=json".to_owned(),
        "telemetry.exporter=otlp".to_owned(),
        format!("telemetry.otlp_endpoint={}/otlp?key=hush", receiver.url),
        format!("telemetry.otlp_headers_file={}", headers.display()),
    ];
    let mut variables = variables(&changes);
    variables.push(("RUST_LOG".into(), "trace".into()));
    let mut gateway = Binary::start(&["run", "--config", &path], &variables);
    let (public, admin) = gateway.serving().await;
    let answer = ask(public, get("/p/1", "")).await;
    assert_eq!(answer.status, 502);
    until("the traces to be refused", async || {
        gateway.said().contains("traces are dropped")
    })
    .await;
    let mut shown = format!("{answer:?}");
    for view in ["/config", "/limits", "/metrics"] {
        let body = ask(admin, get(view, "")).await.body;
        shown.push_str(&String::from_utf8(body).unwrap());
    }
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    shown.push_str(&gateway.said());
    assert!(!shown.contains("hush"), "{shown}");
    assert!(shown.contains("/x/{id}?token=***&k={id}"), "{shown}");
    let sent = [downstream.heads(), receiver.heads()].concat().concat();
    assert!(sent.contains("GET /x/1?token=hush&k=1 "), "{sent}");
    assert!(sent.contains("POST /otlp/v1/traces?key=hush "), "{sent}");
    assert!(sent.contains("api-key: hush\r\n"), "{sent}");
    let dropped = shown
        .lines()
        .find(|line| line.contains("traces are dropped"));
    let address = format!("{}/otlp/v1/traces", receiver.url);
    let dropped = dropped.unwrap();
    assert!(
        dropped.contains(&address) && dropped.contains("answered 403"),
        "{dropped}"
    );
}
