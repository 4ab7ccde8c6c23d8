//! What systemd, or another service manager that speaks its protocol, is told: that pages are
//! served, that the gateway reloads or stops, and that it is alive.
//!
//! What always holds: without `NOTIFY_SOCKET` nothing is sent. A message that cannot be sent is
//! logged and lost: a service manager that does not listen costs no page. Nothing here waits.
//!
//! <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::telemetry::events;

/// The service manager of this process, or nobody; clones talk to the same one.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager {
    inbox: Option<Arc<Inbox>>,
    watchdog: Option<Duration>,
}

/// Where it takes messages.
#[derive(Debug)]
struct Inbox {
    socket: UnixDatagram,
    address: SocketAddr,
    /// The last that it was told: a reload that ends later changes nothing about it.
    stopping: AtomicBool,
}

impl ServiceManager {
    /// The one that started this process, by `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn from_env() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        let number = |name| env::var(name).ok()?.parse::<u64>().ok();
        let other = number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| !other);
        match Self::at(&name, watchdog.map(Duration::from_micros)) {
            Ok(manager) => manager,
            Err(error) => {
                events::manager_not_told(&error);
                Self::default()
            }
        }
    }

    /// At the socket `name`: a path, or `@` and an abstract name.
    fn at(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(name),
        }?;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            inbox: Some(Arc::new(Inbox {
                socket,
                address,
                stopping: AtomicBool::new(false),
            })),
            watchdog: watchdog.filter(|every| !every.is_zero()),
        })
    }

    /// From now on pages are served; also after a reload.
    pub fn ready(&self) {
        self.tell_unless_stopping("READY=1\nSTATUS=serving pages");
    }

    /// The configuration is read again; [`ready`](Self::ready) ends it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell_unless_stopping(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    /// The end has begun.
    pub fn stopping(&self) {
        if let Some(inbox) = &self.inbox {
            inbox.stopping.store(true, Ordering::Relaxed);
        }
        self.tell("STOPPING=1\nSTATUS=shutting down");
    }

    /// Says that the gateway is alive, twice in the time in which the manager wants to hear it.
    /// To be run as a task, so that it says so only while the runtime runs tasks.
    pub async fn keep_alive(self) {
        let Some(within) = self.watchdog else {
            return std::future::pending().await;
        };
        let mut interval = tokio::time::interval(within / 2);
        loop {
            interval.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell_unless_stopping(&self, state: &str) {
        let stopping = |inbox: &Arc<Inbox>| inbox.stopping.load(Ordering::Relaxed);
        if !self.inbox.as_ref().is_some_and(stopping) {
            self.tell(state);
        }
    }

    fn tell(&self, state: &str) {
        let Some(inbox) = &self.inbox else {
            return;
        };
        let sent = inbox.socket.send_to_addr(state.as_bytes(), &inbox.address);
        if let Err(error) = sent {
            events::manager_not_told(&error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manager, and the socket at which it listens.
    fn manager(watchdog: Option<Duration>) -> (ServiceManager, UnixDatagram, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let listens = UnixDatagram::bind(&path).unwrap();
        listens.set_nonblocking(true).unwrap();
        let manager = ServiceManager::at(path.as_os_str(), watchdog).unwrap();
        (manager, listens, directory)
    }

    fn told(listens: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 256];
        let length = listens.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    }

    #[test]
    fn each_state_is_one_datagram_in_the_words_of_the_protocol() {
        let (manager, listens, _directory) = manager(None);
        manager.ready();
        manager.reloading();
        manager.stopping();
        assert_eq!(told(&listens).unwrap(), "READY=1\nSTATUS=serving pages");
        let reloading = told(&listens).unwrap();
        let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        assert!(usec.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
        assert_eq!(told(&listens).unwrap(), "STOPPING=1\nSTATUS=shutting down");
        // A reload that was under way ends.
        manager.ready();
        assert_eq!(told(&listens), None);
    }

    #[test]
    fn an_abstract_socket_is_reached_by_its_name() {
        let name = format!("gateway-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listens = UnixDatagram::bind_addr(&address).unwrap();
        let manager = ServiceManager::at(OsStr::new(&format!("@{name}")), None).unwrap();
        manager.ready();
        assert!(told(&listens).unwrap().starts_with("READY=1"));
    }

    #[test]
    fn a_manager_that_does_not_listen_costs_nothing() {
        let (manager, listens, directory) = manager(None);
        drop((listens, directory));
        manager.ready();
        ServiceManager::default().ready();
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_told_twice_in_its_time_and_not_without_one() {
        for (watchdog, times) in [(Some(Duration::from_secs(10)), 5), (None, 0)] {
            let (manager, listens, _directory) = manager(watchdog);
            let alive = manager.keep_alive();
            let _ = tokio::time::timeout(Duration::from_secs(24), alive).await;
            let said: Vec<_> = std::iter::from_fn(|| told(&listens)).collect();
            assert_eq!(said, vec!["WATCHDOG=1"; times]);
        }
    }
}
