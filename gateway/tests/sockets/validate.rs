//! What a request must be before anything believes it.

use fixtures::{Fakes, Service};
use gateway::edge::validate::{MAX_HEADERS, MAX_TARGET};

use crate::common::client::{Client, ask, get};
use crate::common::gateway::{Gateway, PAGE, one_part, shop};
use crate::common::scripted::{Scripted, ok};

/// That no call of any page has reached a fake.
#[track_caller]
fn assert_untouched(fakes: &Fakes) {
    for service in Service::ALL {
        assert_eq!(fakes.stats(service).received, 0, "{service}");
    }
}

#[tokio::test]
async fn a_request_without_exactly_one_valid_host_is_refused_and_its_connection_closed() {
    let (gateway, fakes) = shop(&[]).await;
    for (version, hosts) in [
        ("1.1", ""),
        ("1.0", ""),
        ("1.1", "Host: a\r\nHost: a\r\n"),
        ("1.1", "Host: a\r\nhost: b\r\n"),
        ("1.1", "Host: a, b\r\n"),
        ("1.1", "Host: \r\n"),
        ("1.1", "Host: user@a\r\n"),
        ("1.1", "Host: a/b\r\n"),
        ("1.1", "Host: a:123456\r\n"),
        ("1.1", "Host: a b\r\n"),
    ] {
        let mut client = Client::connect(gateway.public).await;
        client
            .send(format!("GET {PAGE} HTTP/{version}\r\n{hosts}\r\n"))
            .await;
        client
            .answer()
            .await
            .assert_refused(400, "bad_request", None);
        if hosts.to_lowercase().matches("host:").count() != 1 {
            assert!(client.is_closed().await, "{hosts:?}");
        }
    }
    assert_untouched(&fakes);
}

