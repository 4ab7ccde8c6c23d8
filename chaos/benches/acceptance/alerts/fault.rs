//! The ten faults: what must be said of each. How it is done is in `acts`.

use std::time::Duration;

use super::promtool::Firing;

/// How long every service takes while it is well.
pub(super) const USUAL: Duration = Duration::from_millis(20);

/// The service that is at fault, if one is.
pub(super) const SERVICE: &str = "pricing";

/// A fault, and what must be said of it.
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) what: What,
    /// The label `fault` of the alerts that name it.
    pub(super) kind: &'static str,
    /// One of the first alerts.
    alert: &'static str,
    /// Whether it is nobody's night: no alert of severity `page` may fire.
    ticket: bool,
    /// Which gateway the runbook's commands are typed for.
    pub(super) seen_at: usize,
    /// All of these stand in the first thing that they say stands out.
    pub(super) says: &'static [&'static str],
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Slow,
    Failing,
    Flapping,
    EndpointDead,
    ClientsLeave,
    GreedyClient,
    ShortOfCpu,
    AgentDead,
    BadConfig,
    NameGone,
}

/// In the order of the issue that asked for them.
pub(super) const FAULTS: [Fault; 10] = [
    service(
        "a service slow",
        What::Slow,
        "GatewayCallErrors",
        &["pricing (required by product-page)", "calls were late"],
    ),
    service(
        "a service failing",
        What::Failing,
        "GatewayCallErrors",
        &["pricing (required by product-page)", "calls failed"],
    ),
    service(
        "a service flapping",
        What::Flapping,
        "GatewayCallErrors",
        &["pricing (required by product-page)", "calls failed"],
    ),
    Fault {
        ticket: true,
        ..service(
            "one endpoint dead",
            What::EndpointDead,
            "GatewayEndpointEjected",
            &["pricing (required by product-page): 1 of 2 endpoints are set aside"],
        )
    },
    Fault {
        kind: "clients",
        ..service(
            "clients leaving",
            What::ClientsLeave,
            "GatewayAbandoned",
            &[
                "product-page: clients gave up",
                "what they waited for is pricing",
            ],
        )
    },
    Fault {
        kind: "clients",
        ticket: true,
        ..service(
            "a greedy client",
            What::GreedyClient,
            "GatewayQuotaRefusals",
            &["clients are over their quota"],
        )
    },
    Fault {
        kind: "gateway",
        ..service(
            "the gateway short of CPU",
            What::ShortOfCpu,
            "GatewayOwnLag",
            &["the gateway itself is short of CPU"],
        )
    },
    Fault {
        kind: "telemetry",
        ticket: true,
        ..service(
            "the agent dead",
            What::AgentDead,
            "GatewayTelemetryDropped",
            &["log lines did not leave, most of them traces (not_received)"],
        )
    },
    Fault {
        kind: "fleet",
        seen_at: 1,
        ..service(
            "a bad config",
            What::BadConfig,
            "GatewayDown",
            &["Connection refused", "permit"],
        )
    },
    Fault {
        seen_at: 1,
        ..service(
            "a name gone",
            What::NameGone,
            "GatewayCallErrors",
            &["pricing (required by product-page): its name resolves to no address"],
        )
    },
];

const fn service(
    name: &'static str,
    what: What,
    alert: &'static str,
    says: &'static [&'static str],
) -> Fault {
    Fault {
        name,
        what,
        kind: "service",
        alert,
        ticket: false,
        seen_at: 0,
        says,
    }
}

impl Fault {
    /// Its entry in the runbook: `GatewayCallErrors` is `call-errors`.
    pub(super) fn entry(&self) -> String {
        let mut entry = String::new();
        for letter in self.alert.trim_start_matches("Gateway").chars() {
            if letter.is_ascii_uppercase() && !entry.is_empty() {
                entry.push('-');
            }
            entry.push(letter.to_ascii_lowercase());
        }
        entry
    }

    /// Whether the runbook's commands name it, and first among what stands out, which is numbered
    /// (`gateway why` names entries of the runbook beside its keys). Lag of a machine that other programs
    /// use too is said before it, and rightly so.
    pub(super) fn is_found_in(&self, said: &str) -> bool {
        let is_numbered = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
        let named = said.lines().filter(|line| line.contains("[runbook: "));
        let mut findings = named.filter(is_numbered);
        let own = |line: &&str| self.kind == "gateway" || !line.contains("[runbook: own-lag]");
        let first = findings.find(own).unwrap_or(said);
        self.says.iter().all(|words| first.contains(words))
    }

    /// Whether this alert says what it is, and of which service.
    pub(super) fn is_named_by(&self, alert: &Firing) -> bool {
        let of = alert.downstream.as_deref().is_none_or(|of| of == SERVICE);
        alert.name == self.alert && alert.fault == self.kind && of
    }

    /// Whether this alert calls somebody for another reason.
    pub(super) fn is_outranked_by(&self, alert: &Firing) -> bool {
        alert.severity == "page" && (self.ticket || alert.fault != self.kind)
    }
}
