//! Where telemetry goes: addresses of agents and receivers, as the file and the standard
//! variables spell them.
//!
//! An address that cannot be used is the reader's problem, not the start's: see
//! [`Section::take_or`](super::reader::Section::take_or).

use std::fmt;
use std::path::PathBuf;

use serde_json::json;
use url::Url;

use super::address;
use super::kinds::{Kind, no_control_characters};
use super::problem::Problem;

/// Longest path of a socket, in bytes: `sockaddr_un` holds 108 with its final zero.
const LONGEST_SOCKET: usize = 107;

/// Where the OpenTelemetry protocol takes traces over HTTP.
/// <https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>
const TRACES: &str = "v1/traces";

/// Where an agent takes traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceAgent {
    /// Over TCP, with TLS or without.
    Http(Url),
    /// HTTP over a socket of the file system.
    Unix(PathBuf),
}

/// Where an agent takes DogStatsD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsdAgent {
    /// `HOST:PORT`.
    Udp(String),
    /// A socket of the file system.
    Unix {
        /// Its path.
        path: PathBuf,
        /// What it carries.
        carries: SocketKind,
    },
}

/// What a socket of the file system carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// What it turns out to be: datagrams first.
    Either,
    /// Datagrams.
    Datagrams,
    /// A stream of datagrams, each after its length.
    Stream,
}

impl TraceAgent {
    /// What the URL of a request to it begins with: HTTP names a host, whatever carries it.
    pub fn base(&self) -> &str {
        match self {
            Self::Http(url) => url.as_str(),
            Self::Unix(_) => "http://localhost/",
        }
    }
}

impl fmt::Display for TraceAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(&address::show(url)),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for StatsdAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => f.write_str(address),
            Self::Unix { path, carries } => {
                let scheme = match carries {
                    SocketKind::Either => "unix",
                    SocketKind::Datagrams => "unixgram",
                    SocketKind::Stream => "unixstream",
                };
                write!(f, "{scheme}:{}", path.display())
            }
        }
    }
}

/// Where a Datadog agent takes traces; `""` is nowhere.
pub(super) const TRACE_AGENT: Kind<Option<TraceAgent>> = Kind {
    read: |raw| match raw.text("a URL")? {
        "" => Ok(None),
        text => trace_agent(text).map(Some),
    },
    show: |agent| json!(agent.as_ref().map(ToString::to_string).unwrap_or_default()),
    schema: || json!({"type": "string", "pattern": "^((https?://|unix:).+)?$"}),
};

fn trace_agent(text: &str) -> Result<TraceAgent, Problem> {
    if let Some((_, path)) = socket(text, &["unix"])? {
        return Ok(TraceAgent::Unix(path));
    }
    match text.split_once("://") {
        // Something else that has a path and no host, such as a pipe.
        Some((scheme, rest)) if rest.starts_with('/') && !scheme.starts_with("http") => {
            let what = format!("the scheme must be http, https or unix, not {scheme}");
            let (tcp, socket) = (
                "http://127.0.0.1:8126",
                "unix:///var/run/datadog/apm.socket",
            );
            Err(Problem::new(what).either(tcp, socket))
        }
        Some(_) | None => address::read(text, &["http", "https"]).map(TraceAgent::Http),
    }
}

/// Where a receiver of the OpenTelemetry protocol is: the address that signals' paths are
/// added to. `""` is nowhere.
pub(super) const OTLP: Kind<Option<Url>> = Kind {
    read: |raw| match raw.text("a URL")? {
        "" => Ok(None),
        text => address::read_with_query(text, &["http", "https"]).map(Some),
    },
    show: |url| json!(url.as_ref().map(address::show).unwrap_or_default()),
    schema: || json!({"type": "string", "pattern": "^(https?://.+)?$"}),
};

/// Where DogStatsD goes: a host and a port, or a socket; `""` is nowhere.
pub(super) const STATSD_AGENT: Kind<Option<StatsdAgent>> = Kind {
    read: |raw| {
        let text = raw.text("a host and a port, or a socket")?;
        if text.is_empty() {
            return Ok(None);
        }
        let Some((scheme, path)) = socket(text, &["unix", "unixgram", "unixstream"])? else {
            let udp = text.strip_prefix("udp://").unwrap_or(text);
            return address::host_and_port(udp).map(|udp| Some(StatsdAgent::Udp(udp)));
        };
        let carries = match scheme {
            "unixgram" => SocketKind::Datagrams,
            "unixstream" => SocketKind::Stream,
            _ => SocketKind::Either,
        };
        Ok(Some(StatsdAgent::Unix { path, carries }))
    },
    show: |agent| json!(agent.as_ref().map(ToString::to_string).unwrap_or_default()),
    schema: || json!({"type": "string", "pattern": "^((udp://)?.+:[0-9]{1,5}|unix(gram|stream)?:.+)?$"}),
};

