//! The composition root: builds every part from the config, binds, serves, drains.
//!
//! Sockets are bound early, so that a port in use is an error before anything has
//! started, and served late, when connections to the downstreams are warm.

pub mod files;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tower::service_fn;

use crate::admin::{Admin, Phase, PhaseName};
use crate::config::Config;
use crate::edge::listener::{self, Limits};
use crate::edge::{Connection, Edge, layers};
use crate::page::deadline::{Deadline, now};
use crate::page::{Pages, own_load};
use crate::telemetry::meters::{self, relay::Relay};
use crate::telemetry::{Exports, Telemetry, TelemetryError, events};
use crate::transport::{HttpTransport, TransportError};

/// Least time between a shutdown's announcement and its end: load balancers that look
/// at `/readyz`, or see a 503 with `Connection: close`, can turn away meanwhile. Never
/// more than half of `drain_timeout`.
pub const LAME_DUCK: Duration = Duration::from_secs(1);

/// Time for connections to end that are in no page: an answer of some hundred bytes.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Time for pages that are cut off to end: their futures only have to be dropped.
const CUT_OFF: Duration = Duration::from_millis(100);

/// Time for what telemetry holds to leave.
const LAST_EXPORTS: Duration = Duration::from_millis(1_800);

/// How often quotas of idle clients are dropped.
const QUOTA_SWEEP: Duration = Duration::from_secs(10);

/// How often those who collect metrics are told.
const PUBLISH: Duration = Duration::from_secs(1);

/// Connections of operators at once.
const ADMIN_CONNECTIONS: usize = 64;

/// A gateway that is bound and not yet serving.
#[derive(Debug)]
pub struct App {
    config: Config,
    pages: Arc<Pages<HttpTransport>>,
    exports: Exports,
    phase: Phase,
    public: TcpListener,
    operators: TcpListener,
    effective: serde_json::Value,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address could not be had.
    #[error("{key} = \"{address}\"")]
    Bind {
        /// The key in `config.toml`.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No client for a downstream.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No way out for telemetry.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

impl App {
    /// Builds everything and binds both listeners. `effective` is what `/config` shows.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been started then.
    pub async fn bind(config: Config, effective: serde_json::Value) -> Result<Self, StartError> {
        let public = bind("server.listen", config.server.listen).await?;
        let operators = bind("admin.listen", config.admin.listen).await?;
        let (telemetry, exports) = Telemetry::exporting(&config)?;
        let telemetry = Arc::new(telemetry);
        let transport = HttpTransport::new(&config)?;
        let pages = Arc::new(Pages::new(&config, transport, telemetry));
        Ok(Self {
            config,
            pages,
            exports,
            phase: Phase::default(),
            public,
            operators,
            effective,
        })
    }

    /// Where pages are served.
    ///
    /// # Errors
    /// The system's, if it cannot say.
    pub fn public_address(&self) -> io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// Where operators look in.
    ///
    /// # Errors
    /// The system's, if it cannot say.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.operators.local_addr()
    }

    /// The pages, for views and counts.
    pub fn pages(&self) -> &Arc<Pages<HttpTransport>> {
        &self.pages
    }

    /// Serves until `shutdown` resolves, then drains: new pages are refused at once,
    /// pages in flight finish within `drain_timeout`, and what telemetry holds leaves within
    /// two seconds more. Dropping the future ends everything at once.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self {
            config,
            pages,
            exports,
            phase,
            public,
            operators,
            effective,
        } = self;
        let addresses = (public.local_addr(), operators.local_addr());
        let (stop_operators, operators_stopped) = watch::channel(());
        let admin = Arc::new(Admin::new(phase.clone(), Arc::clone(&pages), effective));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_operators(
            operators,
            limits(&config),
            admin,
            operators_stopped,
        ));
        let (stop_exports, exports_stopped) = watch::channel(());
        let mut leaving = JoinSet::new();
        leaving.spawn(export(Arc::clone(&pages), exports, exports_stopped));
        let mut shutdown = std::pin::pin!(shutdown);
        tokio::select! {
            // Nothing has been served yet, so there is nothing to finish.
            () = &mut shutdown => return,
            () = pages.transport().warm() => {}
        }

        let (stop_public, public_stopped) = watch::channel(());
        let edge = Arc::new(Edge::new(&config, Arc::clone(&pages)));
        tasks.spawn(forget_idle_clients(Arc::clone(&pages)));
        tasks.spawn(probe_lag(Arc::clone(&pages)));
        tasks.spawn(keep_transport(Arc::clone(&pages)));
        let mut serving = JoinSet::new();
        serving.spawn(serve_public(public, limits(&config), edge, public_stopped));
        phase.enter(PhaseName::Ready);
        if let (Ok(public), Ok(operators)) = addresses {
            events::serving(public, operators);
        }

        tokio::select! {
            () = &mut shutdown => {}
            _ = serving.join_next() => events::listener_ended(),
        }
        phase.enter(PhaseName::Draining);
        let end = Deadline::after(now(), config.server.drain_timeout);
        drain(
            &pages,
            config.server.drain_timeout,
            stop_public,
            &mut serving,
        )
        .await;
        drop(stop_operators);
        let _ = Deadline::after(now(), LAST_WORDS)
            .min(end)
            .limit(tasks.join_next())
            .await;
        // What was cut off is told of before the last of it leaves.
        drop(serving);
        let _ = Deadline::after(now(), CUT_OFF)
            .limit(pages.admission().until_empty())
            .await;
        pages.publish();
        drop(stop_exports);
        let _ = Deadline::after(now(), LAST_EXPORTS)
            .limit(leaving.join_next())
            .await;
    }
}

