//! What clients are told of their quota: `RateLimit` and `RateLimit-Policy`
//! (<https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10>), as structured
//! fields (RFC 9651).
//!
//! Always holds: nobody is told of a quota that nobody is held to.
//!
//! Not here: how much is left ([`quota`](crate::page::quota)), and which answers say it (the edge).

use http::{HeaderName, HeaderValue};

use crate::config::Clients;
use crate::page::quota::Allowance;
use crate::text::{header_value, push_decimal};

/// How much the client may still ask for.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What its quota is.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The largest integer of a structured field: 15 digits.
const MOST: u64 = 999_999_999_999_999;

/// What clients of one configuration are told.
#[derive(Clone, Debug)]
pub struct RateLimit {
    policy: Option<HeaderValue>,
}

impl RateLimit {
    /// As configured under `[clients]`.
    pub fn new(config: &Clients) -> Self {
        let policy = config.enforced_rate().map(|rate| {
            let interval = (rate.period / rate.count.get()).as_nanos().max(1);
            let (quota, window) = policy(interval, config.burst.get());
            let mut text = b"\"pages\";q=".to_vec();
            push_decimal(&mut text, quota);
            text.extend_from_slice(b";w=");
            push_decimal(&mut text, window);
            header_value(text)
        });
        Self { policy }
    }

    /// What a client is told that it is allowed, if it is held to anything.
    pub fn told(&self, allowed: Option<Allowance>) -> Option<[(HeaderName, HeaderValue); 2]> {
        let (policy, allowed) = self.policy.as_ref().zip(allowed)?;
        let mut text = Vec::with_capacity(32);
        text.extend_from_slice(b"\"pages\";r=");
        push_decimal(&mut text, allowed.pages.min(MOST));
        if let Some(more_in) = allowed.more_in {
            text.extend_from_slice(b";t=");
            push_decimal(&mut text, more_in.min(MOST));
        }
        Some([
            (RATE_LIMIT, header_value(text)),
            (RATE_LIMIT_POLICY, policy.clone()),
        ])
    }
}

/// So many pages in so many seconds: the time in which a whole burst comes back, and the pages that
/// come in it. What the draft has no word for is that a client which was quiet may have a burst
/// besides; `r` counts it.
fn policy(interval: u128, burst: u32) -> (u64, u64) {
    const SECOND: u128 = 1_000_000_000;
    let window = (interval * u128::from(burst)).div_ceil(SECOND).max(1);
    let quota = window * SECOND / interval;
    let whole = |number: u128| u64::try_from(number).unwrap_or(u64::MAX).min(MOST);
    (whole(quota), whole(window))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn told(keys: &str, pages: u64, more_in: Option<u64>) -> Option<(String, String)> {
        let toml = format!(
            "[clients]\n{keys}\n[page.p]\npath = \"/p\"\n[page.p.part.a]\ndownstream = \"a\"\n\
             path = \"/\"\n[downstream.a]\nurl = \"http://127.0.0.1:1\"\n"
        );
        let config = config::load_text("test", &toml, &[]).unwrap().config;
        let allowed = Allowance { pages, more_in };
        let [limit, policy] = RateLimit::new(&config.clients).told(Some(allowed))?;
        assert_eq!((&limit.0, &policy.0), (&RATE_LIMIT, &RATE_LIMIT_POLICY));
        let text = |value: HeaderValue| value.to_str().unwrap().to_owned();
        Some((text(limit.1), text(policy.1)))
    }

    #[test]
    fn a_quota_and_what_is_left_of_it_are_structured_fields() {
        for (keys, limit, policy) in [
            (
                "rate = \"500/s\"\nburst = 1000",
                "\"pages\";r=7;t=1",
                "\"pages\";q=1000;w=2",
            ),
            (
                "rate = \"10/min\"\nburst = 20",
                "\"pages\";r=7;t=1",
                "\"pages\";q=20;w=120",
            ),
            // A burst that comes back within a second: what comes in one.
            (
                "rate = \"500/s\"\nburst = 1",
                "\"pages\";r=7;t=1",
                "\"pages\";q=500;w=1",
            ),
            (
                "rate = \"1/h\"\nburst = 1000000",
                "\"pages\";r=7;t=1",
                "\"pages\";q=1000000;w=3600000000",
            ),
        ] {
            let told = told(keys, 7, Some(1)).unwrap();
            assert_eq!(
                (told.0.as_str(), told.1.as_str()),
                (limit, policy),
                "{keys}"
            );
        }
        let full = told("rate = \"500/s\"", 1000, None).unwrap();
        assert_eq!(full.0, "\"pages\";r=1000");
        let most = told("rate = \"500/s\"", u64::MAX, Some(u64::MAX)).unwrap();
        assert_eq!(most.0, format!("\"pages\";r={MOST};t={MOST}"));
    }

    #[test]
    fn nobody_is_told_of_a_quota_that_nobody_is_held_to() {
        assert_eq!(told("rate = \"none\"", 7, Some(1)), None);
        assert_eq!(told("rate = \"5/s\"\nobserve = true", 7, Some(1)), None);
    }
}
