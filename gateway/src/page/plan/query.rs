//! Values of a page's query parameters, from the query of a request.
//!
//! A query is read as forms are (<https://url.spec.whatwg.org/#urlencoded-parsing>): pairs between
//! `&`, the name before the first `=`, `+` for a space, escapes undone once. Unlike there a value
//! that is not well-formed is refused instead of guessed at. What always holds: a parameter of the
//! page has one value, and that is allowed where the parts use it; nothing else of a query reaches
//! a part.
//!
//! Not here: paths, and how values are encoded when sent ([`super`]).

use std::borrow::Cow;

use super::{decoded, decoded_lossy};
use crate::config::{Page, QueryParam, UnknownQuery};
use crate::page::refusal::Refusal;

/// Longest name of a client's own that a refusal repeats, in characters.
const LONGEST_SHOWN: usize = 64;

/// The query parameters of a page.
#[derive(Debug)]
pub(super) struct QueryPlan {
    params: Vec<QueryParam>,
    unknown: UnknownQuery,
}

impl QueryPlan {
    pub(super) fn new(page: &Page) -> Self {
        Self {
            params: page.query.clone(),
            unknown: page.unknown_query,
        }
    }

    /// Adds the value of each parameter to `values`, in order.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] naming the parameter.
    pub(super) fn read<'q>(
        &'q self,
        raw: &'q str,
        values: &mut Vec<Cow<'q, str>>,
    ) -> Result<(), Refusal> {
        let first = values.len();
        values.resize(first + self.params.len(), Cow::Borrowed(""));
        // One bit each: there are no more than 16.
        let mut named = 0_u32;
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded_lossy(&spaced(name)).into_owned();
            let Some(at) = self.params.iter().position(|one| one.param.name == name) else {
                self.unknown(&name)?;
                continue;
            };
            if named & 1 << at != 0 {
                return Err(refused(&name, "it stands in the query more than once"));
            }
            named |= 1 << at;
            values[first + at] = self.value(at, value)?;
        }
        for (at, one) in self.params.iter().enumerate() {
            if named & 1 << at == 0 {
                let default = one.default.as_deref();
                let required = || refused(&one.param.name, "it is required");
                values[first + at] = default.ok_or_else(required)?.into();
            }
        }
        Ok(())
    }

    fn value<'q>(&self, at: usize, raw: &'q str) -> Result<Cow<'q, str>, Refusal> {
        let param = &self.params[at].param;
        let value = match spaced(raw) {
            Cow::Borrowed(raw) => decoded(raw),
            Cow::Owned(raw) => decoded(&raw).map(|value| Cow::Owned(value.into_owned())),
        };
        let value = value.and_then(|value| param.check(&value).map(|()| value));
        value.map_err(|why| refused(&param.name, why))
    }

    fn unknown(&self, name: &str) -> Result<(), Refusal> {
        match self.unknown {
            UnknownQuery::Ignore => Ok(()),
            UnknownQuery::Refuse => {
                let shown: String = name.chars().take(LONGEST_SHOWN).collect();
                let known = self.params.iter().map(|one| one.param.name.as_str());
                let known = match Vec::from_iter(known).join(", ") {
                    none if none.is_empty() => "none".to_owned(),
                    some => some,
                };
                Err(refused(
                    &shown.escape_debug().to_string(),
                    &format!("the page has no such parameter; it has {known}"),
                ))
            }
        }
    }
}

/// A plus stands for a space, one that is meant is escaped.
fn spaced(raw: &str) -> Cow<'_, str> {
    match raw.contains('+') {
        true => Cow::Owned(raw.replace('+', " ")),
        false => Cow::Borrowed(raw),
    }
}

