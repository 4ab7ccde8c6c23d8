//! Small servers whose faults are known exactly.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses its share of it"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chaos::http::Origin;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// No test waits longer for anything.
pub const BOUND: Duration = Duration::from_secs(10);

/// A server on a port of its own; all its tasks end with it.
pub struct Server {
    pub origin: Origin,
    connections: Arc<AtomicUsize>,
    /// Connections whose other side has closed.
    closed: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// `talk` speaks on each accepted connection; it is given the connection's number.
    pub async fn start<F, T>(talk: F) -> Self
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
    pub async fn http<F, T>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> T + Clone + Send + 'static,
        T: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        Self::start(move |stream, _| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            }
        })
        .await
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub async fn sees_closed(&self, count: usize) {
        let sees = async {
            while self.closed.load(Ordering::SeqCst) < count {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(BOUND, sees).await.unwrap();
    }
}

pub async fn ok() -> Response<Full<Bytes>> {
    Response::new(Full::from("fine"))
}

/// Reads one request's head and writes `answer`; then the connection is dropped.
pub async fn say_and_close(mut stream: TcpStream, answer: &'static str) {
    let mut head = [0; 1024];
    let _ = stream.read(&mut head).await;
    let _ = stream.write_all(answer.as_bytes()).await;
}

pub async fn never_answer(mut stream: TcpStream) {
    let mut sink = [0; 1024];
    while let Ok(1..) = stream.read(&mut sink).await {}
}
