//! One downstream: its sites, and the endpoints that their names stand for now.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use futures_util::future::join_all;
use parking_lot::{Mutex, RwLock};
use url::Url;

use super::endpoint::{Endpoint, OpenError};
use super::resolve::{self, Addresses, Resolving};
use super::site::Site;
use super::tuning::{Settings, Tuning};
use super::{Handle, TransportError, WARM_LIMIT, tls};
use crate::config::{Downstream, Http2, Tls};
use crate::page::deadline::Deadline;
use crate::page::downstream::{Cause, EndpointId, Endpoints};
use crate::telemetry::events;

/// One downstream.
#[derive(Debug)]
pub(super) struct Target {
    name: String,
    pub(super) reached: Reached,
    tuning: Arc<Tuning>,
    pub(super) sites: Vec<(Arc<Site>, Resolving)>,
    endpoints: RwLock<Arc<Endpoints<Handle>>>,
    /// One at a time brings the endpoints up to date.
    updating: Mutex<()>,
    next: Arc<AtomicU32>,
}

/// How a downstream is reached: what cannot change while connections stay open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    urls: Vec<Url>,
    http2: Http2,
    tls: Tls,
    /// What stands in the files of TLS, as a number: a certificate that was renewed under its
    /// name is another one.
    files: u64,
}

impl Reached {
    pub(super) fn of(downstream: &Downstream) -> Self {
        let identity = downstream.tls.identity.as_ref();
        let files = [
            downstream.tls.ca.as_deref(),
            identity.map(|identity| identity.cert.as_path()),
            identity.map(|identity| identity.key.as_path()),
        ];
        Self {
            urls: downstream.urls.clone(),
            http2: downstream.http2,
            tls: downstream.tls.clone(),
            files: fingerprint(&files),
        }
    }
}

/// Of files that cannot be read, their absence; whoever needs them says so.
fn fingerprint(files: &[Option<&Path>]) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let read = |file: &Option<&Path>| file.and_then(|file| std::fs::read(file).ok());
    KEYS.hash_one(files.iter().map(read).collect::<Vec<_>>())
}

impl Target {
    pub(super) fn new(
        downstream: &Downstream,
        reached: Reached,
        next: Arc<AtomicU32>,
    ) -> Result<Self, TransportError> {
        let name = downstream.name.to_string();
        let no_tls = |error| TransportError::Tls(name.clone(), error);
        let tls = tls::config(downstream).map_err(no_tls)?;
        let tuning = Arc::new(Tuning::new(Settings::of(downstream)));
        let sites = downstream.urls.iter().map(|url| {
            let site = Site::new(url, downstream, tls.as_ref(), &tuning).map_err(no_tls)?;
            let resolving = resolve::resolve(&name, &site.name, &tuning)
                .map_err(|error| TransportError::Resolver(name.clone(), error))?;
            Ok((Arc::new(site), resolving))
        });
        Ok(Self {
            sites: sites.collect::<Result<_, _>>()?,
            reached,
            tuning,
            endpoints: RwLock::new(Arc::new(Endpoints {
                version: 0,
                all: Vec::new(),
            })),
            updating: Mutex::new(()),
            next,
            name,
        })
    }

    /// Connections have other limits from now on.
    pub(super) fn retune(&self, settings: Settings) {
        self.tuning.set(settings);
        for Handle(endpoint) in &self.endpoints().all {
            endpoint.retune();
        }
    }

    /// No configuration has it any more: what is under way ends, and nothing is kept.
    pub(super) fn retire(&self) {
        for Handle(endpoint) in &self.endpoints().all {
            endpoint.leave();
        }
    }

    /// Drops connections that are of no use any more.
    pub(super) fn sweep(&self) {
        for Handle(endpoint) in &self.endpoints().all {
            endpoint.sweep();
        }
    }

    /// Follows its names to new addresses, until nobody resolves them any more.
    pub(super) async fn follow(&self) {
        let one = |resolving: &Resolving| {
            let mut addresses = resolving.addresses.clone();
            async move {
                while addresses.changed().await.is_ok() {
                    self.update();
                }
            }
        };
        join_all(self.sites.iter().map(|(_, resolving)| one(resolving))).await;
    }

    /// Opens connections ahead, until `limit`; what is not there by then is in the log.
    pub(super) async fn warm(&self, limit: Deadline) {
        let resolved = limit.limit(self.resolved(limit)).await;
        let Ok(Ok(endpoints)) = resolved else {
            return events::not_warmed(&self.name, &"its name is not resolved yet");
        };
        let connections = self.tuning.warm();
        let warmed = endpoints.all.iter().map(|Handle(e)| e.warm(connections));
        match limit.limit(join_all(warmed)).await {
            Ok(warmed) => {
                for error in warmed.into_iter().filter_map(Result::err) {
                    events::not_warmed(&self.name, &error);
                }
            }
            Err(_elapsed) => events::not_warmed(&self.name, &OpenError::TimedOut(WARM_LIMIT)),
        }
    }

    /// Those of the addresses that its names have now.
    pub(super) fn endpoints(&self) -> Arc<Endpoints<Handle>> {
        Arc::clone(&self.endpoints.read())
    }

    /// Makes the endpoints those of the addresses that the names have now. An address that is
    /// still there keeps its endpoint, with its connections and its number.
    pub(super) fn update(&self) {
        let _one_at_a_time = self.updating.lock();
        let before = self.endpoints();
        let known = |site: &Arc<Site>, address: SocketAddr| {
            let same = |Handle(e): &&Handle| Arc::ptr_eq(e.site(), site) && e.address() == address;
            before.all.iter().find(same).cloned()
        };
        let endpoint = |site: &Arc<Site>, address| {
            known(site, address).unwrap_or_else(|| {
                let id = EndpointId(self.next.fetch_add(1, Ordering::Relaxed));
                Handle(Arc::new(Endpoint::new(id, address, Arc::clone(site))))
            })
        };
        let mut all = Vec::new();
        for (site, resolving) in &self.sites {
            let addresses = resolving.addresses.borrow();
            all.extend(addresses.iter().map(|address| endpoint(site, *address)));
        }
        let ids = |all: &[Handle]| all.iter().map(|Handle(e)| e.id()).collect::<Vec<_>>();
        if ids(&all) == ids(&before.all) {
            return;
        }
        let stays = |gone: &Handle| all.iter().any(|Handle(e)| e.id() == gone.0.id());
        let gone: Vec<Handle> = before.all.iter().filter(|e| !stays(e)).cloned().collect();
        *self.endpoints.write() = Arc::new(Endpoints {
            version: before.version + 1,
            all,
        });
        gone.iter().for_each(|Handle(endpoint)| endpoint.leave());
    }

    /// The endpoints once there is one.
    pub(super) async fn resolved(&self, limit: Deadline) -> Result<Arc<Endpoints<Handle>>, Cause> {
        let first = |(_, resolving): &(_, Resolving)| {
            let mut addresses: Addresses = resolving.addresses.clone();
            Box::pin(async move {
                // An error: the resolver is gone, as the process ends.
                let _ = addresses.wait_for(|found| !found.is_empty()).await;
            })
        };
        let any = futures_util::future::select_all(self.sites.iter().map(first));
        if limit.limit(any).await.is_err() {
            let why = "its name is not resolved yet".to_owned();
            return Err(Cause::Connect(why));
        }
        self.update();
        Ok(self.endpoints())
    }
}
