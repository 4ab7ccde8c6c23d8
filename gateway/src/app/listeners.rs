//! What is served on which listener, and under which limits.

use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::watch;
use tower::service_fn;

use super::files::Budget;
use crate::admin::{Admin, AdminBody, Via};
use crate::config::{ClientAddress, Config};
use crate::edge::body::Streamed;
use crate::edge::bound::Bound;
use crate::edge::host::Host;
use crate::edge::listener::{self, Limits, WhenFull};
use crate::edge::socket::Waits;
use crate::edge::tls::Tls;
use crate::edge::turned_away::TurnAway;
use crate::edge::unreadable::NotServed;
use crate::edge::{Connection, Edge, cors, layers, validate};
use crate::generation::Generations;
use crate::lifecycle::Guard;
use crate::transport::HttpTransport;

/// The limits in force of both listeners.
#[derive(Debug)]
pub(super) struct ListenerLimits {
    public: watch::Sender<Limits>,
    operators: watch::Sender<Limits>,
}

impl ListenerLimits {
    pub(super) fn new(config: &Config, files: Budget) -> Self {
        Self {
            public: watch::Sender::new(for_clients(config, files, None)),
            operators: watch::Sender::new(for_operators(config, files)),
        }
    }

    /// From now on they are those of this configuration.
    pub(super) fn set(&self, config: &Config, files: Budget) {
        self.public.send_modify(|limits| {
            *limits = for_clients(config, files, limits.tls.as_ref());
        });
        self.operators.send_replace(for_operators(config, files));
    }
}

/// Pages, for clients.
pub(super) fn serve_public(
    listener: Bound,
    limits: &ListenerLimits,
    generations: Generations<HttpTransport>,
    edge: Arc<Edge<HttpTransport>>,
    guard: Guard,
) -> impl Future<Output = ()> + Send + 'static {
    let now = generations.clone();
    let turn_away = {
        let (turn_away, now) = (TurnAway::by(Arc::clone(&edge)), now.clone());
        // With CORS every answer says more.
        move || {
            now.current()
                .config
                .server
                .cors
                .is_off()
                .then(|| turn_away.clone())
        }
    };
    let service = move |connection: Arc<Connection>| {
        let (edge, now) = (Arc::clone(&edge), now.clone());
        let cors = cors::layer(&now.current().config.server.cors);
        let answer = service_fn(move |request| edge.handle(&connection, request).map(Ok));
        let answer = cors::allowed(answer, cors);
        layers::layered(answer, move || !now.pages().own_load().is_short_of_cpu())
    };
    let count = move |why| count(&generations, why);
    let limits = limits.public.subscribe();
    listener::serve(listener, limits, service, turn_away, count, guard)
}

/// Views, for operators.
pub(super) fn serve_operators(
    listener: Bound,
    limits: &ListenerLimits,
    generations: Generations<HttpTransport>,
    admin: Arc<Admin<HttpTransport>>,
    guard: Guard,
) -> impl Future<Output = ()> + Send + 'static {
    let (now, via) = (generations.clone(), via(&listener));
    let service = move |connection: Arc<Connection>| {
        let (admin, now) = (Arc::clone(&admin), now.clone());
        // What Prometheus reads is long, and mostly the same words.
        let answer = service_fn(move |request| {
            connection.begins_answer();
            let (admin, generation) = (Arc::clone(&admin), now.current());
            let connection = Arc::clone(&connection);
            async move {
                let hosts = &generation.config.admin.hosts;
                let answer = answer_operators(&admin, via, hosts, request).await;
                Ok(answer.map(|body| Streamed::new(body, connection)))
            }
        });
        layers::compressed(answer, || true)
    };
    let count = move |why| count(&generations, why);
    let limits = limits.operators.subscribe();
    listener::serve(listener, limits, service, || None, count, guard)
}

fn count(generations: &Generations<HttpTransport>, why: NotServed) {
    let pages = generations.pages();
    match why {
        NotServed::Unreadable(what) => pages.telemetry().counts().unreadable(what),
        NotServed::TooMany => pages.telemetry().counts().connection_refused(),
    }
}

/// `tls` is what was spoken before.
fn for_clients(config: &Config, files: Budget, tls: Option<&Tls>) -> Limits {
    let http2 = config.server.http2;
    Limits {
        max_connections: files.public,
        limited_by: if files.public < config.server.max_connections.get() {
            "open files (ulimit -n)"
        } else {
            "server.max_connections"
        },
        when_full: WhenFull::Wait,
        waits: waits(config),
        max_age: config.server.max_age,
        per_client: config.server.max_connections_per_client,
        proxies: match config.server.client_address {
            ClientAddress::Peer => Arc::default(),
            ClientAddress::XForwardedFor
            | ClientAddress::Forwarded
            | ClientAddress::ProxyProtocol => Arc::new(config.server.trusted_proxies.clone()),
        },
        introduced: config.server.client_address == ClientAddress::ProxyProtocol,
        tls: config
            .server
            .tls
            .as_ref()
            .map(|of| Tls::new(of, http2, tls)),
        http2,
    }
}

fn for_operators(config: &Config, files: Budget) -> Limits {
    Limits {
        max_connections: files.admin,
        limited_by: "what is kept for operators",
        when_full: WhenFull::CloseLeastUsed,
        waits: waits(config),
        max_age: None,
        // Those of all are few.
        per_client: usize::MAX,
        proxies: Arc::default(),
        introduced: false,
        tls: None,
        http2: false,
    }
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
async fn answer_operators<B>(
    admin: &Admin<HttpTransport>,
    via: Via,
    hosts: &[String],
    request: Request<B>,
) -> Response<AdminBody>
where
    B: Body<Error: std::error::Error + Send + Sync + 'static>,
{
    let close = validate::leaves_connection_unusable(&request);
    let is_own = Host::of(request.headers()).map(|host| host.is_own_or(hosts));
    let answered = match is_own {
        Ok(is_own) => admin.answer(request, via, is_own).await,
        Err(wrong) => Admin::<HttpTransport>::refuse(&wrong),
    };
    validate::with_close(close, answered)
}
