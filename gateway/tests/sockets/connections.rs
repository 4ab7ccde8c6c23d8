//! Connections: who may hold one, for how long, and in which order it is answered.

use std::time::Duration;

use fixtures::{Behaviour, Service};
use gateway::app::files;
use gateway::edge::heads;
use gateway::page::deadline::now;

use crate::common::client::{Client, ask, get};
use crate::common::gateway::{PAGE, shop};
use crate::common::until;

/// The gateway's `header_read_timeout` here, and what may come on top of it on a busy machine.
const HEAD: Duration = Duration::from_millis(600);
const SLACK: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_connection_that_says_nothing_or_trickles_is_closed_when_its_time_is_over() {
    let (gateway, _fakes) = shop(&["server.header_read_timeout=600ms"]).await;
    for admin in [false, true] {
        let to = if admin { gateway.admin } else { gateway.public };
        let began = now();
        assert!(Client::connect(to).await.is_closed().await);
        let took = now() - began;
        assert!(took >= HEAD && took < HEAD + SLACK, "{took:?}");
    }
    let mut client = Client::connect(gateway.public).await;
    let began = now();
    for byte in get(PAGE, "").bytes() {
        let closed = tokio::time::timeout(Duration::from_millis(100), client.is_closed()).await;
        if closed == Ok(true) {
            break;
        }
        client.send([byte]).await;
    }
    let took = now() - began;
    assert!(took >= HEAD && took < HEAD + SLACK, "{took:?}");
}

#[tokio::test]
async fn a_connection_that_idles_after_its_answer_is_closed() {
    let (gateway, _fakes) = shop(&["server.keep_alive=600ms"]).await;
    let mut client = Client::connect(gateway.public).await;
    client.send(get(PAGE, "")).await;
    assert_eq!(client.answer().await.status, 200);
    let began = now();
    assert!(client.is_closed().await);
    let took = now() - began;
    assert!(took >= HEAD / 2 && took < HEAD + SLACK, "{took:?}");
}

#[tokio::test]
async fn a_connection_may_idle_longer_than_a_head_may_take_and_its_next_head_may_not() {
    let changes = ["server.header_read_timeout=600ms", "server.keep_alive=1h"];
    let (gateway, _fakes) = shop(&changes).await;
    for to in [gateway.public, gateway.admin] {
        let mut client = Client::connect(to).await;
        for _ in 0..2 {
            client.send(get("/nothing", "")).await;
            assert_eq!(client.answer().await.status, 404);
            tokio::time::sleep(2 * HEAD).await;
        }
        let began = now();
        client.send("GET /nothing HTTP/1.1\r\nHost: ").await;
        assert!(client.is_closed().await);
        let took = now() - began;
        assert!(took >= HEAD && took < HEAD + SLACK, "{took:?}");
    }
}

