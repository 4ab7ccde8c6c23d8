//! What is served on which listener, and under which limits.

use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Body;
use tower::service_fn;

use super::files::Budget;
use crate::admin::{Admin, AdminBody, Via};
use crate::config::Config;
use crate::edge::bound::Bound;
use crate::edge::host::Host;
use crate::edge::listener::{self, Limits, WhenFull};
use crate::edge::socket::Waits;
use crate::edge::{Connection, Edge, layers, validate};
use crate::lifecycle::Guard;
use crate::telemetry::Telemetry;
use crate::transport::HttpTransport;

/// Pages, for clients.
pub(super) fn serve_public(
    listener: Bound,
    config: &Config,
    files: Budget,
    edge: Arc<Edge<HttpTransport>>,
    telemetry: Arc<Telemetry>,
    guard: Guard,
) -> impl Future<Output = ()> + Send + 'static {
    let limits = Limits {
        max_connections: files.public,
        limited_by: if files.public < config.server.max_connections.get() {
            "open files (ulimit -n)"
        } else {
            "server.max_connections"
        },
        when_full: WhenFull::Wait,
        waits: waits(config),
        max_age: config.server.max_age,
    };
    let service = move |connection: Arc<Connection>| {
        let edge = Arc::clone(&edge);
        layers::layered(service_fn(move |request| {
            edge.handle(&connection, request).map(Ok)
        }))
    };
    let unreadable = move |what| telemetry.counts().unreadable(what);
    listener::serve(listener, limits, service, unreadable, guard)
}

/// Views, for operators.
pub(super) fn serve_operators(
    listener: Bound,
    config: &Config,
    files: Budget,
    admin: Arc<Admin<HttpTransport>>,
    telemetry: Arc<Telemetry>,
    guard: Guard,
) -> impl Future<Output = ()> + Send + 'static {
    let limits = Limits {
        max_connections: files.admin,
        limited_by: "what is kept for operators",
        when_full: WhenFull::CloseLeastUsed,
        waits: waits(config),
        max_age: None,
    };
    let hosts: Arc<[String]> = config.admin.hosts.as_slice().into();
    let via = via(&listener);
    let service = move |connection: Arc<Connection>| {
        let (admin, hosts) = (Arc::clone(&admin), Arc::clone(&hosts));
        // What Prometheus reads is long, and mostly the same words.
        layers::compressed(service_fn(move |request| {
            connection.begins_answer();
            let (admin, hosts) = (Arc::clone(&admin), Arc::clone(&hosts));
            async move { Ok(answer_operators(&admin, via, &hosts, request).await) }
        }))
    };
    let unreadable = move |what| telemetry.counts().unreadable(what);
    listener::serve(listener, limits, service, unreadable, guard)
}

fn waits(config: &Config) -> Waits {
    Waits {
        head: config.server.header_read_timeout,
        idle: config.server.keep_alive,
    }
}

/// How requests come to a listener. Where the system cannot say, they may come from anywhere.
fn via(listener: &Bound) -> Via {
    match (listener, listener.address()) {
        (Bound::Unix(..), _) => Via::Socket,
        (_, Ok(address)) if address.ip().to_canonical().is_loopback() => Via::Loopback,
        (Bound::Tcp(_), _) => Via::Network,
    }
}

/// Operators' requests are checked as clients' are.
async fn answer_operators<B: Body>(
    admin: &Admin<HttpTransport>,
    via: Via,
    hosts: &[String],
    request: Request<B>,
) -> Response<AdminBody> {
    let close = validate::leaves_connection_unusable(&request);
    let answered = match Host::of(request.headers()) {
        Ok(host) => admin.answer(request, via, host.is_own_or(hosts)).await,
        Err(wrong) => Admin::<HttpTransport>::refuse(&wrong),
    };
    validate::with_close(close, answered)
}
