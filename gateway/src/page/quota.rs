//! What is known of each client: how much of its rate it has used, and when it was told to
//! come back.
//!
//! Memory is bounded twice: clients that cannot be told from new ones any more are dropped by
//! [`Quota::drop_idle`], and no more than [`MAX_CLIENTS`] are ever held. Beyond that, clients
//! not yet known share one rate among them: a flood of invented names costs the unknown, not
//! the known, and not the gateway.
//!
//! Not here: the laws themselves, which are pure (`law`, `told`).

mod law;
mod told;

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use self::law::{Nanos, Rates, Usage, nanos};
pub use self::told::{Early, LoadLimit};
use self::told::{LetIn, Told};
use crate::config::{Clients, PageId};
use crate::page::deadline::now;

/// Clients held at once at most: some megabytes.
pub const MAX_CLIENTS: usize = 100_000;

/// Fewer, and clients of different cores would wait for each other; more buys nothing.
const SHARDS: usize = 16;

/// What tells one client from another, as a number of fixed size: an address, or the
/// hash of a header's value under a key that is new in every process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(pub u128);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Which one.
    pub key: ClientKey,
    /// Whether it is held to the `Retry-After` it was told.
    pub held: bool,
}

/// What every client has used and was told.
#[derive(Debug)]
pub struct Quota {
    epoch: Instant,
    /// `None` lets everybody ask for as much as they like.
    rates: Option<Rates>,
    shards: Vec<Mutex<HashMap<ClientKey, Known>>>,
    per_shard: usize,
    /// All that find no room.
    unknown: Mutex<Known>,
}

/// One client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    usage: Usage,
    let_in: LetIn,
    told: Told,
}

/// A page that was charged to its client.
#[must_use = "a page that the gateway refuses is to be given back"]
#[derive(Debug)]
pub struct Charge {
    client: Client,
    asked: Nanos,
    before: LetIn,
    /// Set if the client is back before its `Retry-After`.
    pub early: Option<Early>,
}

impl Quota {
    /// The configured rate; no rate lets everybody pass.
    pub fn new(config: &Clients) -> Self {
        Self::with_room(config, MAX_CLIENTS)
    }

    fn with_room(config: &Clients, clients: usize) -> Self {
        let rates = config.rate.map(|rate| {
            let interval = rate.period / rate.count.get();
            Rates::new(interval, config.burst.get(), config.attempts.get())
        });
        Self {
            epoch: now(),
            rates,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            per_shard: clients.div_ceil(SHARDS),
            unknown: Mutex::default(),
        }
    }

    /// Charges the client for a page, and tells whether it is back for it before its time.
    ///
    /// # Errors
    /// The time until the client may ask again, if it is over its quota.
    pub fn take(&self, client: Client, page: PageId) -> Result<Charge, Duration> {
        let mut charge = Charge {
            client,
            asked: 0,
            before: LetIn::default(),
            early: None,
        };
        if self.rates.is_some() || client.held {
            let now = self.now();
            self.with(client.key, |known| {
                if let Some(rates) = &self.rates {
                    known.usage.take(rates, now)?;
                }
                charge.early = known.told.is_early(page, now).filter(|_| client.held);
                (charge.asked, charge.before) = (now, known.let_in.asks(now));
                Ok::<_, Duration>(())
            })?;
        }
        Ok(charge)
    }

    /// The gateway refused the page; `told`, if it is for load: the page, the limit, and after how
    /// many seconds the client is to come back.
    pub fn give_back(&self, charge: Charge, told: Option<(PageId, LoadLimit, u32)>) {
        let held = charge.client.held;
        if self.rates.is_none() && !held {
            return;
        }
        let now = self.now();
        self.with(charge.client.key, |known| {
            if let Some(rates) = &self.rates {
                known.usage.give_back(rates);
            }
            known.let_in.refused(charge.asked, charge.before);
            if let Some((page, limit, seconds)) = told
                && held
                && !known.let_in.is_many(now)
            {
                let until = now + nanos(Duration::from_secs(seconds.into()));
                known.told = Told::new(page, limit, until);
            }
        });
    }

    /// Charges the client for a request that is none for a page. It is answered all the same:
    /// saying so costs no more than saying that it asks too often.
    pub fn charge(&self, client: Client) {
        if let Some(rates) = &self.rates {
            let now = self.now();
            let _over = self.with(client.key, |known| known.usage.take(rates, now));
        }
    }

