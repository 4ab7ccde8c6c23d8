//! `[page.NAME]`, its parameters and its parts.

use std::time::Duration;

use super::query::{place, query};
use crate::config::caching::CACHE_CONTROL;
use crate::config::data_schema;
use crate::config::headers::HEADERS;
use crate::config::key::{key, required};
use crate::config::kinds::{
    BOOLEAN, COUNT_OR_ZERO, DURATION, DURATION_OR_AUTO, DURATION_OR_NONE, FILE,
};
use crate::config::names::{PATTERN, REFERENCE};
use crate::config::param::UNKNOWN_QUERY;
use crate::config::pass::PASS;
use crate::config::path::{FETCHED, SERVED, Served};
use crate::config::problem::Problem;
use crate::config::reader::Section;
use crate::config::units::show_duration;
use crate::config::{DownstreamId, MAX_PARTS, Name, Page, Param, Part, PathPattern, QueryParam};

/// The default of `reserve`.
const USUAL_RESERVE: Duration = Duration::from_millis(5);

/// Takes `[page.NAME]` and the parts below it.
pub(super) fn page(s: &mut Section<'_, '_>, name: Name, downstreams: &[String]) -> Option<Page> {
    let path = s.take(
        required("path", SERVED, "/product-page/{id}")
            .about("Where the page is served; a parameter is a whole segment in braces."),
    );
    let deadline = s.take(
        key("deadline", DURATION_OR_NONE, "300ms")
            .about("Time budget of the whole page; \"none\": no deadline."),
    );
    let abandoned_after = s.take(key("abandoned_after", DURATION_OR_AUTO, "auto").about(
        "A client that leaves after waiting longer than this was owed a page. \"auto\": half of the deadline.",
    ));
    let reserve = s.take(
        key("reserve", DURATION, "5ms")
            .about("Part of the budget kept for assembling and writing."),
    );
    let min_budget = s.take(key("min_budget", DURATION_OR_NONE, "none").about(
        "A client that gives the page less time than this is refused at once; or \"none\".",
    ));
    let max_wait = s.take(
        key("max_wait", DURATION, "50ms").about("Longest wait for permits, inside the deadline."),
    );
    let queue =
        s.take(key("queue", COUNT_OR_ZERO, "64").about("Pages that may wait for permits at once."));
    let observe = s.take(key("observe", BOOLEAN, "false").about(
        "`queue` and `max_wait` are watched and not enforced: pages wait until their deadline.",
    ));
    let forward_headers = s.take(
        key("forward_headers", HEADERS, "accept-language")
            .about("Request headers of the client that calls carry."),
    );
    let cache_control = s.take(
        key("cache_control", CACHE_CONTROL, "private, no-cache")
            .about("What caches are told of complete pages; others are never kept."),
    );
    let params = params(s, path.as_ref());
    let unknown_query = s.take(key("unknown_query", UNKNOWN_QUERY, "ignore").about(
        "What becomes of a request with a query parameter that the page does not have: \"ignore\" or \"refuse\".",
    ));
    let mut query = query(s, path.as_ref());
    let parts = parts(s, path.as_ref(), query.as_deref(), downstreams);
    if let (Some(path), Some(query), Some(parts)) = (&path, &mut query, &parts) {
        place(s, query, path.params.len(), parts);
    }
    if let (Some(Some(deadline)), Some(reserve)) = (deadline, reserve)
        && reserve >= deadline
    {
        let problem = Problem::new("leaves nothing of the deadline for the calls");
        let fits = show_duration(USUAL_RESERVE.min(deadline / 10));
        s.fault_beside(
            "reserve",
            problem.write(fits),
            "deadline",
            "all of the budget",
        );
    }
    if let (Some(Some(deadline)), Some(Some(least))) = (deadline, min_budget)
        && least >= deadline
    {
        let problem =
            Problem::new("would refuse every client that gives the page less than all of its time");
        let help = "write what a healthy page takes at the least, well below the deadline";
        s.fault_beside(
            "min_budget",
            problem.help(help),
            "deadline",
            "all of its time",
        );
    }
    // What a healthy page takes is well below its deadline, or the deadline would be missed.
    let half = deadline?.map(|deadline| deadline / 2);
    Some(Page {
        name,
        path: PathPattern {
            text: path?.text,
            params: params?,
        },
        deadline: deadline?,
        abandoned_after: abandoned_after?.or(half),
        reserve: reserve?,
        min_budget: min_budget?,
        max_wait: max_wait?,
        queue: queue?.map_or(0, |pages| pages.get() as usize),
        observe: observe?,
        forward_headers: forward_headers?,
        cache_control: cache_control?,
        query: query?,
        unknown_query: unknown_query?,
        parts: parts?,
    })
}