/// Resolves when the sender is dropped; nothing is ever sent.
async fn stopped(mut stop: watch::Receiver<()>) {
    let _ = stop.changed().await;
}

/// Refuses new pages, waits for those in flight and then for their connections.
async fn drain(
    pages: &Pages<HttpTransport>,
    timeout: Duration,
    stop_public: watch::Sender<()>,
    serving: &mut JoinSet<()>,
) {
    let began = now();
    let deadline = Deadline::after(began, timeout);
    pages.drain();
    events::draining(pages.admission().view().in_flight);
    let lame_duck = Deadline::after(began, LAME_DUCK.min(timeout / 2));
    let _ = lame_duck.limit(std::future::pending::<()>()).await;
    let _ = deadline.limit(pages.admission().until_empty()).await;
    // Dropped, the sender says stop.
    drop(stop_public);
    // Connections that are not in a page have a refusal to write, or half a head to send:
    // that much time, and no more.
    let soon = Deadline::after(now(), LAST_WORDS).min(deadline);
    let _ = soon.limit(serving.join_next()).await;
    match pages.admission().view().in_flight {
        0 => events::drained(now() - began),
        cut_off => events::cut_off(cut_off),
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Bind {
            key,
            address,
            source,
        })
}

fn limits(config: &Config) -> Limits {
    Limits {
        max_connections: config.server.max_connections.get(),
        header_read_timeout: config.server.header_read_timeout,
    }
}

async fn serve_public(
    listener: TcpListener,
    limits: Limits,
    edge: Arc<Edge<HttpTransport>>,
    stop: watch::Receiver<()>,
) {
    let service = |connection: Connection| {
        let (edge, connection) = (Arc::clone(&edge), Arc::new(connection));
        layers::layered(service_fn(move |request| {
            let (edge, connection) = (Arc::clone(&edge), Arc::clone(&connection));
            async move { Ok(edge.handle(&connection, request).await) }
        }))
    };
    listener::serve(listener, limits, service, stopped(stop)).await;
}

async fn serve_operators(
    listener: TcpListener,
    limits: Limits,
    admin: Arc<Admin<HttpTransport>>,
    stop: watch::Receiver<()>,
) {
    let limits = Limits {
        max_connections: ADMIN_CONNECTIONS,
        ..limits
    };
    let service = |_| {
        let admin = Arc::clone(&admin);
        service_fn(move |request| std::future::ready(Ok(admin.answer(&request))))
    };
    listener::serve(listener, limits, service, stopped(stop)).await;
}

async fn probe_lag(pages: Arc<Pages<HttpTransport>>) {
    own_load::watch(&pages).await;
}

async fn keep_transport(pages: Arc<Pages<HttpTransport>>) {
    pages.transport().run().await;
}

async fn forget_idle_clients(pages: Arc<Pages<HttpTransport>>) {
    let mut interval = tokio::time::interval(QUOTA_SWEEP);
    loop {
        interval.tick().await;
        pages.quota().drop_idle();
    }
}

/// Lets traces and metrics leave until `stop`, and then what is left of them.
async fn export(pages: Arc<Pages<HttpTransport>>, exports: Exports, stop: watch::Receiver<()>) {
    let traces = async {
        if let Some(traces) = exports.traces {
            traces.run(stopped(stop.clone())).await;
        }
    };
    tokio::join!(
        traces,
        tell_metrics(&pages, exports.metrics, stopped(stop.clone()))
    );
}

/// Once a second, and whatever goes to an agent carried there.
async fn tell_metrics(
    pages: &Pages<HttpTransport>,
    relay: Option<Relay>,
    stop: impl Future<Output = ()>,
) {
    let publish = async {
        let mut interval = tokio::time::interval(PUBLISH);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            pages.publish();
        }
    };
    let Some(relay) = relay else {
        return either(stop, publish).await;
    };
    let last = async {
        stop.await;
        tokio::time::sleep(meters::LEAVES_WITHIN).await;
    };
    either(last, async {
        tokio::join!(publish, relay.run());
    })
    .await;
}

/// Until the first of the two ends.
async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}
