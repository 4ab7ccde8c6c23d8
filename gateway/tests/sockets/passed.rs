//! Statuses of services that parts pass on to clients, and those that they do not.

use fixtures::{Behaviour, Fault, Service};
use serde_json::{Value, json};

use crate::common::client::Answer;
use crate::common::exposition::Exposition;
use crate::common::gateway::{Gateway, PAGE, one_part, shop};
use crate::common::scripted::{Script, Scripted, ok, with_length};
use crate::common::until;

const D: Option<&str> = Some("downstream:d");
const ALL: &str = "page.p.part.x.pass=401,403,404,409,410,429";

/// What a page of one required part is answered with whose service answers so.
async fn answered(status: &str, headers: &str, changes: &[&str]) -> (Answer, Scripted) {
    let body = br#"{"secret":"of the service"}"#;
    let script = Script::Say(with_length(status, headers, body));
    let service = Scripted::start(script).await;
    let changes: Vec<_> = changes.iter().map(|&change| change.to_owned()).collect();
    let gateway = Gateway::start(&one_part(&service.url), &changes).await;
    let answer = gateway.page("/p/1").await;
    gateway.at_rest().await;
    (answer, service)
}

/// A metric's sum over all series with these labels.
async fn metric(gateway: &Gateway, name: &str, labels: &[(&str, &str)]) -> f64 {
    let text = gateway.look("/metrics").await;
    Exposition::read(&String::from_utf8_lossy(&text.body)).sum_so_far(name, labels)
}

#[tokio::test]
async fn a_status_of_a_required_part_becomes_the_pages_where_it_is_listed_and_is_a_502_elsewhere() {
    for (status, code, reason) in [
        ("401 Unauthorized", 401, "unauthorized"),
        ("403 Forbidden", 403, "forbidden"),
        ("404 Not Found", 404, "not_found"),
        ("409 Conflict", 409, "conflict"),
        ("410 Gone", 410, "gone"),
        ("429 Too Many Requests", 429, "downstream_busy"),
    ] {
        let (answer, service) = answered(status, "", &[ALL]).await;
        answer.assert_refused(code, reason, D);
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
        // Never asked twice.
        assert_eq!(service.heads().len(), 1, "{status}");
        let (answer, service) = answered(status, "", &["page.p.part.x.pass="]).await;
        answer.assert_refused(502, "downstream_failed", D);
        assert_eq!(service.heads().len(), 1, "{status}");
        let (answer, _) = answered(status, "", &[]).await;
        match code {
            404 => answer.assert_refused(404, "not_found", D),
            _ => answer.assert_refused(502, "downstream_failed", D),
        }
    }
}

#[tokio::test]
async fn challenges_pass_with_401_and_403_and_nothing_else_of_the_service_does() {
    let others = "Set-Cookie: a=b\r\nX-Secret: s\r\nLocation: http://inside/\r\nRetry-After: 5\r\n";
    let two = "WWW-Authenticate: Bearer realm=\"shop\", error=\"invalid_token\"\r\nwww-authenticate: Basic realm=\"a\"\r\n";
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let (answer, _) = answered(status, &format!("{others}{two}"), &[ALL]).await;
        let challenges = answer.headers.iter();
        let challenges = challenges.filter(|(name, _)| name == "www-authenticate");
        let values: Vec<_> = challenges.map(|(_, value)| value.as_str()).collect();
        let expected = [
            "Bearer realm=\"shop\", error=\"invalid_token\"",
            "Basic realm=\"a\"",
        ];
        assert_eq!(values, expected, "{status}");
        for name in ["set-cookie", "x-secret", "location", "retry-after"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
        let unusable = format!(
            "WWW-Authenticate: \"shop\r\nWWW-Authenticate: Bearer {}\r\n",
            "x".repeat(5000)
        );
        let (answer, _) = answered(status, &unusable, &[ALL]).await;
        assert_eq!(answer.header("www-authenticate"), None);
    }
    // A page that is 502 says nothing of it.
    let (answer, _) = answered("401 Unauthorized", two, &[]).await;
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test]
async fn a_busy_service_says_when_to_come_back_within_bounds() {
    for (value, seconds) in [("7", 7), ("0", 1), ("86400", 30)] {
        let headers = format!("Retry-After: {value}\r\n");
        let (answer, _) = answered("429 Too Many Requests", &headers, &[ALL]).await;
        assert_eq!(
            answer.header("retry-after"),
            Some(seconds.to_string().as_str())
        );
        assert_eq!(answer.json()["retry_after_ms"], seconds * 1000);
    }
    // Drawn as those of the gateway's own refusals where the service says nothing usable.
    for headers in ["", "Retry-After: soon\r\n"] {
        let (answer, _) = answered("429 Too Many Requests", headers, &[ALL]).await;
        let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=2).contains(&seconds), "{seconds}");
    }
    // Whatever load refusals are: it is not one of the gateway's.
    let changes = [ALL, "shed.status=503"];
    let (answer, _) = answered("429 Too Many Requests", "", &changes).await;
    answer.assert_refused(429, "downstream_busy", D);
}

