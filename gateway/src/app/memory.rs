//! The most memory that the limits of a configuration allow, and how much there is.
//!
//! An upper bound that a person can follow, not a forecast: every limit reached at the
//! same moment, every body as large as it may be. The figures of connections are measured
//! (docs/decisions/0016-memory.md).

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::app::files::Budget;
use crate::cgroup::{Group, groups};
use crate::config::Config;
use crate::edge::heads;
use crate::edge::tls::MOST_SHAKING;

/// A client's connection without a page.
const CLIENT: u64 = 20 * 1024;

/// The same where it may speak HTTP/2.
const HTTP2_CLIENT: u64 = 36 * 1024;

/// What TLS adds to it.
const TLS: u64 = 10 * 1024;

/// A connection at its handshake.
const HANDSHAKE: u64 = 30 * 1024;

/// A connection to a service that carries a call, without its body.
const CALL: u64 = 8 * 1024;

/// A page in flight, without bodies and without the connections of its calls: its state,
/// its record, and what its client's connection holds more than an idle one.
const PAGE: u64 = 24 * 1024;

/// hyper's buffer doubles, so it is at most twice what is in it.
const OWN_HEAD: u64 = 2 * heads::OWN as u64;

/// A process that serves nothing.
const PROCESS: u64 = 16 * 1024 * 1024;

/// What each limit allows, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bodies of parts, and the pages written from them.
    pub bodies: u64,
    /// Pages in flight, without their bodies.
    pub pages: u64,
    /// Connections of clients.
    pub clients: u64,
    /// Request heads that are not complete.
    pub heads: u64,
    /// Connections to services.
    pub calls: u64,
    /// Records of recent pages.
    pub recent: u64,
}

impl Memory {
    /// Of all limits of `config`.
    pub fn of(config: &Config) -> Self {
        let in_flight = u64::from(config.most_in_flight());
        let budget = Budget::wanted(config);
        let clients = budget.public as u64;
        // A page holds the bodies of its parts until its last byte has been sent.
        let bodies = config.pages.iter().map(|page| {
            let parts = page.parts.iter();
            let body = parts.map(|part| config.downstreams[part.downstream.0].max_body.get());
            body.map(|bytes| bytes as u64).fold(0, u64::saturating_add)
        });
        let largest = bodies.max().unwrap_or(0);
        Self {
            bodies: largest.saturating_mul(2).saturating_mul(in_flight),
            pages: in_flight.saturating_mul(PAGE),
            clients: of_clients(config, clients),
            heads: clients
                .saturating_mul(OWN_HEAD)
                .saturating_add(heads::SHARED as u64),
            calls: (budget.calls as u64).saturating_mul(CALL),
            recent: config
                .telemetry
                .recent
                .map_or(0, |bytes| bytes.get() as u64),
        }
    }

    /// All of it, and the process itself.
    pub fn total(self) -> u64 {
        [
            self.bodies,
            self.pages,
            self.clients,
            self.heads,
            self.calls,
            self.recent,
        ]
        .iter()
        .fold(PROCESS, |sum, &bytes| sum.saturating_add(bytes))
    }

    /// Writes it down for a person, with a warning if it is more than there is.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn report(self, there_is: Option<u64>, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "memory, if every limit is reached at once")?;
        for (bytes, what) in [
            (
                self.bodies,
                "bodies of parts (max_in_flight x the max_body of a page's parts), and pages written from them",
            ),
            (self.pages, "pages in flight besides (max_in_flight)"),
            (self.clients, "connections of clients (max_connections)"),
            (
                self.heads,
                "heads of requests that are not complete (max_connections)",
            ),
            (self.calls, "connections to services (permits)"),
            (self.recent, "records of recent pages (telemetry.recent)"),
            (self.total(), "at most, with the process itself"),
        ] {
            writeln!(out, "  {:>8}  {what}", Size(bytes).to_string())?;
        }
        match there_is {
            Some(there_is) if there_is < self.total() => writeln!(
                out,
                "warning: this machine or its cgroup has {}: lower admission.max_in_flight, the max_body of \
                 downstreams or server.max_connections, or be sure that they are never reached at once",
                Size(there_is)
            ),
            Some(_) | None => Ok(()),
        }
    }
}

/// So many connections of clients, as they may speak.
fn of_clients(config: &Config, clients: u64) -> u64 {
    let (http2, tls) = (config.server.http2, config.server.tls.is_some());
    let plain = if http2 { HTTP2_CLIENT } else { CLIENT };
    let (each, handshakes) = match tls {
        true => (plain + TLS, MOST_SHAKING as u64 * HANDSHAKE),
        false => (plain, 0),
    };
    clients.saturating_mul(each).saturating_add(handshakes)
}

