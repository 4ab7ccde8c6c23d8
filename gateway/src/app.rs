//! The composition root: takes the config apart, gives each part its slice, binds, serves.
//!
//! Sockets are bound early, so that a port in use is an error before anything has
//! started, and served late, when connections to the downstreams are warm.
//!
//! Not here: who is told to stop and when (see [`crate::lifecycle`]).

pub mod files;
pub mod inherited;
mod listeners;
pub mod memory;

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::files::Budget;
use self::inherited::Inherited;
use crate::admin::Admin;
use crate::config::{AdminAddress, Config, OpenApi};
use crate::edge::Edge;
use crate::edge::bound::{Bound, bind_unix};
use crate::edge::listener;
use crate::lifecycle::manager::ServiceManager;
use crate::lifecycle::stop::StopSignal;
use crate::lifecycle::{Failure, Lifecycle, Listener, Times};
use crate::openapi;
use crate::page::{Pages, own_load};
use crate::telemetry::meters::{self, dogstatsd::DogStatsD};
use crate::telemetry::{Exports, Telemetry, events};
use crate::transport::{HttpTransport, TransportError};

/// How often quotas of idle clients are dropped.
const QUOTA_SWEEP: Duration = Duration::from_secs(10);

/// How often those who collect metrics are told.
const PUBLISH: Duration = Duration::from_secs(1);

/// A gateway that is bound and not yet serving.
#[derive(Debug)]
pub struct App {
    config: Config,
    pages: Arc<Pages<HttpTransport>>,
    exports: Exports,
    public: TcpListener,
    operators: Bound,
    effective: serde_json::Value,
    files: Budget,
    /// The public socket stays open when this gateway has ended.
    public_stays: bool,
    manager: ServiceManager,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address could not be had.
    #[error("{key} = \"{address}\"")]
    Bind {
        /// The listener, by its key in `config.toml`.
        key: Listener,
        /// Its value.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// No client for a downstream.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl App {
    /// Builds everything and binds both listeners. `effective` is what `/config` shows.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been started then.
    pub async fn bind(config: Config, effective: serde_json::Value) -> Result<Self, StartError> {
        Self::adopt(Inherited::default(), config, effective)
    }

    /// The same, but serves on the sockets that were passed to this process, whatever `config`
    /// says about their addresses. Within a runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been started then.
    pub fn adopt(
        inherited: Inherited,
        config: Config,
        effective: serde_json::Value,
    ) -> Result<Self, StartError> {
        let public_stays = inherited.public.is_some();
        let public = match inherited.public {
            Some(passed) => adopt(Listener::Public, passed, &config.server.listen)?,
            None => bind(Listener::Public, config.server.listen)?,
        };
        let operators = match inherited.admin {
            Some(passed) => adopt(Listener::Operators, passed, &config.admin.listen)?.into(),
            None => bind_admin(&config.admin.listen)?,
        };
        let app = Self::on(public, operators, config, effective)?;
        Ok(Self {
            public_stays,
            ..app
        })
    }

    /// The same gateway, which tells `manager` when it serves, stops and is alive.
    #[must_use]
    pub fn managed_by(self, manager: ServiceManager) -> Self {
        Self { manager, ..self }
    }

    /// Builds everything around listeners that are bound already, whatever `config` says
    /// about addresses.
    ///
    /// # Errors
    /// [`StartError`], but not [`StartError::Bind`].
    pub fn on(
        public: TcpListener,
        operators: impl Into<Bound>,
        config: Config,
        effective: serde_json::Value,
    ) -> Result<Self, StartError> {
        let files = Budget::of_process(&config);
        let (telemetry, exports) = Telemetry::exporting(&config);
        let telemetry = Arc::new(telemetry);
        let transport = HttpTransport::new(&config)?;
        let pages = Arc::new(Pages::new(&config, transport, telemetry));
        Ok(Self {
            config,
            pages,
            exports,
            public,
            operators: operators.into(),
            effective,
            files,
            public_stays: false,
            manager: ServiceManager::default(),
        })
    }

    /// Where pages are served.
    ///
    /// # Errors
    /// The system's, if it cannot say.
    pub fn public_address(&self) -> io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// Where operators look in, if that is an address.
    ///
    /// # Errors
    /// The system's, if it cannot say; or that it is a socket of the file system.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.operators.address()
    }

    /// The pages, for views and counts.
    pub fn pages(&self) -> &Arc<Pages<HttpTransport>> {
        &self.pages
    }

