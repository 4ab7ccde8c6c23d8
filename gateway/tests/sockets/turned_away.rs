//! Pages that are refused where their heads are read: nobody can tell.

use std::collections::BTreeMap;
use std::time::Duration;

use fixtures::Fakes;

use crate::common::client::{Answer, Client, ask, get};
use crate::common::gateway::{Gateway, PAGE, shop};

/// A gateway whose only ticket is out for as long as the client is there.
async fn full(changes: &[&str]) -> (Gateway, Fakes, Client) {
    let (gateway, fakes) = shop(&[&["admission.max_in_flight=1"], changes].concat()).await;
    let holds = gateway.hanging_page(&fakes).await;
    (gateway, fakes, holds)
}

/// What an answer says, without what is of one answer only: its id and its trace, its time, the pause
/// that is drawn for it, and what is left of a quota.
fn told(answer: &Answer) -> (u16, Vec<(String, String)>, serde_json::Value) {
    let own = [
        "traceparent",
        "x-request-id",
        "date",
        "ratelimit",
        "retry-after",
        "server-timing",
    ];
    let blank = |(name, value): &(String, String)| match own.contains(&name.as_str()) {
        true => (name.clone(), String::new()),
        false => (name.clone(), value.clone()),
    };
    // The digits of the pause may be more or fewer.
    let fields = answer
        .headers
        .iter()
        .filter(|(name, _)| name != "content-length");
    let mut body = answer.json();
    for member in ["instance", "request_id", "trace_id", "retry_after_ms"] {
        assert!(body.as_object().unwrap().contains_key(member));
        body[member] = serde_json::Value::Null;
    }
    (answer.status, fields.map(blank).collect(), body)
}

#[tokio::test]
async fn a_plain_head_is_answered_as_hyper_has_it_answered() {
    let (gateway, _fakes, _holds) = full(&["clients.rate=1000/s"]).await;
    for (path, headers) in [
        (PAGE, ""),
        (
            PAGE,
            "Connection: keep-alive\r\nAccept-Encoding: gzip, br\r\n",
        ),
        (
            PAGE,
            "Accept-Encoding: identity;q=0\r\nIf-None-Match: *\r\nOrigin: https://a.example\r\n",
        ),
        (PAGE, "X-Request-Timeout-Ms: 1\r\n"),
        (PAGE, "X-Request-Timeout-Ms: soon\r\n"),
        (
            PAGE,
            "Cookie: a=b\r\nUser-Agent: x/1 (\"y\")\r\nX-Forwarded-For: 192.0.2.1\r\n",
        ),
        ("/product-page/p-1001?a=%22b", ""),
        ("/product-page/a.b", ""),
        ("/product-page/", ""),
        ("/none", ""),
    ] {
        let plain = get(path, headers);
        // An empty line before a head is passed over, by hyper alone.
        let not_plain = format!("\r\n{plain}");
        let mut client = Client::connect(gateway.public).await;
        let mut answers = Vec::new();
        for head in [&plain, &plain, &not_plain, &plain] {
            client.send(head).await;
            answers.push(told(&client.answer().await));
        }
        assert!(
            answers[1..].iter().all(|answer| *answer == answers[0]),
            "{plain}: {answers:#?}"
        );
    }
}

#[tokio::test]
async fn the_clients_id_and_trace_are_kept() {
    let (gateway, _fakes, _holds) = full(&[]).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let headers =
        format!("X-Request-Id: my.id_1-2\r\nTraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n");
    let answer = ask(gateway.public, get(PAGE, &headers)).await;
    answer.assert_refused(429, "gateway_full", Some("gateway"));
    assert_eq!(answer.header("x-request-id"), Some("my.id_1-2"));
    assert_eq!(answer.json()["trace_id"], trace);
    // One that cannot be used, or two of them, are none.
    for ids in [
        "X-Request-Id: a b\r\n",
        "X-Request-Id: a\r\nX-Request-Id: b\r\n",
    ] {
        let answer = ask(gateway.public, get(PAGE, ids)).await;
        answer.assert_refused(429, "gateway_full", Some("gateway"));
        assert_eq!(answer.header("x-request-id").unwrap().len(), 32);
    }
}

