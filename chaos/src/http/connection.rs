//! One HTTP/1.1 connection, driven by whoever uses it.
//!
//! Always holds: the socket belongs to the value. No task runs it in the background, so dropping
//! a [`Connection`], or a future that holds one half way through an exchange, closes the TCP
//! connection at once. That is what a client who leaves does, and it costs one task less per
//! request.
//!
//! Not here: keeping connections for reuse (`load/pool.rs`) and time limits (the callers').

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};

/// An answer larger than this breaks the exchange: five parts of the largest `max_body` anyone
/// sensibly configures fit, an endless body does not fill the memory.
const MAX_BODY: usize = 16 * 1024 * 1024;

type Io = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once hyper has nothing more to do on it.
    io: Option<Io>,
}

/// Why an exchange gave no whole answer.
pub(crate) enum Broken {
    /// The connection was found closed before the request was taken from the queue: no byte of it
    /// was written, and it may be sent again without asking anything twice.
    Unsent(Box<Request<Full<Bytes>>>),
    /// Anything later. The other side may have seen the request.
    Lost(Box<dyn std::error::Error + Send + Sync>),
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(addr).await?).await
    }

    /// As for a client on a bad line: the kernel takes few bytes on behalf of one that does not read.
    pub(crate) async fn open_narrow(addr: SocketAddr) -> io::Result<Self> {
        /// The least that kernels keep; what is less is rounded up to about this.
        const RECEIVED_AHEAD: u32 = 4096;
        let socket = if addr.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_recv_buffer_size(RECEIVED_AHEAD)?;
        Self::over(socket.connect(addr).await?).await
    }

    async fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (sender, io) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        Ok(Self {
            sender,
            io: Some(io),
        })
    }

    /// Sends one request and reads its answer to the last byte.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Broken> {
        let answer = self.head(request).await?;
        self.read(answer).await
    }

    /// Sends one request and reads its answer as far as its body, which [`Connection::read`] reads.
    pub(crate) async fn head(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Broken> {
        let sending = self.sender.try_send_request(request);
        let sent = drive(&mut self.io, sending).await;
        sent.map_err(|mut error| match error.take_message() {
            Some(request) => Broken::Unsent(Box::new(request)),
            None => Broken::Lost(error.into_error().into()),
        })
    }

    /// Reads an answer to its last byte.
    pub(crate) async fn read(
        &mut self,
        answer: Response<Incoming>,
    ) -> Result<Response<Bytes>, Broken> {
        let (head, body) = answer.into_parts();
        let body = drive(&mut self.io, Limited::new(body, MAX_BODY).collect());
        let body = body.await.map_err(Broken::Lost)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Whether another request can be sent now. Lets hyper see what has arrived since the last
    /// exchange, in particular that the other side has closed.
    pub(crate) async fn is_usable(&mut self) -> bool {
        poll_fn(|cx| {
            advance(&mut self.io, cx);
            Poll::Ready(self.io.is_some() && self.sender.is_ready())
        })
        .await
    }
}

/// Waits for `work` while keeping the connection it depends on moving.
async fn drive<T>(io: &mut Option<Io>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|cx| {
        advance(io, cx);
        work.as_mut().poll(cx)
    })
    .await
}

fn advance(io: &mut Option<Io>, cx: &mut Context<'_>) {
    let finished = io
        .as_mut()
        .is_some_and(|io| Pin::new(io).poll(cx).is_ready());
    if finished {
        // Dropping it fails what still waits on it. Its error reaches the waiting exchange too.
        *io = None;
    }
}
