//! Environment variables that override keys.
//!
//! `GATEWAY__SERVER__LISTEN` stands for `server.listen`: a double underscore for
//! a dot, a single one for itself or a dash, case does not matter. Names that Datadog and
//! OpenTelemetry have fixed stand for keys of `[telemetry]` and win over the others.

use std::net::Ipv6Addr;

use super::admin::TOKEN_FILE_VARIABLE;

/// Before every variable that stands for a key.
const PREFIX: &str = "GATEWAY__";

/// Names that Datadog and OpenTelemetry have fixed, and the keys they stand for; of two for one
/// key the first counts. An empty one counts as unset.
/// <https://docs.datadoghq.com/tracing/trace_collection/library_config/>
/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
const STANDARD: &[(&str, &str)] = &[
    ("DD_SERVICE", "telemetry.service"),
    ("DD_ENV", "telemetry.env"),
    ("DD_VERSION", "telemetry.version"),
    ("DD_TRACE_AGENT_URL", "telemetry.datadog_agent"),
    ("DD_DOGSTATSD_URL", "telemetry.dogstatsd"),
    ("DD_ENTITY_ID", "telemetry.entity_id"),
    ("DD_EXTERNAL_ENV", "telemetry.external_env"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "telemetry.otlp_traces_endpoint",
    ),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    (
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "telemetry.otlp_headers",
    ),
    ("OTEL_EXPORTER_OTLP_HEADERS", "telemetry.otlp_headers"),
];

/// Where the agent is, in two variables: they count where the one with the URL is not set.
struct HostAndPort {
    /// Whose place they take.
    url: &'static str,
    scheme: &'static str,
    port: &'static str,
    default_port: &'static str,
}

/// The host of either: every Datadog tracer knows it, and the admission controller sets it.
const AGENT_HOST: &str = "DD_AGENT_HOST";

const HOSTS_AND_PORTS: &[HostAndPort] = &[
    HostAndPort {
        url: "DD_TRACE_AGENT_URL",
        scheme: "http://",
        port: "DD_TRACE_AGENT_PORT",
        default_port: "8126",
    },
    HostAndPort {
        url: "DD_DOGSTATSD_URL",
        scheme: "",
        port: "DD_DOGSTATSD_PORT",
        default_port: "8125",
    },
];

/// The variables that concern the gateway, and which of them found their key.
#[derive(Debug, Default)]
pub(super) struct Variables {
    all: Vec<Variable>,
    /// Names that begin as those that stand for keys do, but for one underscore.
    ignored: Vec<String>,
}

/// One variable.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    /// As it is written, where that is not `name` and `value`.
    written: Option<String>,
    /// Its place in [`STANDARD`], if it has one.
    standard: Option<usize>,
    /// The key it stands for, as [`normal`] writes it.
    target: String,
    /// Keys that took it, dotted.
    taken_by: Vec<String>,
}

