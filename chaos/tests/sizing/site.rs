//! Places to size: who asks how often, what the service is like, and how many gateways share it.

use std::time::Duration;

use gateway::config::sizing;

/// What its operators know of it, in the units of the guide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) name: &'static str,
    /// Pages a second at all gateways: of a usual day, and at the worst load.
    pub(crate) usual: f64,
    pub(crate) worst: f64,
    /// How much the rate varies, redrawn each half second: its standard deviation over its mean.
    pub(crate) cv: f64,
    /// Calls of one page to the service.
    pub(crate) calls: u32,
    /// p50 and p99 of a call, in milliseconds; lognormal.
    pub(crate) call: [u64; 2],
    /// Calls that the service works on at once, for all gateways.
    pub(crate) workers: u32,
    /// By how much each call beyond them slows all others.
    pub(crate) contention: f64,
    /// How many gateways share it.
    pub(crate) gateways: u32,
    /// Of a page, in milliseconds.
    pub(crate) deadline: u64,
    /// What refusals may take, in milliseconds.
    pub(crate) refusals: u64,
    /// p50 and p99 of the call of a part that is not required.
    pub(crate) extra: [u64; 2],
}

/// One service at 80 ms that works on 24 calls, as in the guide.
pub(crate) const PEAK: Site = Site {
    name: "the guide's example",
    usual: 200.0,
    worst: 600.0,
    cv: 0.0,
    calls: 1,
    call: [80, 120],
    workers: 32,
    contention: 0.0,
    gateways: 1,
    deadline: 300,
    refusals: 50,
    extra: [80, 120],
};

/// Each has room for its usual day: the least permits are no more than the most.
pub(crate) const SITES: [Site; 12] = [
    PEAK,
    Site {
        name: "calls that contend",
        contention: 0.01,
        ..PEAK
    },
    Site {
        name: "two calls a page",
        calls: 2,
        workers: 64,
        worst: 900.0,
        ..PEAK
    },
    Site {
        name: "three short calls a page",
        calls: 3,
        usual: 100.0,
        call: [20, 60],
        workers: 30,
        worst: 900.0,
        deadline: 200,
        refusals: 20,
        ..PEAK
    },
    Site {
        name: "two gateways",
        gateways: 2,
        workers: 40,
        worst: 1000.0,
        ..PEAK
    },
    Site {
        name: "four gateways and contention",
        gateways: 4,
        workers: 44,
        worst: 1200.0,
        contention: 0.02,
        ..PEAK
    },
    Site {
        name: "rates that vary by a third",
        cv: 0.33,
        workers: 50,
        worst: 1500.0,
        ..PEAK
    },
    Site {
        name: "rates that vary by half, two calls a page, two gateways",
        cv: 0.5,
        calls: 2,
        usual: 150.0,
        call: [40, 90],
        workers: 80,
        gateways: 2,
        worst: 2000.0,
        ..PEAK
    },
    Site {
        name: "a fast service",
        usual: 400.0,
        worst: 1600.0,
        call: [10, 30],
        workers: 14,
        deadline: 100,
        refusals: 10,
        extra: [10, 20],
        ..PEAK
    },
    Site {
        name: "few pages",
        usual: 25.0,
        worst: 160.0,
        workers: 8,
        ..PEAK
    },
    Site {
        name: "a wide spread, and a deadline that leaves little",
        call: [60, 200],
        deadline: 320,
        refusals: 100,
        usual: 150.0,
        workers: 30,
        worst: 700.0,
        extra: [40, 160],
        ..PEAK
    },
    Site {
        name: "a large service",
        usual: 400.0,
        worst: 2000.0,
        workers: 100,
        contention: 0.02,
        ..PEAK
    },
];

/// What is measured on a usual day, with limits that refuse nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Mean of `gateway_bulkhead_in_use` at one gateway, and its variance over that mean.
    pub(crate) in_use: f64,
    pub(crate) burstiness: f64,
    /// p99 of the page.
    pub page_p99: Duration,
}

/// What stands in the config of one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) permits: u32,
    pub(crate) extra_permits: u32,
    pub(crate) max_wait: Duration,
    pub(crate) queue: u32,
    pub(crate) tickets: u32,
    pub(crate) extra_timeout: Duration,
}

/// Which end of what the guide allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permits {
    Least,
    Most,
}

impl Site {
    pub(crate) fn reserve(&self) -> Duration {
        Duration::from_millis(5)
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline)
    }

    /// Mean time of a call.
    pub(crate) fn mean_call(&self) -> Duration {
        mean(self.call)
    }

    /// Pages a second that these permits carry at one gateway, before its share of a service
    /// that does not contend.
    pub(crate) fn capacity(&self, permits: u32) -> f64 {
        let share = f64::from(self.workers) / f64::from(self.gateways);
        let all_work = sizing::carried(share, self.mean_call()) / f64::from(self.calls);
        sizing::pages_carried(permits, self.calls, self.mean_call()).min(all_work)
    }

    /// The guide, in its order.
    pub(crate) fn limits(&self, measured: &Measured, permits: Permits) -> Limits {
        let each = |all: f64| all / f64::from(self.gateways);
        let permits = match permits {
            Permits::Least => {
                sizing::least_permits(measured.in_use, measured.burstiness, self.calls)
            }
            Permits::Most => {
                sizing::most_permits(self.workers, self.contention, self.gateways, self.calls)
            }
        };
        let left = sizing::longest_wait(self.deadline(), self.reserve(), measured.page_p99);
        let max_wait = left.min(Duration::from_millis(self.refusals));
        let capacity = self.capacity(permits);
        let worst = each(self.worst);
        let arrive = sizing::at_once(worst, max_wait);
        let (b, n) = (measured.burstiness, measured.in_use);
        let of_pages = sizing::burstiness_at(arrive, b, n, self.calls);
        let queue = sizing::places(worst, capacity, max_wait, of_pages);
        let extra = sizing::at_once(capacity, mean(self.extra));
        Limits {
            permits,
            extra_permits: sizing::least_permits(extra, 1.0, 1),
            max_wait,
            queue,
            tickets: sizing::tickets(capacity, self.deadline(), queue),
            extra_timeout: sizing::optional_timeout(Duration::from_millis(self.extra[1])),
        }
    }
}

/// Of a lognormal distribution, from its p50 and p99.
fn mean([p50, p99]: [u64; 2]) -> Duration {
    const P99: f64 = 2.326_347_874;
    let sigma = (p99 as f64 / p50 as f64).ln() / P99;
    Duration::from_secs_f64(p50 as f64 / 1e3 * (sigma * sigma / 2.0).exp())
}
