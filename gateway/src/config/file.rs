//! The shape of `config.toml`: every key with its kind, its default and its
//! meaning, in the order of the file.
//!
//! This is the only place that names keys. The JSON Schema, the effective
//! configuration, the names of variables and the list behind "did you mean" all
//! come from what these functions take. Rules between sections are in
//! [`super::rules`]; those between two keys of one section stand beside the keys.

use super::address::{ADDRESS, AGENT, URL};
use super::headers::{HEADERS, IDENTIFY_BY};
use super::kinds::{
    BOOLEAN, COUNT, COUNT_OR_ZERO, DURATION, DURATION_OR_NONE, LOG, POSITIVE_DURATION, RATE, SHARE,
    SIZE, STATUS, TEXT,
};
use super::names::{PATTERN, REFERENCE};
use super::path::{FETCHED, SERVED, Served};
use super::problem::Problem;
use super::reader::{Section, key, required};
use super::report::Severity;
use super::{
    Admin, Admission, Clients, Downstream, DownstreamId, MAX_PARTS, Name, Page, Param, Part,
    PathPattern, Server, Shed, Telemetry,
};

/// What could be read of a file; complete only if no fault was recorded.
pub(super) struct Draft {
    pub(super) server: Option<Server>,
    pub(super) admin: Option<Admin>,
    pub(super) admission: Option<Admission>,
    pub(super) shed: Option<Shed>,
    pub(super) clients: Option<Clients>,
    pub(super) telemetry: Option<Telemetry>,
    pub(super) downstreams: Option<Vec<(Name, Option<Downstream>)>>,
    pub(super) pages: Option<Vec<(Name, Option<Page>)>>,
}

/// Takes everything.
pub(super) fn read(file: &mut Section<'_, '_>) -> Draft {
    let names = file.names_in("downstream");
    Draft {
        server: file.section("server", "The public listener.", server),
        admin: file.section("admin", "The operators' listener.", admin),
        admission: file.section("admission", "The cap on pages, gateway-wide.", admission),
        shed: file.section("shed", "How load is refused.", shed),
        clients: file.section("clients", "The quota of one client.", clients),
        telemetry: file.section("telemetry", "Identity, logs and traces.", telemetry),
        downstreams: file.each("downstream", "A service that parts come from.", downstream),
        pages: file.each("page", "An aggregate endpoint.", |section, name| {
            page(section, name, &names)
        }),
    }
}

fn server(s: &mut Section<'_, '_>) -> Option<Server> {
    let listen = s.take(
        key("listen", ADDRESS, "127.0.0.1:8080")
            .about("Address and port that clients connect to. Port 0: the system chooses."),
    );
    let max_connections = s.take(
        key("max_connections", COUNT, "10000")
            .about("Connections open at once; further ones wait in the kernel's backlog."),
    );
    let header_read_timeout = s.take(key("header_read_timeout", POSITIVE_DURATION, "5s").about(
        "A connection without a whole request head for this long is closed, idle ones too.",
    ));
    let drain_timeout = s.take(
        key("drain_timeout", DURATION, "25s")
            .about("Time that pages in flight have to finish after SIGTERM."),
    );
    Some(Server {
        listen: listen?,
        max_connections: max_connections?.try_into().ok()?,
        header_read_timeout: header_read_timeout?,
        drain_timeout: drain_timeout?,
    })
}

fn admin(s: &mut Section<'_, '_>) -> Option<Admin> {
    let listen = s.take(
        key("listen", ADDRESS, "127.0.0.1:9901")
            .about("Address and port of /livez, /readyz, /metrics, /config and /limits."),
    );
    Some(Admin { listen: listen? })
}

fn admission(s: &mut Section<'_, '_>) -> Option<Admission> {
    let max_in_flight = s.take(
        key("max_in_flight", COUNT, "1024")
            .about("Tickets: pages in flight at once, waiting or not."),
    );
    Some(Admission {
        max_in_flight: max_in_flight?,
    })
}

fn shed(s: &mut Section<'_, '_>) -> Option<Shed> {
    let status = s.take(
        key("status", STATUS, "429")
            .about("Status of refusals for want of capacity: 429 or 503. A quota is always 429."),
    );
    Some(Shed { status: status? })
}

fn clients(s: &mut Section<'_, '_>) -> Option<Clients> {
    let identify_by = s.take(
        key("identify_by", IDENTIFY_BY, "ip")
            .about("What tells clients apart: \"ip\" (IPv6: the /64) or \"header:NAME\"."),
    );
    let rate = s.take(
        key("rate", RATE, "500/s")
            .about("Pages one client may ask for, sustained; \"none\": no quota."),
    );
    let burst = s.take(
        key("burst", COUNT, "1000")
            .about("Pages that a client that was quiet may ask for at once."),
    );
    Some(Clients {
        identify_by: identify_by?,
        rate: rate?,
        burst: burst?,
    })
}

fn telemetry(s: &mut Section<'_, '_>) -> Option<Telemetry> {
    let service =
        s.take(key("service", TEXT, "product-gateway").about("Service name; DD_SERVICE wins."));
    let env = s.take(key("env", TEXT, "dev").about("Environment name; DD_ENV wins."));
    let log =
        s.take(key("log", LOG, "pretty").about("\"pretty\" for people, \"json\" for machines."));
    let datadog_agent = s.take(
        key("datadog_agent", AGENT, "http://127.0.0.1:8126")
            .about("Where traces go; \"\" exports none. DD_TRACE_AGENT_URL wins."),
    );
    let sample = s.take(
        key("sample", SHARE, "1.0").about("Share of plain traces that are kept, 0.0 to 1.0."),
    );
    let version = s.from_datadog("version", TEXT, env!("CARGO_PKG_VERSION"));
    Some(Telemetry {
        service: service?,
        env: env?,
        version: version?,
        log: log?,
        datadog_agent: datadog_agent?,
        sample: sample?,
    })
}

