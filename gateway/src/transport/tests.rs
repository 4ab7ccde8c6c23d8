//! The transport over real sockets: fakes, and peers whose handshake takes its time.

#![allow(clippy::large_futures, reason = "a test runs once")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use fixtures::{Behaviour, Fakes, Options, Service};
use futures_util::future::join;
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use bytes::Bytes;

use super::resolve::Resolving;
use super::site::Site;
use super::tuning::Tuning;
use super::*;
use crate::page::downstream::{Downstreams, OwnFields};
use crate::telemetry::Telemetry;
use crate::telemetry::record::AttemptRecord;

mod tls;

/// How long a peer lets a connection wait before it says its first word.
const LATE: Duration = Duration::from_millis(600);
/// Far shorter, so that only what outlives its call can succeed.
const CALL: Duration = Duration::from_millis(250);

/// A gateway's way to one downstream, without its pages.
struct World {
    downstreams: Downstreams<HttpTransport>,
    telemetry: Telemetry,
}

fn config(downstream: &str) -> Config {
    let text = format!(
        "[downstream.d]\n{downstream}\n\
         [page.p]\npath = \"/p\"\n[page.p.part.x]\ndownstream = \"d\"\npath = \"/x\"\n",
    );
    crate::config::load_text("test.toml", &text, &[])
        .unwrap()
        .config
}

impl World {
    fn new(downstream: &str) -> Self {
        let config = config(downstream);
        let transport = HttpTransport::new(&config).unwrap();
        Self {
            downstreams: Downstreams::new(&config, transport),
            telemetry: Telemetry::new(&config),
        }
    }

    /// To `url`, with time enough to connect.
    fn to(url: &str, http2: bool) -> Self {
        Self::new(&format!(
            "url = \"{url}\"\nconnect_timeout = \"10s\"\nhttp2 = {http2}"
        ))
    }

    async fn call(&self) -> Result<Reply, Cause> {
        self.traced().await.0
    }

    async fn traced(&self) -> (Result<Reply, Cause>, Vec<AttemptRecord>) {
        let shared = HeaderMap::new();
        let request = CallRequest {
            path: "/products/p-1001",
            shared: &shared,
            own: OwnFields::default(),
        };
        let mut attempts = Vec::new();
        let d = DownstreamId(0);
        let fetched = self
            .downstreams
            .fetch(&self.telemetry, d, &request, &mut attempts, None);
        (fetched.await, attempts)
    }

    async fn status(&self) -> u16 {
        self.call().await.map(|reply| reply.status).unwrap()
    }

    fn retries(&self) -> u64 {
        self.telemetry.counts().retries(DownstreamId(0))
    }
}

async fn limited<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    Deadline::after(now(), limit).limit(work).await.ok()
}

/// Runs a whole test; only a failing one takes so long.
async fn bounded(test: impl Future<Output = ()>) {
    limited(Duration::from_secs(60), test)
        .await
        .expect("the test ends in time");
}

/// A peer that does with each connection what the test says; ends when dropped.
async fn peer<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut accepting = JoinSet::new();
    accepting.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve(stream));
        }
    });
    (address, accepting)
}

/// Passes connections on to `to`, each after [`LATE`].
async fn late(to: SocketAddr) -> (SocketAddr, JoinSet<()>) {
    peer(move |mut from| async move {
        sleep(LATE).await;
        let mut to = TcpStream::connect(to).await.unwrap();
        let _ = copy_bidirectional(&mut from, &mut to).await;
    })
    .await
}

/// A fake that speaks HTTP/2, whose first word takes [`LATE`].
async fn late_fake() -> (Fakes, String, JoinSet<()>) {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let url = fakes.url(Service::Product);
    let (address, passing) = late(url.trim_start_matches("http://").parse().unwrap()).await;
    (fakes, format!("http://{address}"), passing)
}

