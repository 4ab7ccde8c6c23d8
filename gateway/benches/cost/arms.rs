//! The servers that are measured, and what each is compared with.

use std::path::Path;

use anyhow::Context;

use crate::coding::Coding;
use crate::front::{Certificate, Front};
use crate::peers::Peer;
use crate::process::Process;
use crate::roles::Role;
use crate::setup::{Setup, Telemetry};

/// One server under test, as it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arm {
    server: Server,
    http2: bool,
    pub(crate) telemetry: Telemetry,
    /// What clients take the page in, if not as it is.
    pub(crate) coding: Option<Coding>,
    /// What clients speak.
    pub(crate) front: Front,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Bare,
    BareReqwest,
    Gateway,
    Nginx,
    Node,
}

/// In the order of the table, and of a round: those that are compared stand near each other.
const ARMS: [(Arm, &str); 18] = [
    (Arm::BARE, "HTTP/1.1  bare fan-out, hyper"),
    (
        Arm::plain(Server::BareReqwest),
        "          bare fan-out, reqwest",
    ),
    (Arm::GATEWAY, "          gateway"),
    (Arm::NGINX, "          nginx + Lua, one worker"),
    (Arm::NODE, "          Node + undici"),
    (Arm::http2(Server::Bare), "HTTP/2    bare fan-out, hyper"),
    (
        Arm::http2(Server::BareReqwest),
        "          bare fan-out, reqwest",
    ),
    (Arm::http2(Server::Gateway), "          gateway"),
    (Arm::SAMPLED, "gateway   sample = 0.01"),
    (Arm::TRACED, "          sample = 1.0"),
    (
        Arm::telling(Telemetry::Logged),
        "          sample = 0.01, JSON lines",
    ),
    (Arm::EVERYTHING, "          sample = 1.0, JSON lines"),
    (Arm::spoken(Front::Http2), "          clients speak HTTP/2"),
    (Arm::spoken(Front::Tls), "          clients speak TLS"),
    (
        Arm::spoken(Front::TlsHttp2),
        "          clients speak TLS, HTTP/2",
    ),
    (Arm::coded(Coding::Gzip), "          page as gzip"),
    (Arm::coded(Coding::Zstd), "          page as zstd"),
    (Arm::coded(Coding::Brotli), "          page as br"),
];

impl Arm {
    pub(crate) const BARE: Self = Self::plain(Server::Bare);
    pub(crate) const GATEWAY: Self = Self::plain(Server::Gateway);
    pub(crate) const NGINX: Self = Self::plain(Server::Nginx);
    pub(crate) const NODE: Self = Self::plain(Server::Node);
    pub(crate) const SAMPLED: Self = Self::telling(Telemetry::Sampled);
    pub(crate) const TRACED: Self = Self::telling(Telemetry::All);
    pub(crate) const EVERYTHING: Self = Self::telling(Telemetry::Everything);

    const fn plain(server: Server) -> Self {
        Self {
            server,
            http2: false,
            telemetry: Telemetry::Off,
            coding: None,
            front: Front::Plain,
        }
    }

    const fn spoken(front: Front) -> Self {
        Self {
            front,
            ..Self::plain(Server::Gateway)
        }
    }

    const fn coded(coding: Coding) -> Self {
        Self {
            coding: Some(coding),
            ..Self::plain(Server::Gateway)
        }
    }

    const fn http2(server: Server) -> Self {
        Self {
            http2: true,
            ..Self::plain(server)
        }
    }

    const fn telling(telemetry: Telemetry) -> Self {
        Self {
            telemetry,
            ..Self::plain(Server::Gateway)
        }
    }

    /// For people; the tables are indented by it.
    pub(crate) fn name(self) -> &'static str {
        let listed = ARMS.iter().find(|(arm, _)| *arm == self);
        listed.map_or("", |(_, name)| name)
    }

    /// The arm it is compared with in the tables.
    pub(crate) fn beside(self) -> Self {
        let differs = self.coding.is_some() || self.front != Front::Plain;
        if self.telemetry == Telemetry::Off && !differs {
            Self {
                server: Server::Bare,
                ..self
            }
        } else {
            Self::GATEWAY
        }
    }
}

/// What all arms share.
pub(crate) struct Bench {
    agent: Process,
    peers: Vec<Peer>,
    certificate: Certificate,
}

impl Bench {
    /// With these peers.
    pub(crate) fn new(peers: Vec<Peer>) -> anyhow::Result<Self> {
        let agent = Process::start(Role::Agent, &Setup::default())?;
        let certificate = Certificate::new()?;
        Ok(Self {
            agent,
            peers,
            certificate,
        })
    }

    /// Those that can be started here.
    pub(crate) fn arms(&self) -> Vec<Arm> {
        let all = ARMS.into_iter().map(|(arm, _)| arm);
        all.filter(|arm| self.has(*arm)).collect()
    }

    /// Those of them that differ in nothing but the server: over HTTP/1.1, telemetry off.
    pub(crate) fn servers(&self) -> Vec<Arm> {
        let all = [Arm::BARE, Arm::GATEWAY, Arm::NGINX, Arm::NODE];
        all.into_iter().filter(|arm| self.has(*arm)).collect()
    }

    /// Starts one, set up as the arm is and otherwise as `setup` says.
    pub(crate) fn start(&self, arm: Arm, setup: Setup) -> anyhow::Result<Process> {
        let role = match arm.server {
            Server::Bare => Role::Bare,
            Server::BareReqwest => Role::BareReqwest,
            Server::Gateway => Role::Gateway,
            Server::Nginx | Server::Node => {
                let peer = self.peer(arm).context("not on this machine")?;
                return peer.start(&setup.downstreams);
            }
        };
        let setup = Setup {
            http2: arm.http2,
            telemetry: arm.telemetry,
            agent: self.agent.addresses.clone(),
            front: arm.front,
            certificates: Some(self.certificates().to_owned()),
            ..setup
        };
        Process::start(role, &setup)
    }

    /// Where the certificate is that servers show.
    pub(crate) fn certificates(&self) -> &Path {
        self.certificate.folder()
    }

    fn has(&self, arm: Arm) -> bool {
        !matches!(arm.server, Server::Nginx | Server::Node) || self.peer(arm).is_some()
    }

    fn peer(&self, arm: Arm) -> Option<&Peer> {
        let plays = |peer: &&Peer| match peer {
            Peer::Nginx { .. } => arm.server == Server::Nginx,
            Peer::Node { .. } => arm.server == Server::Node,
        };
        self.peers.iter().find(plays)
    }
}
