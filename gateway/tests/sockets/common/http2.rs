//! A client that speaks HTTP/2, stream by stream.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::client::Answer;
use super::soon;

/// One connection.
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
    connection: JoinSet<Result<(), h2::Error>>,
}

/// A stream that is open: dropping it resets it.
pub(crate) struct Open {
    pub(crate) answer: ResponseFuture,
    pub(crate) body: SendStream<Bytes>,
}

/// A request for `path` of the shop.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let uri = format!("http://shop{path}");
    let request = Request::builder().method(method).uri(uri);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.body(()).unwrap()
}

impl Http2 {
    /// With prior knowledge.
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(to)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, &Builder::new()).await
    }

    /// On a connection that is open.
    pub(crate) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        builder: &Builder,
    ) -> Self {
        let (sender, driven) = builder.handshake(stream).await.unwrap();
        let mut connection = JoinSet::new();
        connection.spawn(driven);
        Self { sender, connection }
    }

    /// Opens a stream; its body is empty and over if `ends`.
    pub(crate) async fn open(
        &mut self,
        request: Request<()>,
        ends: bool,
    ) -> Result<Open, h2::Error> {
        let mut sender = soon("a stream", self.sender.clone().ready()).await?;
        let (answer, body) = sender.send_request(request, ends)?;
        Ok(Open { answer, body })
    }

    /// The answer to a request.
    pub(crate) async fn ask(&mut self, request: Request<()>) -> Answer {
        let open = self.open(request, true).await.unwrap();
        taken(open.answer).await.unwrap()
    }

    /// A page of the shop.
    pub(crate) async fn page(&mut self, path: &str) -> Answer {
        self.ask(request("GET", path, &[])).await
    }

    /// How the connection ends.
    pub(crate) async fn end(&mut self) -> Result<(), h2::Error> {
        let ended = soon("the end of the connection", self.connection.join_next()).await;
        ended.unwrap().unwrap()
    }
}

/// The whole of an answer.
pub(crate) async fn taken(answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut body) = soon("an answer", answer).await?.into_parts();
    let mut whole = Vec::new();
    while let Some(piece) = soon("more of an answer", body.data()).await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers.iter().map(field).collect(),
        body: whole,
    })
}
