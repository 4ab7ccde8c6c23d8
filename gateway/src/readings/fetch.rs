//! One `GET` of the admin listener, with the standard library: a command has no runtime to share.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::ReadingsError;

/// For the connection, and for each read of the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// More than any gateway answers: some thousand series for each of the pages and downstreams
/// that a configuration may have.
const MOST: u64 = 64 << 20;

/// The body of `GET path`.
pub(super) fn get(address: &str, path: &'static str) -> Result<String, ReadingsError> {
    let answer = exchange(address, path).map_err(|source| ReadingsError::Unreachable {
        address: address.to_owned(),
        source,
    })?;
    let unexpected = |what: String| ReadingsError::Unexpected {
        address: address.to_owned(),
        path,
        what,
    };
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return Err(unexpected("no HTTP answer".into()));
    };
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(unexpected(status.chars().take(80).collect())),
    }
}

/// HTTP/1.0: the answer ends with the connection, and is never in chunks.
fn exchange(address: &str, path: &str) -> io::Result<String> {
    let mut stream = connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    Ok(answer)
}

/// A name may stand for several addresses, of which one answers.
fn connect(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "resolves to no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
