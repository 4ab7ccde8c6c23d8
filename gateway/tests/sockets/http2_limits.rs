//! What a client that speaks HTTP/2 may cost: resets, floods, silence, answers that it does not take.

use std::time::Duration;

use fixtures::{Behaviour, Fakes, Service};
use gateway::edge::http2::MAX_STREAMS;
use gateway::edge::patience::SLOW_READER;
use gateway::page::deadline::now;
use h2::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::common::gateway::{Gateway, PAGE, shop};
use crate::common::http2::{Http2, request};
use crate::common::{soon, until};

async fn multiplexed(changes: &[&str]) -> (Gateway, Fakes) {
    let limits = [
        "server.http2=true",
        "clients.rate=none",
        "server.header_read_timeout=1s",
    ];
    shop(&[&limits, changes].concat()).await
}

async fn floods(gateway: &Gateway) -> f64 {
    let metrics = gateway.metrics().await;
    metrics.sum(
        "gateway_connections_unreadable_total",
        &[("kind", "http2_flood")],
    )
}

async fn until_flooded(gateway: &Gateway) {
    until("the flood to be counted", async || {
        floods(gateway).await == 1.0
    })
    .await;
}

/// Opens streams and resets each a moment later, until the connection is at its end; how many.
async fn reset_until_cut(client: &mut Http2, most: usize, pause: Duration) -> usize {
    for made in 0..most {
        let Ok(mut open) = client.open(request("GET", PAGE, &[]), true).await else {
            return made;
        };
        tokio::time::sleep(pause).await;
        open.body.send_reset(Reason::CANCEL);
    }
    most
}

/// Everything takes so long.
fn slow(fakes: &Fakes, latency: Duration) {
    for service in Service::ALL {
        fakes.set(service, Behaviour::fixed(latency)).unwrap();
    }
}

#[tokio::test]
async fn whoever_resets_all_that_it_asks_for_is_cut_off_and_others_get_all_their_pages() {
    let (gateway, fakes) = multiplexed(&[]).await;
    slow(&fakes, Duration::from_millis(20));
    let mut others = JoinSet::new();
    for _ in 0..20 {
        let to = gateway.public;
        others.spawn(async move {
            let mut client = Http2::connect(to).await;
            for _ in 0..10 {
                assert_eq!(client.page(PAGE).await.status, 200);
            }
        });
    }
    let mut client = Http2::connect(gateway.public).await;
    let pause = Duration::from_millis(1);
    let made = reset_until_cut(&mut client, 20_000, pause).await;
    // Those it began with, what time gave it, and those that crossed the news.
    assert!((100..2_000).contains(&made), "{made}");
    assert_eq!(client.end().await.map_err(|e| e.to_string()), Ok(()));
    until_flooded(&gateway).await;
    while let Some(other) = others.join_next().await {
        other.unwrap();
    }
    gateway.at_rest().await;
}

#[tokio::test]
async fn whoever_goes_on_resetting_after_it_was_told_to_leave_is_closed_on() {
    let (gateway, fakes) = multiplexed(&["page.product-page.deadline=1s"]).await;
    slow(&fakes, Duration::from_millis(100));
    let mut stream = raw(&gateway).await;
    let began = now();
    let mut id = 1_u32;
    // It reads nothing, so that it cannot have learned of it.
    loop {
        let mut bytes = frame(1, 5, 0, b"\x82\x86\x41\x04shop\x04\x14/product-page/p-1001");
        bytes.extend(frame(3, 0, 0, &[0, 0, 0, 8]));
        let reset_at = bytes.len() - 13;
        bytes[5..9].copy_from_slice(&id.to_be_bytes());
        bytes[reset_at + 5..reset_at + 9].copy_from_slice(&id.to_be_bytes());
        let (opens, resets) = bytes.split_at(reset_at);
        let opened = stream.write_all(opens).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        if opened.is_err() || stream.write_all(resets).await.is_err() {
            break;
        }
        assert!(now() - began < Duration::from_secs(20), "it is still open");
        id += 2;
    }
    until_flooded(&gateway).await;
    let received = fakes.stats(Service::Product).received;
    assert!((1..400).contains(&received), "{received} calls");
    gateway.at_rest().await;
}