impl Variable {
    /// Its name, or those of the variables that it is made of.
    pub(super) fn name(&self) -> String {
        match &self.written {
            None => self.name.clone(),
            Some(written) => written
                .split(", ")
                .filter_map(|one| Some(one.split_once('=')?.0))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    /// `NAME="value"`, on one line and not endless; no value of one that holds headers. What
    /// else looks like a secret is starred out where it is shown.
    pub(super) fn shown(&self) -> String {
        if let Some(written) = &self.written {
            return written.clone();
        }
        if self.name.ends_with("_HEADERS") {
            return format!("{}=***", self.name);
        }
        shown(&self.name, &self.value)
    }
}

pub(super) fn shown(name: &str, value: &str) -> String {
    let short: String = value.chars().take(200).collect();
    let more = match short.len() < value.len() {
        true => " (and more)",
        false => "",
    };
    format!("{name}={short:?}{more}")
}

/// Whether a variable of this name concerns the gateway.
pub(super) fn concerns_us(name: &str) -> bool {
    let of_agent = HOSTS_AND_PORTS.iter().any(|pair| pair.port == name) || name == AGENT_HOST;
    let ours = name.to_ascii_uppercase().starts_with(PREFIX) || is_ignored(name);
    ours || standard(name).is_some() || of_agent
}

/// Whether somebody probably thinks that it stands for a key, and it does not. Kubernetes sets some of
/// this form itself where a service is called `gateway`, and commands read one ([`TOKEN_FILE_VARIABLE`]).
/// <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>
fn is_ignored(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let Some(rest) = upper.strip_prefix(PREFIX.trim_end_matches('_')) else {
        return false;
    };
    let service = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    let of_kubernetes = service.iter().any(|word| {
        let after = rest.strip_prefix(word);
        after.is_some_and(|after| after.is_empty() || after.starts_with('_'))
    });
    let of_commands = upper == TOKEN_FILE_VARIABLE;
    rest.starts_with('_') && !rest.starts_with("__") && !of_kubernetes && !of_commands
}

/// The place in [`STANDARD`] of a variable.
fn standard(name: &str) -> Option<usize> {
    STANDARD.iter().position(|(known, _)| *known == name)
}

/// The variable that stands for a key.
#[must_use]
pub fn name_of(path: &str) -> String {
    format!("{PREFIX}{}", normal(path))
}

/// A dotted key as variables spell it, without the prefix.
fn normal(path: &str) -> String {
    path.replace('.', "__")
        .replace('-', "_")
        .to_ascii_uppercase()
}

impl HostAndPort {
    /// The variable whose place they take, as they would have it.
    fn variable(&self, env: &[(String, String)]) -> Option<Variable> {
        let set = |name: &str| {
            let mut all = env.iter();
            let found = all.find(|(known, value)| known == name && !value.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        let (host, port) = (set(AGENT_HOST), set(self.port));
        if set(self.url).is_some() || (host.is_none() && port.is_none()) {
            return None;
        }
        let written = [(AGENT_HOST, host), (self.port, port)];
        let written = written.map(|(name, value)| value.map(|value| shown(name, value)));
        let host = match host.unwrap_or("localhost") {
            // Of a node with IPv6: the brackets are the URL's.
            ip if ip.parse::<Ipv6Addr>().is_ok() => format!("[{ip}]"),
            host => host.to_owned(),
        };
        let standard = standard(self.url)?;
        Some(Variable {
            name: self.url.to_owned(),
            value: format!(
                "{}{host}:{}",
                self.scheme,
                port.unwrap_or(self.default_port)
            ),
            written: Some(written.into_iter().flatten().collect::<Vec<_>>().join(", ")),
            standard: Some(standard),
            target: normal(STANDARD[standard].1),
            taken_by: Vec::new(),
        })
    }
}

impl Variables {
    /// Keeps those of the environment that concern the gateway.
    pub(super) fn new(env: &[(String, String)]) -> Self {
        let variable = |(name, value): &(String, String)| {
            let standard = standard(name);
            let target = match standard {
                Some(at) => (!value.is_empty()).then(|| normal(STANDARD[at].1))?,
                None => name.to_ascii_uppercase().strip_prefix(PREFIX)?.to_owned(),
            };
            Some(Variable {
                name: name.clone(),
                value: value.clone(),
                written: None,
                standard,
                target,
                taken_by: Vec::new(),
            })
        };
        let mut all: Vec<Variable> = env.iter().filter_map(variable).collect();
        let of_agents = HOSTS_AND_PORTS.iter().filter_map(|pair| pair.variable(env));
        all.extend(of_agents);
        // The first match of a key is the one that counts: standard ones, in their order.
        all.sort_by_key(|variable| variable.standard.unwrap_or(usize::MAX));
        let ignored = env.iter().filter(|(name, _)| is_ignored(name));
        Self {
            all,
            ignored: ignored.map(|(name, _)| name.clone()).collect(),
        }
    }

    /// Names that look as if they stood for a key and do not.
    pub(super) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Whether a variable overrides this key, or one below it.
    pub(super) fn stands_for(&self, path: &str) -> bool {
        let target = normal(path);
        let below = format!("{target}__");
        let mut all = self.all.iter();
        all.any(|variable| variable.target == target || variable.target.starts_with(&below))
    }

    /// The variable that overrides this key, if there is one.
    pub(super) fn take(&mut self, path: &str) -> Option<Variable> {
        self.take_those(path, |_| true)
    }

    /// The same for a key that only standard variables can set.
    pub(super) fn take_standard(&mut self, path: &str) -> Option<Variable> {
        self.take_those(path, |variable| variable.standard.is_some())
    }

    /// The first of those that may stand for this key; it is the key of all of them.
    fn take_those(&mut self, path: &str, may: impl Fn(&Variable) -> bool) -> Option<Variable> {
        let target = normal(path);
        let mut found = None;
        for variable in self.all.iter_mut() {
            if variable.target == target && may(variable) {
                variable.taken_by.push(path.to_owned());
                found = found.or_else(|| Some(variable.clone()));
            }
        }
        found
    }

    /// Those that stand for no key.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &Variable> {
        self.all
            .iter()
            .filter(|variable| variable.taken_by.is_empty())
    }

    /// Those that stand for several keys, with the keys.
    pub(super) fn ambiguous(&self) -> impl Iterator<Item = (&Variable, &[String])> {
        let several = self
            .all
            .iter()
            .filter(|variable| variable.taken_by.len() > 1);
        several.map(|variable| (variable, variable.taken_by.as_slice()))
    }

    /// Pairs of variables whose names differ only in case.
    pub(super) fn twins(&self) -> impl Iterator<Item = (&Variable, &Variable)> {
        let ours = |variable: &&Variable| variable.standard.is_none();
        self.all.iter().enumerate().filter_map(move |(i, a)| {
            let mut later = self.all[i + 1..].iter().filter(ours);
            let twin = later.find(|b| ours(&a) && a.target == b.target)?;
            Some((a, twin))
        })
    }
}
