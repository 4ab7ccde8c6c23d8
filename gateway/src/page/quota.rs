//! The rate of one client: governor's GCRA over a bounded set of clients.
//!
//! Memory is bounded twice: clients that have been quiet long enough to be
//! indistinguishable from new ones are dropped by [`Quota::drop_idle`], and no
//! more than [`MAX_CLIENTS`] are ever held. Beyond that, clients not yet known
//! share one rate among them: a flood of invented names costs the unknown, not
//! the known, and not the gateway.

use std::collections::HashMap;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed, RateLimiter, StateStore};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::{Clients, Rate};
use crate::page::deadline::now;

/// Clients held at once at most; about 10 MB when full.
pub const MAX_CLIENTS: usize = 100_000;

/// Fewer, and clients of different cores would wait for each other; more buys nothing.
const SHARDS: usize = 16;

/// What tells one client from another, as a number of fixed size: an address, or the
/// hash of a header's value under a key that is new in every process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(pub u128);

/// The quota of every client.
#[derive(Debug)]
pub struct Quota {
    limiter: Option<Limiter>,
}

type Limiter = RateLimiter<ClientKey, BoundedClients, PageClock, NoOpMiddleware<Nanos>>;

impl Quota {
    /// The configured rate; no rate lets everybody pass.
    pub fn new(config: &Clients) -> Self {
        Self::with_room(config, MAX_CLIENTS)
    }

    fn with_room(config: &Clients, clients: usize) -> Self {
        let limiter = |rate: Rate| {
            let quota = governor::Quota::with_period(rate.period / rate.count.get())
                .unwrap_or(governor::Quota::per_second(rate.count))
                .allow_burst(config.burst);
            RateLimiter::new(quota, BoundedClients::new(clients), PageClock { epoch: now() })
        };
        Self { limiter: config.rate.map(limiter) }
    }

    /// Takes one page from the client's quota.
    ///
    /// # Errors
    /// The time until the client has one again, if it is over its quota.
    pub fn take(&self, client: ClientKey) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let clock = limiter.clock();
        limiter.check_key(&client).map_err(|until| until.wait_time_from(clock.now()))
    }

    /// Forgets clients whose quota is whole again; to be called now and then.
    pub fn drop_idle(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// Clients held now.
    pub fn clients(&self) -> usize {
        self.limiter.as_ref().map_or(0, |limiter| limiter.len())
    }
}

/// Tokio's clock for governor, so that a paused clock holds quotas too.
#[derive(Clone, Debug)]
struct PageClock {
    epoch: Instant,
}

impl Clock for PageClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(now() - self.epoch)
    }
}

/// A keyed store with a hard cap. See the module's head for what happens at the cap.
#[derive(Debug)]
struct BoundedClients {
    shards: Vec<Mutex<HashMap<ClientKey, InMemoryState>>>,
    per_shard: usize,
    unknown: InMemoryState,
}

impl BoundedClients {
    fn new(clients: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            per_shard: clients.div_ceil(SHARDS),
            unknown: InMemoryState::default(),
        }
    }

    fn shard(&self, key: &ClientKey) -> &Mutex<HashMap<ClientKey, InMemoryState>> {
        // Folded, so that keys that differ only in their upper half still spread.
        let folded = (key.0 ^ (key.0 >> 64)) as u64;
        let mixed = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.shards[(mixed >> 60) as usize % SHARDS]
    }
}

impl StateStore for BoundedClients {
    type Key = ClientKey;

    fn measure_and_replace<T, F, E>(&self, key: &ClientKey, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shard(key).lock();
        if shard.len() >= self.per_shard && !shard.contains_key(key) {
            return self.unknown.measure_and_replace(&NotKeyed::NonKey, f);
        }
        shard.entry(*key).or_default().measure_and_replace(&NotKeyed::NonKey, f)
    }
}

impl ShrinkableKeyedStateStore<ClientKey> for BoundedClients {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.shards {
            shard.lock().retain(|_, state| arrival(state) > drop_below);
        }
    }

    fn shrink_to_fit(&self) {
        for shard in &self.shards {
            shard.lock().shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
    }
}

/// The state's theoretical arrival time, read without changing it.
fn arrival(state: &InMemoryState) -> Nanos {
    let read = |at: Option<Nanos>| Err::<((), Nanos), Nanos>(at.unwrap_or_default());
    state.measure_and_replace(&NotKeyed::NonKey, read).err().unwrap_or_default()
}
