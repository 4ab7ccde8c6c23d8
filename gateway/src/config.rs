//! The checked configuration: every value here has been validated once, so
//! the rest of the gateway never asks again.
//!
//! What always holds: names are unique, every part's downstream exists, every
//! path parameter has a pattern, no duration that must pass is zero, no page is
//! without parts. What the operator wrote (spans, strings, defaults) is in
//! `file` and stays there; nothing outside this module sees it.

mod address;
mod admin;
mod caching;
mod changes;
mod check;
mod data_schema;
mod diff;
mod file;
mod fixed;
mod headers;
mod hosts;
mod input;
mod kept;
mod kinds;
mod load;
mod names;
mod observed;
mod origins;
mod otlp_headers;
mod param;
mod pass;
mod path;
mod propagation;
mod proxies;
mod receiver;
mod rules;
mod schema;
mod server_tls;
pub mod sizing;
mod variables;
mod warnings;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use url::Url;

use settings::{key, origin, overrides, problem, raw, reader, registry, report, shown, syntax};

pub use settings::name::Name;
pub use settings::origin::{EffectiveKey, Origin, origins_json};
pub use settings::overrides::Override;
pub use settings::problem::{Problem, Remedy};
pub use settings::report::Report;
pub use settings::shown::fit as fit_to_show;
pub use settings::units::{self, Rate};

pub use address::show as shown_address;
pub(crate) use admin::read_token_text;
pub use admin::{AdminAddress, LONGEST_TOKEN, SHORTEST_TOKEN, TOKEN_FILE_VARIABLE, Token};
pub use caching::CacheControl;
pub use changes::KeyChange;
pub use check::{check, check_json};
pub use data_schema::DataSchema;
pub use diff::{Change, Difference, Effect, differences, effect};
pub use fixed::{FIXED, fixed_among, why_fixed};
pub use headers::is_reserved_header;
pub use kept::Kept;
pub use load::{Loaded, Misfit, Source, default_text, load_file, load_file_with, load_text};
pub use origins::Origins;
pub use param::{Param, QueryParam, UnknownQuery};
pub use pass::{Pass, PassedStatus};
pub use path::{PathPattern, PathTemplate, Piece};
pub use propagation::{Notation, Propagation};
pub use proxies::TrustedProxies;
pub use receiver::{SocketKind, StatsdAgent, TraceAgent};
pub use schema::json_schema;
pub use server_tls::{ClientAuth, ServerTls};
pub use variables::name_of as variable_name;

pub use crate::ids::{ClientKey, DownstreamId, PageId};

/// Most parts a page may have; a set of parts is one 64-bit word.
pub const MAX_PARTS: usize = 64;

/// Most pages a gateway may have; each costs patterns, a queue and metric series.
pub const MAX_PAGES: usize = 256;

/// Most downstreams a gateway may have; each costs a connection pool and metric series.
pub const MAX_DOWNSTREAMS: usize = 1024;

/// Everything `config.toml` says, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`: the public listener.
    pub server: Server,
    /// `[admin]`: the operators' listener.
    pub admin: Admin,
    /// `[admission]`: the gateway-wide cap.
    pub admission: Admission,
    /// `[shed]`: how load refusals are answered.
    pub shed: Shed,
    /// `[clients]`: the quota of one client.
    pub clients: Clients,
    /// `[telemetry]`: identity, logs and where traces go.
    pub telemetry: Telemetry,
    /// `[downstream.*]` in the order of the file; [`DownstreamId`] indexes it.
    pub downstreams: Vec<Downstream>,
    /// `[page.*]` in the order of the file; never empty; [`PageId`] indexes it.
    pub pages: Vec<Page>,
}

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address of the public listener.
    pub listen: SocketAddr,
    /// Connections open at once; further ones wait in the kernel's backlog.
    pub max_connections: NonZeroUsize,
    /// Connections of one client.
    pub max_connections_per_client: usize,
    /// For a whole request head: from its first byte, or from the connection's opening. Never zero.
    pub header_read_timeout: Duration,
    /// How long a connection may be idle after an answer. Never zero.
    pub keep_alive: Duration,
    /// A connection that is older ends with its next answer; `None` (written `"none"`): however old.
    pub max_age: Option<Duration>,
    /// How long pages are served after SIGTERM before new ones are refused.
    pub drain_delay: Duration,
    /// How long pages in flight may take to finish once new ones are refused.
    pub drain_timeout: Duration,
    /// Which listener answers `/openapi.json`.
    pub openapi: OpenApi,
    /// Where clients' listener answers as `/readyz` does; `None`: nowhere.
    pub health_path: Option<String>,
    /// How the client of a request is known.
    pub client_address: ClientAddress,
    /// Whose word for another's address is taken.
    pub trusted_proxies: TrustedProxies,
    /// Pages of other origins.
    pub cors: Cors,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// TLS towards clients; `None`: they speak without.
    pub tls: Option<ServerTls>,
}

