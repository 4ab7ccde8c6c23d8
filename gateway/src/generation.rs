//! All that is compiled from one configuration, as one value.
//!
//! A request takes the [`Generation`] in force once, when its head has been read, and ends by it,
//! whatever has taken its place meanwhile: one page never sees two configurations. What lives as
//! long as a configuration is reached through it; what outlives one (permits in use, who waits,
//! what clients have used, counters, open connections) is shared with the one before, by name.
//!
//! Not here: when there is a next one, and what may change in it (`crate::app::reload`).

pub mod caching;
pub mod clients;
pub mod rate_limit;
pub mod routes;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use self::caching::PageCaching;
use self::clients::ClientNames;
use self::rate_limit::RateLimit;
use self::routes::Routes;
use crate::config::{Config, Kept, Loaded};
use crate::openapi;
use crate::page::Pages;
use crate::page::downstream::Transport;

/// One configuration, ready to serve from.
#[derive(Debug)]
pub struct Generation<T> {
    /// How many there were before it.
    pub number: u64,
    /// What was compiled.
    pub config: Config,
    /// Every key with its value, without secrets: what `/config` shows.
    pub effective: Value,
    /// Its pages.
    pub pages: Arc<Pages<T>>,
    /// Their paths.
    pub routes: Routes,
    /// What tells clients apart.
    pub clients: ClientNames,
    /// What caches are told, page by page.
    pub caching: Vec<PageCaching>,
    /// What clients are told of their quota.
    pub rate_limit: RateLimit,
    /// What its pages are, once somebody has asked.
    openapi: OnceLock<Bytes>,
}

impl<T: Transport> Generation<T> {
    /// The first one.
    pub fn first(config: Config, effective: Value, pages: Arc<Pages<T>>) -> Self {
        Self {
            number: 0,
            routes: Routes::new(&config),
            clients: ClientNames::new(&config),
            caching: config.pages.iter().map(PageCaching::new).collect(),
            rate_limit: RateLimit::new(&config.clients),
            pages,
            effective,
            config,
            openapi: OnceLock::new(),
        }
    }

    /// The next one. Names that are `kept` go on; so does what is known of how those downstreams
    /// do that are `reached` as before.
    #[must_use]
    pub fn next(&self, loaded: Loaded, kept: &Kept, reached: &Kept, transport: T) -> Self {
        let Loaded {
            config, effective, ..
        } = loaded;
        let pages = self.pages.carried(&config, kept, reached, transport);
        Self {
            number: self.number + 1,
            clients: self.clients.carried(&config),
            ..Self::first(config, effective, Arc::new(pages))
        }
    }

    /// What its pages are, as OpenAPI.
    pub fn openapi(&self) -> Bytes {
        let written = || format!("{:#}\n", openapi::document(&self.config)).into();
        self.openapi.get_or_init(written).clone()
    }
}

/// The generation in force; clones show the same one.
#[derive(Debug)]
pub struct Generations<T>(Arc<InForce<T>>);

#[derive(Debug)]
struct InForce<T> {
    current: ArcSwap<Generation<T>>,
    number: watch::Sender<u64>,
}

impl<T: Transport> Generations<T> {
    /// Begins with this one.
    pub fn new(first: Generation<T>) -> Self {
        Self(Arc::new(InForce {
            number: watch::Sender::new(first.number),
            current: ArcSwap::from_pointee(first),
        }))
    }

    /// The one in force now. Whoever keeps it keeps all of it.
    pub fn current(&self) -> Arc<Generation<T>> {
        self.0.current.load_full()
    }

    /// The pages of the one in force now.
    pub fn pages(&self) -> Arc<Pages<T>> {
        Arc::clone(&self.0.current.load().pages)
    }

    /// This one is in force from now on, and its limits are.
    pub fn put_in_force(&self, next: Generation<T>) {
        next.pages.take_effect();
        let number = next.number;
        self.0.current.store(Arc::new(next));
        self.0.number.send_replace(number);
    }

    /// Resolves when another one than that of this number is in force.
    pub async fn after(&self, number: u64) {
        // The sender is part of what this borrows.
        let _ = self
            .0
            .number
            .subscribe()
            .wait_for(|now| *now != number)
            .await;
    }
}

impl<T> Clone for Generations<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
