//! What is known of each client: how much of its rate it has used, and when it was told to
//! come back.
//!
//! Memory is bounded twice: clients that cannot be told from new ones any more are dropped by
//! [`Quota::drop_idle`], and no more than [`MAX_CLIENTS`] are ever held. Beyond that, clients
//! not yet known share one rate among them: a flood of invented names costs the unknown, not
//! the known, and not the gateway.
//!
//! Two rates are held: pages, by a law that can give back what the gateway refuses (`law`), and
//! attempts, which are never given back: those by governor, over the same store.
//!
//! Not here: the laws themselves, which are pure (`law`, `told`).

mod attempts;
mod law;
mod marks;
mod told;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use self::attempts::Attempts;
use self::law::{Nanos, PageRate, Paid, nanos};
use self::marks::Marks;
use self::told::{LetIn, Told};
pub use crate::config::ClientKey;
use crate::config::{Clients, Config, DownstreamId, Kept, PageId};
use crate::page::deadline::now;

/// Clients held at once at most: some megabytes.
pub const MAX_CLIENTS: usize = 100_000;

/// Fewer, and clients of different cores would wait for each other; more buys nothing.
const SHARDS: usize = 16;

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
    /// Whether nobody is refused.
    observe: bool,
    marks: Marks,
    store: Arc<Store>,
}

/// What every client may ask for.
#[derive(Debug)]
struct Rates {
    pages: PageRate,
    attempts: Attempts,
}

/// The clients, in a store with a hard cap. See the module's head for what happens there.
#[derive(Debug)]
struct Store {
    shards: Vec<Mutex<HashMap<ClientKey, Known>>>,
    per_shard: usize,
    /// All that find no room.
    unknown: Mutex<Known>,
}

/// One client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    paid: Paid,
    /// When all attempts will have been paid for; 0 is a client that never made one.
    attempted: Nanos,
    let_in: LetIn,
    told: Told,
}

/// Which limit refused a page: a downstream's permits, or the gateway's tickets.
pub type LoadLimit = Option<DownstreamId>;

/// A client that is back before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Early {
    /// What refused it; the gateway, where that downstream is gone.
    pub limit: LoadLimit,
    /// What is left of the time it was told, in whole seconds, rounded up.
    pub left: u32,
}

/// What a client may still ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Pages at once.
    pub pages: u64,
    /// Whole seconds, rounded up, until there is one more; `None`: a whole burst is there.
    pub more_in: Option<u64>,
}

/// A page that was charged to its client.
#[must_use = "a page that the gateway refuses is to be given back"]
#[derive(Debug)]
pub struct Charge {
    client: Client,
    asked: Nanos,
    before: LetIn,
    /// Whether the client is over its quota, which is only watched: nothing was charged.
    pub over: bool,
    /// Set if the client is back before its `Retry-After`.
    pub early: Option<Early>,
    /// What is left to the client; `None` where it is held to nothing.
    pub allowance: Option<Allowance>,
    /// Attempts that are left to it.
    attempts: u64,
}

impl Quota {
    /// The configured rate; no rate lets everybody pass.
    pub fn new(config: &Config) -> Self {
        let marks = Marks::new(&Kept::nothing(config), None);
        Self::at(
            &config.clients,
            now(),
            marks,
            Arc::new(Store::new(MAX_CLIENTS)),
        )
    }

    /// The same clients, with what they have used and were told, at the rate of another
    /// configuration.
    pub fn carried(&self, config: &Config, kept: &Kept) -> Self {
        let marks = Marks::new(kept, Some(&self.marks));
        Self::at(&config.clients, self.epoch, marks, Arc::clone(&self.store))
    }

    fn at(config: &Clients, epoch: Instant, marks: Marks, store: Arc<Store>) -> Self {
        let rates = config.rate.map(|rate| {
            let interval = rate.period / rate.count.get();
            Rates {
                pages: PageRate::new(interval, config.burst.get()),
                attempts: Attempts::new(config, interval, epoch, Arc::clone(&store)),
            }
        });
        Self {
            epoch,
            rates,
            observe: config.observe,
            marks,
            store,
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
            over: false,
            early: None,
            allowance: None,
            attempts: u64::MAX,
        };
        if self.rates.is_some() || client.held {
            let attempt = self.attempt(client);
            charge.attempts = attempt.unwrap_or(0);
            let wait = attempt.err().unwrap_or_default();
            let now = self.now();
            self.store.with(client.key, |known| {
                if let Some(rates) = &self.rates {
                    let taken = known.paid.take(&rates.pages, now, wait);
                    charge.over = taken.is_err() && self.observe;
                    if !self.observe {
                        taken?;
                        charge.allowance = Some(rates.allowance(known, now, charge.attempts));
                    }
                }
                let early = known.told.is_early(self.marks.of_page(page), now);
                charge.early = early.filter(|_| client.held).map(|early| self.early(early));
                (charge.asked, charge.before) = (now, known.let_in.asks(now));
                Ok::<_, Duration>(())
            })?;
        }
        Ok(charge)
    }

