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
pub mod reload;

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
use self::listeners::ListenerLimits;
use self::reload::{ConfigFile, Reloader};
use crate::admin::Admin;
use crate::admin::change::Changes;
use crate::admin::console::Console;
use crate::config::{AdminAddress, Loaded};
use crate::edge::Edge;
use crate::edge::bound::{Bound, bind_unix};
use crate::edge::listener;
use crate::generation::{Generation, Generations};
use crate::lifecycle::manager::ServiceManager;
use crate::lifecycle::phase::CurrentPhase;
use crate::lifecycle::shedding;
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
    generations: Generations<HttpTransport>,
    limits: Arc<ListenerLimits>,
    reloader: Arc<Reloader>,
    exports: Exports,
    public: TcpListener,
    operators: Bound,
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
    /// Builds everything and binds both listeners.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been started then.
    pub async fn bind(loaded: Loaded) -> Result<Self, StartError> {
        Self::adopt(Inherited::default(), loaded)
    }

    /// The same, but serves on the sockets that were passed to this process, whatever the
    /// configuration says about their addresses. Within a runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been started then.
    pub fn adopt(inherited: Inherited, loaded: Loaded) -> Result<Self, StartError> {
        let config = &loaded.config;
        let public_stays = inherited.public.is_some();
        let public = match inherited.public {
            Some(passed) => adopt(Listener::Public, passed, &config.server.listen)?,
            None => bind(Listener::Public, config.server.listen)?,
        };
        let operators = match inherited.admin {
            Some(passed) => adopt(Listener::Operators, passed, &config.admin.listen)?.into(),
            None => bind_admin(&config.admin.listen)?,
        };
        let app = Self::on(public, operators, loaded)?;
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

    /// Builds everything around listeners that are bound already, whatever the configuration says
    /// about addresses.
    ///
    /// # Errors
    /// [`StartError`], but not [`StartError::Bind`].
    pub fn on(
        public: TcpListener,
        operators: impl Into<Bound>,
        loaded: Loaded,
    ) -> Result<Self, StartError> {
        let config = &loaded.config;
        let files = Budget::of_process(config);
        let (telemetry, exports) = Telemetry::exporting(config);
        let telemetry = Arc::new(telemetry);
        let transport = HttpTransport::new(config)?;
        let pages = Arc::new(Pages::new(config, transport, telemetry));
        let limits = Arc::new(ListenerLimits::new(config, files));
        let effective = loaded.effective.clone();
        let generations = Generations::new(Generation::first(config.clone(), effective, pages));
        Ok(Self {
            reloader: Arc::new(Reloader::new(
                generations.clone(),
                Arc::clone(&limits),
                loaded,
            )),
            generations,
            limits,
            exports,
            public,
            operators: operators.into(),
            files,
            public_stays: false,
            manager: ServiceManager::default(),
        })
    }

    /// The same gateway, whose configuration is that of `file`: it is read again when asked.
    #[must_use]
    pub fn reading(self, file: ConfigFile) -> Self {
        self.reloader.read_from(file);
        self
    }

    /// What makes changes of the configuration.
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
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

    /// What is in force, for views and counts.
    pub fn generations(&self) -> &Generations<HttpTransport> {
        &self.generations
    }

    /// Serves until `stop` is requested, and `drain_delay` more; then drains: new pages are
    /// refused, pages in flight finish within `drain_timeout`, and what telemetry holds leaves
    /// within two seconds more. Dropping the future ends everything at once.
    ///
    /// # Errors
    /// [`Failure`] when something else ended it.
    pub async fn run(self, stop: StopSignal) -> Result<(), Failure> {
        let Self {
            generations,
            limits,
            reloader,
            exports,
            public,
            operators,
            files,
            public_stays,
            manager,
        } = self;
        let addresses = (public.local_addr(), operators.shown());
        let mut lifecycle = Lifecycle::new(stop).managed_by(manager.clone());
        if public_stays {
            lifecycle = lifecycle.leaving_the_public_socket();
        }
        let (changes, asked) = Changes::new(reloader.in_force());
        let phase = lifecycle.phase();
        let console = console(phase.clone(), &generations, &reloader);
        let admin = Arc::new(Admin::new(phase, generations.clone(), changes, console));
        lifecycle.listen(Listener::Operators, |guard| {
            listeners::serve_operators(operators, &limits, generations.clone(), admin, guard)
        });
        lifecycle.export(|stop| export(generations.clone(), exports, stop));
        let warm = async {
            let first = generations.current();
            // Idle connections must not take the files that the first pages need.
            if files.suffice_to_warm(&first.config) {
                first.pages.transport().warm().await;
            }
        };
        if let ControlFlow::Break(end) = lifecycle.start(warm).await {
            return end;
        }

        let edge = Arc::new(Edge::new(generations.clone(), lifecycle.phase()));
        lifecycle.background("drops idle clients", drop_idle_clients(generations.clone()));
        lifecycle.background(
            "watches the gateway's own load",
            probe_lag(generations.clone()),
        );
        lifecycle.background(
            "keeps connections to services",
            keep_transport(generations.clone()),
        );
        lifecycle.background(
            "watches how much is refused",
            watch_shedding(lifecycle.phase(), generations.clone()),
        );
        let changes = Arc::clone(&reloader);
        lifecycle.background("makes changes that operators ask for", async move {
            changes.serve(asked).await;
        });
        lifecycle.background("reads the configuration again", async move {
            reloader.run(&manager).await;
        });
        lifecycle.listen(Listener::Public, |guard| {
            listeners::serve_public(public.into(), &limits, generations.clone(), edge, guard)
        });
        lifecycle.ready();
        if let (Ok(public), operators) = addresses {
            events::serving(public, &operators);
        }
        let times = || {
            let server = &generations.current().config.server;
            Times {
                drain_delay: server.drain_delay,
                drain_timeout: server.drain_timeout,
            }
        };
        lifecycle.serve(|| generations.pages(), times).await
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

/// That of each generation in turn.
fn console(
    phase: CurrentPhase,
    generations: &Generations<HttpTransport>,
    reloader: &Arc<Reloader>,
) -> Console<HttpTransport> {
    let reloader = Arc::clone(reloader);
    Console::new(phase, generations.clone(), move || reloader.shown_changes())
}

async fn keep_transport(generations: Generations<HttpTransport>) {
    loop {
        let current = generations.current();
        either(
            current.pages.transport().run(),
            generations.after(current.number),
        )
        .await;
    }
}

async fn probe_lag(generations: Generations<HttpTransport>) {
    own_load::watch(|| generations.pages()).await;
}

async fn watch_shedding(phase: CurrentPhase, generations: Generations<HttpTransport>) {
    shedding::watch(phase, || {
        let current = generations.current();
        let follows = current.config.admin.unready_when_shedding;
        let (owed, shed) = current.pages.owed_and_shed();
        follows.then_some(shedding::Pages { owed, shed })
    })
    .await;
}

async fn drop_idle_clients(generations: Generations<HttpTransport>) {
    let mut interval = tokio::time::interval(QUOTA_SWEEP);
    loop {
        interval.tick().await;
        generations.pages().quota().drop_idle();
    }
}

/// Lets traces, statistics and metrics leave until `stop`, and then what is left of them.
async fn export(
    generations: Generations<HttpTransport>,
    exports: Exports,
    stop: CancellationToken,
) {
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
        tell_metrics(&generations, exports.metrics, stop.cancelled())
    );
}

/// Once a second, and an agent as often as it is told.
async fn tell_metrics(
    generations: &Generations<HttpTransport>,
    dogstatsd: Option<DogStatsD>,
    stop: impl Future<Output = ()>,
) {
    let publish = async {
        let mut interval = tokio::time::interval(PUBLISH);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            generations.pages().publish();
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
