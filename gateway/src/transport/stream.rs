//! Bytes to and from an endpoint, with or without TLS.

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

/// An open connection: as it is, or with TLS. That is boxed: a session is some kilobytes, and most
/// connections have none.
pub(super) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;
