//! Names become addresses, off the way of pages.
//!
//! The system's resolver (`getaddrinfo`) blocks for as long as it likes, and knows what the
//! operator configured (hosts file, search domains, other sources). So every name is looked up
//! by a thread of its own, again and again, and pages read the last good answer. A resolver
//! that hangs costs the calls to its own name, and no thread that anything else needs.
//!
//! What always holds: a failed or hanging lookup leaves the last good answer in force; a name is
//! looked up by one thread, one lookup at a time; the thread ends after its lookup when nobody
//! listens any more.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::watch;

use super::tuning::Tuning;
use crate::telemetry::events;

/// A name that could not be resolved is tried again after this, or after `resolve` if that is
/// shorter.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Addresses of a name that are used: the first ones, in the resolver's order.
const MAX_ADDRESSES: usize = 32;

/// The addresses of a name at the moment, sorted; empty until the first good answer.
pub(super) type Addresses = watch::Receiver<Vec<SocketAddr>>;

/// A name that is being resolved, as long as this lives.
#[derive(Debug)]
pub(super) struct Resolving {
    pub(super) addresses: Addresses,
    /// Dropped, it ends the thread; `()` asks for a lookup now.
    _stop: Option<mpsc::Sender<()>>,
}

impl Resolving {
    /// Addresses that something else publishes.
    #[cfg(test)]
    pub(super) fn of(addresses: Addresses) -> Self {
        Self {
            addresses,
            _stop: None,
        }
    }
}

/// Resolves `host` now, and as often as `tuning` says. An address stands for itself.
///
/// # Errors
/// The system gives no thread.
pub(super) fn resolve(
    downstream: &str,
    (host, port): &(String, u16),
    tuning: &Arc<Tuning>,
) -> std::io::Result<Resolving> {
    if let Ok(address) = host.parse::<IpAddr>() {
        let (_, addresses) = watch::channel(vec![SocketAddr::new(address, *port)]);
        return Ok(Resolving {
            addresses,
            _stop: None,
        });
    }
    let (publish, addresses) = watch::channel(Vec::new());
    let (stop, stopped) = mpsc::channel::<()>();
    let lookup = Lookup {
        downstream: downstream.to_owned(),
        host: host.clone(),
        port: *port,
        tuning: Arc::clone(tuning),
    };
    std::thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(move || lookup.run(&publish, &stopped))?;
    Ok(Resolving {
        addresses,
        _stop: Some(stop),
    })
}

struct Lookup {
    downstream: String,
    host: String,
    port: u16,
    tuning: Arc<Tuning>,
}

impl Lookup {
    fn run(&self, publish: &watch::Sender<Vec<SocketAddr>>, stopped: &mpsc::Receiver<()>) {
        let mut failing = false;
        loop {
            let pause = match self.look_up() {
                Ok(found) => {
                    if std::mem::take(&mut failing) {
                        events::resolved_again(&self.downstream, &self.host);
                    }
                    publish.send_if_modified(|before| {
                        let changed = *before != found;
                        *before = found;
                        changed
                    });
                    self.tuning.resolve()
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        events::not_resolved(&self.downstream, &self.host, &error);
                    }
                    self.tuning.resolve().min(AGAIN_AFTER)
                }
            };
            if stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    fn look_up(&self) -> std::io::Result<Vec<SocketAddr>> {
        let found = (self.host.as_str(), self.port).to_socket_addrs()?;
        let mut found: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
        found.sort();
        found.dedup();
        match found.is_empty() {
            true => Err(std::io::Error::other("the name has no address")),
            false => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::transport::tuning::Settings;

    fn every(interval: Duration) -> Arc<Tuning> {
        let config = config::load_text("test", config::default_text(), &[]);
        let mut downstream = config.unwrap().config.downstreams.swap_remove(0);
        downstream.resolve = interval;
        Arc::new(Tuning::new(Settings::of(&downstream)))
    }

    #[tokio::test]
    async fn an_address_is_its_own_answer() {
        let resolving = resolve(
            "d",
            &("::1".to_owned(), 80),
            &every(Duration::from_secs(10)),
        )
        .unwrap();
        let address: SocketAddr = "[::1]:80".parse().unwrap();
        assert_eq!(*resolving.addresses.borrow(), [address]);
    }

    #[tokio::test]
    async fn a_name_is_resolved_by_the_system() {
        let name = ("localhost".to_owned(), 80);
        let mut resolving = resolve("d", &name, &every(Duration::from_secs(10))).unwrap();
        let found = resolving.addresses.wait_for(|found| !found.is_empty());
        let found = found.await.unwrap().clone();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_has_no_address_and_ends_nothing() {
        let name = ("does-not-exist.invalid".to_owned(), 80);
        let resolving = resolve("d", &name, &every(Duration::from_millis(10))).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(resolving.addresses.borrow().is_empty());
        assert!(resolving.addresses.has_changed().is_ok());
    }
}