/// A peer that follows `says` for each request, the how-manieth on its connection it is included:
/// `None` closes without a word.
async fn scripted(
    says: impl Fn(u32) -> Option<&'static str> + Copy + Send + 'static,
) -> (String, JoinSet<()>) {
    let (address, accepting) = peer(move |mut stream| async move {
        let mut request = [0; 4096];
        for n in 1.. {
            match stream.read(&mut request).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let Some(answer) = says(n) else { return };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    (format!("http://{address}"), accepting)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn calls_that_wait_shorter_than_connecting_takes_get_through_in_the_end() {
    bounded(async {
        let (fakes, url, _passing) = late_fake().await;
        let world = World::to(&url, true);
        let mut cancelled = 0;
        while limited(CALL, world.call()).await.is_none() {
            cancelled += 1;
            assert!(cancelled < 50, "none ever gets through");
        }
        assert!(cancelled >= 1);
        assert_eq!(world.status().await, 200);
        assert_eq!(fakes.stats(Service::Product).connections_total, 1);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_connects_asks_nothing_and_leaves_its_connection() {
    bounded(async {
        let (fakes, url, _passing) = late_fake().await;
        let world = World::to(&url, true);
        for _ in 0..3 {
            assert!(limited(CALL / 10, world.call()).await.is_none());
        }
        while fakes.stats(Service::Product).connections_open == 0 {
            sleep(Duration::from_millis(10)).await;
        }
        sleep(Duration::from_millis(100)).await;
        assert_eq!(fakes.stats(Service::Product).received, 0);
        assert_eq!(world.status().await, 200);
        let stats = fakes.stats(Service::Product);
        assert_eq!((stats.received, stats.connections_total), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn calls_that_wait_for_the_connection_of_a_cancelled_one_are_served() {
    bounded(async {
        let (fakes, url, _passing) = late_fake().await;
        let world = World::to(&url, true);
        let first = limited(CALL, world.call());
        let others = limited(CALL * 100, join_all((0..4).map(|_| world.call())));
        let (first, others) = join(first, others).await;
        assert!(first.is_none());
        for reply in others.unwrap() {
            assert_eq!(reply.unwrap().status, 200);
        }
        assert_eq!(fakes.stats(Service::Product).received, 4);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_work_and_leaves_the_others_theirs() {
    bounded(async {
        for http2 in [false, true] {
            let fakes = Fakes::start(Options::default()).await.unwrap();
            let world = World::to(&fakes.url(Service::Product), http2);
            world.call().await.unwrap();
            fakes.reset_stats();
            fakes
                .set(Service::Product, Behaviour::fixed(Duration::from_secs(3)))
                .unwrap();
            let mut dropped = Box::pin(world.call());
            let mut kept = Box::pin(world.call());
            while fakes.stats(Service::Product).in_flight < 2 {
                let both = join(&mut dropped, &mut kept);
                assert!(limited(Duration::from_millis(10), both).await.is_none());
            }
            drop(dropped);
            while fakes.stats(Service::Product).aborted_by_caller < 1 {
                let waiting = limited(Duration::from_millis(10), &mut kept).await;
                assert!(waiting.is_none());
            }
            assert_eq!(kept.await.unwrap().status, 200, "http2 = {http2}");
        }
    })
    .await;
}

#[tokio::test]
async fn of_many_calls_to_a_downstream_that_is_not_there_each_is_told_so_at_once() {
    bounded(async {
        for http2 in [false, true] {
            let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}", gone.local_addr().unwrap());
            drop(gone);
            let world = World::to(&url, http2);
            let calls = (0..300).map(|_| world.call());
            let replies = limited(Duration::from_secs(10), join_all(calls)).await;
            for reply in replies.unwrap() {
                let refused = matches!(&reply, Err(Cause::Connect(why)) if why.contains("refused"));
                assert!(refused, "http2 = {http2}: {reply:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn of_many_calls_to_a_downstream_that_does_not_answer_each_waits_one_connect_timeout() {
    bounded(async {
        let (_fakes, url, _passing) = late_fake().await;
        let limit = LATE / 3;
        let millis = limit.as_millis();
        let world = World::new(&format!(
            "url = \"{url}\"\nhttp2 = true\nconnect_timeout = \"{millis}ms\""
        ));
        let began = now();
        for reply in join_all((0..50).map(|_| world.call())).await {
            assert!(matches!(reply, Err(Cause::Connect(_))), "{reply:?}");
        }
        // One after the other, fifty would take fifty times as long.
        assert!(now() - began < 20 * limit, "{:?}", now() - began);
    })
    .await;
}

#[tokio::test]
async fn a_kept_connection_that_closes_before_it_answers_costs_no_call() {
    bounded(async {
        for answers in [1, 2] {
            let (url, _peer) = match answers {
                1 => scripted(|n| (n <= 1).then_some(OK)).await,
                _ => scripted(|n| (n <= 2).then_some(OK)).await,
            };
            let world = World::to(&url, false);
            for _ in 0..10 {
                assert_eq!(world.status().await, 200);
            }
            assert!(world.retries() >= 3, "{}", world.retries());
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_connection_that_closes_before_it_answers_is_a_failure_and_not_retried() {
    bounded(async {
        let (url, _peer) = scripted(|_| None).await;
        let world = World::to(&url, false);
        let (reply, attempts) = world.traced().await;
        assert!(matches!(reply, Err(Cause::Broken(_))), "{reply:?}");
        assert_eq!((attempts.len(), world.retries()), (1, 0));
        assert_eq!(attempts[0].failure, Some("broken"));
    })
    .await;
}

#[tokio::test]
async fn a_call_is_sent_again_once_and_no_more() {
    bounded(async {
        // Every connection but the first closes at its first request.
        let connections = AtomicU32::new(0);
        let (address, _peer) = peer(move |mut stream| {
            let first = connections.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                if first {
                    stream.write_all(OK.as_bytes()).await.unwrap();
                    let _ = stream.read(&mut request).await;
                }
            }
        })
        .await;
        let url = format!("http://{address}");
        let world = World::to(&url, false);
        assert_eq!(world.status().await, 200);
        let (reply, attempts) = world.traced().await;
        assert!(reply.is_err());
        let failures: Vec<_> = attempts.iter().map(|attempt| attempt.failure).collect();
        assert_eq!(failures, [Some("broken"), Some("broken")]);
        assert_eq!(world.retries(), 1);
    })
    .await;
}

/// An HTTP/2 service that answers each request with the status that `answers` gives for its number
/// on the connection, or does to the connection what the test wants.
async fn http2_peer(
    answers: impl Fn(u32, &mut h2::server::Connection<TcpStream, Bytes>) -> Option<h2::Reason>
    + Copy
    + Send
    + 'static,
) -> (String, JoinSet<()>) {
    let (address, accepting) = peer(move |stream| async move {
        let Ok(mut connection) = h2::server::handshake(stream).await else {
            return;
        };
        let mut n = 0;
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            n += 1;
            match answers(n, &mut connection) {
                Some(reason) => respond.send_reset(reason),
                None => ok_http2(respond),
            }
        }
    })
    .await;
    (format!("http://{address}"), accepting)
}

fn ok_http2(mut respond: h2::server::SendResponse<Bytes>) {
    let body = respond.send_response(http::Response::new(()), false);
    let _ = body.unwrap().send_data(Bytes::from_static(b"{}"), true);
}

/// What HTTP/2 services say when they allow so many streams at once.
async fn allowing(streams: u32, stream: TcpStream) -> h2::server::Connection<TcpStream, Bytes> {
    let mut builder = h2::server::Builder::new();
    let builder = builder.max_concurrent_streams(streams);
    builder.handshake(stream).await.unwrap()
}

#[tokio::test]
async fn a_stream_that_is_refused_unseen_costs_no_call_and_one_refused_twice_does() {
    bounded(async {
        let refused = |every: u32| {
            move |n: u32, _: &mut h2::server::Connection<TcpStream, Bytes>| {
                n.is_multiple_of(every)
                    .then_some(h2::Reason::REFUSED_STREAM)
            }
        };
        let (url, _peer) = http2_peer(refused(2)).await;
        let world = World::to(&url, true);
        for _ in 0..10 {
            assert_eq!(world.status().await, 200);
        }
        assert!(world.retries() >= 3);
        let (url, _peer) = http2_peer(refused(1)).await;
        let world = World::to(&url, true);
        assert!(matches!(world.call().await, Err(Cause::Broken(_))));
        assert_eq!(world.retries(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_goes_away_costs_no_call() {
    bounded(async {
        let (url, _peer) = http2_peer(|n, connection| {
            if n == 3 {
                connection.graceful_shutdown();
            }
            None
        })
        .await;
        let world = World::to(&url, true);
        for _ in 0..30 {
            assert_eq!(world.status().await, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_allows_no_stream_is_waited_for_and_is_not_unreachable() {
    bounded(async {
        let (address, _peer) = peer(|stream| async move {
            let _ = allowing(0, stream).await.accept().await;
        })
        .await;
        let url = format!("http://{address}");
        let world = World::new(&format!(
            "url = \"{url}\"\nhttp2 = true\nconnect_timeout = \"100ms\""
        ));
        assert!(limited(2 * CALL, world.call()).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn no_call_waits_for_a_stream_behind_another_one() {
    const CALLS: usize = 8;
    bounded(async {
        let all = Arc::new(tokio::sync::Barrier::new(CALLS));
        let (address, _peer) = peer(move |stream| {
            let all = Arc::clone(&all);
            async move {
                let mut connection = allowing(2, stream).await;
                let mut answering = JoinSet::new();
                while let Some(Ok((_, respond))) = connection.accept().await {
                    let all = Arc::clone(&all);
                    answering.spawn(async move {
                        // Nobody is answered before all have asked.
                        all.wait().await;
                        ok_http2(respond);
                    });
                }
            }
        })
        .await;
        let url = format!("http://{address}");
        let world = World::to(&url, true);
        for reply in join_all((0..CALLS).map(|_| world.call())).await {
            assert_eq!(reply.unwrap().status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn more_connections_are_warmed_than_are_opened_at_once() {
    bounded(async {
        let fakes = Fakes::start(Options::default()).await.unwrap();
        let url = fakes.url(Service::Product);
        let world = World::new(&format!(
            "url = \"{url}\"\nconnect_timeout = \"10s\"\npermits = 100\nwarm = 100"
        ));
        world.downstreams.transport().warm().await;
        assert_eq!(fakes.stats(Service::Product).connections_open, 100);
    })
    .await;
}

#[tokio::test]
async fn a_connection_the_peer_keeps_shorter_is_given_up_before_the_peer_does() {
    bounded(async {
        let brief = "HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\n{}";
        let (url, _peer) = scripted(move |_| Some(brief)).await;
        let world = World::to(&url, false);
        assert_eq!(world.status().await, 200);
        let endpoints = world.downstreams.transport().endpoints(DownstreamId(0));
        let transport = world.downstreams.transport();
        let idle = || transport.idle(&endpoints.all[0], now());
        drop(idle().expect("it is kept for a while"));
        sleep(Duration::from_millis(700)).await;
        assert!(idle().is_none());
    })
    .await;
}

#[tokio::test]
async fn of_two_endpoints_one_that_is_not_there_costs_no_call() {
    bounded(async {
        let (url, _peer) = scripted(|_| Some(OK)).await;
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nowhere = format!("http://{}", gone.local_addr().unwrap());
        drop(gone);
        let world = World::new(&format!("urls = [\"{nowhere}\", \"{url}\"]"));
        for _ in 0..20 {
            assert_eq!(world.status().await, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn of_two_endpoints_one_that_swallows_connections_costs_a_quarter_of_the_timeout() {
    bounded(async {
        let (url, _peer) = scripted(|_| Some(OK)).await;
        // Nobody accepts, and its backlog is full.
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let loopback: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&loopback.into()).unwrap();
        socket.listen(0).unwrap();
        let swallowing = socket.local_addr().unwrap().as_socket().unwrap();
        let mut filled = JoinSet::new();
        for _ in 0..4 {
            filled.spawn(async move {
                let _held = TcpStream::connect(swallowing).await;
                std::future::pending::<()>().await;
            });
        }
        sleep(Duration::from_millis(100)).await;
        let world = World::new(&format!(
            "urls = [\"http://{swallowing}\", \"{url}\"]\nconnect_timeout = \"800ms\""
        ));
        for _ in 0..10 {
            let began = now();
            assert_eq!(world.status().await, 200);
            assert!(
                now() - began < Duration::from_millis(600),
                "{:?}",
                now() - began
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_that_leaves_gets_no_further_call_and_one_that_stays_keeps_its_connections() {
    let config = config("urls = [\"http://127.0.0.1:1\", \"http://127.0.0.1:2\"]");
    let downstream = &config.downstreams[0];
    let target = Target::new(downstream, Reached::of(downstream), Arc::default());
    let mut target = target.unwrap();
    let (publish, addresses) = tokio::sync::watch::channel(vec![
        "127.0.0.1:1".parse().unwrap(),
        "127.0.0.2:1".parse().unwrap(),
    ]);
    target.sites.truncate(1);
    target.sites[0].1 = Resolving::of(addresses);
    let ids = |target: &Target| -> HashMap<String, u32> {
        let endpoints = target.endpoints();
        let all = endpoints.all.iter();
        all.map(|e| (e.address().to_string(), e.id().0)).collect()
    };
    target.update();
    let before = ids(&target);
    assert_eq!(before.len(), 2);
    publish.send_replace(vec![
        "127.0.0.2:1".parse().unwrap(),
        "127.0.0.3:1".parse().unwrap(),
    ]);
    target.update();
    let after = ids(&target);
    assert_eq!(after.get("127.0.0.2:1"), before.get("127.0.0.2:1"));
    assert!(!after.contains_key("127.0.0.1:1"));
    publish.send_replace(vec!["127.0.0.1:1".parse().unwrap()]);
    target.update();
    assert!(
        ids(&target)["127.0.0.1:1"] > 2,
        "one that returns is another endpoint"
    );
}

#[test]
fn a_downstreams_own_path_goes_before_each_parts() {
    for (base, prefix, host) in [
        ("http://a:1", "", "a:1"),
        ("http://a:1/", "", "a:1"),
        ("http://a/v2", "/v2", "a"),
        ("http://a:1/v2/", "/v2", "a:1"),
        ("http://[::1]:1/v2/", "/v2", "[::1]:1"),
    ] {
        let config = config(&format!("url = \"{base}\""));
        let downstream = &config.downstreams[0];
        let tuning = Arc::new(Tuning::new(Settings::of(downstream)));
        let site = Site::new(&downstream.urls[0], downstream, None, &tuning).unwrap();
        assert_eq!((site.prefix.as_str(), site.host.as_str()), (prefix, host));
        assert_eq!(site.base.origin, format!("http://{host}{prefix}"));
    }
}
