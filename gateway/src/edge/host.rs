//! For which host a request is (RFC 9110 section 7.2): exactly one, and one that everybody
//! reads alike.

use std::net::{IpAddr, Ipv6Addr};

use http::header::HOST;
use http::{HeaderMap, HeaderValue};

/// A host without its port, as the `Host` header names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a>(&'a str);

/// What is wrong with a request's `Host`; the text says what to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongHost {
    /// There is none.
    #[error("The request has no Host header. Send exactly one.")]
    Missing,
    /// There are several.
    #[error("The request has more than one Host header. Send exactly one.")]
    Several,
    /// It is no host.
    #[error("The Host header is not a host with an optional port.")]
    Invalid,
}

impl<'a> Host<'a> {
    /// The host of a request with these headers.
    ///
    /// # Errors
    /// [`WrongHost`].
    pub fn of(headers: &'a HeaderMap) -> Result<Self, WrongHost> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().ok_or(WrongHost::Missing)?;
        if hosts.next().is_some() {
            return Err(WrongHost::Several);
        }
        Self::read(host).ok_or(WrongHost::Invalid)
    }

    fn read(value: &'a HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        // An address in brackets has colons of its own.
        let end = text.find(']').map_or(0, |bracket| bracket + 1);
        let end = text[end..].find(':').map_or(text.len(), |port| end + port);
        let (host, port) = text.split_at(end);
        let port_is_fine = match port.strip_prefix(':') {
            Some(digits) => {
                digits.is_empty()
                    || digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
            }
            None => true,
        };
        (is_host(host) && port_is_fine).then_some(Self(host))
    }

    /// Whether it is an address, a name without a dot, or one of `names` (in lower case).
    ///
    /// A web page of a stranger's has a name with a dot, and keeps it when it makes that name
    /// resolve to an address of ours (DNS rebinding): by none of the others can it come.
    pub fn is_own_or(&self, names: &[String]) -> bool {
        let Self(host) = *self;
        let name = host.strip_suffix('.').unwrap_or(host);
        let is_address = host.starts_with('[') || name.parse::<IpAddr>().is_ok();
        let is_listed = || names.iter().any(|own| own.eq_ignore_ascii_case(name));
        is_address || !name.contains('.') || is_listed()
    }
}

/// A name or an address as servers have them. RFC 3986 allows more, a comma for one: but
/// that is what two Host headers become where somebody joins them.
fn is_host(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !host.is_empty() && host.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(HOST, HeaderValue::from_str(text).unwrap())])
    }

    #[test]
    fn a_name_with_a_dot_is_own_only_if_it_is_listed() {
        let names = ["gateway.internal.example".to_owned()];
        for own in [
            "127.0.0.1",
            "127.0.0.1:9901",
            "[::1]:9901",
            "10.1.2.3",
            "localhost:9901",
            "gateway",
            "localhost.",
            "Gateway.Internal.Example:9901",
            "gateway.internal.example.",
        ] {
            assert!(Host::of(&headers(own)).unwrap().is_own_or(&names), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:9901",
            "127.0.0.1.evil.example",
            "gateway.internal.example.evil.example",
            "internal.example",
            "0x7f.1",
        ] {
            assert!(
                !Host::of(&headers(other)).unwrap().is_own_or(&names),
                "{other}"
            );
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        for text in [
            "", "a b", "a,b", "a/b", "user@a", "a:99999", "a:b", "a:+80", "a:80:80", "a:80]", "]",
            "[::g]", "[::1", "[::1]a", "[::1]:a", "a[::1]", "[::1]]", ":", ":80",
        ] {
            assert_eq!(
                Host::of(&headers(text)),
                Err(WrongHost::Invalid),
                "{text:?}"
            );
        }
        assert_eq!(Host::of(&HeaderMap::new()), Err(WrongHost::Missing));
        let mut two = HeaderMap::new();
        two.append(HOST, HeaderValue::from_static("a"));
        two.append(HOST, HeaderValue::from_static("a"));
        assert_eq!(Host::of(&two), Err(WrongHost::Several));
    }
}
