//! Fields of a service's refusal that its client may be told: `WWW-Authenticate` and `Retry-After`.
//!
//! A service is not trusted with the gateway's answers. Always holds: what is kept is visible ASCII
//! and no more than [`MAX_CHALLENGES`] values of [`MAX_CHALLENGE_BYTES`] together, each of them a
//! list of challenges as far as one can tell without knowing their schemes; a time to come back is
//! one to [`LONGEST`] seconds. What is not so is as if it had not been sent.
//!
//! Not here: whether the part passes the status on ([`Pass`](crate::config::Pass)).

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

/// Most values of `WWW-Authenticate` that are passed on.
pub const MAX_CHALLENGES: usize = 4;

/// Most bytes of them together.
pub const MAX_CHALLENGE_BYTES: usize = 1024;

/// Longest that a service can keep the gateway's clients away, in seconds: it may be well again
/// long before, and they are not its own.
pub const LONGEST: u64 = 30;

/// What a service said beside its refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerFields {
    challenges: Vec<HeaderValue>,
    retry_after: Option<RetryAfter>,
}

/// When to come back (RFC 9110 section 10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RetryAfter {
    Seconds(u64),
    Date(SystemTime),
}

impl AnswerFields {
    /// Those among all fields of an answer; `None` where its status lets nothing be passed on, or
    /// it has none of them.
    pub fn of<'a>(
        status: u16,
        fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Option<Box<Self>> {
        if !matches!(status, 401 | 403 | 429) {
            return None;
        }
        let mut found = Self::default();
        for (name, value) in fields {
            if status == 429 && name.eq_ignore_ascii_case(RETRY_AFTER.as_str()) {
                found.retry_after = found.retry_after.or_else(|| retry_after(value));
            } else if status != 429 && name.eq_ignore_ascii_case(WWW_AUTHENTICATE.as_str()) {
                found.challenge(value);
            }
        }
        (found != Self::default()).then(|| Box::new(found))
    }

    fn challenge(&mut self, value: &[u8]) {
        let taken: usize = self.challenges.iter().map(HeaderValue::len).sum();
        let fits =
            self.challenges.len() < MAX_CHALLENGES && taken + value.len() <= MAX_CHALLENGE_BYTES;
        if let Ok(value) = HeaderValue::from_bytes(value)
            && fits
            && is_challenges(value.as_bytes())
        {
            self.challenges.push(value);
        }
    }

    /// Values of `WWW-Authenticate`.
    pub fn challenges(&self) -> &[HeaderValue] {
        &self.challenges
    }

    /// Whole seconds from `now` after which the client is to come back.
    pub fn retry_after(&self, now: SystemTime) -> Option<u32> {
        let seconds = match self.retry_after? {
            RetryAfter::Seconds(seconds) => seconds,
            RetryAfter::Date(at) => {
                let left = at.duration_since(now).unwrap_or(Duration::ZERO);
                left.as_secs() + u64::from(left.subsec_nanos() > 0)
            }
        };
        u32::try_from(seconds.clamp(1, LONGEST)).ok()
    }
}

/// Whether it begins with the name of a scheme (RFC 9110 section 11.1), and whoever reads it beside
/// other values would not take these for a part of it.
fn is_challenges(value: &[u8]) -> bool {
    let is_visible = |byte: &u8| matches!(byte, b' ' | b'\t' | 0x21..=0x7e);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let scheme = value.iter().take_while(|byte| is_token(byte)).count();
    let ends = matches!(value.get(scheme), None | Some(b' ' | b','));
    value.iter().all(is_visible) && scheme > 0 && ends && has_closed_quotes(value)
}

fn has_closed_quotes(value: &[u8]) -> bool {
    let mut quoted = false;
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            // The next one stands for itself.
            b'\\' if quoted => {
                bytes.next();
            }
            _ => {}
        }
    }
    !quoted
}

fn retry_after(value: &[u8]) -> Option<RetryAfter> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is more than is passed on.
        return Some(RetryAfter::Seconds(text.parse().unwrap_or(u64::MAX)));
    }
    httpdate::parse_http_date(text).ok().map(RetryAfter::Date)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(status: u16, name: &str, values: &[&str]) -> Option<Box<AnswerFields>> {
        AnswerFields::of(status, values.iter().map(|value| (name, value.as_bytes())))
    }

    fn challenges(values: &[&str]) -> usize {
        fields(401, "WWW-Authenticate", values).map_or(0, |found| found.challenges.len())
    }

    fn seconds(value: &str) -> Option<u32> {
        let noon = httpdate::parse_http_date("Fri, 27 Nov 2026 12:00:00 GMT").unwrap();
        fields(429, "retry-after", &[value])?.retry_after(noon)
    }

    #[test]
    fn challenges_pass_as_they_are_and_what_is_none_does_not() {
        for good in [
            "Bearer",
            "Bearer realm=\"shop\", error=\"invalid_token\"",
            "Basic realm=\"a \\\" b\"",
            "Negotiate dG9rZW4=",
            "Digest realm=\"x\", Bearer",
        ] {
            assert_eq!(challenges(&[good]), 1, "{good}");
        }
        for bad in [
            "",
            " Bearer",
            "\"Bearer\"",
            "Bearer realm=\"shop",
            "Bearer realm=\"shop\\\"",
            "B\u{e9}arer",
            "Bearer=x",
            &format!("Bearer {}", "x".repeat(MAX_CHALLENGE_BYTES)),
        ] {
            assert_eq!(challenges(&[bad]), 0, "{bad}");
        }
        assert_eq!(challenges(&["Bearer"; MAX_CHALLENGES + 1]), MAX_CHALLENGES);
    }

    #[test]
    fn a_status_has_its_own_fields_alone() {
        for status in [401, 403] {
            assert!(fields(status, "www-authenticate", &["Bearer"]).is_some());
            assert!(fields(status, "retry-after", &["5"]).is_none());
        }
        assert!(fields(429, "www-authenticate", &["Bearer"]).is_none());
        for status in [200, 404, 409, 410, 500, 503] {
            assert!(fields(status, "www-authenticate", &["Bearer"]).is_none());
            assert!(fields(status, "retry-after", &["5"]).is_none());
        }
    }

    #[test]
    fn a_time_to_come_back_is_seconds_or_a_date_and_within_its_bounds() {
        for (value, expected) in [
            ("7", Some(7)),
            ("0", Some(1)),
            ("30", Some(30)),
            ("31", Some(30)),
            ("99999999999999999999999", Some(30)),
            ("Fri, 27 Nov 2026 12:00:07 GMT", Some(7)),
            ("Fri, 27 Nov 2026 11:00:00 GMT", Some(1)),
            ("Fri, 27 Nov 2026 13:00:00 GMT", Some(30)),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(seconds(value), expected, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_service_sends_what_is_kept_is_within_the_bounds(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..8),
        ) {
            for (status, name) in [(401, "www-authenticate"), (429, "retry-after")] {
                let all = values.iter().map(|value| (name, value.as_slice()));
                let Some(found) = AnswerFields::of(status, all) else { continue };
                let bytes: usize = found.challenges().iter().map(HeaderValue::len).sum();
                prop_assert!(bytes <= MAX_CHALLENGE_BYTES);
                prop_assert!(found.challenges().len() <= MAX_CHALLENGES);
                prop_assert!(found.challenges().iter().all(|value| value.to_str().is_ok()));
                let seconds = found.retry_after(SystemTime::UNIX_EPOCH);
                prop_assert!(seconds.is_none_or(|seconds| (1..=30).contains(&seconds)));
            }
        }
    }
}