#[tokio::test]
async fn whoever_takes_as_many_answers_as_it_resets_is_not_cut_off() {
    let (gateway, fakes) = multiplexed(&[]).await;
    slow(&fakes, Duration::from_millis(5));
    let mut client = Http2::connect(gateway.public).await;
    for _ in 0..250 {
        assert_eq!(reset_until_cut(&mut client, 1, Duration::ZERO).await, 1);
        assert_eq!(client.page(PAGE).await.status, 200);
    }
    assert_eq!(floods(&gateway).await, 0.0);
}

/// A connection that sends exact bytes after the preface and empty settings.
async fn raw(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.public).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";
    stream.write_all(hello).await.unwrap();
    stream
}

/// `GET /` of shop, by the static table of HPACK.
const GET: &[u8] = b"\x82\x86\x84\x41\x04shop";

/// The same, and it has asked once.
async fn asking(gateway: &Gateway) -> TcpStream {
    let mut stream = raw(gateway).await;
    stream.write_all(&frame(1, 5, 1, GET)).await.unwrap();
    stream
}

/// What comes until the other side has closed it.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut came = Vec::new();
    // It may be reset.
    let _ = soon("the end of the connection", stream.read_to_end(&mut came)).await;
    came
}

/// The codes of the GOAWAY frames among these bytes.
fn goaways(mut bytes: &[u8]) -> Vec<u8> {
    let mut codes = Vec::new();
    while let [high, middle, low, kind, _, _, _, _, _, rest @ ..] = bytes {
        let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
        if *kind == 7 {
            codes.push(rest[7]);
        }
        bytes = &rest[length..];
    }
    codes
}

#[tokio::test]
async fn an_idle_client_is_told_to_leave_and_is_closed_on_if_it_does_not() {
    let (gateway, _fakes) = multiplexed(&["server.keep_alive=700ms"]).await;
    // It never answers the PING by which h2 measures the round trip.
    let mut stream = asking(&gateway).await;
    let began = now();
    let came = until_closed(&mut stream).await;
    assert!(now() - began >= Duration::from_millis(1_700));
    assert_eq!(goaways(&came), [0]);
}

/// The payload of h2's PING after a GOAWAY.
const ASKS_WHETHER_IT_KNOWS: [u8; 8] = [0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54];