#[tokio::test]
async fn a_status_of_an_optional_part_becomes_its_status() {
    let pass = "page.product-page.part.reviews.pass=401,403,404,409,410,429";
    for http2 in [false, true] {
        let switch = format!("downstream.reviews.http2={http2}");
        let (gateway, fakes) = shop(&[pass, &switch]).await;
        for (code, status, lost) in [
            (401, "denied", false),
            (403, "denied", false),
            (404, "not_found", false),
            (409, "not_found", false),
            (410, "not_found", false),
            (429, "busy", true),
            (400, "failed", true),
            (503, "failed", true),
        ] {
            let behaviour = Behaviour::failing(Fault::Status(code));
            fakes.set(Service::Reviews, behaviour).unwrap();
            let answer = gateway.page(PAGE).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let part = answer.json()["parts"]["reviews"].clone();
            let expected = match (status, lost) {
                ("failed", _) => json!({"status": status, "retryable": code >= 500}),
                (_, true) => json!({"status": status, "retryable": true}),
                (_, false) => json!({"status": status}),
            };
            assert_eq!(part, expected, "{code}");
            let complete = if lost { "false" } else { "true" };
            assert_eq!(answer.header("x-gateway-complete"), Some(complete));
            // What is missing only for now is not kept.
            assert_eq!(answer.header("etag").is_some(), !lost, "{code}");
            assert_eq!(answer.header("www-authenticate"), None);
            assert_eq!(answer.header("retry-after"), None);
            let timing = answer.header("server-timing").unwrap().to_owned();
            assert!(timing.contains(&format!("desc=\"{status}\"")), "{timing}");
        }
    }
}

#[tokio::test]
async fn a_status_that_is_passed_on_over_http2_brings_its_fields() {
    let changes = [
        "downstream.pricing.http2=true",
        "page.product-page.part.pricing.pass=401,404,429",
    ];
    let (gateway, fakes) = shop(&changes).await;
    let answer = async |code| {
        let behaviour = Behaviour::failing(Fault::Status(code));
        fakes.set(Service::Pricing, behaviour).unwrap();
        gateway.page(PAGE).await
    };
    let unauthorized = answer(401).await;
    unauthorized.assert_refused(401, "unauthorized", Some("downstream:pricing"));
    assert_eq!(
        unauthorized.header("www-authenticate"),
        Some("Bearer realm=\"shop\"")
    );
    let busy = answer(429).await;
    busy.assert_refused(429, "downstream_busy", Some("downstream:pricing"));
    assert_eq!(busy.header("retry-after"), Some("2"));
}

