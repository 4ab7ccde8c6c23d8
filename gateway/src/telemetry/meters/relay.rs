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
        loop {
            let error = match connect(&self.agent).await {
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
            if !std::mem::replace(&mut away, true) {
                events::dogstatsd_away(&self.agent, &error);
            }
            let _ = timeout(PAUSE, discard(&inlet)).await;
        }
    }
}

async fn connect(agent: &str) -> io::Result<UdpSocket> {
    let addresses = timeout(LOOKUP, lookup_host(agent)).await??;
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match connect_to(address).await {
            Ok(outlet) => return Ok(outlet),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn connect_to(address: SocketAddr) -> io::Result<UdpSocket> {
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
