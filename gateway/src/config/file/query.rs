//! `[page.NAME]` `query.NAME`: the parameters of a page's query.
//!
//! A default is held against its pattern only once it is known where parts use it: in a path less
//! is allowed than in a query.

use crate::config::key::key;
use crate::config::kinds::BOOLEAN;
use crate::config::names::PATTERN;
use crate::config::param::{MAX_PARAMS, VALUE, check_query_name};
use crate::config::path::Served;
use crate::config::problem::Problem;
use crate::config::reader::Section;
use crate::config::{Param, Part, QueryParam};

/// Takes all of them, in the order of the file.
pub(super) fn query(s: &mut Section<'_, '_>, path: Option<&Served>) -> Option<Vec<QueryParam>> {
    let names = s.names_in("query");
    let about = "One section per parameter of the query that the paths of parts use.";
    s.own_keys("query", about, "query parameter", |s| {
        if names.len() > MAX_PARAMS {
            s.ignore_rest();
            let what = format!("{} are too many; the most is {MAX_PARAMS}", names.len());
            s.wrong("", Problem::new(what).help("remove some"));
            return None;
        }
        let mut all = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let of_path = path.into_iter().flat_map(|path| &path.params);
            let others = of_path.chain(&names[..at]).map(String::as_str);
            match check_query_name(name, others) {
                Ok(()) => all.push(s.section(name, "", |s| one(s, name))),
                Err(problem) => {
                    s.wrong(name, problem);
                    s.ignore(name);
                    all.push(None);
                }
            }
        }
        all.into_iter().collect()
    })
}

fn one(s: &mut Section<'_, '_>, name: &str) -> Option<QueryParam> {
    let pattern = s.take(
        key("pattern", PATTERN, "^[A-Za-z0-9_-]{1,64}$")
            .about("What the whole decoded value must match."),
    );
    let default =
        s.take(key("default", VALUE, "").about("What it is where a request does not name it."));
    let required =
        s.take(key("required", BOOLEAN, "false").about(
            "Whether a request that does not name it is refused, so that it has no default.",
        ));
    if required == Some(true) && default.as_ref().is_some_and(|value| !value.is_empty()) {
        let what = "is of no use: with `required = true` every request names it";
        s.wrong("default", Problem::new(what).help("remove one of the two"));
        return None;
    }
    let param = Param {
        name: name.to_owned(),
        pattern: pattern?,
        in_path: false,
    };
    let default = default.filter(|_| required != Some(true));
    if let Some(problem) = default.as_deref().and_then(|value| refused(&param, value)) {
        s.wrong("default", problem);
        return None;
    }
    Some(QueryParam { param, default })
}

/// Now that the parts are known: where each stands, and whether its default may.
pub(super) fn place(
    s: &mut Section<'_, '_>,
    query: &mut [QueryParam],
    of_path: usize,
    parts: &[Part],
) {
    for (at, one) in query.iter_mut().enumerate() {
        let index = of_path + at;
        one.param.in_path = parts.iter().any(|part| part.path.has_in_path(index));
        let default = one.default.as_deref();
        if let Some(problem) = default.and_then(|value| refused(&one.param, value)) {
            s.fault(&format!("query.{}.default", one.param.name), problem);
        }
    }
}

fn refused(param: &Param, default: &str) -> Option<Problem> {
    let why = param.check(default).err()?;
    Some(match default {
        "" => Problem::new("is missing: the parameter is not required, and cannot be empty")
            .help("add a default that its pattern matches, or `required = true`"),
        _ => Problem::new(format!("is no value of the parameter: {why}"))
            .help("write one that its pattern matches, or another pattern"),
    })
}
