//! The way to a DogStatsD agent: an address that may move, and an agent that may be away.
//!
//! Names are looked up again now and then, IPv6 works, and the log says once when the
//! agent goes away and once when it is back. Datagrams that nobody takes are dropped.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use crate::telemetry::events;

/// Time for a lookup.
const LOOKUP: Duration = Duration::from_secs(5);

/// Where datagrams go.
#[derive(Debug)]
pub(super) struct Agent {
    name: String,
    /// Rounds after which the name is looked up again.
    fresh: u32,
    /// Rounds in which nothing is tried after a failure.
    pause: u32,
    outlet: Option<UdpSocket>,
    /// Rounds since the outlet was opened, or left of a pause.
    rounds: u32,
    /// So far; a name's addresses take turns by them.
    failures: usize,
    away: bool,
}

impl Agent {
    /// Looks nothing up. `fresh` and `pause` are counted in calls of [`Agent::find`].
    pub(super) fn new(name: &str, fresh: u32, pause: u32) -> Self {
        Self {
            name: name.to_owned(),
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
                match connect(&self.name, self.failures).await {
                    Ok(outlet) => (self.outlet, self.rounds) = (Some(outlet), 0),
                    Err(error) => self.failed(&error),
                }
            }
        }
    }

    /// Sends a datagram, or drops it while the agent is away. That nobody listens shows in
    /// the datagram after.
    pub(super) async fn send(&mut self, datagram: &[u8]) {
        if let Some(outlet) = &self.outlet
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

/// A name's addresses take turns, IPv4 first: `localhost` is two, and agents that listen
/// on one of them listen there.
async fn connect(agent: &str, turn: usize) -> io::Result<UdpSocket> {
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
    use super::*;

    /// Whether a datagram for `name` comes to a socket on `host`; `None` where the machine
    /// has no such address.
    async fn carries(host: &str, name: &str) -> Option<bool> {
        let receiver = UdpSocket::bind((host, 0)).await.ok()?;
        let port = receiver.local_addr().unwrap().port();
        let mut agent = Agent::new(&format!("{name}:{port}"), 1, 1);
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

    #[tokio::test]
    async fn an_agent_that_goes_away_is_left_alone_for_a_pause_and_found_again() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = receiver.local_addr().unwrap();
        let mut agent = Agent::new(&address.to_string(), 2, 2);
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
