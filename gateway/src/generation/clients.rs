//! Who asks: the key a client's quota is kept under.

mod forwarded;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;

use self::forwarded::ClientAddresses;
use crate::config::{Config, IdentifyBy};
use crate::page::quota::{Client, ClientKey};

/// Tells clients apart as configured. Holds no names: a header's value becomes a
/// hash, keyed anew in every process, so that it can neither be read nor aimed.
#[derive(Debug)]
pub struct ClientNames {
    by: IdentifyBy,
    addresses: ClientAddresses,
    /// Whether a client is held to its `Retry-After`: one known by its address, by the header.
    held: [bool; 2],
    halves: Arc<[RandomState; 2]>,
}

impl ClientNames {
    /// As configured under `[clients]`.
    pub fn new(config: &Config) -> Self {
        let halves = Arc::new([RandomState::new(), RandomState::new()]);
        Self::hashed(config, halves)
    }

    /// As another configuration says. Whoever is told apart as before is the same client.
    #[must_use]
    pub fn carried(&self, config: &Config) -> Self {
        Self::hashed(config, Arc::clone(&self.halves))
    }

    fn hashed(config: &Config, halves: Arc<[RandomState; 2]>) -> Self {
        let clients = &config.clients;
        Self {
            by: clients.identify_by.clone(),
            addresses: ClientAddresses::new(&config.server),
            held: [false, true].map(|has_header| clients.holds_early(has_header)),
            halves,
        }
    }

    /// Whoever sent these headers over a connection that `peer` opened, or had opened for it.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let (key, known_by_header) = match &self.by {
            IdentifyBy::Header(name) if headers.contains_key(name) => {
                let values: Vec<&[u8]> =
                    headers.get_all(name).iter().map(|v| v.as_bytes()).collect();
                let [high, low] = self
                    .halves
                    .each_ref()
                    .map(|half| u128::from(half.hash_one(&values)));
                (ClientKey(high << 64 | low), true)
            }
            IdentifyBy::Header(_) | IdentifyBy::Ip => {
                let client = self.addresses.client(peer, headers);
                (by_address(client), false)
            }
        };
        Client {
            key,
            held: self.held[usize::from(known_by_header)],
        }
    }
}

/// One host has one IPv4 address but a whole IPv6 /64 (RFC 6177), so the lower half of
/// that does not count.
pub fn by_address(peer: IpAddr) -> ClientKey {
    match peer.to_canonical() {
        IpAddr::V4(v4) => ClientKey(v4.to_ipv6_mapped().to_bits()),
        IpAddr::V6(v6) => ClientKey(v6.to_bits() >> 64 << 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn names(by: IdentifyBy) -> ClientNames {
        let loaded = config::load_text("test.toml", config::default_text(), &[]);
        let mut config = loaded.unwrap().config;
        config.clients.identify_by = by;
        ClientNames::new(&config)
    }

    #[test]
    fn an_ipv6_client_is_its_64_and_a_mapped_address_is_the_ipv4_one() {
        let names = names(IdentifyBy::Ip);
        let key = |ip: &str| names.client(ip.parse().unwrap(), &HeaderMap::new());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:2"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("10.0.0.1"), key("::ffff:10.0.0.1"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
    }

    #[test]
    fn a_client_without_the_header_counts_by_its_address() {
        let names = names(IdentifyBy::Header("x-api-key".parse().unwrap()));
        let mut a = HeaderMap::new();
        a.insert("x-api-key", "a".parse().unwrap());
        let [here, there]: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        assert_eq!(names.client(here, &a), names.client(there, &a));
        assert_ne!(
            names.client(here, &a),
            names.client(here, &HeaderMap::new())
        );
        assert_ne!(
            names.client(here, &HeaderMap::new()),
            names.client(there, &HeaderMap::new())
        );
    }
}
