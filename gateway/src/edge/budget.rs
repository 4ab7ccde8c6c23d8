//! How much time a client gives a page, by its header fields.
//!
//! Two names say the same: ours, and Envoy's, which a proxy in front sets to what it waits itself. Both
//! may be there; the smaller counts.
//!
//! Not here: what follows from it ([`page::budget`](crate::page::budget)).

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::page::refusal::Refusal;

const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const ENVOYS: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// The smallest time that the client gives, or none.
///
/// # Errors
/// [`Refusal::BadRequest`]: not a whole number of milliseconds, or one field twice with different
/// values, of which nobody could say which was meant.
pub fn of_client(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    let ours = of_field(headers, &TIMEOUT_MS)?;
    let envoys = of_field(headers, &ENVOYS)?;
    Ok(match (ours, envoys) {
        (Some(ours), Some(envoys)) => Some(ours.min(envoys)),
        (ours, envoys) => ours.or(envoys),
    })
}

fn of_field(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Duration>, Refusal> {
    let mut all = headers.get_all(name).iter();
    let Some(value) = all.next() else {
        return Ok(None);
    };
    if all.any(|other| other != value) {
        return Err(Refusal::BadRequest(format!(
            "{name} is there twice, with different values; send one."
        )));
    }
    let digits = value
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.map(Duration::from_millis).map(Some).ok_or_else(|| {
        Refusal::BadRequest(format!(
            "{name} must be a whole number of milliseconds, such as 250."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(fields: &[(&'static str, &'static str)]) -> Result<Option<u128>, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        match of_client(&headers) {
            Ok(given) => Ok(given.map(|time| time.as_millis())),
            Err(Refusal::BadRequest(what)) => Err(what),
            Err(other) => panic!("{other:?}"),
        }
    }

    const OURS: &str = "x-request-timeout-ms";
    const ENVOYS: &str = "x-envoy-expected-rq-timeout-ms";

    #[test]
    fn either_field_gives_a_time_and_the_smaller_of_both_counts() {
        assert_eq!(given(&[]), Ok(None));
        assert_eq!(given(&[(OURS, "250")]), Ok(Some(250)));
        assert_eq!(given(&[(ENVOYS, "0")]), Ok(Some(0)));
        assert_eq!(given(&[(OURS, "250"), (ENVOYS, "15000")]), Ok(Some(250)));
        assert_eq!(given(&[(OURS, "250"), (ENVOYS, "120")]), Ok(Some(120)));
    }

    #[test]
    fn one_field_twice_is_read_only_if_both_say_the_same() {
        for name in [OURS, ENVOYS] {
            assert_eq!(given(&[(name, "250"), (name, "250")]), Ok(Some(250)));
            let what = given(&[(name, "250"), (name, "100")]).unwrap_err();
            assert!(
                what.starts_with(&format!("{name} is there twice")),
                "{what}"
            );
            assert!(given(&[(name, "250"), (name, "0250")]).is_err());
        }
    }

    #[test]
    fn what_is_no_whole_number_of_milliseconds_is_refused_by_its_name() {
        let garbage = [
            "",
            "-1",
            "1.5",
            "1e3",
            "100ms",
            "99999999999999999999",
            "+5",
            "1,2",
        ];
        for (name, value) in garbage.iter().flat_map(|v| [(OURS, *v), (ENVOYS, *v)]) {
            let what = given(&[(name, value)]).unwrap_err();
            assert!(what.contains(name), "{value:?}: {what}");
        }
    }
}
