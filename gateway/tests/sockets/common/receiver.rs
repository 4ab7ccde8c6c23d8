//! A Datadog agent that counts the traces it takes, and takes some requests badly; all
//! statistics it takes well.
//! <https://docs.datadoghq.com/tracing/guide/send_traces_to_agent_by_api/>

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What it does with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reaction {
    Take,
    /// Answers 500.
    Refuse,
    /// Answers never.
    Hang,
}

/// A running receiver; it ends with this value.
pub(crate) struct Receiver {
    pub(crate) url: String,
    seen: Arc<Seen>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    to_come: Mutex<VecDeque<Reaction>>,
    taken: AtomicU64,
    not_taken: AtomicU64,
}

impl Receiver {
    /// Reacts so, in turn; when the script is over it takes everything.
    pub(crate) async fn start(script: &[Reaction]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        seen.to_come.lock().extend(script);
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&seen)));
        Self {
            url,
            seen,
            _serving: serving,
        }
    }

    /// Traces it has taken.
    pub(crate) fn taken(&self) -> u64 {
        self.seen.taken.load(Ordering::Acquire)
    }

    /// Traces it was sent and has not taken.
    pub(crate) fn not_taken(&self) -> u64 {
        self.seen.not_taken.load(Ordering::Acquire)
    }

    /// Whether it has done everything the script says.
    pub(crate) fn script_is_over(&self) -> bool {
        self.seen.to_come.lock().is_empty()
    }
}

async fn serve(listener: TcpListener, seen: Arc<Seen>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let seen = Arc::clone(&seen);
        let service = service_fn(move |request| answer(Arc::clone(&seen), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    seen: Arc<Seen>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/v0.6/stats" {
        return Ok(Response::new(Full::from("{}")));
    }
    assert_eq!(request.uri().path(), "/v0.5/traces");
    let said = request.headers()["x-datadog-trace-count"].clone();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let traces = traces_in(&body);
    assert_eq!(said.to_str().unwrap(), traces.to_string());
    let reaction = seen.to_come.lock().pop_front().unwrap_or(Reaction::Take);
    let mut response = Response::new(Full::from("{}"));
    let count = match reaction {
        Reaction::Take => &seen.taken,
        Reaction::Refuse | Reaction::Hang => &seen.not_taken,
    };
    count.fetch_add(traces, Ordering::AcqRel);
    match reaction {
        Reaction::Take => {}
        Reaction::Refuse => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        Reaction::Hang => std::future::pending().await,
    }
    Ok(response)
}

/// A payload is a pair in `MessagePack`: an array of all strings, and the array of traces.
fn traces_in(mut payload: &[u8]) -> u64 {
    assert_eq!(array(&mut payload), 2);
    for _ in 0..array(&mut payload) {
        let length = match take(&mut payload, 1)[0] {
            short @ 0xa0..=0xbf => usize::from(short & 0x1f),
            0xd9 => number(take(&mut payload, 1)),
            0xda => number(take(&mut payload, 2)),
            0xdb => number(take(&mut payload, 4)),
            other => panic!("no string: {other:#x}"),
        };
        take(&mut payload, length);
    }
    array(&mut payload) as u64
}

/// The length of the array that begins here.
fn array(payload: &mut &[u8]) -> usize {
    match take(payload, 1)[0] {
        short @ 0x90..=0x9f => usize::from(short & 0x0f),
        0xdc => number(take(payload, 2)),
        0xdd => number(take(payload, 4)),
        other => panic!("no array: {other:#x}"),
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

fn take<'a>(payload: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = payload.split_at(length);
    *payload = rest;
    taken
}
