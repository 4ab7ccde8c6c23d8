//! Environment variables that override keys.
//!
//! `GATEWAY__SERVER__LISTEN` stands for `server.listen`: a double underscore for
//! a dot, a single one for itself or a dash, case does not matter. Names that Datadog and
//! OpenTelemetry have fixed stand for keys of `[telemetry]` and win over the others.

use std::net::Ipv6Addr;

use settings::variables::{Variable, Variables, normal, shown};

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
        let value = format!(
            "{}{host}:{}",
            self.scheme,
            port.unwrap_or(self.default_port)
        );
        let variable = Variable::new(self.url, value, STANDARD[standard].1, Some(standard));
        let written: Vec<String> = written.into_iter().flatten().collect();
        Some(variable.made_of(written.join(", ")))
    }
}

/// Those of the environment that concern the gateway.
pub(super) fn of(env: &[(String, String)]) -> Variables {
    let variable = |(name, value): &(String, String)| {
        let standard = standard(name);
        let target = match standard {
            Some(at) => (!value.is_empty()).then(|| STANDARD[at].1.to_owned())?,
            None => name.to_ascii_uppercase().strip_prefix(PREFIX)?.to_owned(),
        };
        Some(Variable::new(name, value.clone(), &target, standard))
    };
    let mut all: Vec<Variable> = env.iter().filter_map(variable).collect();
    all.extend(HOSTS_AND_PORTS.iter().filter_map(|pair| pair.variable(env)));
    let ignored = env.iter().filter(|(name, _)| is_ignored(name));
    Variables::new(all, ignored.map(|(name, _)| name.clone()).collect())
}
