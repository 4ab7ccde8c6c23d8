//! Browsers: who may read answers, what a preflight is answered, and which methods there are.

use fixtures::{Behaviour, Fault, Service};

use crate::common::client::{Answer, Client, ask, get};
use crate::common::gateway::{Gateway, PAGE, shop};

const ALLOWED: &str = "https://shop.example.com";
const ORIGINS: &str = "server.cors.origins=https://shop.example.com,http://localhost:5173";

async fn of(gateway: &Gateway, path: &str, origin: &str) -> Answer {
    ask(gateway.public, get(path, &format!("Origin: {origin}\r\n"))).await
}

async fn options(gateway: &Gateway, path: &str, headers: &str) -> Answer {
    let mut client = Client::connect(gateway.public).await;
    let request = get(path, headers).replacen("GET", "OPTIONS", 1);
    client.send(request).await;
    client.answer_to_head().await
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_reads_every_answer_and_what_it_says_of_itself() {
    let (gateway, fakes) = shop(&[ORIGINS, "clients.rate=1/s", "clients.burst=3"]).await;
    let whole = of(&gateway, PAGE, ALLOWED).await;
    fakes
        .set(Service::Reviews, Behaviour::failing(Fault::Status(500)))
        .unwrap();
    let partial = of(&gateway, PAGE, ALLOWED).await;
    fakes
        .set(Service::Pricing, Behaviour::failing(Fault::Status(500)))
        .unwrap();
    let failed = of(&gateway, PAGE, ALLOWED).await;
    let refused = of(&gateway, PAGE, ALLOWED).await;
    let nowhere = of(&gateway, "/none", ALLOWED).await;
    let statuses = [&whole, &partial, &failed, &refused, &nowhere].map(|answer| answer.status);
    assert_eq!(statuses, [200, 200, 502, 429, 404]);
    for answer in [whole, partial, failed, refused, nowhere] {
        for name in ["access-control-allow-origin", "timing-allow-origin"] {
            assert_eq!(answer.header(name), Some(ALLOWED));
        }
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for name in [
            "server-timing",
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            "x-gateway-complete",
            "x-request-id",
            "traceparent",
            "etag",
        ] {
            assert!(exposed.split(',').any(|one| one == name), "{exposed}");
        }
        let vary = answer.headers.iter().filter(|(name, _)| name == "vary");
        assert!(vary.into_iter().any(|(_, value)| value == "origin"));
    }
}

#[tokio::test]
async fn a_page_of_another_origin_reads_nothing() {
    let (gateway, _fakes) = shop(&[ORIGINS]).await;
    for origin in [
        "https://evil.example",
        "https://shop.example.com.evil.example",
        "http://shop.example.com",
        "https://shop.example.com:444",
        "null",
    ] {
        let answer = of(&gateway, PAGE, origin).await;
        assert_eq!(answer.status, 200);
        for name in ["access-control-allow-origin", "timing-allow-origin"] {
            assert_eq!(answer.header(name), None, "{origin}");
        }
    }
    // By default nobody does.
    let (gateway, _fakes) = shop(&[]).await;
    let answer = of(&gateway, PAGE, ALLOWED).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn everybody_is_allowed_without_an_origin_of_their_own() {
    let (gateway, _fakes) = shop(&["server.cors.origins=*"]).await;
    let answer = of(&gateway, PAGE, "https://anybody.example").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.header("vary"),
        Some("accept-encoding, accept-language")
    );
}

#[tokio::test]
async fn a_preflight_costs_neither_quota_nor_ticket_and_lets_tracers_send_their_fields() {
    let credentials = "server.cors.credentials=true";
    let limits = ["clients.rate=1/s", "clients.burst=1", "clients.attempts=1"];
    let changes = [&[ORIGINS, credentials], &limits[..]].concat();
    let (gateway, _fakes) = shop(&changes).await;
    let fields = "traceparent,tracestate,x-datadog-trace-id,x-datadog-parent-id,x-datadog-origin,\
        x-datadog-sampling-priority,x-request-timeout-ms,baggage";
    let preflight = format!(
        "Origin: {ALLOWED}\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: {fields}\r\n"
    );
    for _ in 0..20 {
        let answer = options(&gateway, PAGE, &preflight).await;
        assert_eq!(answer.status, 200);
        for (name, value) in [
            ("access-control-allow-origin", ALLOWED),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET,HEAD"),
            ("access-control-allow-headers", fields),
            ("access-control-max-age", "600"),
            ("allow", "GET, HEAD, OPTIONS"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }
    assert_eq!(of(&gateway, PAGE, ALLOWED).await.status, 200);
    let strange = preflight.replace(ALLOWED, "https://evil.example");
    let answer = options(&gateway, PAGE, &strange).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let outcomes = gateway.limits().await["pages"]["product-page"]["outcomes"].clone();
    assert_eq!(
        (&outcomes["complete"], &outcomes["bad_request"]),
        (&1.into(), &0.into())
    );
}

#[tokio::test]
async fn who_asks_for_the_methods_is_told_them_and_no_page_is_made() {
    for changes in [&[][..], &[ORIGINS]] {
        let (gateway, _fakes) = shop(changes).await;
        for path in [PAGE, "*"] {
            let answer = options(&gateway, path, "").await;
            assert_eq!(answer.status, 204, "{path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
            assert!(answer.header("x-request-id").is_some());
        }
        assert_eq!(options(&gateway, "/none", "").await.status, 404);
        let no_host = "OPTIONS * HTTP/1.1\r\n\r\n";
        assert_eq!(ask(gateway.public, no_host).await.status, 400);
        let outcomes = gateway.limits().await["pages"]["product-page"]["outcomes"].clone();
        let counts = outcomes.as_object().unwrap().values();
        assert_eq!(counts.filter_map(serde_json::Value::as_u64).sum::<u64>(), 0);
        gateway.at_rest().await;
    }
}