#[tokio::test]
async fn what_is_passed_on_is_counted_as_what_it_is() {
    let changes = [
        "page.product-page.part.pricing.pass=401,404,429",
        "clients.rate=none",
    ];
    let (gateway, fakes) = shop(&changes).await;
    let ask = async |code| {
        let behaviour = Behaviour::failing(Fault::Status(code));
        fakes.set(Service::Pricing, behaviour).unwrap();
        for _ in 0..20 {
            assert_eq!(gateway.page(PAGE).await.status, code);
        }
    };
    ask(401).await;
    ask(429).await;
    gateway.at_rest().await;
    for (name, labels, expected) in [
        (
            "gateway_pages_total",
            [("outcome", "denied")].as_slice(),
            20.0,
        ),
        ("gateway_pages_total", &[("outcome", "failed")], 20.0),
        // A client that may not see a page was owed none; one whose page a service was too busy
        // for was.
        ("gateway_pages_owed_total", &[], 20.0),
        ("gateway_pages_good_total", &[], 0.0),
        ("gateway_shed_total", &[], 0.0),
        ("gateway_retries_total", &[], 0.0),
        (
            "gateway_calls_total",
            &[("downstream", "pricing"), ("outcome", "denied")],
            20.0,
        ),
        (
            "gateway_calls_total",
            &[("downstream", "pricing"), ("outcome", "busy")],
            20.0,
        ),
        (
            "gateway_calls_total",
            &[("downstream", "pricing"), ("outcome", "failed")],
            0.0,
        ),
    ] {
        let found = metric(&gateway, name, labels).await;
        assert!(
            (found - expected).abs() < f64::EPSILON,
            "{name} {labels:?}: {found}"
        );
    }
    assert_eq!(fakes.stats(Service::Pricing).received, 40);
}

#[tokio::test]
async fn an_endpoint_whose_statuses_are_passed_on_stays_in_use_and_one_that_fails_does_not() {
    let well = Scripted::start(ok("{}")).await;
    for (status, is_ejected) in [
        ("401 Unauthorized", false),
        ("429 Too Many Requests", false),
        ("500 Internal Server Error", true),
    ] {
        let other = Scripted::start(Script::Say(with_length(status, "", b"{}"))).await;
        let urls = format!("urls = [\"{}\", \"{}\"]", well.url, other.url);
        let text = one_part(&well.url).replace(&format!("url = \"{}\"", well.url), &urls);
        let gateway = Gateway::start(&text, &[ALL.to_owned()]).await;
        let ejected = async || metric(&gateway, "gateway_endpoints_ejected", &[]).await == 1.0;
        until("calls enough of the endpoint", async || {
            let _ = gateway.page("/p/1").await;
            assert!(is_ejected || !ejected().await, "{status}");
            let enough = if is_ejected { 3 } else { 12 };
            other.heads().len() >= enough
        })
        .await;
        assert_eq!(ejected().await, is_ejected, "{status}");
    }
}

#[tokio::test]
async fn of_the_successes_only_200_and_203_are_a_part() {
    let whole = br#"{"a":1}"#;
    for (status, is_part) in [
        ("200 OK", true),
        ("201 Created", false),
        ("202 Accepted", false),
        ("203 Non-Authoritative Information", true),
        ("204 No Content", false),
        ("205 Reset Content", false),
        ("206 Partial Content", false),
        ("207 Multi-Status", false),
    ] {
        let bytes = match status {
            "204 No Content" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            _ => with_length(status, "", whole),
        };
        let service = Scripted::start(Script::Say(bytes)).await;
        let text = one_part(&service.url);
        let gateway = Gateway::start(&text, &[ALL.to_owned()]).await;
        let answer = gateway.page("/p/1").await;
        if is_part {
            let page = json!({"complete": true, "missing": [], "parts": {"x": {"status": "ok", "data": {"a": 1}}}});
            assert_eq!((answer.status, answer.json()), (200, page), "{status}");
        } else {
            answer.assert_refused(502, "downstream_failed", D);
        }
        let optional = text.replace("required = true", "required = false");
        let gateway = Gateway::start(&optional, &[]).await;
        let part = gateway.page("/p/1").await.json()["parts"]["x"].clone();
        let expected: Value = match is_part {
            true => json!({"status": "ok", "data": {"a": 1}}),
            // Asking again brings no more.
            false => json!({"status": "failed", "retryable": false}),
        };
        assert_eq!(part, expected, "{status}");
    }
}
