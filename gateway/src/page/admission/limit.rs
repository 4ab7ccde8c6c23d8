//! How many tickets there are while the gateway is short of CPU: a pure state machine.
//!
//! The signal is absolute and the gateway's own: its *lag*, how long what could run waited
//! to run. While the p90 of the last [`WINDOW`] probes is above `max_lag`, tickets shrink;
//! when it is not, and pages were refused for want of one, they grow back. A second without
//! either and they are all there again.
//!
//! What always holds: [`FLOOR`] (or all there are, if fewer) <= limit <= all there are; no
//! shrink while lag is low; a change takes effect before the next is considered.
//!
//! Not here: how long services take to answer or clients to read, which are never the
//! gateway's fault and never an input; the clock, the probes and the tickets themselves.
//! Time comes in with every call.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::core::Time;

/// How often lag is probed.
pub const PROBE_EVERY: Duration = Duration::from_millis(5);

/// Probes that are looked at: 100 ms of them.
pub const WINDOW: usize = 20;

/// Fewest tickets: so many pages at once finish in time on a gateway with a fraction of a
/// core, and with none at all nothing would show that it is well again.
pub const FLOOR: u32 = 8;

/// From one change until the next: a window of probes that were all made after it.
const STEP: Duration = PROBE_EVERY.saturating_mul(WINDOW as u32);

/// Pages beyond a smaller limit leave one by one. They are not waited for longer than this,
/// since a client that does not read may keep its ticket for a minute.
const SETTLE: Duration = STEP.saturating_mul(3);

/// After so long without strain all tickets are given back: either nobody asked for more, or
/// there were many more with each step and lag did not come near its bound.
const REST: Duration = Duration::from_secs(1);

/// Least and most that one step leaves of the tickets in use.
const SHRINK: (f64, f64) = (0.5, 0.9);

/// Most that one step grows by.
const GROW: f64 = 1.5;

/// The lag of the last [`WINDOW`] probes.
///
/// It is the lag of instants: what could run in the last 100 ms has waited no longer than
/// that, so a p90 is 90 ms at most. A probe that ran late kept the next ones from being made at all; each of those would
/// have been late as well, by the rest of the time. They are filled in, or a long stall
/// would count for as little as a short one.
#[derive(Clone, Debug, Default)]
pub struct Window {
    samples: [Duration; WINDOW],
    next: usize,
}

impl Window {
    /// Takes in a probe that ran `lag` after it was due, and calls `each` with its lag and
    /// with those of the probes that were due meanwhile, in order.
    pub fn probe(&mut self, lag: Duration, mut each: impl FnMut(Duration)) {
        let mut late = lag;
        loop {
            self.samples[self.next] = late;
            self.next = (self.next + 1) % WINDOW;
            each(late);
            late = match late.checked_sub(PROBE_EVERY) {
                Some(rest) if !rest.is_zero() => rest,
                _ => return,
            };
        }
    }

    /// The lag that `share` of the probes did not exceed; 0 to 1.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.samples;
        sorted.sort_unstable();
        let rank = (share * WINDOW as f64).ceil() as usize;
        sorted[rank.clamp(1, WINDOW) - 1]
    }
}

/// What pages did with the tickets since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TicketUse {
    /// Most that were out at once for pages under way. Not those of pages that have their
    /// answer and whose clients are taking it.
    pub in_use: u32,
    /// Pages refused because none was left.
    pub refused: u64,
    /// For how long the pages that were served in time, and have ended since, had theirs, in all.
    pub in_time: Duration,
}

/// Why there are as many tickets as there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizedBy {
    /// All that are configured.
    Configured,
    /// Lag is above its bound.
    Lag,
    /// Lag was above its bound, and tickets are growing back.
    Recovering,
}

impl SizedBy {
    /// In a word, for operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Lag => "lag",
            Self::Recovering => "recovering",
        }
    }
}

/// The law. See the module's head.
#[derive(Clone, Debug)]
pub struct TicketLimit {
    /// `None`: tickets never shrink.
    max_lag: Option<Duration>,
    most: u32,
    limit: u32,
    reason: SizedBy,
    /// When tickets shrank last.
    shrank: Option<Time>,
    /// The last instant at which lag was high, or above half its bound while tickets were short.
    strained: Time,
    /// When the turn began: a step's time, or less if tickets shrank meanwhile.
    turn: Time,
    /// Since then.
    used: TicketUse,
}

