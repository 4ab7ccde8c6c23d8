//! The rate of one client: governor's GCRA over a bounded set of clients.
//!
//! Memory is bounded twice: clients that have been quiet long enough to be
//! indistinguishable from new ones are dropped by [`Quota::drop_idle`], and no
//! more than [`MAX_CLIENTS`] are ever held. Beyond that, clients not yet known
//! share one rate among them: a flood of invented names costs the unknown, not
//! the known, and not the gateway.

use std::collections::HashMap;
use std::num::NonZeroU32;
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

/// Clients held at once at most: some megabytes.
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
            // More than one a nanosecond is no limit that could be told from that.
            let interval = (rate.period / rate.count.get()).max(Duration::from_nanos(1));
            let quota = governor::Quota::with_period(interval)
                .unwrap_or(governor::Quota::per_second(rate.count))
                .allow_burst(config.burst.min(most_burst(interval)));
            RateLimiter::new(
                quota,
                BoundedClients::new(clients),
                PageClock { epoch: now() },
            )
        };
        Self {
            limiter: config.rate.map(limiter),
        }
    }

    /// Takes one page from the client's quota.
    ///
    /// # Errors
    /// The time until the client has one again, if it is over its quota.
    pub fn take(&self, client: ClientKey) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        let clock = limiter.clock();
        limiter
            .check_key(&client)
            .map_err(|until| until.wait_time_from(clock.now()))
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

/// governor counts the time a whole burst takes to come back in nanoseconds of 64 bits;
/// no client lives to see a burst above this.
fn most_burst(interval: Duration) -> NonZeroU32 {
    let most = u128::from(u64::MAX / 4) / interval.as_nanos().max(1);
    u32::try_from(most)
        .ok()
        .and_then(NonZeroU32::new)
        .unwrap_or(NonZeroU32::MAX)
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
        shard
            .entry(*key)
            .or_default()
            .measure_and_replace(&NotKeyed::NonKey, f)
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
    state
        .measure_and_replace(&NotKeyed::NonKey, read)
        .err()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IdentifyBy;

    fn quota(count: u32, period: Duration, burst: u32, room: usize) -> Quota {
        let rate = Some(Rate {
            count: NonZeroU32::new(count).unwrap(),
            period,
        });
        let burst = NonZeroU32::new(burst).unwrap();
        Quota::with_room(
            &Clients {
                identify_by: IdentifyBy::Ip,
                rate,
                burst,
            },
            room,
        )
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_the_rate_holds_to_the_nanosecond() {
        let quota = quota(10, SECOND, 3, 16);
        let client = ClientKey(7);
        for _ in 0..3 {
            assert_eq!(quota.take(client), Ok(()));
        }
        assert_eq!(quota.take(client), Err(SECOND / 10));
        tokio::time::advance(SECOND / 10 - Duration::from_nanos(1)).await;
        assert_eq!(quota.take(client), Err(Duration::from_nanos(1)));
        tokio::time::advance(Duration::from_nanos(1)).await;
        assert_eq!(quota.take(client), Ok(()));
        assert!(quota.take(client).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_have_been_quiet_are_forgotten_and_lose_nothing() {
        let quota = quota(10, SECOND, 2, 1000);
        for client in 0..100 {
            assert_eq!(quota.take(ClientKey(client)), Ok(()));
        }
        assert_eq!(quota.clients(), 100);
        tokio::time::advance(SECOND / 20).await;
        quota.drop_idle();
        assert_eq!(quota.clients(), 100, "their quota is not whole yet");
        tokio::time::advance(SECOND).await;
        quota.drop_idle();
        assert_eq!(quota.clients(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cap_on_clients_holds_and_known_ones_keep_their_own_quota() {
        let quota = quota(1, SECOND, 2, 32);
        let known = ClientKey(1 << 64);
        assert_eq!(quota.take(known), Ok(()));
        let mut refused = 0;
        for client in 1..10_000 {
            refused += usize::from(quota.take(ClientKey(client)).is_err());
        }
        assert!(quota.clients() <= 32 + SHARDS, "{}", quota.clients());
        // All others together had one burst of two.
        assert!(refused >= 9_999 - 32 - SHARDS - 2, "{refused}");
        assert_eq!(quota.take(known), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_largest_numbers_a_config_can_hold_do_no_harm() {
        for (count, period) in [(1, Duration::from_secs(3600)), (u32::MAX, SECOND)] {
            let quota = quota(count, period, u32::MAX, 16);
            for _ in 0..3 {
                assert_eq!(quota.take(ClientKey(1)), Ok(()));
            }
        }
    }
}
