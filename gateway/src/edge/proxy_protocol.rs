//! The PROXY protocol, versions 1 and 2: a trusted proxy says first for whom it opened a connection.
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>
//!
//! Always holds: of what follows the header not one byte is taken; a header that does not come in
//! time, or is none, ends its connection, as the protocol forbids to guess.
//!
//! Not here: who is trusted (see [`super::listener`]), how long it may take ([`super::opening`]).

use std::net::SocketAddr;

use ppp::{HeaderResult, PartialResult as _, v1, v2};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Longest header that is read, in bytes: version 2 with all that is defined to follow the
/// addresses is shorter.
const MOST: usize = 4096;

/// Longest header of version 1, in bytes.
const LONGEST_1: usize = 107;

/// Bytes looked at at once.
const WINDOW: usize = 256;

/// Takes the header off `stream`: who opened the connection to the proxy. `None`: the proxy itself
/// did, or does not know.
///
/// # Errors
/// What comes is no such header, or the connection ended.
pub(super) async fn take_header(stream: &mut TcpStream) -> Result<Option<SocketAddr>, NoHeader> {
    let mut head = Vec::with_capacity(WINDOW);
    let mut window = [0; WINDOW];
    loop {
        let taken = head.len();
        let seen = stream.peek(&mut window).await.map_err(|_| NoHeader)?;
        head.extend_from_slice(&window[..seen]);
        if seen == 0 || taken > MOST {
            return Err(NoHeader);
        }
        let parsed = HeaderResult::parse(&head);
        // Half an address is taken for a wrong one.
        let may_go_on =
            head.starts_with(b"PROXY ") && !head.contains(&b'\n') && head.len() < LONGEST_1;
        let is_incomplete = may_go_on || parsed.is_incomplete();
        let (length, source) = match parsed {
            // All of it is the header's.
            HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) if is_incomplete => {
                (head.len(), None)
            }
            HeaderResult::V1(Ok(header)) => (header.header.len(), Some(first(header.addresses))),
            HeaderResult::V2(Ok(header)) => {
                let source = match header.command {
                    v2::Command::Proxy => second(header.addresses),
                    v2::Command::Local => None,
                };
                (header.len(), Some(source))
            }
            HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => return Err(NoHeader),
        };
        let new = length.checked_sub(taken).ok_or(NoHeader)?;
        let read = stream.read_exact(&mut window[..new]).await;
        read.map_err(|_| NoHeader)?;
        if let Some(source) = source {
            return Ok(source);
        }
    }
}

/// There is no header where there must be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoHeader;

fn first(addresses: v1::Addresses) -> Option<SocketAddr> {
    match addresses {
        v1::Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Unknown => None,
    }
}

fn second(addresses: v2::Addresses) -> Option<SocketAddr> {
    match addresses {
        v2::Addresses::IPv4(ip) => Some((ip.source_address, ip.source_port).into()),
        v2::Addresses::IPv6(ip) => Some((ip.source_address, ip.source_port).into()),
        v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// What is read of a connection on which these pieces are sent, and what is left.
    async fn of(pieces: &[&[u8]]) -> (Result<Option<String>, NoHeader>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(connecting, listener.accept());
        let (mut client, (mut stream, _)) = (client.unwrap(), accepted.unwrap());
        client.set_nodelay(true).unwrap();
        let send = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.shutdown().await.unwrap();
        };
        let (found, ()) = tokio::join!(take_header(&mut stream), send);
        let mut rest = Vec::new();
        if found.is_ok() {
            stream.read_to_end(&mut rest).await.unwrap();
        }
        (
            found.map(|source| source.map(|source| source.to_string())),
            rest,
        )
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        header.extend([0x20 | command, family, 0, rest.len() as u8]);
        header.extend(rest);
        header
    }

    const V4: [u8; 12] = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];

    #[tokio::test]
    async fn who_opened_the_connection_is_known_in_both_versions() {
        let first = b"PROXY TCP4 203.0.113.7 10.0.0.1 4660 80\r\n";
        let sixth = b"PROXY TCP6 2001:db8::1 fd00::1 4660 80\r\n";
        let second = version_2(1, 0x11, &V4);
        let with_more = version_2(1, 0x11, &[&V4[..], &[0x04, 0, 3, 1, 2, 3]].concat());
        for (header, expected) in [
            (&first[..], Some("203.0.113.7:4660")),
            (sixth, Some("[2001:db8::1]:4660")),
            (b"PROXY UNKNOWN\r\n", None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
            (&second, Some("203.0.113.7:4660")),
            (&with_more, Some("203.0.113.7:4660")),
            (&version_2(0, 0, &[]), None),
        ] {
            let expected = Ok(expected.map(str::to_owned));
            let request = b"GET / HTTP/1.1\r\n\xff";
            let whole = [header, request].concat();
            assert_eq!(of(&[&whole]).await, (expected.clone(), request.to_vec()));
            let (half, rest) = whole.split_at(header.len() / 2);
            assert_eq!(
                of(&[half, rest]).await,
                (expected.clone(), request.to_vec())
            );
            let bytes: Vec<&[u8]> = whole.chunks(1).collect();
            assert_eq!(of(&bytes).await, (expected, request.to_vec()));
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_none() {
        let long = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PROXY TCP4 1.2.3.4\r\n",
            b"PROXY TCP4 1.2.3.999 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 10.0.0.1 1",
            &long,
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
            b"",
        ] {
            assert_eq!(of(&[bytes]).await.0, Err(NoHeader), "{bytes:?}");
        }
    }
}