impl TicketLimit {
    /// All `most` tickets are there. With a `max_lag` of `None` they always are.
    pub fn new(most: u32, max_lag: Option<Duration>) -> Self {
        Self {
            max_lag,
            most,
            limit: most,
            reason: SizedBy::Configured,
            shrank: None,
            strained: Time::ZERO,
            turn: Time::ZERO,
            used: TicketUse::default(),
        }
    }

    /// From now on there are as many tickets as this at most, and lag may be as long. What of them
    /// lag has taken stays taken, as far as there are so many.
    pub fn configure(&mut self, most: u32, max_lag: Option<Duration>) {
        let all = self.limit == self.most || max_lag.is_none();
        self.limit = if all { most } else { self.limit.min(most) };
        (self.most, self.max_lag) = (most, max_lag);
        if self.limit == most {
            self.reason = SizedBy::Configured;
        }
    }

    /// Tickets there are when none is taken.
    pub fn most(&self) -> u32 {
        self.most
    }

    /// Lag above which tickets shrink; `None`: they never do.
    pub fn max_lag(&self) -> Option<Duration> {
        self.max_lag
    }

    /// Tickets there are.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Why as many.
    pub fn reason(&self) -> SizedBy {
        self.reason
    }

    /// Looks at the lag of the last probes and at what became of tickets since the last
    /// look, and returns how many tickets there are from now on. To be called with each probe.
    pub fn look(&mut self, now: Time, lag: &Window, used: TicketUse) -> u32 {
        let Some(max_lag) = self.max_lag else {
            return self.limit;
        };
        self.used.add(used);
        let p90 = lag.quantile(0.9);
        let high = p90 > max_lag;
        let ratio = max_lag.as_secs_f64() / p90.as_secs_f64().max(f64::MIN_POSITIVE);
        if high || used.refused > 0 && p90 > max_lag / 2 {
            self.strained = now;
        }
        if high && self.may_shrink(now, used.in_use) {
            self.shrink(now, ratio);
        } else if now.saturating_sub(self.turn) >= STEP {
            if !high && self.used.refused > 0 {
                self.grow(ratio);
            }
            self.next_turn(now);
        }
        if now.saturating_sub(self.strained) >= REST {
            self.limit = self.most;
        }
        self.reason = match (self.limit == self.most, high) {
            (true, _) => SizedBy::Configured,
            (false, true) => SizedBy::Lag,
            (false, false) => SizedBy::Recovering,
        };
        self.limit
    }

    /// The last time has taken effect, as far as that is waited for, and there is something
    /// to take: pages within the floor are not what keeps the gateway busy.
    fn may_shrink(&self, now: Time, in_use: u32) -> bool {
        let settled = self.shrank.is_none_or(|shrank| {
            let since = now.saturating_sub(shrank);
            since >= SETTLE || since >= STEP && in_use <= self.limit
        });
        settled && self.used.in_use > self.floor() && self.limit > self.floor()
    }

    /// Towards the tickets that pages served in time had on average, and towards what would
    /// bring lag to its bound, as lag grows with what is under way.
    fn shrink(&mut self, now: Time, ratio: f64) {
        let turn = now.saturating_sub(self.turn).as_secs_f64();
        let in_use = f64::from(self.used.in_use.min(self.limit));
        let in_time = self.used.in_time.as_secs_f64() / turn.max(f64::MIN_POSITIVE);
        let wanted = (in_use * ratio).min(in_time);
        let limit = wanted.clamp(in_use * SHRINK.0, in_use * SHRINK.1) as u32;
        self.limit = limit.max(self.floor());
        self.shrank = Some(now);
        self.next_turn(now);
    }

    /// The less, the closer lag is to its bound; at least by one.
    fn grow(&mut self, ratio: f64) {
        let grown = (f64::from(self.limit) * ratio.clamp(1.0, GROW)) as u32;
        self.limit = grown.max(self.limit.saturating_add(1)).min(self.most);
    }

    fn next_turn(&mut self, now: Time) {
        self.turn = now;
        self.used = TicketUse::default();
    }

    fn floor(&self) -> u32 {
        FLOOR.min(self.most)
    }
}

impl TicketUse {
    fn add(&mut self, more: TicketUse) {
        self.in_use = self.in_use.max(more.in_use);
        self.refused += more.refused;
        self.in_time += more.in_time;
    }
}
