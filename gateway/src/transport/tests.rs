//! The transport over real sockets, with a connector that takes its time.

use fixtures::{Behaviour, Fakes, Options, Service as Fake};
use futures_util::future::join;
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt};

use super::*;
use crate::page::deadline::{Deadline, now};
use crate::telemetry::Telemetry;

/// Far longer than a call waits, so that only what outlives its call can succeed.
const CONNECT: Duration = Duration::from_millis(600);
const CALL: Duration = Duration::from_millis(250);

/// A connector that connects late.
#[derive(Clone)]
struct Late<S>(S);

#[derive(Clone)]
struct LateLayer;

impl<S> Layer<S> for LateLayer {
    type Service = Late<S>;

    fn layer(&self, inner: S) -> Late<S> {
        Late(inner)
    }
}

impl<S, R> Service<R> for Late<S>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: R) -> Self::Future {
        let connect = self.0.clone().oneshot(to);
        Box::pin(async move {
            sleep(CONNECT).await;
            connect.await
        })
    }
}

fn config(url: &str, http2: bool) -> Config {
    let text = format!(
        "[downstream.d]\nurl = \"{url}\"\nconnect_timeout = \"10s\"\nhttp2 = {http2}\n\
         [page.p]\npath = \"/p\"\n[page.p.part.x]\ndownstream = \"d\"\npath = \"/x\"\n",
    );
    crate::config::load_text("test.toml", &text, &[])
        .unwrap()
        .config
}

fn unmeasured(config: &Config) -> HttpTransport {
    HttpTransport::new(config, Arc::clone(Telemetry::new(config).counts())).unwrap()
}

/// A fake, and a transport that connects to it late.
async fn late(http2: bool) -> (Fakes, HttpTransport) {
    late_within(http2, Duration::from_secs(10)).await
}

/// The same, given up after `limit`.
async fn late_within(http2: bool, limit: Duration) -> (Fakes, HttpTransport) {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let config = config(&fakes.url(Fake::Product), http2);
    let downstream = &config.downstreams[0];
    let mut transport = unmeasured(&config);
    // As in `Target::new`, with the late connector below the shelf.
    let shelf = Shelf::new(limit, !http2);
    transport.targets[0].client = client(downstream, "d")
        .unwrap()
        .connector_layer(LateLayer)
        .connector_layer(KeepOpening(Arc::clone(&shelf)))
        .build()
        .unwrap();
    transport.targets[0].shelf = Box::new(shelf);
    (fakes, transport)
}