fn refused(name: &str, why: &str) -> Refusal {
    Refusal::BadRequest(format!("Query parameter \"{name}\": {why}."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::super::encoded;
    use super::*;
    use crate::config::Param;

    fn param(name: &str, pattern: &str, in_path: bool) -> Param {
        Param {
            name: name.to_owned(),
            pattern: Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap(),
            in_path,
        }
    }

    /// `currency` has a default, `q` is required.
    fn plan(unknown: UnknownQuery) -> QueryPlan {
        let currency = QueryParam {
            param: param("currency", "^[A-Z]{3}$", true),
            default: Some("EUR".to_owned()),
        };
        let q = QueryParam {
            param: param("q", "(?s:.{0,20})", false),
            default: None,
        };
        QueryPlan {
            params: vec![currency, q],
            unknown,
        }
    }

    fn read(plan: &QueryPlan, raw: &str) -> Result<Vec<String>, String> {
        let mut values = vec![Cow::Borrowed("of the path")];
        match plan.read(raw, &mut values) {
            Ok(()) => Ok(values.into_iter().skip(1).map(Cow::into_owned).collect()),
            Err(Refusal::BadRequest(what)) => Err(what),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_read_as_those_of_forms() {
        let ignore = plan(UnknownQuery::Ignore);
        for (raw, currency, q) in [
            ("q=", "EUR", ""),
            ("q", "EUR", ""),
            ("&&q=1&", "EUR", "1"),
            ("currency=USD&q=a=b", "USD", "a=b"),
            ("q=a+b%2Bc%20d&currency=U%53D", "USD", "a b+c d"),
            ("%71=1&c%75rrency=USD", "USD", "1"),
            ("q=caf%C3%A9/%25%5c?", "EUR", "café/%\\?"),
            ("q=%2541", "EUR", "%41"),
            ("Q=2&q=1&utm_source=x&utm_source=%zz", "EUR", "1"),
        ] {
            let values = read(&ignore, raw);
            assert_eq!(values, Ok(vec![currency.into(), q.into()]), "{raw}");
        }
    }

    #[test]
    fn what_is_not_one_allowed_value_is_refused_by_name() {
        let ignore = plan(UnknownQuery::Ignore);
        for (raw, said) in [
            ("", "Query parameter \"q\": it is required."),
            ("currency=EUR", "Query parameter \"q\": it is required."),
            ("q=1&q=1", "\"q\": it stands in the query more than once"),
            ("q=1&%71=2", "\"q\": it stands in the query more than once"),
            ("q=1&currency=eur", "\"currency\": it does not match"),
            ("q=1&currency=", "\"currency\": it must name something"),
            ("q=1&currency=E%2FR", "\"currency\": slashes"),
            ("q=1&currency=E%252", "\"currency\": slashes"),
            ("q=%2", "\"q\": a percent sign must begin"),
            ("q=%zz", "\"q\": a percent sign must begin"),
            ("q=%ff", "\"q\": its escapes do not decode to UTF-8"),
            ("q=a%00", "\"q\": control characters"),
            ("q=a%0Ab", "\"q\": control characters"),
        ] {
            let what = read(&ignore, raw).unwrap_err();
            assert!(what.contains(said), "{raw}: {what}");
        }
    }

    #[test]
    fn a_parameter_that_the_page_does_not_have_is_refused_by_name_if_it_is_to_be() {
        let refuse = plan(UnknownQuery::Refuse);
        assert!(read(&refuse, "q=1").is_ok());
        for raw in ["q=1&utm_source=x", "utm_source&q=1", "q=1&utm%5Fsource=%"] {
            let what = read(&refuse, raw).unwrap_err();
            let expected = "Query parameter \"utm_source\": the page has no such parameter; it has currency, q.";
            assert_eq!(what, expected, "{raw}");
        }
        let what = read(&refuse, &format!("q=1&%0a{}=1", "x".repeat(9000))).unwrap_err();
        assert!(what.len() < 200 && what.contains("\"\\nxx"), "{what}");
        let none = QueryPlan {
            params: Vec::new(),
            unknown: UnknownQuery::Refuse,
        };
        assert!(read(&none, "a").unwrap_err().ends_with("it has none."));
    }

    /// Whether every value that a client escapes reaches the service as it was.
    fn all_come_through(read: fn(&str) -> String, send: fn(&str) -> String) -> bool {
        [
            "EUR",
            "a b",
            "a+b",
            "%41",
            "100%",
            "x&currency=USD",
            "a=b#c",
            "café",
        ]
        .iter()
        .all(|meant| {
            let client = url::form_urlencoded::byte_serialize(meant.as_bytes());
            let sent = format!("x={}", send(&read(&client.collect::<String>())));
            let service: Vec<_> = url::form_urlencoded::parse(sent.as_bytes()).collect();
            service == [("x".into(), (*meant).into())]
        })
    }

    #[test]
    fn a_reader_that_decodes_twice_or_not_at_all_and_a_sender_that_does_not_encode_are_noticed() {
        let once: fn(&str) -> String = |raw| decoded(&spaced(raw)).unwrap().into_owned();
        let twice: fn(&str) -> String = |raw| {
            let once = decoded(&spaced(raw)).unwrap().into_owned();
            decoded_lossy(&once).into_owned()
        };
        let plus_kept: fn(&str) -> String = |raw| decoded(raw).unwrap().into_owned();
        let sent: fn(&str) -> String = |value| encoded(value).to_string();
        assert!(all_come_through(once, sent));
        assert!(!all_come_through(twice, sent));
        assert!(!all_come_through(plus_kept, sent));
        assert!(!all_come_through(str::to_owned, sent));
        assert!(!all_come_through(once, str::to_owned));
    }

    proptest! {
        #[test]
        fn whatever_comes_every_value_is_allowed_and_is_what_the_service_decodes(
            raw in "([a-z&=+%0-9A-F/é]|currency=|q=|%[0-9a-fA-F]{2}){0,24}",
            refuse in any::<bool>(),
        ) {
            let unknown = if refuse { UnknownQuery::Refuse } else { UnknownQuery::Ignore };
            let plan = plan(unknown);
            let Ok(values) = read(&plan, &raw) else { return Ok(()) };
            for (one, value) in plan.params.iter().zip(&values) {
                prop_assert!(one.param.check(value).is_ok(), "{raw}: {value:?}");
                let sent = format!("x={}", encoded(value));
                // Another reader of forms, and of URLs, than ours.
                let decoded = url::form_urlencoded::parse(sent.as_bytes()).next();
                let decoded = decoded.map(|(_, value)| value.into_owned());
                prop_assert_eq!(decoded.as_ref(), Some(value));
                prop_assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }

        #[test]
        fn a_value_that_is_allowed_comes_through_however_it_is_escaped(
            value in "[^\\x00-\\x1f\\x7f-\\x9f]{0,20}",
            bare in any::<u64>(),
        ) {
            let escaped = value.bytes().enumerate().map(|(at, byte)| match byte {
                b' ' if bare >> (at % 64) & 1 == 1 => "+".to_owned(),
                byte if byte.is_ascii_alphanumeric() && bare >> (at % 64) & 1 == 1 => {
                    char::from(byte).to_string()
                }
                byte => format!("%{byte:02x}"),
            });
            let raw = format!("q={}", escaped.collect::<String>());
            let values = read(&plan(UnknownQuery::Refuse), &raw);
            prop_assert_eq!(values, Ok(vec!["EUR".to_owned(), value]));
        }
    }
}
