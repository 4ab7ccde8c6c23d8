//! What downstreams can do wrong, and that none of it hurts more than its page.

use fixtures::{Behaviour, Fault, Service};
use tokio::net::TcpListener;

use crate::common::gateway::{Gateway, PAGE, one_part, shop};
use crate::common::scripted::{Script, Scripted, ok, with_length};
use crate::common::until;

const D: Option<&str> = Some("downstream:d");

/// Asks for a page of one required part that follows `script`; it must fail, more than once.
async fn assert_failed(script: Script) {
    let shown = format!("{script:?}");
    let downstream = Scripted::start(script).await;
    let changes = ["downstream.d.max_body=64KiB".to_owned()];
    let gateway = Gateway::start(&one_part(&downstream.url), &changes).await;
    for _ in 0..3 {
        let answer = gateway.page("/p/1").await;
        assert_eq!(
            answer.status,
            502,
            "{}",
            shown.chars().take(200).collect::<String>()
        );
        answer.assert_refused(502, "downstream_failed", D);
    }
    gateway.at_rest().await;
}

#[tokio::test]
async fn a_required_part_that_fails_in_any_way_is_a_502_and_heals() {
    for http2 in [false, true] {
        let switch = format!("downstream.pricing.http2={http2}");
        let (gateway, fakes) = shop(&["downstream.pricing.max_body=64KiB", &switch]).await;
        for kind in [
            Fault::Status(500),
            Fault::Status(503),
            Fault::Status(400),
            Fault::Status(429),
            Fault::Reset,
            Fault::Close,
            Fault::Truncated,
            Fault::WrongJson,
            Fault::Endless,
        ] {
            fakes
                .set(Service::Pricing, Behaviour::failing(kind))
                .unwrap();
            let answer = gateway.page(PAGE).await;
            assert_eq!(answer.status, 502, "http2 = {http2}, {kind:?}: {answer:?}");
            answer.assert_refused(502, "downstream_failed", Some("downstream:pricing"));
            fakes.heal();
            assert_eq!(
                gateway.page(PAGE).await.status,
                200,
                "http2 = {http2}, after {kind:?}"
            );
        }
        gateway.at_rest().await;
    }
}

#[tokio::test]
async fn a_body_that_is_no_single_json_value_is_a_502() {
    let deep = "[".repeat(101) + &"]".repeat(101);
    let bodies: [&[u8]; 9] = [
        b"{\"a\":\"\\ud83d\"}",
        b"[1e400]",
        b"",
        b"{",
        b"{}{}",
        b"<html>",
        b"\"\xff\"",
        b"\xef\xbb\xbf{}",
        deep.as_bytes(),
    ];
    for body in bodies {
        assert_failed(ok(body)).await;
    }
    assert_failed(Script::Say(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())).await;
}

#[tokio::test]
async fn an_answer_that_is_not_http_or_not_whole_is_a_502() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    for answer in [
        "".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\n".to_owned(),
        format!("{head}Content-Length: 3\r\n\r\n{{}}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n{{}}\r\n"),
        format!("{head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
    ] {
        assert_failed(Script::SayAndClose(answer.into_bytes())).await;
    }
}

#[tokio::test]
async fn a_head_without_an_end_is_a_502() {
    let forever = Script::SayForever(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".repeat(100));
    assert_failed(forever).await;
}

#[tokio::test]
async fn a_body_of_exactly_max_body_is_taken_and_one_byte_more_is_not() {
    let string = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    let chunked = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Script::Say(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes())
    };
    let most = 64 * 1024;
    for script in [ok(string(most)), chunked(&string(most))] {
        let downstream = Scripted::start(script).await;
        let changes = ["downstream.d.max_body=64KiB".to_owned()];
        let gateway = Gateway::start(&one_part(&downstream.url), &changes).await;
        assert_eq!(gateway.page("/p/1").await.status, 200);
    }
    assert_failed(ok(string(most + 1))).await;
    assert_failed(chunked(&string(most + 1))).await;
}

#[tokio::test]
async fn a_body_without_an_end_is_not_read_on() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[0";
    let chunk = b",0".repeat(4096);
    let downstream = Scripted::start(Script::SayForever(head.to_vec(), chunk)).await;
    let changes = ["downstream.d.max_body=64KiB".to_owned()];
    let gateway = Gateway::start(&one_part(&downstream.url), &changes).await;
    gateway
        .page("/p/1")
        .await
        .assert_refused(502, "downstream_failed", D);
    assert_cut_off(&downstream).await;
}