#[tokio::test]
async fn an_old_client_that_names_its_host_is_served() {
    let (gateway, _fakes) = shop(&[]).await;
    let answer = ask(
        gateway.public,
        format!("GET {PAGE} HTTP/1.0\r\nHost: a\r\n\r\n"),
    )
    .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_target_in_absolute_form_is_served_by_its_path() {
    let (gateway, _fakes) = shop(&[]).await;
    let answer = ask(
        gateway.public,
        get(&format!("http://shop.example{PAGE}"), ""),
    )
    .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_request_with_a_body_is_refused_and_what_follows_it_is_not_read() {
    let (gateway, fakes) = shop(&[]).await;
    let smuggled = get(PAGE, "");
    for framing in [
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 4, 4\r\n",
    ] {
        let mut client = Client::connect(gateway.public).await;
        client
            .send(get(PAGE, framing) + "0\r\n\r\n" + &smuggled)
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400, "{framing:?}: {answer:?}");
        assert!(client.is_closed().await, "{framing:?}");
    }
    assert_untouched(&fakes);
}

#[tokio::test]
async fn a_get_that_announces_an_empty_body_is_served() {
    let (gateway, _fakes) = shop(&[]).await;
    assert_eq!(
        ask(gateway.public, get(PAGE, "Content-Length: 0\r\n"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_target_beyond_the_limit_is_refused_by_its_name_however_long() {
    let (gateway, fakes) = shop(&[]).await;
    for length in [MAX_TARGET + 1, 9 * 1024, 20 * 1024, 66 * 1024] {
        let path = format!(
            "/product-page/{}",
            "a".repeat(length - "/product-page/".len())
        );
        let answer = gateway.page(&path).await;
        assert_eq!(answer.status, 414, "{length}: {answer:?}");
    }
    let longest = format!(
        "/product-page/{}",
        "a".repeat(MAX_TARGET - "/product-page/".len())
    );
    gateway
        .page(&longest)
        .await
        .assert_refused(400, "bad_request", None);
    assert_untouched(&fakes);
}

#[tokio::test]
async fn headers_beyond_the_limits_are_refused_as_too_large() {
    let (gateway, fakes) = shop(&[]).await;
    let large = format!("X-Large: {}\r\n", "v".repeat(20 * 1024));
    ask(gateway.public, get(PAGE, &large))
        .await
        .assert_refused(431, "bad_request", None);
    let many = "x: y\r\n".repeat(MAX_HEADERS);
    ask(gateway.public, get(PAGE, &many))
        .await
        .assert_refused(431, "bad_request", None);
    for beyond in [
        "x: y\r\n".repeat(1000),
        format!("x: {}\r\n", "v".repeat(70 * 1024)),
    ] {
        let answer = ask(gateway.public, get(PAGE, &beyond)).await;
        assert_eq!(answer.status, 431, "{answer:?}");
    }
    assert_untouched(&fakes);
    let allowed = "x: y\r\n".repeat(MAX_HEADERS - 2);
    assert_eq!(ask(gateway.public, get(PAGE, &allowed)).await.status, 200);
}

#[tokio::test]
async fn bytes_that_are_not_http_get_a_400_or_a_closed_connection() {
    let (gateway, fakes) = shop(&[]).await;
    for garbage in [
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03",
        "GET  /product-page/p-1001 HTTP/1.1\r\n\r\n",
        "GET /product-page/p-1001\r\n\r\n",
        "GET /product-page/p-1001 HTTP/3.0\r\nHost: a\r\n\r\n",
        "GET /product-page/p-1001 HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /product-page/p-1001 HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET /product-page/p-1001 HTTP/1.1\r\nHost: a\r\nx: a\0b\r\n\r\n",
        "GET /product-page/p 1001 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = Client::connect(gateway.public).await;
        client.send(garbage).await;
        let answer = client.answer().await;
        answer.assert_refused(400, "bad_request", None);
        assert!(client.is_closed().await, "{garbage:?}");
    }
    assert_untouched(&fakes);
}

#[tokio::test]
async fn bytes_that_are_no_request_are_counted_by_what_they_seem_to_be() {
    let (gateway, _fakes) = shop(&["server.http2=false"]).await;
    let proxy = format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n{}", get(PAGE, ""));
    let long = "/".repeat(200_000);
    for to in [gateway.public, gateway.admin] {
        for (bytes, status) in [
            ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03", 400),
            (&proxy, 400),
            ("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 400),
            ("nonsense\r\n\r\n", 400),
            (&get(&long[..100_000], ""), 414),
            (&get("/", &format!("x: {long}\r\n")), 431),
        ] {
            let answer = ask(to, bytes).await;
            answer.assert_refused(status, "bad_request", None);
        }
        let mut client = Client::connect(to).await;
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(client.is_closed().await);
        // After an answer, too.
        let mut client = Client::connect(to).await;
        client.send(get("/nothing", "")).await;
        assert_eq!(client.answer().await.status, 404);
        client.send("nonsense\r\n\r\n").await;
        let answer = client.answer().await;
        answer.assert_refused(400, "bad_request", None);
    }
    let text = String::from_utf8(gateway.look("/metrics").await.body).unwrap();
    for (kind, count) in [
        ("tls", 2),
        ("proxy_protocol", 4),
        ("http2", 2),
        ("too_large", 4),
        ("malformed", 4),
    ] {
        let series = format!("gateway_connections_unreadable_total{{kind=\"{kind}\"}} {count}\n");
        assert!(text.contains(&series), "{series}{text}");
    }
}

#[tokio::test]
async fn a_client_that_begins_in_http2_is_closed_on_and_not_left_waiting() {
    let changes = ["server.http2=false", "server.header_read_timeout=1h"];
    let (gateway, _fakes) = shop(&changes).await;
    let mut client = Client::connect(gateway.public).await;
    client
        .send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_path_parameter_that_could_mean_something_else_downstream_reaches_none() {
    // The pattern allows everything: what is refused here is refused always.
    let (gateway, fakes) = shop(&["page.product-page.params.id=^(?s:.*)$"]).await;
    for raw in [
        "a%2Fb",
        "a%2fb",
        "%2F",
        "a%5Cb",
        "a%5cb",
        "a\\b",
        "%00",
        "p-1001%00",
        "%0d%0aHost:x",
        "%7F",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        ".%2e",
        "%252e%252e",
        "%25",
        "%252F",
        "a%2",
        "a%",
        "%zz",
        "%u002e",
        "%ff",
        "%c0%ae",
        "%C2%85",
    ] {
        let answer = gateway.page(&format!("/product-page/{raw}")).await;
        answer.assert_refused(400, "bad_request", None);
    }
    assert_untouched(&fakes);
}

#[tokio::test]
async fn a_path_that_is_no_pages_is_not_routed_whatever_it_would_normalise_to() {
    let (gateway, fakes) = shop(&[]).await;
    for path in [
        "/",
        "/product-page",
        "/product-page/",
        "/product-page/p-1001/",
        "//product-page/p-1001",
        "/product-page//p-1001",
        "/./product-page/p-1001",
        "/x/../product-page/p-1001",
        "/product-page/x/../p-1001",
        "/PRODUCT-PAGE/p-1001",
        "/product%2Dpage/p-1001",
        "/product-page/p-1001/..",
        "/livez",
        "/config",
        "/limits",
        "*",
    ] {
        gateway
            .page(path)
            .await
            .assert_refused(404, "no_route", None);
    }
    assert_untouched(&fakes);
}

#[tokio::test]
async fn an_escaped_parameter_is_decoded_once_and_sent_on_encoded_anew() {
    let downstream = Scripted::start(ok("{}")).await;
    let gateway = Gateway::start(&one_part(&downstream.url), &[]).await;
    for (raw, sent) in [
        ("p%2D1", "p-1"),
        ("caf%c3%a9", "caf%C3%A9"),
        ("a%20b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("x%3Fq=1&r;s%23", "x%3Fq%3D1%26r%3Bs%23"),
        ("~._-", "~._-"),
        ("...", "..."),
    ] {
        assert_eq!(
            gateway.page(&format!("/p/{raw}?q=client")).await.status,
            200,
            "{raw}"
        );
        let head = downstream.heads().pop().unwrap();
        assert_eq!(
            head.lines().next().unwrap(),
            format!("GET /x/{sent} HTTP/1.1")
        );
    }
}
