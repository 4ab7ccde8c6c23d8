//! Carries DogStatsD datagrams from the exporter's thread to the agent.
//!
//! The exporter speaks IPv4 only, resolves its target once, while the process waits, and
//! tells of every datagram that was not sent. So it sends to a socket of this process,
//! which is always there, and this carries on from it: to IPv6 too, to wherever the name
//! points now, and with one line in the log when the agent goes away and one when it is
//! back. While it is away, datagrams are read and dropped; nothing piles up.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use crate::telemetry::events;

/// Names may move: they are looked up again this often.
const FRESH: Duration = Duration::from_secs(30);

/// Time for a lookup. The kernel keeps some 200 kB of datagrams meanwhile.
const LOOKUP: Duration = Duration::from_secs(5);

/// After a failure, this long nothing is tried.
const PAUSE: Duration = Duration::from_secs(5);

/// Longer than any datagram of the exporter, which keeps to an Ethernet frame.
const LONGEST: usize = 2048;

/// A socket on loopback, and where its datagrams are to go.
#[derive(Debug)]
pub struct Relay {
    inlet: std::net::UdpSocket,
    agent: String,
}

impl Relay {
    /// Opens the socket; looks nothing up.
    pub(super) fn new(agent: &str) -> io::Result<Self> {
        let inlet = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        inlet.set_nonblocking(true)?;
        Ok(Self {
            inlet,
            agent: agent.to_owned(),
        })
    }

    /// Where the exporter is to send.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.inlet.local_addr()
    }

    /// Carries datagrams until it is dropped.
    pub async fn run(self) {
        let inlet = match UdpSocket::from_std(self.inlet) {
            Ok(inlet) => inlet,
            Err(error) => return events::dogstatsd_away(&self.agent, &error),
        };
        let mut away = false;
        let mut failures = 0;
        loop {
            let error = match connect(&self.agent, failures).await {
                Ok(outlet) => match timeout(FRESH, carry(&inlet, &outlet)).await {
                    Ok(Err(error)) => error,
                    Err(_all_that_time_no_error) => {
                        if std::mem::take(&mut away) {
                            events::dogstatsd_back(&self.agent);
                        }
                        continue;
                    }
                },
                Err(error) => error,
            };
            failures += 1;
            if !std::mem::replace(&mut away, true) {
                events::dogstatsd_away(&self.agent, &error);
            }
            let _ = timeout(PAUSE, discard(&inlet)).await;
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

/// Ends with the first error: that nobody listens shows in the datagram after.
async fn carry(inlet: &UdpSocket, outlet: &UdpSocket) -> io::Result<Infallible> {
    let mut datagram = [0; LONGEST];
    loop {
        let length = inlet.recv(&mut datagram).await?;
        outlet.send(&datagram[..length]).await?;
    }
}

async fn discard(inlet: &UdpSocket) -> io::Result<Infallible> {
    let mut datagram = [0; LONGEST];
    loop {
        inlet.recv(&mut datagram).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a datagram given to a relay for `name` comes to a socket on `host`; `None`
    /// where the machine has no such address.
    async fn carries(host: &str, name: &str) -> Option<bool> {
        let agent = UdpSocket::bind((host, 0)).await.ok()?;
        let relay = Relay::new(&format!("{name}:{}", agent.local_addr().unwrap().port())).unwrap();
        let exporter = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        exporter
            .send_to(b"a:1|c\n", relay.address().unwrap())
            .unwrap();
        let mut datagram = [0; LONGEST];
        tokio::select! {
            () = relay.run() => Some(false),
            received = timeout(LOOKUP * 2, agent.recv(&mut datagram)) => {
                Some(matches!(received, Ok(Ok(6))) && datagram.starts_with(b"a:1|c\n"))
            }
        }
    }

    #[tokio::test]
    async fn datagrams_reach_an_agent_by_address_by_name_and_over_ipv6() {
        assert_eq!(carries("127.0.0.1", "127.0.0.1").await, Some(true));
        assert_eq!(carries("127.0.0.1", "localhost").await, Some(true));
        assert_ne!(carries("::1", "[::1]").await, Some(false));
    }
}
