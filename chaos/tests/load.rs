//! The load generator against small servers whose faults are known exactly.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chaos::http::Origin;
use chaos::load::{Arrivals, Ending, Load};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// No test waits longer for anything.
const BOUND: Duration = Duration::from_secs(10);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A server on a port of its own; all its tasks end with it.
struct Server {
    origin: Origin,
    connections: Arc<AtomicUsize>,
    /// Connections whose other side has closed.
    closed: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// `talk` speaks on each accepted connection; it is given the connection's number.
    async fn start<F, T>(talk: F) -> Self
    where
        F: Fn(TcpStream, usize) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let origin = Origin::from(listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let closed = Arc::new(AtomicUsize::new(0));
        let (accepted, ended) = (Arc::clone(&connections), Arc::clone(&closed));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let talk = talk(stream, accepted.fetch_add(1, Ordering::SeqCst));
                let ended = Arc::clone(&ended);
                talks.spawn(async move {
                    talk.await;
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            origin,
            connections,
            closed,
            _tasks: tasks,
        }
    }

    /// A proper HTTP server; `answer` makes each response.
    async fn http<F, T>(answer: F) -> Self
    where
        F: Fn() -> T + Clone + Send + 'static,
        T: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        Self::start(move |stream, _| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |_: Request<_>| {
                    let answer = answer();
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            }
        })
        .await
    }

    fn load(&self, rate: f64, duration: Duration) -> Load {
        Load::new(self.origin, "/".parse().unwrap(), rate, duration)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn sees_closed(&self, count: usize) {
        let sees = async {
            while self.closed.load(Ordering::SeqCst) < count {
                sleep(ms(2)).await;
            }
        };
        timeout(BOUND, sees).await.unwrap();
    }
}

async fn ok() -> Response<Full<Bytes>> {
    Response::new(Full::from("fine"))
}

/// Reads one request's head and writes `answer`; then the connection is dropped.
async fn say_and_close(mut stream: TcpStream, answer: &'static str) {
    let mut head = [0; 1024];
    let _ = stream.read(&mut head).await;
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn never_answer(mut stream: TcpStream) {
    let mut sink = [0; 1024];
    while let Ok(1..) = stream.read(&mut sink).await {}
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
    let server = Server::http(move || async move {
        let into_second = (clock() - start).subsec_millis();
        if into_second >= 700 {
            sleep(ms(u64::from(1000 - into_second))).await;
        }
        ok().await
    })
    .await;
    let report = server.load(500.0, ms(3000)).run().await.unwrap();
    assert_eq!((report.answers.len(), report.not_sent), (1500, 0));
    let latency = report.latency(|a| a.is(200));
    let p90 = latency.p90().unwrap();
    assert!((ms(160)..ms(260)).contains(&p90), "p90 {p90:?}\n{report}");
    let p50 = latency.p50().unwrap();
    assert!(p50 < ms(100), "p50 {p50:?}\n{report}");
}

#[tokio::test]
async fn random_arrivals_are_all_sent_and_answered() {
    let server = Server::http(ok).await;
    let mut load = server.load(400.0, ms(500));
    load.arrivals = Arrivals::Poisson;
    load.seed = 11;
    let due = chaos::load::Schedule::new(Arrivals::Poisson, 400.0, ms(500), 11).count();
    let report = load.run().await.unwrap();
    assert_eq!(report.count(|a| a.is(200)), due);
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let server = Server::http(ok).await;
    let report = server.load(100.0, ms(500)).run().await.unwrap();
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
    let mut load = server.load(100.0, ms(100));
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
    let run = server.load(100.0, BOUND).run();
    assert!(timeout(ms(200), run).await.is_err());
    let opened = server.connections();
    assert!(opened > 0);
    server.sees_closed(opened).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_hung_and_the_run_still_ends() {
    let server = Server::start(|stream, _| never_answer(stream)).await;
    let mut load = server.load(50.0, ms(100));
    load.guard = ms(150);
    let report = timeout(BOUND, load.run()).await.unwrap().unwrap();
    assert_eq!(report.count(|a| a.ending == Ending::Hung), 5);
}

#[tokio::test]
async fn an_answer_cut_off_in_its_body_is_a_reset_and_not_a_200() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this";
    let server = Server::start(move |stream, _| say_and_close(stream, cut)).await;
    let report = server.load(50.0, ms(100)).run().await.unwrap();
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
    let report = server.load(20.0, ms(100)).run().await.unwrap();
    let endings: Vec<_> = report.answers.iter().map(|a| a.ending).collect();
    assert_eq!(endings, [Ending::Status(200), Ending::Reset]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_kept_connection_the_server_has_closed_meanwhile_is_replaced_unnoticed() {
    let kept = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let server = Server::start(move |stream, _| say_and_close(stream, kept)).await;
    let report = server.load(20.0, ms(250)).run().await.unwrap();
    assert_eq!(report.count(|a| a.is(200)), 5, "{report}");
    assert_eq!(server.connections(), 5);
}

#[tokio::test]
async fn what_finds_no_room_is_counted_and_not_sent() {
    let server = Server::start(|stream, _| never_answer(stream)).await;
    let mut load = server.load(100.0, ms(100));
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
    let server = Server::http(|| async {
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
    let mut load = server.load(10.0, ms(50));
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
