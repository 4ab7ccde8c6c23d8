//! The load generator against small servers whose faults are known exactly.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use chaos::http::Origin;
use chaos::load::{Arrivals, Ending, Load};
use http_body_util::Full;
use hyper::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

use server::{BOUND, Server, never_answer, ok, say_and_close};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn load(server: &Server, rate: f64, duration: Duration) -> Load {
    Load::new(server.origin, "/".parse().unwrap(), rate, duration)
}

#[expect(clippy::disallowed_methods, reason = "the frozen server's own clock")]
fn clock() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_freezes_is_seen_as_its_users_see_it() {
    let start = clock();
    // Frozen in the last 300 ms of each second: three users in ten meet the freeze and wait for
    // its end, evenly from 0 to 300 ms. So one in ten waits more than 200 ms. A closed loop would
    // send one request into each freeze and find a p90 near zero.
    let server = Server::http(move |_| async move {
        let into_second = (clock() - start).subsec_millis();
        if into_second >= 700 {
            sleep(ms(u64::from(1000 - into_second))).await;
        }
        ok().await
    })
    .await;
    let report = load(&server, 500.0, ms(3000)).run().await.unwrap();
    assert_eq!((report.answers.len(), report.not_sent), (1500, 0));
    let latency = report.latency(|a| a.is(200));
    let p90 = latency.p90().unwrap();
    assert!((ms(160)..ms(260)).contains(&p90), "p90 {p90:?}\n{report}");
    let p50 = latency.p50().unwrap();
    assert!(p50 < ms(100), "p50 {p50:?}\n{report}");
}

#[tokio::test]
async fn a_client_of_a_closed_loop_waits_for_its_answer_before_it_asks_again() {
    let under_way = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (asked, at_once) = (Arc::clone(&under_way), Arc::clone(&most));
    let server = Server::http(move |_| {
        let under_way = Arc::clone(&asked);
        at_once.fetch_max(under_way.fetch_add(1, SeqCst) + 1, SeqCst);
        async move {
            sleep(ms(10)).await;
            under_way.fetch_sub(1, SeqCst);
            ok().await
        }
    })
    .await;
    let report = load(&server, 1.0, ms(300)).run_closed(3).await.unwrap();
    let answered = report.count(|a| a.is(200));
    assert_eq!(answered, report.answers.len());
    // 90 if nothing but the server took time.
    assert!((6..=90).contains(&answered), "{report}");
    assert_eq!((most.load(SeqCst), server.connections()), (3, 3));
}

#[tokio::test]
async fn random_arrivals_are_all_sent_and_answered() {
    let server = Server::http(|_| ok()).await;
    let mut load = load(&server, 400.0, ms(500));
    load.arrivals = Arrivals::Poisson;
    load.seed = 11;
    let due = chaos::load::Schedule::new(Arrivals::Poisson, 400.0, ms(500), 11).count();
    let report = load.run().await.unwrap();
    assert_eq!(report.count(|a| a.is(200)), due);
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let server = Server::http(|_| ok()).await;
    let report = load(&server, 100.0, ms(500)).run().await.unwrap();
    assert_eq!(report.count(|a| a.is(200)), 50);
    assert!(
        server.connections() < 25,
        "{} for 50 requests",
        server.connections()
    );
}

#[tokio::test]
async fn an_impatient_client_closes_its_connection() {
    let server = Server::start(|stream, _| never_answer(stream)).await;
    let mut load = load(&server, 100.0, ms(100));
    load.patience = Some(ms(50));
    let report = load.run().await.unwrap();
    assert_eq!(report.count(|a| a.ending == Ending::Left), 10);
    assert!(
        report
            .answers
            .iter()
            .all(|a| a.latency >= ms(50) && a.latency < ms(1000)),
        "{report}"
    );
    server.sees_closed(10).await;
}

