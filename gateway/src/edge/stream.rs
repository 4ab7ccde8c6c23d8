//! Bytes to and from a client, with or without TLS.

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::edge::bound::Plain;

/// An open connection: as it came in, or with TLS. That is boxed: a session is some kilobytes, and
/// connections without one have no room for it.
pub(super) type Stream = Either<Plain, Box<TlsStream<TcpStream>>>;