fn params(s: &mut Section<'_, '_>, path: Option<&Served>) -> Option<Vec<Param>> {
    let about = "One pattern per parameter of the path; a value that does not match is refused.";
    s.own_keys("params", about, "parameter of the path", |s| {
        let Some(path) = path else {
            s.ignore_rest();
            return None;
        };
        let take = |name: &String| {
            let pattern = s.take(
                key(name, PATTERN, "^[A-Za-z0-9_-]{1,64}$")
                    .about("What the whole decoded value must match."),
            );
            Some(Param {
                name: name.clone(),
                pattern: pattern?,
                in_path: true,
            })
        };
        let all: Vec<Option<Param>> = path.params.iter().map(take).collect();
        all.into_iter().collect()
    })
}

fn parts(
    s: &mut Section<'_, '_>,
    path: Option<&Served>,
    query: Option<&[QueryParam]>,
    known: &[String],
) -> Option<Vec<Part>> {
    let params = path.zip(query).map(|(path, query)| {
        let query = query.iter().map(|one| one.param.name.clone());
        Vec::from_iter(path.params.iter().cloned().chain(query))
    });
    let all = s.each(
        "part",
        "A named piece of the page.",
        MAX_PARTS,
        |s, name| part(s, name, params.as_deref(), known),
    )?;
    if all.is_empty() {
        let header = s.dotted("part.pricing");
        let problem = Problem::new("a page without parts has nothing to answer");
        s.fault(
            "part",
            problem.help(format!("add `[{header}]` with its `downstream` and `path`")),
        );
    }
    all.into_iter().map(|(_, part)| part).collect()
}

fn part(
    s: &mut Section<'_, '_>,
    name: Name,
    params: Option<&[String]>,
    downstreams: &[String],
) -> Option<Part> {
    let downstream = s.take(
        required("downstream", REFERENCE, "pricing")
            .about("Name of the `[downstream.NAME]` it comes from."),
    );
    let path = s.take(
        required("path", FETCHED, "/prices/{id}")
            .about("Path of the request to the downstream; the page's parameters in braces."),
    );
    let required = s.take(
        key("required", BOOLEAN, "true")
            .about("Whether the page is refused without it, instead of answered without it."),
    );
    let timeout = s
        .take(key("timeout", DURATION_OR_NONE, "none").about(
            "Never wait longer than this for the part. \"none\": as long as the page does.",
        ));
    let pass = s.take(key("pass", PASS, "404").about(
        "Statuses of the service that clients are told: 401, 403, 404, 409, 410, 429. Any other is a failure.",
    ));
    let schema = s.take(key("schema", FILE, "").about(
        "JSON Schema of the part's data, for /openapi.json: a file beside this one. \"\": any JSON.",
    ));
    let schema = schema.and_then(|file| {
        let read = file.map(|file| data_schema::read(&s.registry.folder, &file));
        read.transpose()
            .map_err(|problem| s.fault("schema", problem))
            .ok()
    });
    let downstream = downstream.and_then(|wanted| {
        let id = downstreams.iter().position(|known| *known == *wanted);
        if id.is_none() {
            let problem = Problem::new(format!("there is no downstream `{wanted}`"));
            s.fault_suggesting("downstream", problem, &wanted, downstreams);
        }
        id.map(DownstreamId)
    });
    let path = path.zip(params).and_then(|(path, params)| {
        path.resolve(params)
            .map_err(|problem| s.fault("path", problem))
            .ok()
    });
    Some(Part {
        name,
        downstream: downstream?,
        path: path?,
        required: required?,
        timeout: timeout?,
        pass: pass?,
        schema: schema?,
    })
}