#[tokio::test]
async fn however_heads_come_each_has_one_answer_in_its_order() {
    let (gateway, _fakes, _holds) = full(&[]).await;
    let head = |id: &str| get(PAGE, &format!("X-Request-Id: {id}\r\n"));
    let (a, b, c) = (head("a"), head("b"), head("c"));
    let ways: BTreeMap<&str, Vec<String>> = BTreeMap::from([
        ("one by one", vec![a.clone(), b.clone(), c.clone()]),
        ("all at once", vec![format!("{a}{b}{c}")]),
        ("two and one", vec![format!("{a}{b}"), c.clone()]),
        (
            "one, and what begins the next",
            vec![format!("{a}{}", &b[..7]), b[7..].to_owned(), c.clone()],
        ),
        // What comes last looks like a whole head, and is the rest of one.
        (
            "a field that looks like a head",
            vec![format!("{a}{b}GET {PAGE} HTTP/1.1\r\nX-Other: "), c.clone()],
        ),
        (
            "by line feeds",
            vec![a.replace('\r', ""), format!("{b}{}", c.replace('\r', ""))],
        ),
    ]);
    for (way, parts) in ways {
        let mut client = Client::connect(gateway.public).await;
        for part in &parts {
            client.send(part).await;
            // So that it is read by itself, as far as that is up to the gateway.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for id in ["a", "b", "c"] {
            let answer = client.answer().await;
            answer.assert_refused(429, "gateway_full", Some("gateway"));
            assert_eq!(answer.header("x-request-id"), Some(id), "{way}");
        }
        client.send(get("/none", "Connection: close\r\n")).await;
        client.answer().await.assert_refused(404, "no_route", None);
        assert!(client.is_closed().await, "{way}: an answer too many");
    }
}

#[tokio::test]
async fn who_was_turned_away_is_served_on_the_same_connection_later() {
    let (gateway, fakes, holds) = full(&[]).await;
    let mut client = Client::connect(gateway.public).await;
    for _ in 0..3 {
        client.send(get(PAGE, "")).await;
        let answer = client.answer().await;
        answer.assert_refused(429, "gateway_full", Some("gateway"));
    }
    drop(holds);
    gateway.at_rest().await;
    fakes.heal();
    client.send(get(PAGE, "")).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn a_connection_that_was_turned_away_is_idle_for_as_long_as_others_are() {
    let (gateway, _fakes, _holds) = full(&["server.keep_alive=300ms"]).await;
    let mut client = Client::connect(gateway.public).await;
    for _ in 0..4 {
        client.send(get(PAGE, "")).await;
        let answer = client.answer().await;
        answer.assert_refused(429, "gateway_full", Some("gateway"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn each_is_counted_and_kept_like_others() {
    let (gateway, _fakes, _holds) = full(&[]).await;
    let mut client = Client::connect(gateway.public).await;
    let head = get(PAGE, "X-Request-Id: seen\r\n");
    for _ in 0..5 {
        client.send(&head).await;
        let answer = client.answer().await;
        answer.assert_refused(429, "gateway_full", Some("gateway"));
    }
    let full = [("reason", "gateway_full"), ("scope", "gateway")];
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("gateway_shed_total", &full), 5.0);
    assert_eq!(metrics.sum("gateway_shed_total", &[]), 5.0);
    let kept = gateway.look("/pages/seen").await;
    assert_eq!(kept.status, 200);
}

#[tokio::test]
async fn a_trace_that_cannot_be_read_is_counted_once_whoever_answers() {
    let (gateway, _fakes, _holds) = full(&[]).await;
    let mut client = Client::connect(gateway.public).await;
    for (path, times) in [(PAGE, 1.0), ("/none", 2.0), ("/product-page/a.b", 3.0)] {
        client.send(get(path, "Traceparent: zz\r\n")).await;
        assert_ne!(client.answer().await.status, 200);
        let metrics = gateway.metrics().await;
        let counted = metrics.sum("gateway_telemetry_bad_context_total", &[]);
        assert_eq!(counted, times, "{path}");
    }
}