#[tokio::test]
async fn a_large_answer_may_be_taken_for_longer_than_a_connection_may_idle() {
    let changes = [
        "server.keep_alive=300ms",
        "downstream.product.max_body=16MiB",
    ];
    let (gateway, fakes) = shop(&changes).await;
    let large = Behaviour {
        body_bytes: Some(14 << 20),
        ..Behaviour::default()
    };
    fakes.set(Service::Product, large).unwrap();
    for headers in ["", "Accept-Encoding: gzip\r\n"] {
        let mut client = Client::connect(gateway.public).await;
        client.send(get(PAGE, headers)).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn a_connection_that_is_old_ends_with_its_next_answer() {
    let (gateway, _fakes) = shop(&["server.max_age=1s"]).await;
    let mut client = Client::connect(gateway.public).await;
    client.send(get(PAGE, "")).await;
    assert_eq!(client.answer().await.header("connection"), None);
    // A tenth more at most.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    client.send(get(PAGE, "")).await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_page_may_take_longer_than_a_head() {
    let (gateway, fakes) = shop(&["server.header_read_timeout=200ms"]).await;
    fakes
        .set(
            Service::Pricing,
            Behaviour::fixed(Duration::from_millis(700)),
        )
        .unwrap();
    assert_eq!(gateway.page(PAGE).await.status, 200);
}

#[tokio::test]
async fn beyond_max_connections_the_next_is_served_only_when_one_leaves() {
    let (gateway, _fakes) = shop(&["server.max_connections=2"]).await;
    let mut first = Client::connect(gateway.public).await;
    let mut second = Client::connect(gateway.public).await;
    for client in [&mut first, &mut second] {
        client.send(get(PAGE, "")).await;
        assert_eq!(client.answer().await.status, 200);
    }
    let mut third = Client::connect(gateway.public).await;
    third.send(get(PAGE, "")).await;
    let early = tokio::time::timeout(Duration::from_millis(400), third.answer()).await;
    assert!(early.is_err(), "{early:?}");
    drop(first);
    assert_eq!(third.answer().await.status, 200);
    // One that stays is still served.
    second.send(get(PAGE, "")).await;
    assert_eq!(second.answer().await.status, 200);
}

/// More than the backlogs that libraries choose, all at once.
const BURST: usize = 400;

#[tokio::test]
async fn a_burst_of_connections_waits_for_no_second_syn() {
    files::raise_limit();
    let (gateway, _fakes) = shop(&["clients.rate=none"]).await;
    for to in [gateway.public, gateway.admin] {
        let began = now();
        // One task makes them all, so that the gateway, on the same thread, accepts none before.
        let connecting = (0..BURST).map(|_| Client::connect(to));
        let clients = futures_util::future::join_all(connecting).await;
        let took = now() - began;
        // When a SYN is sent again (RFC 6298: 1 s).
        assert!(took < Duration::from_secs(1), "{took:?}");
        if to == gateway.admin {
            // Those that ask for nothing give way there.
            assert_eq!(gateway.look("/livez").await.status, 200);
            continue;
        }
        for mut client in clients {
            client.send(get("/none", "Connection: close\r\n")).await;
            assert_eq!(client.answer().await.status, 404);
        }
    }
}

/// The start of a head of 110 kB, of which the rest never comes.
fn partial_head() -> String {
    format!(
        "GET {PAGE} HTTP/1.1\r\nHost: a\r\ntracestate: {}",
        "a".repeat(110_000)
    )
}

#[tokio::test]
async fn heads_that_never_end_share_a_limit_and_those_beyond_it_are_refused_at_once() {
    let (gateway, _fakes) = shop(&["server.header_read_timeout=1h"]).await;
    let each = 2 * (partial_head().len() - heads::OWN);
    let fit = heads::SHARED / each;
    let mut clients = Vec::new();
    for _ in 0..fit + 20 {
        let mut client = Client::connect(gateway.public).await;
        client.send(partial_head()).await;
        clients.push(client);
    }
    let (mut refused, mut waiting) = (0, Vec::new());
    for mut client in clients {
        match tokio::time::timeout(Duration::from_millis(200), client.answer()).await {
            Ok(answer) => {
                assert_eq!(answer.status, 431);
                assert!(client.is_closed().await);
                refused += 1;
            }
            Err(_elapsed) => waiting.push(client),
        }
    }
    assert_eq!((waiting.len(), refused), (fit, 20));
    // An ordinary head needs nothing of what is shared.
    let cookies = format!("Cookie: {}\r\n", "c".repeat(12_000));
    assert_eq!(ask(gateway.public, get(PAGE, &cookies)).await.status, 200);
    // A large one is accepted as soon as there is room, also again and again on one connection.
    let state = format!("tracestate: {}\r\n", "a".repeat(100_000));
    waiting.truncate(fit - 1);
    let mut client = Client::connect(gateway.public).await;
    until("room for a large head", async || {
        ask(gateway.public, get(PAGE, &state)).await.status == 200
    })
    .await;
    for _ in 0..3 {
        client.send(get(PAGE, &state)).await;
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let (gateway, _fakes) = shop(&[]).await;
    let mut client = Client::connect(gateway.public).await;
    let one = |id: &str| get(PAGE, &format!("X-Request-Id: {id}\r\n"));
    client
        .send(one("a") + &get("/none", "") + &one("b") + &one("c"))
        .await;
    for (status, id) in [
        (200, Some("a")),
        (404, None),
        (200, Some("b")),
        (200, Some("c")),
    ] {
        let answer = client.answer().await;
        assert_eq!(answer.status, status);
        assert!(
            id.is_none() || answer.header("x-request-id") == id,
            "{answer:?}"
        );
    }
    gateway.at_rest().await;
}

#[tokio::test]
async fn a_client_that_leaves_with_a_request_unread_costs_no_more_than_a_deadline() {
    let (gateway, fakes) = shop(&["page.product-page.deadline=1s"]).await;
    fakes
        .set(Service::Pricing, Behaviour::fixed(Duration::from_secs(60)))
        .unwrap();
    let mut client = Client::connect(gateway.public).await;
    client.send(get(PAGE, "") + &get(PAGE, "")).await;
    gateway.until_in_flight(1).await;
    drop(client);
    gateway.at_rest().await;
    assert_eq!(fakes.stats(Service::Pricing).received, 1);
}

#[tokio::test]
async fn a_client_that_only_shuts_its_writing_side_counts_as_gone() {
    use tokio::io::AsyncWriteExt as _;
    let (gateway, fakes) = shop(&[]).await;
    fakes
        .set(Service::Pricing, Behaviour::fixed(Duration::from_secs(15)))
        .unwrap();
    let mut client = Client::connect(gateway.public).await;
    client.send(get(PAGE, "")).await;
    gateway.until_in_flight(1).await;
    client.stream.shutdown().await.unwrap();
    gateway.at_rest().await;
    until("pricing to notice", async || {
        fakes.stats(Service::Pricing).in_flight == 0
    })
    .await;
}

#[tokio::test]
async fn head_is_answered_as_get_is_but_without_the_body() {
    let (gateway, _fakes) = shop(&[]).await;
    let names = |headers: &[(String, String)]| {
        let mut kept = headers.to_vec();
        kept.retain(|(name, _)| {
            // Of each answer its own.
            let own = [
                "date",
                "ratelimit",
                "server-timing",
                "traceparent",
                "x-request-id",
            ];
            !own.contains(&name.as_str())
        });
        kept
    };
    for path in [PAGE, "/product-page/p-none", "/none"] {
        let whole = gateway.page(path).await;
        let mut client = Client::connect(gateway.public).await;
        client
            .send(get(path, "").replacen("GET", "HEAD", 1) + &get(PAGE, ""))
            .await;
        let head = client.answer_to_head().await;
        assert_eq!(head.status, whole.status);
        assert_eq!(names(&head.headers), names(&whole.headers), "{path}");
        // What comes next is the next answer, not a body.
        assert_eq!(client.answer().await.status, 200);
        gateway.at_rest().await;
    }
}

#[tokio::test]
async fn large_pages_are_compressed_for_those_who_ask_and_small_answers_never() {
    let (gateway, _fakes) = shop(&[]).await;
    for coding in ["br", "zstd", "gzip"] {
        let accept = format!("Accept-Encoding: deflate, gzip;q=0.1, {coding};q=0.5\r\n");
        let answer = ask(gateway.public, get(PAGE, &accept)).await;
        assert_eq!(answer.header("content-encoding"), Some(coding));
    }
    let accept = "Accept-Encoding: br;q=0.4, gzip;q=0.5\r\n";
    let zipped = ask(gateway.public, get(PAGE, accept)).await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert_eq!(zipped.body[..2], [0x1f, 0x8b]);
    assert!(
        zipped
            .header("vary")
            .unwrap()
            .to_ascii_lowercase()
            .contains("accept-encoding")
    );
    let plain = gateway.page(PAGE).await;
    assert_eq!(plain.header("content-encoding"), None);
    assert!(zipped.body.len() < plain.body.len());
    let refused = ask(gateway.public, get(PAGE, "Accept-Encoding: gzip;q=0\r\n")).await;
    assert_eq!(refused.header("content-encoding"), None);
    let small = ask(gateway.public, get("/none", accept)).await;
    assert_eq!(small.header("content-encoding"), None);
    // Nothing that could be sent is acceptable to these; they get it all the same.
    for picky in ["identity;q=0", "*;q=0", "deflate, identity;q=0"] {
        let header = format!("Accept-Encoding: {picky}\r\n");
        let answer = ask(gateway.public, get(PAGE, &header)).await;
        assert_eq!(answer.status, 200, "{picky}");
        assert_eq!(
            ask(gateway.public, get("/none", &header)).await.status,
            404,
            "{picky}"
        );
    }
    gateway.at_rest().await;
}
