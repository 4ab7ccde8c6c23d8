//! A client that writes exact bytes and reads what comes back.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// One connection.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    unread: Vec<u8>,
}

/// One answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// `GET path` with a Host and further header lines, each ending in CRLF.
pub(crate) fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: shop\r\n{headers}\r\n")
}

/// One request on a connection of its own.
pub(crate) async fn ask(to: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    let mut client = Client::connect(to).await;
    client.send(request).await;
    client.answer().await
}

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self::on(soon("a connection", TcpStream::connect(to)).await.unwrap())
    }

    /// On a connection that is open.
    pub(crate) fn on(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// On a connection of any kind that is open.
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Writes as much as the other side takes: it may refuse before it has read all.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon("bytes to be taken", self.stream.write_all(bytes.as_ref())).await;
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.read_answer(true).await
    }

    /// An answer that announces a body and has none.
    pub(crate) async fn answer_to_head(&mut self) -> Answer {
        self.read_answer(false).await
    }

    /// Whether the other side closes the connection without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && !self.more().await
    }

    /// An answer, or `None` if the connection closes before its first byte.
    pub(crate) async fn answer_or_end(&mut self) -> Option<Answer> {
        if self.unread.is_empty() && !self.more().await {
            return None;
        }
        Some(self.answer().await)
    }

    async fn read_answer(&mut self, with_body: bool) -> Answer {
        let end = loop {
            if let Some(at) = self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break at + 4;
            }
            assert!(
                self.more().await,
                "closed before an answer: {:?}",
                self.unread
            );
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let field = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers = lines.filter(|line| !line.is_empty()).map(field).collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if with_body && status != 304 {
            answer.body = match answer.header("content-length") {
                Some(length) => self.take(length.parse().unwrap()).await,
                None if answer.header("transfer-encoding") == Some("chunked") => {
                    self.chunks().await
                }
                None => {
                    while self.more().await {}
                    std::mem::take(&mut self.unread)
                }
            };
        }
        answer
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await {
            body.extend(chunk);
        }
        body
    }

    /// The next chunk of a body; `None` after the last one.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.line().await;
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let chunk = self.take(size).await;
        self.line().await;
        (size > 0).then_some(chunk)
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.unread.windows(2).position(|window| window == b"\r\n") {
                let line = self.unread.drain(..at + 2).collect();
                return String::from_utf8(line).unwrap();
            }
            assert!(self.more().await, "closed within a chunk");
        }
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            assert!(self.more().await, "closed within a body");
        }
        self.unread.drain(..length).collect()
    }

    /// Reads more; false when the connection is over.
    async fn more(&mut self) -> bool {
        self.unread.reserve(16 * 1024);
        let read = self.stream.read_buf(&mut self.unread);
        matches!(soon("an answer, or the end", read).await, Ok(1..))
    }
}

impl Answer {
    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice: {self:?}");
        value
    }

    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} of {self:?}"))
    }

    /// Asserts that this is a refusal as the contract describes it, and which one.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, reason: &str, scope: Option<&str>) {
        let problem = self.json();
        assert_eq!(
            (self.status, &problem["reason"], problem["scope"].as_str()),
            (status, &Value::from(reason), scope),
            "{self:?}"
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(problem["status"], status);
        let mut members: Vec<&str> = problem
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        members.sort_unstable();
        let expected = [
            "detail",
            "instance",
            "reason",
            "request_id",
            "retry_after_ms",
            "scope",
            "status",
            "title",
            "trace_id",
            "type",
        ];
        assert_eq!(members, expected);
        for text in ["type", "title", "detail", "instance"] {
            assert!(
                !problem[text].as_str().unwrap().is_empty(),
                "{text}: {problem}"
            );
        }
        let id = problem["request_id"].as_str().unwrap();
        assert_eq!(self.header("x-request-id"), Some(id));
        assert!(problem["instance"].as_str().unwrap().ends_with(id));
        let trace = problem["trace_id"].as_str().unwrap();
        assert!(
            trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()),
            "{trace}"
        );
        assert!(self.header("traceparent").unwrap().contains(trace));
        self.assert_retry(&problem);
    }

    #[track_caller]
    fn assert_retry(&self, problem: &Value) {
        match self.header("retry-after") {
            Some(seconds) => {
                let seconds: u64 = seconds.parse().unwrap();
                let ms = problem["retry_after_ms"].as_u64().unwrap();
                assert!(seconds >= 1 && seconds * 1000 == ms, "{seconds} s, {ms} ms");
            }
            None => assert!(problem["retry_after_ms"].is_null(), "{problem}"),
        }
        let is_load = matches!(self.status, 429 | 503);
        assert_eq!(self.header("retry-after").is_some(), is_load, "{self:?}");
    }
}
