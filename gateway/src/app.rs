//! The composition root: takes the config apart, gives each part its slice, binds, serves.
//!
//! Sockets are bound early, so that a port in use is an error before anything has
//! started, and served late, when connections to the downstreams are warm.
//!
//! Not here: who is told to stop and when (see [`crate::lifecycle`]).

pub mod files;
mod listeners;
pub mod memory;

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::files::Budget;
use crate::admin::Admin;
use crate::config::Config;
use crate::edge::Edge;
use crate::edge::listener;
use crate::lifecycle::stop::StopSignal;
use crate::lifecycle::{Failure, Lifecycle, Listener, Times};
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
    operators: TcpListener,
    effective: serde_json::Value,
    files: Budget,
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
}

impl App {
    /// Builds everything and binds both listeners. `effective` is what `/config` shows.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been started then.
    pub async fn bind(config: Config, effective: serde_json::Value) -> Result<Self, StartError> {
        let public = bind("server.listen", config.server.listen)?;
        let operators = bind("admin.listen", config.admin.listen)?;
        Self::on(public, operators, config, effective)
    }

    /// Builds everything around listeners that are bound already, whatever `config` says
    /// about addresses.
    ///
    /// # Errors
    /// [`StartError`], but not [`StartError::Bind`].
    pub fn on(
        public: TcpListener,
        operators: TcpListener,
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
            operators,
            effective,
            files,
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
        } = self;
        let addresses = (public.local_addr(), operators.local_addr());
        let mut lifecycle = Lifecycle::new(stop);
        let admin = Arc::new(Admin::new(lifecycle.phase(), Arc::clone(&pages), effective));
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

        let edge = Arc::new(Edge::new(&config, Arc::clone(&pages), lifecycle.phase()));
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
            listeners::serve_public(public, &config, files, edge, Arc::clone(&pages), guard)
        });
        lifecycle.ready();
        if let (Ok(public), Ok(operators)) = addresses {
            events::serving(public, operators);
        }
        let times = Times {
            drain_delay: config.server.drain_delay,
            drain_timeout: config.server.drain_timeout,
        };
        lifecycle.serve(&pages, times).await
    }
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    listener::bind(address).map_err(|source| StartError::Bind {
        key,
        address,
        source,
    })
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