#[tokio::test]
async fn a_body_that_is_not_encoded_as_it_says_is_a_502_and_a_bomb_is_not_read_on() {
    for coding in [
        "gzip",
        "br",
        "deflate",
        "zstd",
        "identity, gzip",
        "gzip, gzip",
        "x",
    ] {
        let header = format!("Content-Encoding: {coding}\r\n");
        assert_failed(Script::Say(with_length("200 OK", &header, b"{}"))).await;
    }
    let head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b";
    let downstream = Scripted::start(Script::SayForever(head.to_vec(), vec![0; 8192])).await;
    let gateway = Gateway::start(&one_part(&downstream.url), &[]).await;
    gateway
        .page("/p/1")
        .await
        .assert_refused(502, "downstream_failed", D);
    assert_cut_off(&downstream).await;
}

#[tokio::test]
async fn a_body_that_comes_encoded_although_none_was_asked_for_is_decoded() {
    let gzip = |body: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, body).unwrap();
        encoder.finish().unwrap()
    };
    for (coding, body) in [
        ("gzip", gzip(b"{\"a\":1}")),
        ("", b"{\"a\":1}".to_vec()),
        ("identity, ", b"{\"a\":1}".to_vec()),
    ] {
        let header = format!("Content-Encoding: {coding}\r\n");
        let downstream = Scripted::start(Script::Say(with_length("200 OK", &header, &body))).await;
        let gateway = Gateway::start(&one_part(&downstream.url), &[]).await;
        let answer = gateway.page("/p/1").await;
        assert_eq!(answer.status, 200, "{coding:?}: {answer:?}");
        let part = answer.json()["parts"]["x"]["data"].clone();
        assert_eq!(part, serde_json::json!({"a": 1}), "{answer:?}");
    }
    // Decoded, it is larger than is accepted.
    let bomb = gzip(&vec![b' '; 1 << 20]);
    let header = "Content-Encoding: gzip\r\n";
    assert_failed(Script::Say(with_length("200 OK", header, &bomb))).await;
}

#[tokio::test]
async fn a_head_of_many_fields_is_read_and_one_of_too_many_is_a_502() {
    let fields = |count: usize| {
        (0..count)
            .map(|n| format!("X-{n}: 1\r\n"))
            .collect::<String>()
    };
    let downstream = Scripted::start(Script::Say(with_length("200 OK", &fields(120), b"{}"))).await;
    let gateway = Gateway::start(&one_part(&downstream.url), &[]).await;
    assert_eq!(gateway.page("/p/1").await.status, 200);
    assert_failed(Script::Say(with_length("200 OK", &fields(200), b"{}"))).await;
}

/// That the connection of the one call was closed after no more bytes than the buffers
/// of two sockets take.
async fn assert_cut_off(downstream: &Scripted) {
    until("the connection to be closed", async || {
        downstream.closed() == 1
    })
    .await;
    assert_eq!(downstream.heads().len(), 1);
    assert!(downstream.sent() < 16 << 20, "{} bytes", downstream.sent());
}

#[tokio::test]
async fn a_downstream_that_is_not_there_prevents_no_start_and_fails_its_pages_fast() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for http2 in [false, true] {
        let changes = [format!("downstream.d.http2={http2}")];
        let gateway = Gateway::start(&one_part(&url), &changes).await;
        for _ in 0..3 {
            let answer = gateway.page("/p/1").await;
            answer.assert_refused(502, "downstream_failed", D);
            let timing = answer.header("server-timing").unwrap();
            let total: f64 = timing.rsplit_once("total;dur=").unwrap().1.parse().unwrap();
            assert!(total < 4000.0, "{timing}");
        }
    }
}

#[tokio::test]
async fn a_downstream_that_comes_back_is_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gateway = Gateway::start(&one_part(&format!("http://{address}")), &[]).await;
    assert_eq!(gateway.page("/p/1").await.status, 502);
    let downstream = Scripted::start_on(address, ok("{}")).await;
    assert_eq!(gateway.page("/p/1").await.status, 200);
    assert_eq!(downstream.heads().len(), 1);
}

#[tokio::test]
async fn connections_are_open_before_the_first_page_and_no_request_has_been_sent() {
    for (http2, least) in [(false, 4), (true, 1)] {
        let switch = |service: Service| format!("downstream.{service}.http2={http2}");
        let changes = Service::ALL.map(switch);
        let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
        let (gateway, fakes) = shop(&changes).await;
        for service in Service::ALL {
            let stats = fakes.stats(service);
            assert_eq!(
                (stats.connections_open, stats.received),
                (least, 0),
                "{service}"
            );
        }
        for _ in 0..5 {
            assert_eq!(gateway.page(PAGE).await.status, 200);
        }
        for service in Service::ALL {
            let stats = fakes.stats(service);
            assert_eq!(
                (stats.connections_total, stats.received),
                (least, 5),
                "{service}"
            );
        }
    }
}