#[tokio::test]
async fn who_is_told_to_leave_may_finish_its_sentence() {
    let (gateway, _fakes) = multiplexed(&["server.keep_alive=100ms"]).await;
    let mut stream = asking(&gateway).await;
    // Told to leave, and asked whether it knows by now (RFC 9113 section 6.8).
    let ping = loop {
        let mut header = [0; 9];
        soon("a frame", stream.read_exact(&mut header))
            .await
            .unwrap();
        let mut payload = vec![0; usize::from(header[1]) << 8 | usize::from(header[2])];
        stream.read_exact(&mut payload).await.unwrap();
        if header[3] == 6 && payload == ASKS_WHETHER_IT_KNOWS {
            break payload;
        }
    };
    stream.write_all(&frame(6, 1, 0, &ping)).await.unwrap();
    let came = until_closed(&mut stream).await;
    assert_eq!(goaways(&came), [0]);
    // To a connection that has been closed the first of them is answered by a reset.
    let window = frame(8, 0, 0, &[0, 0, 0, 1]);
    stream.write_all(&window).await.unwrap();
    stream.write_all(&window).await.unwrap();
    stream.shutdown().await.unwrap();
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, stream]);
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn frames_that_ask_for_nothing_end_their_connection_once_they_are_many() {
    for bytes in [
        frame(6, 0, 0, b"ping-png"),
        frame(4, 0, 0, &[0, 3, 0, 0, 0, 9]),
        frame(2, 0, 1, &[0, 0, 0, 0, 9]),
        frame(0xee, 0, 0, b"unknown"),
    ] {
        let (gateway, _fakes) = multiplexed(&[]).await;
        let mut stream = raw(&gateway).await;
        // A few are nothing: the connection goes on.
        stream.write_all(&bytes.repeat(200)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(floods(&gateway).await, 0.0);
        // It may be closed before it has taken them all.
        let _ = stream.write_all(&bytes.repeat(5_000)).await;
        until_closed(&mut stream).await;
        until_flooded(&gateway).await;
    }
}

#[tokio::test]
async fn streams_that_are_reset_before_anybody_looked_are_a_flood_too() {
    let (gateway, fakes) = multiplexed(&[]).await;
    let mut stream = raw(&gateway).await;
    let mut bytes = Vec::new();
    for id in (1..250).step_by(2) {
        bytes.extend(frame(1, 5, id, GET));
        bytes.extend(frame(3, 0, id, &[0, 0, 0, 8]));
    }
    stream.write_all(&bytes).await.unwrap();
    until_closed(&mut stream).await;
    until_flooded(&gateway).await;
    assert_eq!(fakes.stats(Service::Product).received, 0);
}

#[tokio::test]
async fn silence_and_half_of_a_header_block_end_as_they_do_in_http_1() {
    let (gateway, _fakes) = multiplexed(&[]).await;
    // The preface alone; with settings; half of a frame; a block without its end.
    for bytes in [
        vec![],
        frame(1, 5, 1, &[0; 10])[..15].to_vec(),
        frame(1, 1, 1, GET),
    ] {
        let began = now();
        let mut stream = raw(&gateway).await;
        stream.write_all(&bytes).await.unwrap();
        until_closed(&mut stream).await;
        let took = now() - began;
        assert!(
            took >= Duration::from_secs(1) && took < Duration::from_secs(9),
            "{took:?}"
        );
    }
    let began = now();
    let mut stream = TcpStream::connect(gateway.public).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    until_closed(&mut stream).await;
    assert!(now() - began < Duration::from_secs(9));
}

#[tokio::test]
async fn a_connection_has_so_many_pages_at_once_and_the_others_wait() {
    let unlimited = Service::ALL.map(|service| format!("downstream.{service}.permits=0"));
    let unlimited: Vec<&str> = unlimited.iter().map(String::as_str).collect();
    let (gateway, fakes) = multiplexed(&unlimited).await;
    let most = MAX_STREAMS as usize;
    slow(&fakes, Duration::from_secs(3));
    let mut client = Http2::connect(gateway.public).await;
    assert_eq!(client.page("/nothing").await.status, 404);
    let mut open = Vec::new();
    for _ in 0..most {
        open.push(client.open(request("GET", PAGE, &[]), true).await.unwrap());
    }
    gateway.until_in_flight(most as u64).await;
    // The client keeps it to itself until there is room.
    open.push(client.open(request("GET", PAGE, &[]), true).await.unwrap());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gateway.in_flight().await, most as u64);
}

#[tokio::test]
async fn an_answer_that_is_not_taken_holds_its_ticket_until_its_stream_is_reset() {
    let (gateway, fakes) = multiplexed(&["downstream.product.max_body=16MiB"]).await;
    let large = Behaviour {
        body_bytes: Some(1 << 20),
        ..Behaviour::default()
    };
    fakes.set(Service::Product, large).unwrap();
    let mut client = Http2::connect(gateway.public).await;
    let began = now();
    let open = client.open(request("GET", PAGE, &[]), true).await.unwrap();
    // Its head comes, and nothing of its body is taken: the window is not given back.
    let (head, mut body) = soon("a head", open.answer).await.unwrap().into_parts();
    assert_eq!(head.status, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(gateway.in_flight().await, 1);
    gateway.at_rest().await;
    let took = now() - began;
    assert!(
        took >= SLOW_READER && took < SLOW_READER + Duration::from_secs(10),
        "{took:?}"
    );
    let ended = async {
        while let Some(piece) = body.data().await {
            match piece {
                Err(error) => return Some(error),
                Ok(piece) => body.flow_control().release_capacity(piece.len()).unwrap(),
            }
        }
        None
    };
    let error = soon("the reset", ended).await.expect("it was not reset");
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    // What it has not taken was in the way of its siblings.
    drop(body);
    fakes.heal();
    assert_eq!(client.page(PAGE).await.status, 200);
}
