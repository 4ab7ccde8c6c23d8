//! The shape of `config.toml`: every key with its kind, its default and its
//! meaning, in the order of the file.
//!
//! This is the only place that names keys. The JSON Schema, the effective
//! configuration, the names of variables and the list behind "did you mean" all
//! come from what these functions take. Rules between sections are in
//! [`super::rules`]; those between two keys of one section stand beside the keys.

mod downstream;
mod page;
mod query;
mod server_tls;
mod telemetry;

use std::time::Duration;

use self::downstream::downstream;
use self::page::page;
use self::server_tls::tls;
use self::telemetry::telemetry;
use super::address::ADDRESS;
use super::admin::{self, ADMIN_ADDRESS};
use super::headers::IDENTIFY_BY;
use super::hosts::HOSTS;
use super::key::key;
use super::kinds::{
    BOOLEAN, COUNT, COUNT_OR_AUTO, DURATION, DURATION_OR_NONE, EARLY_RETURNS, FILE, OPENAPI,
    POSITIVE_DURATION, RATE, STATUS,
};
use super::origins::ORIGINS;
use super::path::PATH_OR_NONE;
use super::problem::Problem;
use super::proxies::{CLIENT_ADDRESS, TRUSTED_PROXIES};
use super::reader::Section;
use super::report::Severity;
use super::{
    Admin, Admission, Clients, Cors, Downstream, MAX_DOWNSTREAMS, MAX_PAGES, Name, Origins, Page,
    Server, Shed, Telemetry, Token,
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

/// A browser opens six connections to a host, and several may stand behind one address.
const LEAST_PER_CLIENT: usize = 64;

/// Timers tell no shorter ones apart.
const SHORTEST_LAG: Duration = Duration::from_millis(1);

/// What could run in the last 100 ms has waited no longer than that, and a tenth of it less.
const LONGEST_LAG: Duration = Duration::from_millis(90);

/// Takes everything.
pub(super) fn read(file: &mut Section<'_, '_>) -> Draft {
    let names = file.names_in("downstream");
    Draft {
        server: file.section("server", "The public listener.", server),
        admin: file.section("admin", "The operators' listener.", admin),
        admission: file.section("admission", "The cap on pages, gateway-wide.", admission),
        shed: file.section("shed", "How load is refused.", shed),
        clients: file.section("clients", "The quota of one client.", clients),
        telemetry: file.section(
            "telemetry",
            "Identity, logs, traces and metrics.",
            telemetry,
        ),
        downstreams: file.each(
            "downstream",
            "A service that parts come from.",
            MAX_DOWNSTREAMS,
            downstream,
        ),
        pages: file.each(
            "page",
            "An aggregate endpoint.",
            MAX_PAGES,
            |section, name| page(section, name, &names),
        ),
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
    let per_client = s.take(key("max_connections_per_client", COUNT_OR_AUTO, "auto").about(
        "Connections of one client; \"auto\": a tenth of all, at least 64. Further ones are closed.",
    ));
    let header_read_timeout = s.take(key("header_read_timeout", POSITIVE_DURATION, "5s").about(
        "Time for a whole request head: from its first byte, or from the connection's opening.",
    ));
    let keep_alive = s.take(
        key("keep_alive", POSITIVE_DURATION, "75s")
            .about("A connection without a request for this long after an answer is closed."),
    );
    let max_age = s.take(
        key("max_age", DURATION_OR_NONE, "1h")
            .about("A connection that is older is closed with its next answer; or \"none\"."),
    );
    let client_address = s.take(key("client_address", CLIENT_ADDRESS, "peer").about(
        "Who the client is: \"peer\", or as trusted proxies say: \"x-forwarded-for\", \"forwarded\", \"proxy-protocol\".",
    ));
    let trusted_proxies = s.take(
        key("trusted_proxies", TRUSTED_PROXIES, "")
            .about("Networks of the proxies in front, such as 10.0.0.0/8."),
    );
    let drain_delay =
        s.take(key("drain_delay", DURATION, "5s").about(
            "After SIGTERM pages are served for this long while /readyz is 503, then refused.",
        ));
    let drain_timeout = s.take(
        key("drain_timeout", DURATION, "25s")
            .about("Time that pages in flight have to finish once new ones are refused."),
    );
    let openapi = s.take(key("openapi", OPENAPI, "admin").about(
        "Which listener answers /openapi.json: \"admin\", \"public\" or \"off\" (neither).",
    ));
    let http2 = s.take(key("http2", BOOLEAN, "true").about(
        "Whether HTTP/2 is spoken too: where TLS negotiates it, or without TLS where a client begins with it.",
    ));
    let health_path = s.take(
        key("health_path", PATH_OR_NONE, "")
            .about("A path at which clients' listener answers as /readyz does; \"\": none."),
    );
    let tls = s.section("tls", "TLS towards clients.", tls);
    let cors = s.section(
        "cors",
        "Which pages of other origins browsers let read answers.",
        cors,
    );
    Some(Server {
        listen: listen?,
        max_connections: max_connections?.try_into().ok()?,
        max_connections_per_client: match per_client? {
            Some(most) => most.get() as usize,
            None => (max_connections?.get() as usize / 10).max(LEAST_PER_CLIENT),
        },
        header_read_timeout: header_read_timeout?,
        keep_alive: keep_alive?,
        max_age: max_age?,
        drain_delay: drain_delay?,
        drain_timeout: drain_timeout?,
        openapi: openapi?,
        health_path: health_path?,
        client_address: client_address?,
        trusted_proxies: trusted_proxies?,
        cors: cors?,
        http2: http2?,
        tls: tls?,
    })
}

fn cors(s: &mut Section<'_, '_>) -> Option<Cors> {
    let origins = s.take(key("origins", ORIGINS, "").about(
        "Origins whose pages may read answers, such as https://shop.example.com; or \"*\".",
    ));
    let credentials = s.take(
        key("credentials", BOOLEAN, "false")
            .about("Whether browsers send cookies and authorization along."),
    );
    let max_age = s.take(
        key("max_age", DURATION, "10m")
            .about("How long a browser keeps the answer to a preflight."),
    );
    if credentials == Some(true) && origins == Some(Origins::Any) {
        let what = "browsers send credentials only to whoever names their origin";
        let help = "list the origins that may";
        s.wrong("origins", Problem::new(what).help(help));
    }
    Some(Cors {
        origins: origins?,
        credentials: credentials?,
        max_age: max_age?,
    })
}

fn admin(s: &mut Section<'_, '_>) -> Option<Admin> {
    let listen =
        s.take(key("listen", ADMIN_ADDRESS, "127.0.0.1:9901").about(
            "Address and port where operators look in and change things; or \"unix:/path\".",
        ));
    let token = token(s);
    let hosts = s.take(key("hosts", HOSTS, "").about(
        "Host names, besides addresses and names without a dot, under which operators may request more than health.",
    ));
    let unready_when_shedding = s.take(
        key("unready_when_shedding", BOOLEAN, "false")
            .about("Whether /readyz is 503 for a while when most pages are refused for load."),
    );
    Some(Admin {
        listen: listen?,
        token: token?,
        hosts: hosts?,
        unready_when_shedding: unready_when_shedding?,
    })
}

/// From the file that the key names, now: it is not looked at again before the next reload.
fn token(s: &mut Section<'_, '_>) -> Option<Option<Token>> {
    let file = s.take(key("token_file", FILE, "").about(
        "File with the token by which operators change something, and see more than health where the listener is not on loopback; \"\": none.",
    ))?;
    let Some(path) = file else {
        return Some(None);
    };
    match admin::read_token(&path) {
        Ok(token) => Some(Some(token)),
        Err(problem) => {
            let key = s.dotted("token_file");
            s.registry.fault(Severity::Error, &key, problem);
            None
        }
    }
}

fn admission(s: &mut Section<'_, '_>) -> Option<Admission> {
    let max_in_flight = s.take(
        key("max_in_flight", COUNT, "1024")
            .about("Tickets: pages in flight at once, waiting or not."),
    );
    let max_lag = s.take(key("max_lag", DURATION_OR_NONE, "10ms").about(
        "While runnable work waits longer than this for the CPU, there are fewer tickets; or \"none\".",
    ));
    let observe = s.take(
        key("observe", BOOLEAN, "false")
            .about("Tickets are watched and not enforced: counted as gateway.would_shed."),
    );
    let observe_lag = s.take(
        key("observe_lag", BOOLEAN, "false")
            .about("Of tickets only their shrinking with lag is watched and not enforced."),
    );
    let max_lag = max_lag?;
    if max_lag.is_some_and(|lag| lag < SHORTEST_LAG) {
        s.wrong(
            "max_lag",
            Problem::new("is too short to be measured").write("1ms"),
        );
    }
    if max_lag.is_some_and(|lag| lag > LONGEST_LAG) {
        let problem = Problem::new("is longer than lag can be, which is measured over 100 ms");
        s.wrong("max_lag", problem.write("90ms"));
    }
    Some(Admission {
        max_in_flight: max_in_flight?,
        max_lag,
        observe: observe?,
        observe_lag: observe_lag?,
    })
}

fn shed(s: &mut Section<'_, '_>) -> Option<Shed> {
    let status = s.take(
        key("status", STATUS, "429")
            .about("Status of refusals for lack of capacity: 429 or 503. A quota is always 429."),
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
            .about("Pages one client may request, sustained; \"none\": no quota."),
    );
    let burst = s.take(
        key("burst", COUNT, "1000")
            .about("Pages that a client may request at once after it was quiet."),
    );
    let attempts = s.take(key("attempts", COUNT, "4").about(
        "Requests a client may make, as a multiple of `rate` and `burst`; refused ones count.",
    ));
    let early_returns = s.take(key("early_returns", EARLY_RETURNS, "auto").about(
        "A client back before its Retry-After: \"refuse\" it first, \"admit\" it, or \"auto\".",
    ));
    let observe = s.take(
        key("observe", BOOLEAN, "false")
            .about("The quota is watched and not enforced: counted as gateway.would_shed."),
    );
    Some(Clients {
        identify_by: identify_by?,
        rate: rate?,
        burst: burst?,
        attempts: attempts?,
        early_returns: early_returns?,
        observe: observe?,
    })
}
