//! The way to a DogStatsD agent: an address that may move, or a socket that may be made anew,
//! and an agent that may be away.
//!
//! Names are looked up again now and then, IPv6 works, and the log says once when the
//! agent goes away and once when it is back. Datagrams that nobody takes are dropped.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{UdpSocket, UnixDatagram, UnixStream, lookup_host};
use tokio::time::timeout;

use crate::config::{SocketKind, StatsdAgent};
use crate::telemetry::events;

/// Time for a lookup.
const LOOKUP: Duration = Duration::from_secs(5);

/// Time for an agent on this machine to make room for a datagram: one that takes longer is away.
const ROOM: Duration = Duration::from_millis(100);

/// Where datagrams go.
#[derive(Debug)]
pub(super) struct Agent {
    address: StatsdAgent,
    /// The same, as the log shows it.
    name: String,
    /// Rounds after which the name is looked up again.
    fresh: u32,
    /// Rounds in which nothing is tried after a failure.
    pause: u32,
    outlet: Option<Outlet>,
    /// Rounds since the outlet was opened, or left of a pause.
    rounds: u32,
    /// So far; a name's addresses take turns by them.
    failures: usize,
    away: bool,
}

/// What carries datagrams.
#[derive(Debug)]
enum Outlet {
    Udp(UdpSocket),
    Datagrams(UnixDatagram),
    /// Each datagram after its length: four bytes, little-endian.
    Stream(UnixStream),
}

impl Agent {
    /// Looks nothing up. `fresh` and `pause` are counted in calls of [`Agent::find`].
    pub(super) fn new(address: &StatsdAgent, fresh: u32, pause: u32) -> Self {
        Self {
            name: address.to_string(),
            address: address.clone(),
            fresh,
            pause,
            outlet: None,
            rounds: 0,
            failures: 0,
            away: false,
        }
    }

    /// Finds the agent, if it is time to; to be called once before each round of sending.
    pub(super) async fn find(&mut self) {
        match (&self.outlet, self.rounds) {
            (Some(_), age) if age < self.fresh => self.rounds += 1,
            (None, left) if left > 0 => self.rounds -= 1,
            (outlet, _) => {
                // All that time no error.
                if outlet.is_some() && std::mem::take(&mut self.away) {
                    events::dogstatsd_back(&self.name);
                }
                match Outlet::open(&self.address, self.failures).await {
                    Ok(outlet) => (self.outlet, self.rounds) = (Some(outlet), 0),
                    Err(error) => self.failed(&error),
                }
            }
        }
    }

    /// Sends a datagram, or drops it while the agent is away. That nobody listens shows in
    /// the datagram after.
    pub(super) async fn send(&mut self, datagram: &[u8]) {
        if let Some(outlet) = &mut self.outlet
            && let Err(error) = outlet.send(datagram).await
        {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.outlet = None;
        self.rounds = self.pause;
        self.failures += 1;
        if !std::mem::replace(&mut self.away, true) {
            events::dogstatsd_away(&self.name, error);
        }
    }
}

impl Outlet {
    async fn open(agent: &StatsdAgent, turn: usize) -> io::Result<Self> {
        match agent {
            StatsdAgent::Udp(name) => udp(name, turn).await.map(Self::Udp),
            StatsdAgent::Unix { path, carries } => match carries {
                SocketKind::Datagrams => datagrams(path),
                SocketKind::Stream => UnixStream::connect(path).await.map(Self::Stream),
                SocketKind::Either => match datagrams(path) {
                    // The socket is of the other kind.
                    Err(error) if error.raw_os_error() == Some(WRONG_KIND) => {
                        UnixStream::connect(path).await.map(Self::Stream)
                    }
                    opened => opened,
                },
            },
        }
    }

    /// Sends all of it. An agent on this machine that makes no room is an error, as one that is
    /// gone: a stream would be cut in the middle of a datagram.
    async fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(datagram).await.map(drop),
            Self::Datagrams(socket) => timeout(ROOM, socket.send(datagram)).await?.map(drop),
            Self::Stream(stream) => {
                let length = u32::try_from(datagram.len()).map_err(io::Error::other)?;
                let framed = [&length.to_le_bytes(), datagram].concat();
                timeout(ROOM, stream.write_all(&framed)).await?
            }
        }
    }
}

/// `EPROTOTYPE`: the socket carries a stream.
const WRONG_KIND: i32 = rustix::io::Errno::PROTOTYPE.raw_os_error();

fn datagrams(path: &Path) -> io::Result<Outlet> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(Outlet::Datagrams(socket))
}

