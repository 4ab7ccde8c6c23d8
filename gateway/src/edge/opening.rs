//! What comes before a client's first request where it has to: for whom a proxy opened the connection,
//! and TLS.
//!
//! Always holds: all of it together takes no longer than a head may, from the connection's opening; so
//! many connections at most are at their handshake ([`super::tls`]).

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio_util::either::Either;

use crate::edge::connection::Connection;
use crate::edge::per_client::Clients;
use crate::edge::proxy_protocol::{NoHeader, take_header};
use crate::edge::stream::Stream;
use crate::edge::tls::{Shaking, Tls};
use crate::edge::unreadable::NoRequest;
use crate::page::deadline::Deadline;

/// The first byte of a handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 0x16;

/// What a connection has to begin with.
pub(super) struct Opening {
    /// A header of the PROXY protocol, if there are these.
    pub(super) introduced: Option<Clients>,
    /// TLS, if it is spoken.
    pub(super) tls: Option<(Tls, Shaking)>,
}

impl Opening {
    /// Nothing, if there is nothing that it has to begin with.
    pub(super) fn of(introduced: Option<Clients>, tls: Option<(Tls, Shaking)>) -> Option<Self> {
        let is_needed = introduced.is_some() || tls.is_some();
        is_needed.then_some(Self { introduced, tls })
    }

    /// The stream on which requests come; all must have come `by` then. `None`: there is none, and
    /// `connection` knows why, if somebody should.
    pub(super) async fn run(
        self,
        stream: TcpStream,
        by: Deadline,
        connection: &Connection,
    ) -> Option<Stream> {
        let Self { introduced, tls } = self;
        let stream = match introduced {
            None => stream,
            Some(clients) => by
                .limit(introduce(stream, &clients, connection))
                .await
                .ok()??,
        };
        let Some((tls, shaking)) = tls else {
            return Some(plain(stream));
        };
        let mut first = [0];
        match by.limit(stream.peek(&mut first)).await {
            // Silent, or gone: whoever looks whether the port is open does so.
            Err(_) | Ok(Err(_) | Ok(0)) => None,
            Ok(Ok(_)) if first != [HANDSHAKE] => {
                connection.refuse(NoRequest::without_tls(), Some(plain(stream)));
                None
            }
            Ok(Ok(_)) => match tls.accept(stream, &shaking, by).await {
                Ok(stream) => Some(Either::Right(Box::new(stream))),
                Err(what) => {
                    connection.refuse(NoRequest::unanswered(what), None);
                    None
                }
            },
        }
    }
}

fn plain(stream: TcpStream) -> Stream {
    Either::Left(Either::Left(stream))
}

/// A trusted proxy says for whom the connection is, and that client has its place.
async fn introduce(
    mut stream: TcpStream,
    (clients, most): &Clients,
    connection: &Connection,
) -> Option<TcpStream> {
    match take_header(&mut stream).await {
        Ok(None) => Some(stream),
        Ok(Some(client)) => {
            let client: SocketAddr = client;
            connection.is_for(client);
            connection.takes(clients.enter(client.ip(), *most));
            (!connection.is_too_many()).then_some(stream)
        }
        Err(NoHeader) => {
            connection.refuse(NoRequest::not_introduced(), Some(plain(stream)));
            None
        }
    }
}

/// Which HTTP a stream that is open speaks, as far as TLS has negotiated it.
pub(super) fn has_negotiated_http2(stream: &Stream) -> bool {
    match stream {
        Either::Left(_) => false,
        Either::Right(tls) => tls.get_ref().1.alpn_protocol() == Some(super::tls::HTTP2),
    }
}

/// For an error of whoever has lost its stream.
pub(super) fn gone() -> io::Error {
    io::Error::other("its stream has been taken by who answers or goes on with it")
}
