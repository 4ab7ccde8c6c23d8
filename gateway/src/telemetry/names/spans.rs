//! Every key of the gateway's spans, and the values that are fixed.
//!
//! Standard keys are OpenTelemetry's semantic conventions
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>) and Datadog's.

/// A span field that people search by, and what it says.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// What its value says.
    pub meaning: &'static str,
}

/// What Datadog calls a span, by what it stands for.
#[derive(Debug, PartialEq, Eq)]
pub struct Class {
    /// Datadog's name of the operation; what OpenTelemetry calls a span's name is its resource.
    pub operation: &'static str,
    /// Its `span.kind`.
    pub kind: &'static str,
    /// Its `span.type`, if it has one.
    pub of_type: Option<&'static str>,
}

/// A page: what clients are served.
pub const SERVER: Class = Class {
    operation: "http.server.request",
    kind: "server",
    of_type: Some("web"),
};

/// A call.
pub const CLIENT: Class = Class {
    operation: "http.client.request",
    kind: "client",
    of_type: Some("http"),
};

/// A step of a page inside the gateway.
pub const INTERNAL: Class = Class {
    operation: "gateway.internal",
    kind: "internal",
    of_type: None,
};

/// The methods that spans of pages have; the last is any that no page answers.
pub const METHODS: [&str; 3] = ["GET", "HEAD", "_OTHER"];

/// The resource of a page's span.
pub fn page_resource(method: &str, route: &str) -> String {
    format!("{method} {route}")
}

/// Datadog's resource of a call's span.
pub fn call_resource(downstream: &str, template: &str) -> String {
    format!("GET {downstream} {template}")
}

macro_rules! fields {
    ($($id:ident = $key:literal $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $id: &str = $key;)*
        /// All of them.
        pub const ALL: &[Field] = &[$(Field { key: $id, meaning: $meaning }),*];
    };
}

fields! {
    SPAN_KIND = "span.kind" "server, client or internal.";
    SPAN_TYPE = "span.type" "Datadog's type of the span: web on the page, http on calls.";
    METHOD = "http.request.method" "GET or HEAD of the client on the page; GET on calls.";
    ROUTE = "http.route" "The page's path as configured, never the one requested.";
    STATUS_CODE = "http.response.status_code" "Of the page's answer, or the downstream's.";
    DD_STATUS_CODE = "http.status_code" "The same, as Datadog's own views read it.";
    SERVER_ADDRESS = "server.address" "Host of the downstream.";
    SERVER_PORT = "server.port" "Port of the downstream.";
    PEER_ADDRESS = "network.peer.address" "Address of the endpoint that the call's last attempt went to.";
    PEER_PORT = "network.peer.port" "Port of that endpoint.";
    RESEND_COUNT = "http.request.resend_count" "How often the call was sent again, if it was.";
    URL_TEMPLATE = "url.template" "The part's path as configured, without its query, never with values filled in.";
    PEER_SERVICE = "peer.service" "The downstream's name.";
    ERROR_TYPE = "error.type" "timeout, a status code, or the kind of failure.";
    ERROR_MESSAGE = "error.message" "What went wrong, for the people who run the gateway.";
    REQUEST_ID = "gateway.request_id" "X-Request-Id of the request, its own or made for it.";
    PAGE = "gateway.page" "The page's name.";
    OUTCOME = "gateway.outcome" "How the page or the call ended; of admission: admitted, shed or cancelled.";
    OWED = "gateway.owed" "Whether the page's client was owed one: the SLI counts it.";
    ABANDONED = "gateway.abandoned" "true on a page whose client left after waiting longer than abandoned_after.";
    ANSWERED_LATE = "gateway.answered_late" "true on a page whose answer left after its deadline.";
    COMPLETE = "gateway.complete" "Whether the answer had every part.";
    PART = "gateway.part" "The part's name.";
    REQUIRED = "gateway.part.required" "Whether the page is worth nothing without the part.";
    SHED_REASON = "gateway.shed.reason" "Why a page was refused for load.";
    SCOPE = "gateway.scope" "The limit or the downstream a refusal is about.";
    WOULD_SHED = "gateway.would_shed" "Why a limit that is only watched would have refused the page.";
    WOULD_SHED_SCOPE = "gateway.would_shed.scope" "The limit that would have.";
    WAIT_MS = "gateway.wait_ms" "Wait for permits, in milliseconds.";
    BUDGET_LEFT_MS = "gateway.budget_left_ms" "What it had when it began, in milliseconds: the rest of the deadline less the reserve, or of a call the part's timeout if that is shorter.";
    LAG_MS = "gateway.lag_ms" "The longest that what could run in the gateway waited to run meanwhile, in milliseconds: so much of the time, at each step, may be the gateway's own.";
    KEPT_BECAUSE = "gateway.kept_because" "Why the trace was kept: sampled, outcome or slow.";
}