/// A name's addresses take turns, IPv4 first: `localhost` is two, and agents that listen
/// on one of them listen there.
async fn udp(agent: &str, turn: usize) -> io::Result<UdpSocket> {
    let mut addresses: Vec<_> = timeout(LOOKUP, lookup_host(agent)).await??.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let turn = turn % addresses.len().max(1);
    let address = addresses.get(turn).ok_or(io::ErrorKind::NotFound)?;
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let outlet = UdpSocket::bind(any).await?;
    outlet.connect(address).await?;
    Ok(outlet)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixListener;

    use super::*;

    /// Whether a datagram for `name` comes to a socket on `host`; `None` where the machine
    /// has no such address.
    async fn carries(host: &str, name: &str) -> Option<bool> {
        let receiver = UdpSocket::bind((host, 0)).await.ok()?;
        let port = receiver.local_addr().unwrap().port();
        let mut agent = Agent::new(&StatsdAgent::Udp(format!("{name}:{port}")), 1, 1);
        agent.find().await;
        agent.send(b"a:1|c\n").await;
        let mut datagram = [0; 100];
        let received = timeout(LOOKUP, receiver.recv(&mut datagram)).await;
        Some(matches!(received, Ok(Ok(6))) && datagram.starts_with(b"a:1|c\n"))
    }

    #[tokio::test]
    async fn datagrams_reach_an_agent_by_address_by_name_and_over_ipv6() {
        assert_eq!(carries("127.0.0.1", "127.0.0.1").await, Some(true));
        assert_eq!(carries("127.0.0.1", "localhost").await, Some(true));
        assert_ne!(carries("::1", "[::1]").await, Some(false));
    }

    /// What came on a stream, datagram by datagram.
    async fn framed(stream: &mut UnixStream) -> Vec<u8> {
        let length = stream.read_u32_le().await.unwrap();
        let mut datagram = vec![0; length as usize];
        stream.read_exact(&mut datagram).await.unwrap();
        datagram
    }

    fn on_socket(path: &Path, carries: SocketKind) -> Agent {
        let path = path.to_owned();
        Agent::new(&StatsdAgent::Unix { path, carries }, 1, 1)
    }

    #[tokio::test]
    async fn datagrams_reach_an_agent_on_a_socket_of_either_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dsd.socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        for carries in [SocketKind::Either, SocketKind::Datagrams] {
            let mut agent = on_socket(&path, carries);
            agent.find().await;
            agent.send(b"a:1|c\n").await;
            let mut datagram = [0; 100];
            assert_eq!(receiver.recv(&mut datagram).await.unwrap(), 6);
            assert!(datagram.starts_with(b"a:1|c\n"));
        }
        let mut wrong = on_socket(&path, SocketKind::Stream);
        wrong.find().await;
        assert!(wrong.outlet.is_none() && wrong.away);

        let path = folder.path().join("stream.socket");
        let receiver = UnixListener::bind(&path).unwrap();
        for carries in [SocketKind::Either, SocketKind::Stream] {
            let mut agent = on_socket(&path, carries);
            agent.find().await;
            agent.send(b"a:1|c\n").await;
            agent.send(b"b:2|c\nc:3|g\n").await;
            let (mut stream, _) = receiver.accept().await.unwrap();
            assert_eq!(framed(&mut stream).await, b"a:1|c\n");
            assert_eq!(framed(&mut stream).await, b"b:2|c\nc:3|g\n");
        }
    }

    #[tokio::test]
    async fn an_agent_whose_socket_takes_nothing_is_left_alone_and_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dsd.socket");
        let _silent = UnixDatagram::bind(&path).unwrap();
        let mut agent = on_socket(&path, SocketKind::Datagrams);
        agent.find().await;
        // What the socket can hold is taken, and what it cannot is not waited for.
        let sent = async {
            for _ in 0..100_000 {
                agent.send(&[b'x'; 1400]).await;
                if agent.outlet.is_none() {
                    return;
                }
            }
        };
        assert!(timeout(LOOKUP, sent).await.is_ok());
        assert!(agent.away && agent.outlet.is_none());
    }

    #[tokio::test]
    async fn a_socket_that_was_made_anew_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dsd.socket");
        let mut agent = on_socket(&path, SocketKind::Either);
        agent.find().await;
        assert!(agent.away && agent.outlet.is_none(), "no socket yet");
        for _ in 0..2 {
            let receiver = UnixDatagram::bind(&path).unwrap();
            agent.find().await;
            agent.find().await;
            agent.send(b"a:1|c\n").await;
            let mut datagram = [0; 100];
            let received = timeout(LOOKUP, receiver.recv(&mut datagram)).await;
            assert_eq!(received.unwrap().unwrap(), 6);
            drop(receiver);
            std::fs::remove_file(&path).unwrap();
            agent.send(b"nobody takes this\n").await;
            assert!(agent.outlet.is_none(), "nobody listens");
        }
    }

    #[tokio::test]
    async fn an_agent_that_goes_away_is_left_alone_for_a_pause_and_found_again() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = receiver.local_addr().unwrap();
        let mut agent = Agent::new(&StatsdAgent::Udp(address.to_string()), 2, 2);
        drop(receiver);
        let mut tried = 0;
        while !agent.away {
            agent.find().await;
            agent.send(b"nobody takes this\n").await;
            tried += 1;
            assert!(tried < 100, "a closed port shows in the datagram after");
        }
        let receiver = UdpSocket::bind(address).await.unwrap();
        for (round, open) in [(1, false), (2, false), (3, true)] {
            agent.find().await;
            assert_eq!(agent.outlet.is_some(), open, "round {round}");
            agent.send(b"a:1|c\n").await;
        }
        let mut datagram = [0; 100];
        assert_eq!(receiver.recv(&mut datagram).await.unwrap(), 6);
        // It counts as back when it has stayed until the next lookup.
        for away in [true, true, false] {
            agent.find().await;
            assert_eq!(agent.away, away);
        }
    }
}