#[tokio::test]
async fn dropping_the_run_closes_every_connection() {
    let server = Server::start(|stream, _| never_answer(stream)).await;
    let run = load(&server, 100.0, BOUND).run();
    assert!(timeout(ms(200), run).await.is_err());
    let opened = server.connections();
    assert!(opened > 0);
    server.sees_closed(opened).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_hung_and_the_run_still_ends() {
    let server = Server::start(|stream, _| never_answer(stream)).await;
    let mut load = load(&server, 50.0, ms(100));
    load.guard = ms(150);
    let report = timeout(BOUND, load.run()).await.unwrap().unwrap();
    assert_eq!(report.count(|a| a.ending == Ending::Hung), 5);
}

#[tokio::test]
async fn an_answer_cut_off_in_its_body_is_a_reset_and_not_a_200() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this";
    let server = Server::start(move |stream, _| say_and_close(stream, cut)).await;
    let report = load(&server, 50.0, ms(100)).run().await.unwrap();
    assert_eq!(report.count(|a| a.ending == Ending::Reset), 5);
    assert!(report.answers.iter().all(|a| a.error.is_some()));
}

#[tokio::test]
async fn a_connection_closed_after_the_request_was_read_is_a_reset_also_when_it_was_reused() {
    // The first answer keeps the connection; the second request on it is read and dropped.
    let server = Server::start(|mut stream, _| async move {
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
        let _ = stream.read(&mut head).await;
    })
    .await;
    let report = load(&server, 20.0, ms(100)).run().await.unwrap();
    let endings: Vec<_> = report.answers.iter().map(|a| a.ending).collect();
    assert_eq!(endings, [Ending::Status(200), Ending::Reset]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_kept_connection_the_server_has_closed_meanwhile_is_replaced_unnoticed() {
    let kept = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let server = Server::start(move |stream, _| say_and_close(stream, kept)).await;
    let report = load(&server, 20.0, ms(250)).run().await.unwrap();
    assert_eq!(report.count(|a| a.is(200)), 5, "{report}");
    assert_eq!(server.connections(), 5);
}

#[tokio::test]
async fn what_finds_no_room_is_counted_and_not_sent() {
    let server = Server::start(|stream, _| never_answer(stream)).await;
    let mut load = load(&server, 100.0, ms(100));
    load.max_outstanding = 3;
    load.guard = ms(500);
    let report = load.run().await.unwrap();
    assert_eq!((report.answers.len(), report.not_sent), (3, 7));
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_closed_port_is_a_failed_connect() {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let origin = Origin::from(listener.local_addr().unwrap());
    drop(listener);
    let load = Load::new(origin, "/".parse().unwrap(), 50.0, ms(60));
    let report = load.run().await.unwrap();
    assert_eq!(report.count(|a| a.ending == Ending::ConnectFailed), 3);
}

#[tokio::test]
async fn a_refusal_is_read_with_its_reason_and_its_retry_after() {
    let server = Server::http(|_| async {
        Response::builder()
            .status(429)
            .header("retry-after", "2")
            .header("x-gateway-complete", "false")
            .body(Full::from(
                r#"{"type":"about:blank","reason":"gateway_full"}"#,
            ))
            .unwrap()
    })
    .await;
    let mut load = load(&server, 10.0, ms(50));
    load.keep_bodies = true;
    let report = load.run().await.unwrap();
    let [answer] = &report.answers[..] else {
        panic!("{report}")
    };
    assert!(answer.is(429));
    assert_eq!(
        (answer.retry_after, answer.complete),
        (Some(2), Some(false))
    );
    assert_eq!(
        report.by_reason().into_iter().collect::<Vec<_>>(),
        [("gateway_full", 1)]
    );
    assert!(
        answer
            .body
            .as_ref()
            .is_some_and(|body| body.starts_with(b"{"))
    );
}

#[tokio::test]
async fn a_load_that_cannot_be_offered_is_refused_before_it_starts() {
    let nobody = Origin::from(SocketAddr::from(([127, 0, 0, 1], 9)));
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let load = Load::new(nobody, "/".parse().unwrap(), rate, ms(10));
        let error = load.run().await.unwrap_err().to_string();
        assert!(error.contains("cannot be offered"), "{error}");
    }
}