/// How the client of a request is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAddress {
    /// It is who opened the connection.
    Peer,
    /// By `X-Forwarded-For`, as far as proxies are trusted.
    XForwardedFor,
    /// By `Forwarded` (RFC 7239), as far as proxies are trusted.
    Forwarded,
    /// By the PROXY protocol, which trusted proxies begin their connections with.
    ProxyProtocol,
}

/// `[server.cors]`.
#[derive(Clone, Debug)]
pub struct Cors {
    /// Whose pages may read answers.
    pub origins: Origins,
    /// Whether browsers send cookies and the like along; not with [`Origins::Any`].
    pub credentials: bool,
    /// How long a browser keeps the answer to a preflight.
    pub max_age: Duration,
}

impl Cors {
    /// Whether browsers let nobody's pages read answers, and are told nothing.
    pub fn is_off(&self) -> bool {
        matches!(&self.origins, Origins::Listed(all) if all.is_empty())
    }
}

/// Which listener answers `/openapi.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenApi {
    /// Neither.
    Off,
    /// The clients'.
    Public,
    /// The operators'.
    Admin,
}

/// Where the description of the pages is answered.
pub const OPENAPI_PATH: &str = "/openapi.json";

/// `[admin]`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Address of the operators' listener.
    pub listen: AdminAddress,
    /// What is shown to change something; `None`: nothing can be changed over TCP.
    pub token: Option<Token>,
    /// Names with a dot, in lower case, that `Host` may be there.
    pub hosts: Vec<String>,
    /// Whether `/readyz` follows sustained shedding.
    pub unready_when_shedding: bool,
}

/// `[admission]`.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Pages in flight at once, gateway-wide: the number of tickets.
    pub max_in_flight: NonZeroU32,
    /// Lag above which tickets shrink; `None`: they never do.
    pub max_lag: Option<Duration>,
    /// Whether tickets, and their shrinking with lag, are only watched.
    pub observe: bool,
    /// Whether only their shrinking is.
    pub observe_lag: bool,
}

/// `[shed]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    /// Status of the load refusals; the quota's is always 429.
    pub status: ShedStatus,
}

/// The two statuses a load refusal may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedStatus {
    /// 429.
    TooManyRequests,
    /// 503.
    ServiceUnavailable,
}

/// `[clients]`.
#[derive(Clone, Debug)]
pub struct Clients {
    /// What tells one client from another.
    pub identify_by: IdentifyBy,
    /// Sustained rate of one client; `None` (written `"none"`) is no quota.
    pub rate: Option<Rate>,
    /// Pages a client that was quiet may ask for at once.
    pub burst: NonZeroU32,
    /// How many times its rate and burst a client may ask, what the gateway refuses included.
    pub attempts: NonZeroU32,
    /// What becomes of a client that is back before its `Retry-After`.
    pub early_returns: EarlyReturns,
    /// Whether the quota of pages and of attempts is only watched.
    pub observe: bool,
}

/// What becomes of a client that is back before its `Retry-After`, while pages are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyReturns {
    /// Refused first if it is known by a header; admitted if by an address, which many may share.
    Auto,
    /// Refused before everybody else.
    Refuse,
    /// As everybody else.
    Admit,
}

impl Clients {
    /// The rate that every client is held to; `None` also where it is only watched.
    #[must_use]
    pub fn enforced_rate(&self) -> Option<Rate> {
        self.rate.filter(|_| !self.observe)
    }

    /// Whether a client is held to the `Retry-After` it was told; one whose request has the
    /// header that tells clients apart, or does not.
    #[must_use]
    pub fn holds_early(&self, has_header: bool) -> bool {
        match self.early_returns {
            EarlyReturns::Auto => has_header && self.identify_by != IdentifyBy::Ip,
            EarlyReturns::Refuse => true,
            EarlyReturns::Admit => false,
        }
    }
}

/// What tells one client from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifyBy {
    /// The peer's address; an IPv6 client is its /64.
    Ip,
    /// The value of this header; a request without it counts by address.
    Header(HeaderName),
}

/// `[telemetry]`, after the `DD_*` variables.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Service name.
    pub service: String,
    /// Environment name.
    pub env: String,
    /// Version; the gateway's own unless `DD_VERSION` says otherwise.
    pub version: String,
    /// Form of the log.
    pub log: LogFormat,
    /// Share of complete pages that are logged, 0.0 to 1.0; all others always are.
    pub log_sample: f64,
    /// In which protocol traces leave.
    pub exporter: Exporter,
    /// The Datadog agent; `None` exports no traces to it.
    pub datadog_agent: Option<TraceAgent>,
    /// Where an OTLP receiver takes traces over HTTP; `None` exports no traces to it.
    pub otlp_endpoint: Option<Url>,
    /// What that receiver wants beside them; values are marked as secrets.
    pub otlp_headers: Vec<(HeaderName, HeaderValue)>,
    /// In which notations a trace comes in and is passed on.
    pub propagation: Propagation,
    /// Share of plain traces that are kept, 0.0 to 1.0.
    pub sample: f64,
    /// Pages that took longer are always kept; `None` (written `"none"`): however long they took.
    pub keep_slower_than: Option<Duration>,
    /// Most bytes of records of recent pages; `None` (written `"none"`) keeps none.
    pub recent: Option<NonZeroUsize>,
    /// Where metrics are sent as DogStatsD; `None` sends none.
    pub dogstatsd: Option<StatsdAgent>,
    /// The pod's id, of `DD_ENTITY_ID`: an agent that is sent metrics over UDP finds the pod's tags by it.
    pub entity_id: Option<String>,
    /// What Datadog's admission controller says of the container, of `DD_EXTERNAL_ENV`.
    pub external_env: Option<String>,
}