    /// Serves until `stop` is requested, and `drain_delay` more; then drains: new pages are
    /// refused, pages in flight finish within `drain_timeout`, and what telemetry holds leaves
    /// within two seconds more. Dropping the future ends everything at once.
    ///
    /// # Errors
    /// [`Failure`] when something else ended it.
    pub async fn run(self, stop: StopSignal) -> Result<(), Failure> {
        let Self {
            config,
            pages,
            exports,
            public,
            operators,
            effective,
            files,
            public_stays,
            manager,
        } = self;
        let addresses = (public.local_addr(), operators.shown());
        let mut lifecycle = Lifecycle::new(stop).managed_by(manager);
        if public_stays {
            lifecycle = lifecycle.leaving_the_public_socket();
        }
        let openapi = |on| (config.server.openapi == on).then(|| openapi::document(&config));
        let admin = Admin::new(
            lifecycle.phase(),
            Arc::clone(&pages),
            effective,
            openapi(OpenApi::Admin),
            config.admin.token.clone(),
        );
        let admin = Arc::new(admin);
        lifecycle.listen(Listener::Operators, |guard| {
            let telemetry = Arc::clone(pages.telemetry());
            listeners::serve_operators(operators, &config, files, admin, telemetry, guard)
        });
        lifecycle.export(|stop| export(Arc::clone(&pages), exports, stop));
        let warm = async {
            // Idle connections must not take the files that the first pages need.
            if files.suffice_to_warm(&config) {
                pages.transport().warm().await;
            }
        };
        if let ControlFlow::Break(end) = lifecycle.start(warm).await {
            return end;
        }

        let edge = Edge::new(&config, Arc::clone(&pages), lifecycle.phase());
        let edge = Arc::new(edge.describing(openapi(OpenApi::Public)));
        lifecycle.background("drops idle clients", drop_idle_clients(Arc::clone(&pages)));
        lifecycle.background(
            "watches the gateway's own load",
            probe_lag(Arc::clone(&pages)),
        );
        lifecycle.background(
            "keeps connections to services",
            keep_transport(Arc::clone(&pages)),
        );
        lifecycle.listen(Listener::Public, |guard| {
            let telemetry = Arc::clone(pages.telemetry());
            listeners::serve_public(public.into(), &config, files, edge, telemetry, guard)
        });
        lifecycle.ready();
        if let (Ok(public), operators) = addresses {
            events::serving(public, &operators);
        }
        let times = Times {
            drain_delay: config.server.drain_delay,
            drain_timeout: config.server.drain_timeout,
        };
        lifecycle.serve(&pages, times).await
    }
}

fn bind(key: Listener, address: SocketAddr) -> Result<TcpListener, StartError> {
    listener::bind(address).map_err(failed(key, &address))
}

fn bind_admin(address: &AdminAddress) -> Result<Bound, StartError> {
    match address {
        AdminAddress::Tcp(address) => bind(Listener::Operators, *address).map(Bound::from),
        AdminAddress::Unix(path) => bind_unix(path).map_err(failed(Listener::Operators, address)),
    }
}

/// Takes `passed` in place of what is configured.
fn adopt(
    key: Listener,
    passed: std::net::TcpListener,
    configured: &impl Display,
) -> Result<TcpListener, StartError> {
    inherited::adopt(key, passed, configured).map_err(failed(key, configured))
}

fn failed(key: Listener, address: &impl Display) -> impl FnOnce(io::Error) -> StartError {
    let address = address.to_string();
    move |source| StartError::Bind {
        key,
        address,
        source,
    }
}

async fn keep_transport(pages: Arc<Pages<HttpTransport>>) {
    pages.transport().run().await;
}

async fn probe_lag(pages: Arc<Pages<HttpTransport>>) {
    own_load::watch(&pages).await;
}

async fn drop_idle_clients(pages: Arc<Pages<HttpTransport>>) {
    let mut interval = tokio::time::interval(QUOTA_SWEEP);
    loop {
        interval.tick().await;
        pages.quota().drop_idle();
    }
}

/// Lets traces, statistics and metrics leave until `stop`, and then what is left of them.
async fn export(pages: Arc<Pages<HttpTransport>>, exports: Exports, stop: CancellationToken) {
    let traces = async {
        if let Some(traces) = exports.traces {
            traces.run(stop.cancelled()).await;
        }
    };
    let stats = async {
        if let Some(stats) = exports.stats {
            stats.run(stop.cancelled()).await;
        }
    };
    tokio::join!(
        traces,
        stats,
        tell_metrics(&pages, exports.metrics, stop.cancelled())
    );
}

/// Once a second, and an agent as often as it is told.
async fn tell_metrics(
    pages: &Pages<HttpTransport>,
    dogstatsd: Option<DogStatsD>,
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
    let Some(dogstatsd) = dogstatsd else {
        return either(stop, publish).await;
    };
    let last = async {
        stop.await;
        tokio::time::sleep(meters::LEAVES_WITHIN).await;
    };
    either(last, async {
        tokio::join!(publish, dogstatsd.run());
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