/// Bytes as people read them: `2.5GiB`.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let fits = units.into_iter().find(|&(_, bytes)| self.0 >= bytes);
        let (unit, bytes) = fits.unwrap_or(("B", 1));
        write!(f, "{:.1}{unit}", self.0 as f64 / bytes as f64)
    }
}

/// The bytes of memory that this process may have: the machine's, or those of its cgroup
/// or of one above it. `None` where the system does not say.
pub fn there_is() -> Option<u64> {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| machine(&text));
    let own = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = limit_files(&own)
        .into_iter()
        .filter_map(|file| read(&file)?.trim().parse().ok());
    limits.chain(machine).min()
}

/// `MemTotal:       24612345 kB`.
fn machine(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The files that may limit the memory of a process whose `/proc/self/cgroup` this is:
/// those of its group and of all above it, as cgroup v2 and v1 have them.
fn limit_files(own: &str) -> Vec<PathBuf> {
    let of_group = |group: Group| {
        let file = match group.unified {
            true => "memory.max",
            false => "memory.limit_in_bytes",
        };
        let all = group.directory.ancestors();
        let above = all.take_while(|above| above.starts_with(&group.mount));
        above.map(|above| above.join(file)).collect::<Vec<_>>()
    };
    let groups = groups(own, "memory", Path::new("/sys/fs/cgroup")).into_iter();
    groups.flat_map(of_group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const KIB: u64 = 1024;

    fn shipped() -> Config {
        let loaded = config::load_text("test.toml", config::default_text(), &[]);
        loaded.unwrap().config
    }

    fn report(memory: Memory, there_is: Option<u64>) -> String {
        let mut out = Vec::new();
        memory.report(there_is, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_limit_counts() {
        let memory = Memory::of(&shipped());
        assert_eq!(memory.bodies, 1024 * 5 * 256 * KIB * 2);
        assert_eq!(memory.clients, 10_000 * HTTP2_CLIENT);
        assert_eq!(memory.heads, 10_000 * 32 * KIB + 8 * KIB * KIB);
        assert_eq!(memory.calls, 5 * 64 * CALL);
        assert_eq!(memory.recent, 8 * KIB * KIB);
        let mut half = shipped();
        half.admission.max_in_flight = std::num::NonZeroU32::new(512).unwrap();
        assert_eq!(Memory::of(&half).bodies * 2, memory.bodies);
        assert_eq!(Memory::of(&half).pages * 2, memory.pages);
        let mut plain = shipped();
        plain.server.http2 = false;
        assert_eq!(Memory::of(&plain).clients, 10_000 * CLIENT);
    }

    #[test]
    fn a_limit_beyond_all_numbers_is_still_a_number() {
        let mut config = shipped();
        config.server.max_connections = std::num::NonZeroUsize::MAX;
        for downstream in &mut config.downstreams {
            downstream.max_body = std::num::NonZeroUsize::MAX;
        }
        assert_eq!(Memory::of(&config).total(), u64::MAX);
    }

    #[test]
    fn it_warns_only_when_there_is_less() {
        let memory = Memory::of(&shipped());
        let warns = |there_is| report(memory, there_is).contains("warning: ");
        assert!(warns(Some(memory.total() - 1)));
        assert!(!warns(Some(memory.total())) && !warns(None));
        let said = report(memory, Some(1 << 30));
        assert!(
            said.contains("2.5GiB  bodies") && said.contains("has 1.0GiB"),
            "{said}"
        );
    }

    #[test]
    fn what_there_is_is_read_as_linux_writes_it() {
        let text = "MemFree:  1 kB\nMemTotal:       24612345 kB\n";
        assert_eq!(machine(text), Some(24_612_345 * KIB));
        assert_eq!(machine("MemTotal: many"), None);
        let v2 = limit_files("0::/a/b\n");
        let expected = ["a/b/memory.max", "a/memory.max", "memory.max"];
        assert_eq!(
            v2,
            expected.map(|file| Path::new("/sys/fs/cgroup").join(file))
        );
        let v1 = limit_files("5:cpu,cpuacct:/x\n4:memory:/x\n");
        let expected = ["x/memory.limit_in_bytes", "memory.limit_in_bytes"];
        assert_eq!(
            v1,
            expected.map(|file| Path::new("/sys/fs/cgroup/memory").join(file))
        );
        assert!(there_is().is_some_and(|bytes| bytes > 1 << 20));
    }
}
