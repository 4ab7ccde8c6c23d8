//! Keep-alive connections to one server.
//!
//! Always holds: a connection is either idle in here or owned by exactly one exchange; one whose
//! exchange did not end with a whole answer is never used again.
//!
//! A request is sent a second time in one case only: hyper hands it back because the reused idle
//! connection turned out closed before it took the request. Nothing was written then, so no
//! answer can be hidden by it. A connection that breaks after that is a reset, also a reused one.
//!
//! Not here: how many connections there may be. One exchange needs one connection, so the bound
//! on outstanding requests is theirs too.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use parking_lot::Mutex;

use super::answer::Ending;
use crate::http::connection::{Broken, Connection};

pub(crate) struct Pool {
    addr: SocketAddr,
    /// Last used, first reused: the fewest connections stay busy and the rest go stale together.
    idle: Mutex<Vec<Connection>>,
}

/// The ending that no answer came with, and what the socket said.
pub(crate) struct Failure {
    pub(crate) ending: Ending,
    pub(crate) error: Box<str>,
}

impl Pool {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            idle: Mutex::default(),
        }
    }

    pub(crate) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Failure> {
        let request = match self.reuse().await {
            None => request,
            Some(connection) => match self.exchange_on(connection, request).await {
                Ok(answer) => return Ok(answer),
                Err(Broken::Unsent(request)) => *request,
                Err(broken @ Broken::Lost(_)) => return Err(broken.into()),
            },
        };
        let opened = Connection::open(self.addr).await;
        let connection = opened.map_err(|error| Failure::connecting(&error))?;
        Ok(self.exchange_on(connection, request).await?)
    }

    async fn exchange_on(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Broken> {
        let answer = connection.exchange(request).await?;
        if connection.is_usable().await {
            self.idle.lock().push(connection);
        }
        Ok(answer)
    }

    async fn reuse(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle.lock().pop()?;
            if connection.is_usable().await {
                return Some(connection);
            }
        }
    }
}

impl Failure {
    pub(crate) fn connecting(error: &std::io::Error) -> Self {
        Self {
            ending: Ending::ConnectFailed,
            error: error.to_string().into(),
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        let error = match broken {
            Broken::Unsent(_) => "closed before the request was sent".into(),
            Broken::Lost(error) => error.to_string().into(),
        };
        Self {
            ending: Ending::Reset,
            error,
        }
    }
}