fn call(transport: &HttpTransport) -> impl Future<Output = Result<Reply, Cause>> + Send {
    let request = CallRequest {
        path: "/products/p-1001".into(),
        headers: http::HeaderMap::new(),
    };
    transport.call(DownstreamId(0), request)
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

#[tokio::test]
async fn calls_that_wait_shorter_than_connecting_takes_get_through_in_the_end() {
    bounded(async {
        for http2 in [false, true] {
            let (fakes, transport) = late(http2).await;
            let mut cancelled = 0;
            while limited(CALL, call(&transport)).await.is_none() {
                cancelled += 1;
                assert!(cancelled < 50, "http2 = {http2}: none ever gets through");
            }
            assert!(cancelled >= 1, "http2 = {http2}");
            let reply = limited(CALL * 20, call(&transport)).await.unwrap().unwrap();
            assert_eq!(reply.status, 200);
            assert_eq!(
                fakes.stats(Fake::Product).connections_total,
                1,
                "http2 = {http2}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_connects_asks_nothing_and_leaves_its_connection() {
    bounded(async {
        for http2 in [false, true] {
            let (fakes, transport) = late(http2).await;
            for _ in 0..3 {
                assert!(futures_util::poll!(Box::pin(call(&transport))).is_pending());
            }
            while fakes.stats(Fake::Product).connections_open == 0 {
                sleep(Duration::from_millis(10)).await;
            }
            sleep(Duration::from_millis(100)).await;
            assert_eq!(fakes.stats(Fake::Product).received, 0, "http2 = {http2}");
            assert_eq!(call(&transport).await.unwrap().status, 200);
            let stats = fakes.stats(Fake::Product);
            assert_eq!(
                (stats.received, stats.connections_total),
                (1, 1),
                "http2 = {http2}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn calls_that_wait_for_the_connection_of_a_cancelled_one_are_served() {
    bounded(async {
        for http2 in [false, true] {
            let (fakes, transport) = late(http2).await;
            let first = limited(CALL, call(&transport));
            let others = limited(CALL * 100, join_all((0..4).map(|_| call(&transport))));
            let (first, others) = join(first, others).await;
            assert!(first.is_none());
            for reply in others.unwrap() {
                assert_eq!(reply.unwrap().status, 200, "http2 = {http2}");
            }
            assert_eq!(fakes.stats(Fake::Product).received, 4, "http2 = {http2}");
            // Over HTTP/1.1 each opens its own.
            let asked_again = transport.counts.retries(DownstreamId(0)) > 0;
            assert_eq!(asked_again, http2);
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_work_and_leaves_the_others_theirs() {
    bounded(async {
        for http2 in [false, true] {
            let (fakes, transport) = late(http2).await;
            call(&transport).await.unwrap();
            fakes.reset_stats();
            fakes
                .set(Fake::Product, Behaviour::fixed(Duration::from_secs(3)))
                .unwrap();
            let mut dropped = Box::pin(call(&transport));
            let mut kept = Box::pin(call(&transport));
            while fakes.stats(Fake::Product).in_flight < 2 {
                let both = join(&mut dropped, &mut kept);
                assert!(limited(Duration::from_millis(10), both).await.is_none());
            }
            drop(dropped);
            while fakes.stats(Fake::Product).aborted_by_caller < 1 {
                assert!(
                    limited(Duration::from_millis(10), &mut kept)
                        .await
                        .is_none()
                );
            }
            assert_eq!(kept.await.unwrap().status, 200, "http2 = {http2}");
        }
    })
    .await;
}

#[test]
fn a_downstreams_own_path_goes_before_each_parts() {
    for (base, path, expected) in [
        ("http://a:1", "/x/1", "http://a:1/x/1"),
        ("http://a:1/", "/x/1?y=%20", "http://a:1/x/1?y=%20"),
        ("http://a:1/v2", "/x/1", "http://a:1/v2/x/1"),
        ("http://a:1/v2/", "/x?y=a/../b", "http://a:1/v2/x?y=a/../b"),
        ("http://a:1/v2", "/x%3Fy", "http://a:1/v2/x%3Fy"),
    ] {
        let transport = unmeasured(&config(base, false));
        assert_eq!(transport.targets[0].url(path).as_str(), expected);
    }
}

#[tokio::test]
async fn of_many_calls_to_a_downstream_that_is_not_there_each_hears_so_at_once() {
    bounded(async {
        for http2 in [false, true] {
            let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}", gone.local_addr().unwrap());
            drop(gone);
            let transport = unmeasured(&config(&url, http2));
            let calls = (0..300).map(|_| call(&transport));
            let replies = limited(Duration::from_secs(10), join_all(calls))
                .await
                .unwrap();
            for reply in replies {
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
        for http2 in [false, true] {
            let limit = CONNECT / 3;
            let (_fakes, transport) = late_within(http2, limit).await;
            let began = now();
            for reply in join_all((0..50).map(|_| call(&transport))).await {
                assert!(
                    matches!(reply, Err(Cause::Connect(_))),
                    "http2 = {http2}: {reply:?}"
                );
            }
            // One after the other, fifty would take fifty times as long.
            assert!(
                now() - began < 20 * limit,
                "http2 = {http2}: {:?}",
                now() - began
            );
        }
    })
    .await;
}
