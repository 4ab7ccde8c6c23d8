//! Whose request it is when proxies stand in front: the nearest hop that nobody trusted vouches
//! for.
//!
//! Read from right to left, as each proxy adds who it was that asked it. Always holds: what an
//! untrusted peer says of itself changes nothing; what cannot be read ends the walk, and the hop
//! that said it is the client.
//!
//! Not here: the PROXY protocol (it speaks of a connection, see [`crate::edge`]).

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{ClientAddress, Server, TrustedProxies};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How the client of a request is known.
#[derive(Clone, Debug)]
pub(super) struct ClientAddresses {
    by: ClientAddress,
    trusted: TrustedProxies,
}

impl ClientAddresses {
    /// As configured under `[server]`.
    pub(super) fn new(server: &Server) -> Self {
        Self {
            by: server.client_address,
            trusted: server.trusted_proxies.clone(),
        }
    }

    /// Whose request with these headers it is that came from `peer`.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        match self.by {
            ClientAddress::Peer | ClientAddress::ProxyProtocol => peer,
            ClientAddress::XForwardedFor => {
                let lists = headers.get_all(X_FORWARDED_FOR).iter().rev();
                self.walk(peer, lists.flat_map(|list| hops(list, address)))
            }
            ClientAddress::Forwarded => {
                let lists = headers.get_all(FORWARDED).iter().rev();
                self.walk(peer, lists.flat_map(|list| hops(list, element)))
            }
        }
    }

    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = peer;
        for hop in hops {
            match hop {
                Some(hop) if self.trusted.has(client) => client = hop,
                Some(_) | None => break,
            }
        }
        client
    }
}

/// The hops of one header field, the nearest first; `None` is one that cannot be read.
fn hops(
    list: &HeaderValue,
    read: fn(&str) -> Option<IpAddr>,
) -> impl Iterator<Item = Option<IpAddr>> {
    // What is no text is one hop that cannot be read.
    let list = list.to_str().unwrap_or("?");
    list.rsplit(',').map(move |hop| read(hop.trim()))
}

/// The `for` of one element of `Forwarded` (RFC 7239 section 4).
fn element(text: &str) -> Option<IpAddr> {
    let mut pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    let quoted = node
        .strip_prefix('"')
        .and_then(|node| node.strip_suffix('"'));
    address(quoted.unwrap_or(node))
}

/// An address with or without a port, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>();
    let address = address.or_else(|_| text.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn client(by: ClientAddress, peer: &str, lists: &[&str]) -> String {
        let addresses = ClientAddresses {
            by,
            trusted: TrustedProxies::of(&["10.0.0.0/8", "fd00::/8"]),
        };
        let name = match by {
            ClientAddress::Forwarded => FORWARDED,
            ClientAddress::XForwardedFor | ClientAddress::Peer | ClientAddress::ProxyProtocol => {
                X_FORWARDED_FOR
            }
        };
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(&name, HeaderValue::from_str(list).unwrap());
        }
        addresses
            .client(peer.parse().unwrap(), &headers)
            .to_string()
    }

    #[test]
    fn the_client_is_the_nearest_hop_that_is_not_trusted() {
        let by = ClientAddress::XForwardedFor;
        for (lists, expected) in [
            (&[][..], PROXY),
            (&["203.0.113.7"], "203.0.113.7"),
            (&["203.0.113.7, 10.1.1.1"], "203.0.113.7"),
            (&["6.6.6.6, 203.0.113.7 ,10.1.1.1"], "203.0.113.7"),
            (&["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
            (&["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
            (&["203.0.113.7:4711"], "203.0.113.7"),
            (&["[2001:db8::1]:4711, fd00::1"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["::ffff:203.0.113.7"], "203.0.113.7"),
        ] {
            assert_eq!(client(by, PROXY, lists), expected, "{lists:?}");
        }
    }

    #[test]
    fn what_an_untrusted_peer_says_changes_nothing() {
        for by in [ClientAddress::XForwardedFor, ClientAddress::Forwarded] {
            for list in ["1.2.3.4", "for=1.2.3.4", "10.0.0.1, 10.0.0.2"] {
                assert_eq!(client(by, "203.0.113.9", &[list]), "203.0.113.9");
            }
        }
        assert_eq!(client(ClientAddress::Peer, PROXY, &["1.2.3.4"]), PROXY);
    }

    #[test]
    fn what_cannot_be_read_ends_the_walk() {
        let by = ClientAddress::XForwardedFor;
        for list in [
            "1.2.3.4, unknown",
            "1.2.3.4, ",
            "1.2.3.4, 999.1.1.1",
            "é",
            "1.2.3.4 5.6.7.8",
        ] {
            assert_eq!(client(by, PROXY, &[list]), PROXY, "{list}");
        }
        assert_eq!(client(by, PROXY, &["bad, 10.1.1.1"]), "10.1.1.1");
    }

    #[test]
    fn the_standard_header_is_read_as_rfc_7239_has_it() {
        let by = ClientAddress::Forwarded;
        for (lists, expected) in [
            (&["for=203.0.113.7"][..], "203.0.113.7"),
            (&["For=\"[2001:db8::1]:4711\";proto=https"], "2001:db8::1"),
            (
                &["proto=https;for=\"203.0.113.7:80\" , for=10.1.1.1"],
                "203.0.113.7",
            ),
            (&["for=_hidden"], PROXY),
            (&["for=1.2.3.4, for=unknown"], PROXY),
            (&["for=1.2.3.4, by=10.0.0.3"], PROXY),
            (&["for=1.2.3.4", "for=5.6.7.8"], "5.6.7.8"),
        ] {
            assert_eq!(client(by, PROXY, lists), expected, "{lists:?}");
        }
    }
}
