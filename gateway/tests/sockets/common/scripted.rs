//! A downstream that follows a script and remembers what it was asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What it does with every request.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// Writes these bytes and waits for the next request.
    Say(Vec<u8>),
    /// Writes these bytes and closes.
    SayAndClose(Vec<u8>),
    /// Writes the first bytes, then the others again and again.
    SayForever(Vec<u8>, Vec<u8>),
}

/// A running downstream; it ends with this value.
pub(crate) struct Scripted {
    pub(crate) url: String,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    heads: Mutex<Vec<String>>,
    sent: AtomicU64,
    closed: AtomicU64,
}

/// 200 with this body, its length announced.
pub(crate) fn ok(body: impl AsRef<[u8]>) -> Script {
    Script::Say(with_length("200 OK", "", body.as_ref()))
}

/// An answer with its length announced, and further header lines.
pub(crate) fn with_length(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

impl Scripted {
    pub(crate) async fn start(script: Script) -> Self {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into(), script).await
    }

    pub(crate) async fn start_on(address: SocketAddr, script: Script) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, script, Arc::clone(&seen)));
        Self {
            url,
            seen,
            _tasks: tasks,
        }
    }

    /// The heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().clone()
    }

    /// Bytes that the system took from it.
    pub(crate) fn sent(&self) -> u64 {
        self.seen.sent.load(Ordering::Acquire)
    }

    /// Connections that are over.
    pub(crate) fn closed(&self) -> u64 {
        self.seen.closed.load(Ordering::Acquire)
    }
}

async fn accept(listener: TcpListener, script: Script, seen: Arc<Seen>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (script, seen) = (script.clone(), Arc::clone(&seen));
        connections.spawn(async move {
            follow(stream, &script, &seen).await;
            seen.closed.fetch_add(1, Ordering::AcqRel);
        });
    }
}

async fn follow(mut stream: TcpStream, script: &Script, seen: &Seen) {
    let mut unread = Vec::new();
    while let Some(head) = next_head(&mut stream, &mut unread).await {
        seen.heads.lock().push(head);
        let went_on = match script {
            Script::Say(bytes) => say(&mut stream, bytes, seen).await,
            Script::SayAndClose(bytes) => {
                say(&mut stream, bytes, seen).await;
                false
            }
            Script::SayForever(first, others) => {
                let mut taken = say(&mut stream, first, seen).await;
                while taken {
                    taken = say(&mut stream, others, seen).await;
                }
                false
            }
        };
        if !went_on {
            return;
        }
    }
}

async fn say(stream: &mut TcpStream, bytes: &[u8], seen: &Seen) -> bool {
    let taken = stream.write_all(bytes).await.is_ok();
    if taken {
        seen.sent.fetch_add(bytes.len() as u64, Ordering::AcqRel);
    }
    taken
}

async fn next_head(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<String> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            return String::from_utf8(unread.drain(..at + 4).collect()).ok();
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => unread.extend_from_slice(&buffer[..read]),
        }
    }
}