    /// The gateway refused the page; `told`, if it is for load: the page, the limit, and after how
    /// many seconds the client is to come back. Returns what is left to the client then.
    pub fn give_back(
        &self,
        charge: Charge,
        told: Option<(PageId, LoadLimit, u32)>,
    ) -> Option<Allowance> {
        let held = charge.client.held;
        if self.rates.is_none() && !held {
            return None;
        }
        let now = self.now();
        self.store.with(charge.client.key, |known| {
            if let Some(rates) = &self.rates
                && !charge.over
            {
                known.paid.give_back(&rates.pages);
            }
            known.let_in.refused(charge.asked, charge.before);
            if let Some((page, limit, seconds)) = told
                && held
                && !known.let_in.is_many(now)
            {
                let until = now + nanos(Duration::from_secs(seconds.into()));
                known.told = self.marks.told(page, limit, until);
            }
            let rates = self.rates.as_ref().filter(|_| !self.observe);
            rates.map(|rates| rates.allowance(known, now, charge.attempts))
        })
    }

    /// The gateway would have refused the page. What its client was charged counts only if the
    /// quota is enforced.
    pub fn would_be_given_back(&self, charge: &Charge) {
        if let Some(rates) = self.rates.as_ref().filter(|_| self.observe && !charge.over) {
            let paid = |known: &mut Known| known.paid.give_back(&rates.pages);
            self.store.with(charge.client.key, paid);
        }
    }

    /// Charges the client for a request that is none for a page. It is answered all the same:
    /// saying so costs no more than saying that it asks too often. Returns what is left to it.
    pub fn charge(&self, client: Client) -> Option<Allowance> {
        let rates = self.rates.as_ref()?;
        let attempt = self.attempt(client);
        let now = self.now();
        let allowance = self.store.with(client.key, |known| {
            let wait = attempt.err().unwrap_or_default();
            match known.paid.take(&rates.pages, now, wait) {
                Ok(()) => rates.allowance(known, now, attempt.unwrap_or(0)),
                Err(wait) => Allowance::after(wait),
            }
        });
        Some(allowance).filter(|_| !self.observe)
    }

    /// Charges the client for an attempt and says how many are left, unless it made too many: then
    /// the time until it may make one again.
    fn attempt(&self, client: Client) -> Result<u64, Duration> {
        match &self.rates {
            Some(rates) => rates.attempts.take(client.key).map(u64::from),
            None => Ok(u64::MAX),
        }
    }

    /// Forgets clients that cannot be told from new ones; to be called now and then.
    pub fn drop_idle(&self) {
        let now = self.now();
        let is_new = |known: &Known| {
            known.paid.is_whole(now) && known.attempted <= now && known.told.is_over(now)
        };
        for shard in &self.store.shards {
            let mut shard = shard.lock();
            shard.retain(|_, known| !is_new(known));
            shard.shrink_to_fit();
        }
    }

    /// Clients held now.
    pub fn clients(&self) -> usize {
        let shards = self.store.shards.iter();
        shards.map(|shard| shard.lock().len()).sum()
    }

    fn early(&self, told: told::Early) -> Early {
        Early {
            limit: self.marks.limit(told.limit),
            left: told.left,
        }
    }

    fn now(&self) -> Nanos {
        nanos(now() - self.epoch)
    }
}

impl Rates {
    /// What is left to a client that may make so many `attempts` besides.
    fn allowance(&self, known: &Known, now: Nanos, attempts: u64) -> Allowance {
        let (pages, more_in) = known.paid.left(&self.pages, now);
        let more_in = (more_in > 0).then(|| Duration::from_nanos(more_in));
        // Of attempts it is known that one more takes no longer than that.
        let binding = (attempts < pages).then(|| self.attempts.interval());
        Allowance {
            pages: pages.min(attempts),
            more_in: binding.or(more_in).map(whole_seconds),
        }
    }
}

