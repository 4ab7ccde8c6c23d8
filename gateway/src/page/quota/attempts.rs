//! How often one client may ask, whatever becomes of it: governor's GCRA over the store of
//! clients.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::{RateLimiter, StateStore};
use tokio::time::Instant;

use super::{ClientKey, Store};
use crate::config::Clients;
use crate::page::deadline::now;

/// The rate of attempts of every client.
#[derive(Debug)]
pub(super) struct Attempts {
    rate: RateLimiter<ClientKey, Attempted, PageClock, StateInformationMiddleware>,
    /// From one to the next.
    interval: Duration,
}

type Instants = governor::nanos::Nanos;

/// Tokio's clock for governor, so that a paused clock holds quotas too.
#[derive(Clone, Debug)]
struct PageClock {
    epoch: Instant,
}

/// The attempts of the clients in the store.
#[derive(Debug)]
struct Attempted(Arc<Store>);

impl Attempts {
    /// `config.attempts` times as often as pages, one of which comes each `interval`, and so many
    /// times the burst.
    pub(super) fn new(
        config: &Clients,
        interval: Duration,
        epoch: Instant,
        store: Arc<Store>,
    ) -> Self {
        let attempts = config.attempts;
        // More than one a nanosecond is no limit that could be told from that.
        let interval = (interval / attempts.get()).max(Duration::from_nanos(1));
        let burst = config.burst.saturating_mul(attempts);
        let quota = governor::Quota::with_period(interval)
            .unwrap_or(governor::Quota::per_second(NonZeroU32::MAX))
            .allow_burst(burst.min(most_burst(interval)));
        Self {
            rate: RateLimiter::new(quota, Attempted(store), PageClock { epoch }),
            interval,
        }
    }

    /// Charges the client for one, and says how many it may make besides.
    ///
    /// # Errors
    /// The time until it may make one, if it made too many.
    pub(super) fn take(&self, client: ClientKey) -> Result<u32, Duration> {
        match self.rate.check_key(&client) {
            Ok(after) => Ok(after.remaining_burst_capacity()),
            Err(until) => Err(until.wait_time_from(self.rate.clock().now())),
        }
    }

    /// From one to the next.
    pub(super) fn interval(&self) -> Duration {
        self.interval
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

impl Clock for PageClock {
    type Instant = Instants;

    fn now(&self) -> Instants {
        Instants::from(now() - self.epoch)
    }
}

impl StateStore for Attempted {
    type Key = ClientKey;

    fn measure_and_replace<T, F, E>(&self, key: &ClientKey, f: F) -> Result<T, E>
    where
        F: Fn(Option<Instants>) -> Result<(T, Instants), E>,
    {
        self.0.with(*key, |known| {
            let before = (known.attempted > 0).then(|| Instants::from(known.attempted));
            let (verdict, after) = f(before)?;
            known.attempted = after.into();
            Ok(verdict)
        })
    }
}
