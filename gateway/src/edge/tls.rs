//! Handshakes with clients, in bounds.
//!
//! Always holds: at most [`MOST_SHAKING`] connections of a listener are at their handshake, from their
//! first byte on. One more ends the one that has been at it for longest: those that stall are the
//! oldest, and others must not wait for them.
//!
//! Not here: what is shown and asked for ([`crate::config::ServerTls`]).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::config::ServerTls;
use crate::page::deadline::Deadline;
use crate::telemetry::names::Unreadable;

/// Handshakes at once: at 30 kB each, 15 MB. A client takes two round trips over one, so that even
/// with 2,500 stalled ones a second an honest client has 200 ms.
pub const MOST_SHAKING: usize = 512;

/// As ALPN names it (RFC 9113 section 3.1).
pub(super) const HTTP2: &[u8] = b"h2";

const HTTP1: &[u8] = b"http/1.1";

/// What TLS is spoken by.
#[derive(Clone, Debug)]
pub struct Tls {
    of: ServerTls,
    http2: bool,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// As configured; with HTTP/2 or without. What was `before` goes on where it is the same, with
    /// the secrets by which its clients resume.
    #[must_use]
    pub fn new(of: &ServerTls, http2: bool, before: Option<&Self>) -> Self {
        if let Some(before) = before
            && before.of == *of
            && before.http2 == http2
        {
            return before.clone();
        }
        let mut config = ServerConfig::clone(&of.config);
        let protocols: &[&[u8]] = match http2 {
            true => &[HTTP2, HTTP1],
            false => &[HTTP1],
        };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        // Tickets do the same, and are kept by clients.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Self {
            of: of.clone(),
            http2,
            config: Arc::new(config),
        }
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// What the connection is counted as.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        all: &Shaking,
        by: Deadline,
    ) -> Result<TlsStream<TcpStream>, Unreadable> {
        let one = all.begin();
        let accepting = TlsAcceptor::from(Arc::clone(&self.config)).accept(stream);
        let accepted = tokio::select! {
            accepted = by.limit(accepting) => accepted,
            () = one.cut.cancelled() => return Err(Unreadable::TlsTimeout),
        };
        match accepted {
            Ok(accepted) => accepted.map_err(|error| kind_of(&error)),
            Err(_) => Err(Unreadable::TlsTimeout),
        }
    }
}

/// What was wrong with a handshake.
fn kind_of(error: &io::Error) -> Unreadable {
    let tls = error.get_ref().and_then(|error| error.downcast_ref());
    match tls {
        Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)) => {
            Unreadable::TlsClientCertificate
        }
        Some(_) | None => Unreadable::TlsHandshake,
    }
}

/// The connections of a listener that are at their handshake, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Shaking(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    begun: u64,
    waiting: VecDeque<(u64, CancellationToken)>,
}

/// One of them.
#[derive(Debug)]
struct One {
    all: Shaking,
    number: u64,
    cut: CancellationToken,
}

impl Shaking {
    fn begin(&self) -> One {
        let mut queue = self.0.lock();
        queue.begun += 1;
        let (number, cut) = (queue.begun, CancellationToken::new());
        queue.waiting.push_back((number, cut.clone()));
        if queue.waiting.len() > MOST_SHAKING
            && let Some((_, oldest)) = queue.waiting.pop_front()
        {
            oldest.cancel();
        }
        let all = self.clone();
        One { all, number, cut }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        let waiting = &mut self.all.0.lock().waiting;
        if let Ok(at) = waiting.binary_search_by_key(&self.number, |(number, _)| *number) {
            waiting.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_handshake_too_many_ends_the_oldest_and_each_leaves_its_place() {
        let all = Shaking::default();
        let mut open: VecDeque<_> = (0..MOST_SHAKING).map(|_| all.begin()).collect();
        let is_cut = |one: &One| one.cut.is_cancelled();
        assert!(!open.iter().any(is_cut));
        // One that is done is not in the way of another.
        drop(open.remove(7));
        open.push_back(all.begin());
        assert!(!open.iter().any(is_cut));
        open.push_back(all.begin());
        let cut: Vec<usize> = (0..open.len()).filter(|&at| is_cut(&open[at])).collect();
        assert_eq!(cut, [0]);
        drop(open);
        assert!(all.0.lock().waiting.is_empty());
    }
}
