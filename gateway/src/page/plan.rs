//! From a request to the calls it takes.
//!
//! A [`Plan`] is a page's definition, compiled once per config. Values of its
//! parameters are decoded once, held against their pattern, and encoded again
//! where they are sent on, so what a downstream decodes is what was checked.

mod query;

use std::borrow::Cow;
use std::time::Duration;

use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode,
};

use self::query::QueryPlan;
use crate::config::{self, Config, DownstreamId, PageId, Param, Pass, Piece};
use crate::outcome::Promise;
use crate::page::admission::Admission;
use crate::page::admission::core::NeedSet;
use crate::page::refusal::Refusal;

/// Everything but RFC 3986's unreserved characters is encoded when sent on.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A page's definition, ready to serve from.
#[derive(Debug)]
pub struct Plan {
    /// Which page.
    pub page: PageId,
    /// The page's budget; `None` is no deadline.
    pub budget: Option<Duration>,
    /// Part of the budget kept for answering.
    pub reserve: Duration,
    /// A client that gives the page less is refused at once.
    pub min_budget: Option<Duration>,
    /// What its endings are judged by.
    pub promise: Promise,
    /// In the page's order.
    pub parts: Vec<PlannedPart>,
    /// The permits its parts take, in the same order.
    pub needs: NeedSet,
    params: Vec<Param>,
    query: QueryPlan,
}

/// One part of a plan.
#[derive(Debug)]
pub struct PlannedPart {
    /// The part's name.
    pub name: String,
    /// Where it comes from.
    pub downstream: DownstreamId,
    /// Whether the page is worth nothing without it.
    pub required: bool,
    /// Never wait longer than this for the part.
    pub timeout: Option<Duration>,
    /// Statuses of its service that clients are told.
    pub pass: Pass,
    path: Vec<Piece>,
}

/// Checked values of a page's parameters, decoded: those of its path, and then those of its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params<'a>(Vec<Cow<'a, str>>);

impl Plan {
    /// One plan per page, by [`PageId`]; `admission` is that of the same configuration.
    pub fn compile(config: &Config, admission: &Admission) -> Vec<Plan> {
        let part = |part: &config::Part| PlannedPart {
            name: part.name.to_string(),
            downstream: part.downstream,
            required: part.required,
            timeout: part.timeout,
            pass: part.pass,
            path: part.path.pieces.clone(),
        };
        let need = |part: &config::Part| admission.need(part.downstream, part.required);
        let plan = |(index, page): (usize, &config::Page)| Plan {
            page: PageId(index),
            budget: page.deadline,
            reserve: page.reserve,
            min_budget: page.min_budget,
            promise: promise(page),
            parts: page.parts.iter().map(part).collect(),
            needs: NeedSet::new(page.parts.iter().map(need)),
            params: page.path.params.clone(),
            query: QueryPlan::new(page),
        };
        config.pages.iter().enumerate().map(plan).collect()
    }

    /// Decodes and checks the raw path segments of the page's parameters, in order, and the raw
    /// query.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] naming the parameter.
    pub fn check_params<'a>(
        &'a self,
        raw: &'a [String],
        query: Option<&'a str>,
    ) -> Result<Params<'a>, Refusal> {
        debug_assert_eq!(
            raw.len(),
            self.params.len(),
            "the route has the page's parameters"
        );
        let check = |(raw, param): (&'a String, &Param)| {
            checked(raw, param).map_err(|why| {
                Refusal::BadRequest(format!("Path parameter \"{}\": {why}.", param.name))
            })
        };
        let of_path = raw.iter().zip(&self.params).map(check);
        let mut values = of_path.collect::<Result<Vec<_>, _>>()?;
        self.query.read(query.unwrap_or_default(), &mut values)?;
        Ok(Params(values))
    }
}

/// What the endings of a page are judged by.
pub fn promise(page: &config::Page) -> Promise {
    Promise {
        deadline: page.deadline,
        abandoned_after: page.abandoned_after,
    }
}

impl PlannedPart {
    /// Path and query of the call, percent-encoded.
    pub fn path(&self, params: &Params<'_>) -> String {
        let mut path = String::new();
        for piece in &self.path {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Param(index) => path.extend(encoded(&params.0[*index])),
            }
        }
        path
    }
}

fn checked<'a>(raw: &'a str, param: &Param) -> Result<Cow<'a, str>, &'static str> {
    let value = decoded(raw)?;
    param.check(&value)?;
    Ok(value)
}

/// As it is sent on: the same in a path, and in a query whoever reads it.
fn encoded(value: &str) -> PercentEncode<'_> {
    utf8_percent_encode(value, ENCODED)
}

/// With its escapes undone once.
fn decoded(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    let bytes = raw.as_bytes();
    let escapes = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'%');
    for (at, _) in escapes {
        let digits = bytes.get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err("a percent sign must begin an escape of two hex digits");
        }
    }
    percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| "its escapes do not decode to UTF-8")
}

/// The same of what need not be right: for names.
fn decoded_lossy(raw: &str) -> Cow<'_, str> {
    percent_decode_str(raw).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anything() -> Param {
        Param {
            name: "id".into(),
            pattern: regex::Regex::new("^(?s:.*)$").unwrap(),
            in_path: true,
        }
    }

    fn strict() -> Param {
        Param {
            name: "id".into(),
            pattern: regex::Regex::new("^[A-Za-z0-9_-]{1,64}$").unwrap(),
            in_path: true,
        }
    }

    #[test]
    fn an_escaped_value_is_decoded_once_before_it_is_matched() {
        assert_eq!(checked("p%2D1", &strict()).unwrap(), "p-1");
        assert_eq!(checked("caf%C3%A9", &anything()).unwrap(), "café");
    }

    #[test]
    fn whatever_the_pattern_allows_structure_never_passes() {
        for raw in [
            "a%2Fb",
            "a%2fb",
            "%2F",
            "a%5Cb",
            "a\\b",
            "%00",
            "a%00",
            "%0a",
            "%7F",
            ".",
            "..",
            "%2e",
            "%2E%2e",
            ".%2e",
            "%252e%252e",
            "%25",
            "%252F",
            "a%2",
            "a%",
            "%zz",
            "%+1",
            "%u002e",
            "",
            "%ff",
            "%c0%ae",
            "%C2%85",
        ] {
            assert!(checked(raw, &anything()).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn a_value_outside_the_pattern_is_refused() {
        for raw in ["a.b", "a b", "a%20b", &"a".repeat(65), "a;b", "é"] {
            assert!(checked(raw, &strict()).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn a_value_is_encoded_again_when_it_is_sent_on() {
        let part = PlannedPart {
            name: "x".into(),
            downstream: DownstreamId(0),
            required: true,
            timeout: None,
            pass: Pass::default(),
            path: vec![
                Piece::Literal("/search?q=".into()),
                Piece::Param(0),
                Piece::Literal("&n=1".into()),
            ],
        };
        let params = Params(vec!["a b&c=d?#é;~-._".into()]);
        assert_eq!(
            part.path(&params),
            "/search?q=a%20b%26c%3Dd%3F%23%C3%A9%3B~-._&n=1"
        );
    }
}