    /// Forgets clients that cannot be told from new ones; to be called now and then.
    pub fn drop_idle(&self) {
        let now = self.now();
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.retain(|_, known| !known.usage.is_idle(now) || !known.told.is_over(now));
            shard.shrink_to_fit();
        }
    }

    /// Clients held now.
    pub fn clients(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn now(&self) -> Nanos {
        nanos(now() - self.epoch)
    }

    /// What is known of a client. See the module's head for one that finds no room.
    fn with<R>(&self, key: ClientKey, use_it: impl FnOnce(&mut Known) -> R) -> R {
        let mut shard = self.shards[shard_of(key)].lock();
        if shard.len() >= self.per_shard && !shard.contains_key(&key) {
            drop(shard);
            return use_it(&mut self.unknown.lock());
        }
        use_it(shard.entry(key).or_default())
    }
}

fn shard_of(key: ClientKey) -> usize {
    // Folded, so that keys that differ only in their upper half still spread.
    let folded = (key.0 ^ (key.0 >> 64)) as u64;
    let mixed = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 60) as usize % SHARDS
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::config::{EarlyReturns, IdentifyBy, Rate};

    const PAGE: PageId = PageId(0);

    fn quota(count: u32, period: Duration, burst: u32, room: usize) -> Quota {
        let rate = Some(Rate {
            count: NonZeroU32::new(count).unwrap(),
            period,
        });
        with_rate(rate, burst, room)
    }

    fn with_rate(rate: Option<Rate>, burst: u32, room: usize) -> Quota {
        let config = Clients {
            identify_by: IdentifyBy::Ip,
            rate,
            burst: NonZeroU32::new(burst).unwrap(),
            attempts: NonZeroU32::new(4).unwrap(),
            early_returns: EarlyReturns::Auto,
        };
        Quota::with_room(&config, room)
    }

    fn client(key: u128) -> Client {
        Client {
            key: ClientKey(key),
            held: false,
        }
    }

    fn take(quota: &Quota, key: u128) -> Result<(), Duration> {
        quota.take(client(key), PAGE).map(drop)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_the_rate_holds_to_the_nanosecond() {
        let quota = quota(10, SECOND, 3, 16);
        for _ in 0..3 {
            assert_eq!(take(&quota, 7), Ok(()));
        }
        assert_eq!(take(&quota, 7), Err(SECOND / 10));
        tokio::time::advance(SECOND / 10 - Duration::from_nanos(1)).await;
        assert_eq!(take(&quota, 7), Err(Duration::from_nanos(1)));
        tokio::time::advance(Duration::from_nanos(1)).await;
        assert_eq!(take(&quota, 7), Ok(()));
        assert!(take(&quota, 7).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_have_been_quiet_are_forgotten_and_lose_nothing() {
        let quota = quota(10, SECOND, 2, 1000);
        for client in 0..100 {
            assert_eq!(take(&quota, client), Ok(()));
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
    async fn a_client_that_was_told_to_come_back_is_known_until_then() {
        let quota = with_rate(None, 1, 1000);
        let held = Client {
            held: true,
            ..client(1)
        };
        let charge = quota.take(held, PAGE).unwrap();
        quota.give_back(charge, Some((PAGE, None, 3)));
        tokio::time::advance(3 * SECOND - Duration::from_nanos(1)).await;
        quota.drop_idle();
        let early = quota.take(held, PAGE).unwrap();
        assert_eq!(early.early.map(|early| early.left), Some(1));
        quota.give_back(early, None);
        tokio::time::advance(Duration::from_nanos(1)).await;
        assert_eq!(quota.take(held, PAGE).unwrap().early, None);
        quota.drop_idle();
        assert_eq!(quota.clients(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn without_rates_and_clients_that_are_held_nobody_is_known() {
        let quota = with_rate(None, 1, 1000);
        for key in 0..10 {
            let charge = quota.take(client(key), PAGE).unwrap();
            quota.give_back(charge, Some((PAGE, None, 3)));
            quota.charge(client(key));
            assert_eq!(quota.take(client(key), PAGE).unwrap().early, None);
        }
        assert_eq!(quota.clients(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cap_on_clients_holds_and_known_ones_keep_their_own_quota() {
        let quota = quota(1, SECOND, 2, 32);
        let known = 1 << 64;
        assert_eq!(take(&quota, known), Ok(()));
        let mut refused = 0;
        for client in 1..10_000 {
            refused += usize::from(take(&quota, client).is_err());
        }
        assert!(quota.clients() <= 32 + SHARDS, "{}", quota.clients());
        // All others together had one burst of two.
        assert!(refused >= 9_999 - 32 - SHARDS - 2, "{refused}");
        assert_eq!(take(&quota, known), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_largest_numbers_a_config_can_hold_do_no_harm() {
        for (count, period) in [(1, Duration::from_secs(3600)), (u32::MAX, SECOND)] {
            let quota = quota(count, period, u32::MAX, 16);
            for _ in 0..3 {
                assert_eq!(take(&quota, 1), Ok(()));
            }
        }
    }
}
