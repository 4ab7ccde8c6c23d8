//! Whose word for another's address is taken.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::json;

use super::ClientAddress;
use super::kinds::{Kind, one_of};
use super::problem::Problem;
use super::raw::list_of;

/// Networks of proxies that say truly who asked them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether `address` is one of theirs.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For tests: these networks, which are ones.
    #[cfg(test)]
    pub fn of(networks: &[&str]) -> Self {
        Self(networks.iter().map(|text| text.parse().unwrap()).collect())
    }
}

/// A list of networks, `"10.0.0.0/8"`, or of single addresses.
pub(super) const TRUSTED_PROXIES: Kind<TrustedProxies> = Kind {
    read: |raw| {
        list_of(raw, network, |one| format!("`{one}` stands here twice")).map(TrustedProxies)
    },
    show: |all| json!(all.0.iter().map(ToString::to_string).collect::<Vec<_>>()),
    schema: || json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "minLength": 2}}),
};

fn network(text: &str) -> Result<IpNet, Problem> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let network: IpNet = text.parse().map_err(|_| {
        Problem::new(format!("{text:?} is not a network"))
            .help("a network is an address and how many of its bits count, such as `10.0.0.0/8`")
    })?;
    match network.trunc() == network {
        true => Ok(network),
        false => Err(
            Problem::new(format!("{text:?} has bits set that do not count"))
                .help(format!("write `{}`", network.trunc())),
        ),
    }
}

const WAYS: &[(&str, ClientAddress)] = &[
    ("peer", ClientAddress::Peer),
    ("x-forwarded-for", ClientAddress::XForwardedFor),
    ("forwarded", ClientAddress::Forwarded),
    ("proxy-protocol", ClientAddress::ProxyProtocol),
];

/// How the client's address is known.
pub(super) const CLIENT_ADDRESS: Kind<ClientAddress> = Kind {
    read: |raw| one_of(raw, WAYS),
    show: |by| {
        let written = WAYS.iter().find(|(_, way)| way == by);
        json!(written.map(|(name, _)| name))
    },
    schema: || json!({"enum": WAYS.iter().map(|(name, _)| name).collect::<Vec<_>>()}),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_and_the_bits_that_count() {
        for (good, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("fd00::/8", "fd00::/8"),
        ] {
            assert_eq!(network(good).unwrap().to_string(), shown);
        }
        for (bad, said) in [
            ("10.0.0.0/33", "such as `10.0.0.0/8`"),
            ("10.0.0/8", "such as `10.0.0.0/8`"),
            ("proxy.example", "such as `10.0.0.0/8`"),
            ("10.0.0.1/8", "write `10.0.0.0/8`"),
            ("", "is not a network"),
        ] {
            let problem = network(bad).unwrap_err().to_string();
            assert!(problem.contains(said), "{bad:?}: {problem}");
        }
    }

    #[test]
    fn a_mapped_address_is_in_the_network_of_its_ipv4_one() {
        let trusted = TrustedProxies::of(&["10.0.0.0/8"]);
        assert!(trusted.has("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!trusted.has("11.0.0.1".parse().unwrap()));
        assert!(!TrustedProxies::default().has("127.0.0.1".parse().unwrap()));
    }
}