/// The scheme and the path of `unix:///path` or `unix:/path`, if it has one of the `schemes`.
pub(super) fn socket<'t>(
    text: &'t str,
    schemes: &[&str],
) -> Result<Option<(&'t str, PathBuf)>, Problem> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Ok(None);
    };
    if !schemes.contains(&scheme) {
        return Ok(None);
    }
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if !path.starts_with('/') {
        let what = "names no socket: its path must begin with a slash";
        return Err(Problem::new(what).write(format!("{scheme}:///{path}")));
    }
    no_control_characters(path)?;
    if path.len() > LONGEST_SOCKET {
        let what =
            format!("is longer than {LONGEST_SOCKET} bytes, the most a socket's path can be");
        return Err(Problem::new(what).help("move the socket to a shorter path"));
    }
    Ok(Some((scheme, PathBuf::from(path))))
}

/// Where traces are posted to, given a receiver's base address: below it, unless it is that
/// already.
pub(super) fn traces_of(base: Url) -> Url {
    let path = base.path().trim_end_matches('/');
    let path = match path.ends_with(&format!("/{TRACES}")) {
        true => path.to_owned(),
        false => format!("{path}/{TRACES}"),
    };
    let mut url = base;
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::super::raw::Raw;
    use super::*;

    #[test]
    fn traces_go_below_a_base_address_and_never_below_themselves() {
        for (base, traces) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("http://c:4318/", "http://c:4318/v1/traces"),
            ("http://c:4318/v1/traces", "http://c:4318/v1/traces"),
            ("http://c:4318/v1/traces/", "http://c:4318/v1/traces"),
            ("https://c/otlp", "https://c/otlp/v1/traces"),
            ("https://c/otlp/v1/traces", "https://c/otlp/v1/traces"),
            ("https://c/notv1/traces", "https://c/notv1/traces/v1/traces"),
        ] {
            assert_eq!(traces_of(base.parse().unwrap()).as_str(), traces, "{base}");
        }
    }

    #[test]
    fn sockets_are_read_with_two_slashes_and_without() {
        let read = |text: &str| (TRACE_AGENT.read)(&Raw::Plain(text));
        let apm = TraceAgent::Unix("/var/run/datadog/apm.socket".into());
        for text in [
            "unix:///var/run/datadog/apm.socket",
            "unix:/var/run/datadog/apm.socket",
        ] {
            assert_eq!(read(text), Ok(Some(apm.clone())));
        }
        for bad in [
            "unix:",
            "unix://",
            "unix://run/apm",
            "unix:/a\u{1b}",
            "pipe:/a",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!(read(&format!("unix:/{}", "x".repeat(106))).is_ok());
        assert!(read(&format!("unix:/{}", "x".repeat(107))).is_err());
    }

    #[test]
    fn what_carries_dogstatsd_is_told_by_its_scheme_and_shown_so() {
        for (text, shown) in [
            ("127.0.0.1:8125", "127.0.0.1:8125"),
            ("udp://agent:8125", "agent:8125"),
            ("unix:///run/dsd.socket", "unix:/run/dsd.socket"),
            ("unixgram:///run/dsd.socket", "unixgram:/run/dsd.socket"),
            ("unixstream:/run/dsd.socket", "unixstream:/run/dsd.socket"),
        ] {
            let read = (STATSD_AGENT.read)(&Raw::Plain(text)).unwrap().unwrap();
            assert_eq!(read.to_string(), shown);
            let again = (STATSD_AGENT.read)(&Raw::Plain(shown)).unwrap().unwrap();
            assert_eq!(read, again);
        }
    }

    #[test]
    fn nothing_secret_is_shown_of_an_address() {
        let url = Url::parse("https://me:pw@c:4318/otlp/k3yThat1sSecret/v1?api-key=x#y").unwrap();
        assert_eq!(address::show(&url), "https://c:4318/otlp/***/v1");
    }
}