impl Allowance {
    /// Nothing before so long.
    pub fn after(wait: Duration) -> Self {
        Self {
            pages: 0,
            more_in: Some(whole_seconds(wait)),
        }
    }
}

/// Rounded up as `Retry-After` is, so that it never says less.
fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_millis().div_ceil(1000);
    u64::try_from(seconds).unwrap_or(u64::MAX).max(1)
}

impl Store {
    fn new(clients: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            per_shard: clients.div_ceil(SHARDS),
            unknown: Mutex::default(),
        }
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
            observe: false,
        };
        let marks = Marks::of(1, 0);
        Quota::at(&config, now(), marks, Arc::new(Store::new(room)))
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
    async fn what_is_given_back_was_never_charged_and_the_attempt_was() {
        // Four attempts for each page, and 40 at once.
        let quota = quota(50, SECOND, 10, 16);
        for _ in 0..40 {
            let charge = quota.take(client(1), PAGE).unwrap();
            quota.give_back(charge, None);
        }
        // Of the pages nothing is used, of the attempts all.
        assert_eq!(take(&quota, 1), Err(SECOND / 200));
        tokio::time::advance(SECOND / 200).await;
        assert_eq!(take(&quota, 1), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn of_an_attempt_too_many_nothing_is_charged_and_of_a_page_too_many_the_attempt() {
        let quota = quota(10, SECOND, 1, 16);
        let charge = quota.take(client(1), PAGE).unwrap();
        for _ in 1..4 {
            // Over the rate of pages: an attempt all the same, of which there are four.
            assert_eq!(take(&quota, 1), Err(SECOND / 10));
        }
        // Over both: the longer wait.
        assert_eq!(take(&quota, 1), Err(SECOND / 10));
        quota.give_back(charge, None);
        assert_eq!(take(&quota, 1), Err(SECOND / 40));
        assert_eq!(take(&quota, 1), Err(SECOND / 40));
        tokio::time::advance(SECOND / 40).await;
        assert_eq!(take(&quota, 1), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_known_until_both_of_its_rates_are_whole_again() {
        let quota = quota(10, SECOND, 5, 1000);
        let charge = quota.take(client(1), PAGE).unwrap();
        quota.give_back(charge, None);
        tokio::time::advance(SECOND / 40 - Duration::from_nanos(1)).await;
        quota.drop_idle();
        assert_eq!(quota.clients(), 1);
        tokio::time::advance(Duration::from_nanos(1)).await;
        quota.drop_idle();
        assert_eq!(quota.clients(), 0);
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

    /// Pages in this order, each of a downstream of its name.
    fn configured(pages: &[&str], rate: &str) -> Config {
        let mut toml = format!("clients.rate = \"{rate}\"\nclients.burst = 2\n");
        for page in pages {
            toml += &format!(
                "[page.{page}]\npath = \"/{page}\"\npart.a = {{ downstream = \"{page}\", path = \"/\" }}\n\
                 [downstream.{page}]\nurl = \"http://127.0.0.1:1\"\n"
            );
        }
        crate::config::load_text("test", &toml, &[]).unwrap().config
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_has_used_and_was_told_holds_under_the_next_configuration() {
        let (was, now) = (
            configured(&["a", "b"], "1/s"),
            configured(&["b", "c"], "2/s"),
        );
        let quota = Quota::new(&was);
        let held = Client {
            held: true,
            ..client(1)
        };
        let (a, b) = (PageId(0), PageId(1));
        let charge = quota.take(held, b).unwrap();
        quota.give_back(charge, Some((b, Some(DownstreamId(0)), 3)));
        let charge = quota.take(held, a).unwrap();
        assert_eq!((charge.early, take(&quota, 1)), (None, Ok(())));
        assert_eq!(take(&quota, 1), Err(SECOND));
        let next = quota.carried(&now, &Kept::between(&was, &now));
        // What it has used it pays for in the time that it took then: two seconds, of which a burst
        // of one second may be ahead.
        assert_eq!(next.take(held, PageId(0)).map(drop), Err(SECOND * 3 / 2));
        tokio::time::advance(SECOND * 3 / 2).await;
        let early = next.take(held, PageId(0)).unwrap();
        // Page b is the first now, and the downstream that refused it is gone.
        let left = early.early.map(|early| (early.limit, early.left));
        assert_eq!(left, Some((None, 2)));
        next.give_back(early, None);
        let other = next.take(held, PageId(1)).unwrap();
        assert_eq!(other.early, None, "c has the number that b had");
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