/// In which protocol traces leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exporter {
    /// To a Datadog agent.
    Datadog,
    /// To any receiver of the OpenTelemetry protocol, over HTTP.
    Otlp,
    /// Not at all.
    None,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// `[downstream.NAME]`.
#[derive(Clone, Debug)]
pub struct Downstream {
    /// The name, unique.
    pub name: Name,
    /// At least one, all http or all https, with a host, without credentials, query or fragment; its path (without a trailing slash) goes before each part's.
    pub urls: Vec<Url>,
    /// How often names are resolved again. Never zero.
    pub resolve: Duration,
    /// Concurrent calls at most; `None` (written `0`) is no bulkhead.
    pub permits: Option<NonZeroU32>,
    /// Whether the bulkhead is only watched.
    pub observe: bool,
    /// How long opening a connection may take. Never zero.
    pub connect_timeout: Duration,
    /// Connections opened to each endpoint before the first page.
    pub warm: u32,
    /// How long a connection is kept without a call.
    pub idle_timeout: Duration,
    /// After which a connection carries no further call. Never zero.
    pub max_age: Duration,
    /// Largest body accepted, in bytes; one byte more is `failed`.
    pub max_body: NonZeroUsize,
    /// Which HTTP is spoken; never [`Http2::Auto`] without TLS.
    pub http2: Http2,
    /// For https.
    pub tls: Tls,
}

/// Which HTTP a downstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2 {
    /// HTTP/1.1.
    Never,
    /// HTTP/2, without asking.
    Always,
    /// What TLS negotiates (ALPN, RFC 7301).
    Auto,
}

/// `[downstream.NAME.tls]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust; `None` is whom the machine trusts.
    pub ca: Option<PathBuf>,
    /// Who the gateway is, to a service that asks.
    pub identity: Option<ClientIdentity>,
    /// The name that the certificate must be for; `None` is the host of the address.
    pub server_name: Option<String>,
}

/// A certificate chain and its key, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// PEM.
    pub cert: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// `[page.NAME]`.
#[derive(Clone, Debug)]
pub struct Page {
    /// The name, unique.
    pub name: Name,
    /// Where the page is served; unique among pages.
    pub path: PathPattern,
    /// Budget of the whole page; `None` (written `"none"`) is no deadline.
    pub deadline: Option<Duration>,
    /// A client that waited longer than this and left was owed a page; `None`: none was, as
    /// with `"auto"` on a page without a deadline.
    pub abandoned_after: Option<Duration>,
    /// Part of the budget kept for assembling and writing; below `deadline`.
    pub reserve: Duration,
    /// A client that gives the page less time than this is refused at once; `None`: none is.
    pub min_budget: Option<Duration>,
    /// Longest wait for permits, inside the deadline.
    pub max_wait: Duration,
    /// Pages that may wait for permits at once.
    pub queue: usize,
    /// Whether `queue` and `max_wait` are only watched: pages wait until their deadline.
    pub observe: bool,
    /// Request headers of the client that calls carry; never hop-by-hop ones, `host`, or ones the gateway sets itself.
    pub forward_headers: Vec<HeaderName>,
    /// What caches are told of complete pages.
    pub cache_control: CacheControl,
    /// Parameters of its query; their names are none of its path's.
    pub query: Vec<QueryParam>,
    /// What becomes of a request with others.
    pub unknown_query: UnknownQuery,
    /// In the order of the file; 1 to [`MAX_PARTS`].
    pub parts: Vec<Part>,
}

impl Page {
    /// Whether anything depends on the query of a request for it.
    pub fn reads_query(&self) -> bool {
        !self.query.is_empty() || self.unknown_query == UnknownQuery::Refuse
    }
}

/// `[page.NAME.part.NAME]`.
#[derive(Clone, Debug)]
pub struct Part {
    /// The name, unique in its page.
    pub name: Name,
    /// Where it comes from.
    pub downstream: DownstreamId,
    /// What is asked for there.
    pub path: PathTemplate,
    /// Whether the page is worth nothing without it.
    pub required: bool,
    /// Never wait longer than this for the part; `None` is the page's deadline alone.
    pub timeout: Option<Duration>,
    /// Statuses of its service that clients are told, and that are none of its failures.
    pub pass: Pass,
    /// What its data looks like, for the description of the page; `None` is any JSON.
    pub schema: Option<DataSchema>,
}
