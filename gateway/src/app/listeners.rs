//! What is served on which listener, and under which limits.

use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Body;
use tokio::net::TcpListener;
use tower::service_fn;

use super::files::Budget;
use crate::admin::{Admin, AdminBody};
use crate::config::Config;
use crate::edge::host::Host;
use crate::edge::listener::{self, Limits, WhenFull};
use crate::edge::socket::Waits;
use crate::edge::{Connection, Edge, cors, layers, validate};
use crate::lifecycle::Guard;
use crate::page::Pages;
use crate::telemetry::Telemetry;
use crate::transport::HttpTransport;

/// Pages, for clients.
pub(super) fn serve_public(
    listener: TcpListener,
    config: &Config,
    files: Budget,
    edge: Arc<Edge<HttpTransport>>,
    pages: Arc<Pages<HttpTransport>>,
    guard: Guard,
) -> impl Future<Output = ()> + Send + 'static {
    let telemetry = Arc::clone(pages.telemetry());
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
    let cors = cors::layer(&config.server.cors);
    let service = move |connection: Arc<Connection>| {
        let (edge, pages) = (Arc::clone(&edge), Arc::clone(&pages));
        let answer = service_fn(move |request| edge.handle(&connection, request).map(Ok));
        let answer = cors::allowed(answer, cors.clone());
        layers::layered(answer, move || !pages.own_load().is_short_of_cpu())
    };
    let unreadable = move |what| telemetry.counts().unreadable(what);
    listener::serve(listener, limits, service, unreadable, guard)
}

/// Views, for operators.
pub(super) fn serve_operators(
    listener: TcpListener,
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
    let service = move |connection: Arc<Connection>| {
        let (admin, hosts) = (Arc::clone(&admin), Arc::clone(&hosts));
        // What Prometheus reads is long, and mostly the same words.
        let answer = service_fn(move |request| {
            connection.begins_answer();
            let (admin, hosts) = (Arc::clone(&admin), Arc::clone(&hosts));
            async move { Ok(answer_operators(&admin, &hosts, request).await) }
        });
        layers::compressed(answer, || true)
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

/// Operators' requests are checked as clients' are.
async fn answer_operators<B: Body>(
    admin: &Admin<HttpTransport>,
    hosts: &[String],
    request: Request<B>,
) -> Response<AdminBody> {
    let close = validate::leaves_connection_unusable(&request);
    let answered = match Host::of(request.headers()) {
        Ok(host) => admin.answer(request, host.is_own_or(hosts)).await,
        Err(wrong) => Admin::<HttpTransport>::refuse(&wrong),
    };
    validate::with_close(close, answered)
}
