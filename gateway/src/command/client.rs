//! What a command asks of a gateway's admin listener, and how it is answered.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;

use super::{CommandError, Target};
use crate::config::read_token_text;
use crate::http_client::{builder, root};

/// For the connection, and for each silence of an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// More than any gateway answers, in bytes: some thousand series for each of the pages and
/// downstreams that a configuration may have.
const MOST: usize = 64 << 20;

/// A running gateway, as operators reach it.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    address: String,
    /// What the URL of a request begins with: HTTP names a host, whatever carries it.
    base: String,
    token: Option<String>,
}

/// How a request was answered, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The whole body.
    pub body: String,
}

/// An answer whose body is read as it comes; the connection ends when it is dropped.
#[derive(Debug)]
pub struct Streamed(reqwest::Response);

impl Client {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`CommandError::Token`], or [`CommandError::Unreachable`]: the system gives no client.
    pub fn new(target: &Target) -> Result<Self, CommandError> {
        let unreachable = |error: reqwest::Error| CommandError::Unreachable {
            address: target.admin.clone(),
            why: root(&error),
        };
        let http = builder()
            .tls_certs_only([])
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE);
        let (http, base) = match target.admin.strip_prefix("unix:") {
            Some(path) => (http.unix_socket(path), "http://localhost".to_owned()),
            None => (http, format!("http://{}", target.admin)),
        };
        let token = target.token_file.as_deref().map(read_token_text);
        Ok(Self {
            http: http.build().map_err(unreachable)?,
            address: target.admin.clone(),
            base,
            token: token.transpose().map_err(CommandError::Token)?,
        })
    }

    /// Asks, and returns the answer with whatever status it has. `json` is sent as the body.
    ///
    /// # Errors
    /// [`CommandError::Unreachable`], [`CommandError::Denied`], or [`CommandError::Unexpected`] for what
    /// is no text or too long.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        json: Option<&Value>,
    ) -> Result<Answer, CommandError> {
        let mut request = self.request(method, path);
        if let Some(json) = json {
            request = request
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(json.to_string());
        }
        let sent = request.send().await;
        let answer = sent.map_err(|error| self.failed(path, &error))?;
        let status = answer.status();
        let body = self.read(path, answer).await?;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.denied(path, &body)),
            _ => Ok(Answer { status, body }),
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    fn denied(&self, path: &str, body: &str) -> CommandError {
        CommandError::Denied {
            address: self.address.clone(),
            path: path.to_owned(),
            what: body.trim_end().to_owned(),
            token_shown: self.token.is_some(),
        }
    }

    /// The body of `GET path`.
    ///
    /// # Errors
    /// As [`Client::ask`], and [`CommandError::Unexpected`] for every status but 200.
    pub async fn get(&self, path: &str) -> Result<String, CommandError> {
        let answer = self.ask(Method::GET, path, None).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            status => Err(self.unexpected(path, status.to_string())),
        }
    }

    /// The JSON of `GET path`, of which there may be nothing.
    ///
    /// # Errors
    /// As [`Client::view`], and [`CommandError::NoAnswer`] with the gateway's words where it has nothing
    /// to show (404), or is asked for what it cannot be (400).
    pub async fn find(&self, path: &str) -> Result<Value, CommandError> {
        let answer = self.ask(Method::GET, path, None).await?;
        match answer.status {
            StatusCode::OK => serde_json::from_str(&answer.body)
                .map_err(|error| self.unexpected(path, error.to_string())),
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {
                Err(CommandError::NoAnswer(answer.body.trim_end().to_owned()))
            }
            status => Err(self.unexpected(path, status.to_string())),
        }
    }

    /// The JSON of `GET path`.
    ///
    /// # Errors
    /// As [`Client::get`], and [`CommandError::Unexpected`] for what is no JSON.
    pub async fn view(&self, path: &str) -> Result<Value, CommandError> {
        let body = self.get(path).await?;
        serde_json::from_str(&body).map_err(|error| self.unexpected(path, error.to_string()))
    }

    /// `GET path`, with a body that is read as it comes.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn stream(&self, path: &str) -> Result<Streamed, CommandError> {
        let sent = self.request(Method::GET, path).send().await;
        let answer = sent.map_err(|error| self.failed(path, &error))?;
        match answer.status() {
            StatusCode::OK => Ok(Streamed(answer)),
            status => Err(match (status, self.read(path, answer).await?) {
                (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, body) => {
                    self.denied(path, &body)
                }
                (_, body) => self.unexpected(path, format!("{status}, {}", body.trim_end())),
            }),
        }
    }

    /// The next bytes of an answer; nothing at its end.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn more(
        &self,
        path: &str,
        answer: &mut Streamed,
    ) -> Result<Option<Bytes>, CommandError> {
        let chunk = answer.0.chunk().await;
        chunk.map_err(|error| self.failed(path, &error))
    }

    async fn read(&self, path: &str, answer: reqwest::Response) -> Result<String, CommandError> {
        let mut answer = Streamed(answer);
        let mut body = Vec::new();
        while let Some(chunk) = self.more(path, &mut answer).await? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST {
                return Err(self.unexpected(path, format!("more than {MOST} bytes")));
            }
        }
        String::from_utf8(body).map_err(|_| self.unexpected(path, "no text".into()))
    }

    /// Whoever has answered is there, though not as a gateway answers.
    fn failed(&self, path: &str, error: &reqwest::Error) -> CommandError {
        if error.is_connect() || error.is_timeout() || error.is_builder() {
            return CommandError::Unreachable {
                address: self.address.clone(),
                why: root(error),
            };
        }
        self.unexpected(path, root(error))
    }

    /// The gateway answered otherwise than a gateway does.
    pub(super) fn unexpected(&self, path: &str, what: String) -> CommandError {
        CommandError::Unexpected {
            address: self.address.clone(),
            path: path.to_owned(),
            what,
        }
    }
}
