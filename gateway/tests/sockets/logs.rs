//! One JSON line per page, and nothing in it that does not belong there.

use std::collections::HashMap;

use serde_json::Value;

use crate::common::client::{ask, get};
use crate::common::gateway::PAGE;
use crate::process::run;

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
    assert_eq!(line["status"], 200);
    assert!(line["total_ms"].as_f64().unwrap() >= 0.0, "{line}");
    assert!(line["wait_ms"].as_f64().unwrap() >= 0.0, "{line}");
    assert!(
        line["lag_ms"].as_f64() <= line["total_ms"].as_f64(),
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
    assert_eq!(line["status"], u64::from(lost.status));
    assert_eq!(
        (&line["reason"], &line["scope"]),
        (&problem["reason"], &problem["scope"])
    );
    assert_eq!(line["trace_id"], problem["trace_id"]);
    let line = &pages["bad"];
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