fn downstream(s: &mut Section<'_, '_>, name: Name) -> Option<Downstream> {
    let url =
        s.take(required("url", URL, "http://127.0.0.1:7102").about(
            "Where it is: http or https, host, port and a path that goes before each part's.",
        ));
    let permits = s.take(
        key("permits", COUNT_OR_ZERO, "64").about("The bulkhead: calls at once at most. 0: none."),
    );
    let connect_timeout = s.take(
        key("connect_timeout", POSITIVE_DURATION, "100ms").about("Time to open a connection."),
    );
    let max_body = s.take(
        key("max_body", SIZE, "256KiB").about("Largest body accepted; one byte more is a failure."),
    );
    let http2 = s.take(
        key("http2", BOOLEAN, "false").about("HTTP/2 with prior knowledge instead of HTTP/1.1."),
    );
    Some(Downstream {
        name,
        url: url?,
        permits: permits?,
        connect_timeout: connect_timeout?,
        max_body: max_body?,
        http2: http2?,
    })
}

fn page(s: &mut Section<'_, '_>, name: Name, downstreams: &[String]) -> Option<Page> {
    let path = s.take(
        required("path", SERVED, "/product-page/{id}")
            .about("Where the page is served; a parameter is a whole segment in braces."),
    );
    let deadline = s.take(
        key("deadline", DURATION_OR_NONE, "300ms")
            .about("Budget of the whole page. \"none\": none."),
    );
    let reserve = s.take(
        key("reserve", DURATION, "5ms")
            .about("Part of the budget kept for assembling and writing."),
    );
    let max_wait = s.take(
        key("max_wait", DURATION, "50ms").about("Longest wait for permits, inside the deadline."),
    );
    let queue =
        s.take(key("queue", COUNT_OR_ZERO, "64").about("Pages that may wait for permits at once."));
    let forward_headers = s.take(
        key("forward_headers", HEADERS, "accept-language")
            .about("Request headers of the client that calls carry."),
    );
    let params = params(s, path.as_ref());
    let parts = parts(s, path.as_ref(), downstreams);
    if let (Some(Some(deadline)), Some(reserve)) = (deadline, reserve)
        && reserve >= deadline
    {
        let problem = Problem::new("leaves nothing of the deadline for the calls");
        s.fault_beside(
            "reserve",
            problem.write("5ms"),
            "deadline",
            "all of the budget",
        );
    }
    Some(Page {
        name,
        path: PathPattern {
            text: path?.text,
            params: params?,
        },
        deadline: deadline?,
        reserve: reserve?,
        max_wait: max_wait?,
        queue: queue?.map_or(0, |pages| pages.get() as usize),
        forward_headers: forward_headers?,
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
            let default = "^[A-Za-z0-9_-]{1,64}$";
            let pattern = s.take_own(
                name,
                &PATTERN,
                default,
                "What the decoded value must match.",
            );
            Some(Param {
                name: name.clone(),
                pattern: pattern?,
            })
        };
        let all: Vec<Option<Param>> = path.params.iter().map(take).collect();
        all.into_iter().collect()
    })
}

fn parts(s: &mut Section<'_, '_>, path: Option<&Served>, known: &[String]) -> Option<Vec<Part>> {
    let params = path.map(|path| path.params.as_slice());
    let all = s.each("part", "A named piece of the page.", |s, name| {
        part(s, name, params, known)
    })?;
    if all.is_empty() {
        let header = s.dotted("part.pricing");
        let problem = Problem::new("a page without parts has nothing to answer");
        s.fault(
            "part",
            problem.help(format!("add `[{header}]` with its `downstream` and `path`")),
        );
    }
    if all.len() > MAX_PARTS {
        let problem = Problem::new(format!(
            "{} parts are too many; the most is {MAX_PARTS}",
            all.len()
        ));
        s.fault("part", problem.help("make two pages of it"));
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
            .about("What is asked for there; the page's parameters in braces."),
    );
    let required = s.take(
        key("required", BOOLEAN, "true")
            .about("Whether the page is refused without it, instead of answered without it."),
    );
    let timeout = s
        .take(key("timeout", DURATION_OR_NONE, "none").about(
            "Never wait longer than this for the part. \"none\": as long as the page does.",
        ));
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
    })
}

/// The faults a section can find itself.
impl Section<'_, '_> {
    fn fault(&mut self, name: &str, problem: Problem) {
        let path = self.dotted(name);
        self.ledger.fault(Severity::Error, &path, problem);
    }

    fn fault_beside(&mut self, name: &str, problem: Problem, other: &str, label: &str) {
        let (path, other) = (self.dotted(name), self.dotted(other));
        self.ledger.fault(Severity::Error, &path, problem);
        self.ledger.explain(&other, label);
    }

    fn fault_suggesting(&mut self, name: &str, problem: Problem, word: &str, known: &[String]) {
        let help = self.ledger.suggest(word, known);
        self.fault(name, problem.help(help));
    }
}
