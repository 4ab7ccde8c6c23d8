//! The gateway's own load: how many tickets its CPU can bear.
//!
//! Probes lag with a timer, and lets the law ([`TicketLimit`]) size the tickets by it. What a
//! timer waits for after its instant is what an answer in its socket waits for: until the
//! runtime looks, and until the turn of its task comes. Nothing else was found to tell as
//! much (`docs/decisions/0019-own-load.md`).
//!
//! Not here: what is told of lag ([`crate::telemetry::lag`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::config::Admission as Settings;
use crate::page::Pages;
use crate::page::admission::limit::{PROBE_EVERY, SizedBy, TicketLimit, TicketUse, Window};
use crate::page::deadline::now;
use crate::page::downstream::Transport;
use crate::telemetry::{Telemetry, events};

/// Timers fire up to so much late by themselves, as tokio's wheel and the system's poll count
/// in whole milliseconds. Within it nothing can be said.
const TIMER_GRAIN: Duration = Duration::from_millis(1);

/// How often lag is probed while no page is under way. Waking up costs more than it tells then.
const AT_REST: Duration = Duration::from_millis(50);

/// The law, and what it is told.
#[derive(Debug)]
pub struct OwnLoad {
    epoch: Instant,
    state: Mutex<State>,
    /// Pages refused for want of a ticket, ever.
    refused: AtomicU64,
    /// How long pages served in time took, in all, in microseconds.
    in_time: AtomicU64,
    /// Whether there are fewer tickets than configured.
    short: AtomicBool,
}

#[derive(Debug)]
struct State {
    window: Window,
    limit: TicketLimit,
    /// Whether it is only watched.
    observed: bool,
    /// What of the counts has been looked at.
    refused: u64,
    in_time: u64,
    /// Since when there are fewer tickets.
    shrunk: Option<Instant>,
}

/// How the gateway's own load stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnLoadView {
    /// Tickets there are at most.
    pub most: u32,
    /// Tickets there are now.
    pub tickets: u32,
    /// Why as many.
    pub reason: SizedBy,
    /// Median lag of the last 100 ms.
    pub lag_p50: Duration,
    /// 90th percentile of the same.
    pub lag_p90: Duration,
    /// `admission.max_lag`; `None` is off.
    pub max_lag: Option<Duration>,
}

impl OwnLoad {
    /// No lag is known of yet, and all tickets are there.
    pub fn new(settings: &Settings) -> Self {
        let most = settings.max_in_flight.get();
        Self {
            epoch: now(),
            state: Mutex::new(State {
                window: Window::default(),
                limit: TicketLimit::new(most, settings.max_lag),
                observed: settings.observes_lag(),
                refused: 0,
                in_time: 0,
                shrunk: None,
            }),
            refused: AtomicU64::new(0),
            in_time: AtomicU64::new(0),
            short: AtomicBool::new(false),
        }
    }

    /// Whether the CPU cannot bear all tickets that are configured: what can be left out of an
    /// answer should be.
    pub fn is_short_of_cpu(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// From now on there are as many tickets, and lag may be as long, as these say.
    pub(super) fn configure(&self, settings: &Settings) {
        let most = settings.max_in_flight.get();
        let state = &mut *self.state.lock();
        state.limit.configure(most, settings.max_lag);
        state.observed = settings.observes_lag();
    }

    /// A page was refused for want of a ticket.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A page was served in time, and had its ticket for so long.
    pub(super) fn in_time(&self, took: Duration) {
        self.in_time
            .fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    /// How it stands now.
    pub fn view(&self) -> OwnLoadView {
        let state = self.state.lock();
        OwnLoadView {
            most: state.limit.most(),
            tickets: state.limit.limit(),
            reason: state.limit.reason(),
            lag_p50: state.window.quantile(0.5),
            lag_p90: state.window.quantile(0.9),
            max_lag: state.limit.max_lag(),
        }
    }

    /// Takes in a probe that ran at `ran`, `lag` after it could, with `in_use` tickets out,
    /// and returns how many tickets there are from now on.
    pub(super) fn probed(
        &self,
        ran: Instant,
        lag: Duration,
        in_use: u32,
        telemetry: &Telemetry,
    ) -> u32 {
        let refused = self.refused.load(Ordering::Relaxed);
        let in_time = self.in_time.load(Ordering::Relaxed);
        let state = &mut *self.state.lock();
        state.window.probe(lag, |lag| telemetry.lag_of(lag));
        telemetry.lag().probed(ran, lag, state.usual());
        let used = TicketUse {
            in_use,
            refused: refused - state.refused,
            in_time: Duration::from_micros(in_time - state.in_time),
        };
        (state.refused, state.in_time) = (refused, in_time);
        let at = ran.saturating_duration_since(self.epoch);
        let tickets = state.limit.look(at, &state.window, used);
        state.log(ran, tickets);
        self.short
            .store(tickets < state.limit.most(), Ordering::Relaxed);
        tickets
    }
}

impl State {
    /// What a request is held to have waited before it was read: half of what could run did.
    /// Next to nothing is nothing.
    fn usual(&self) -> Duration {
        match self.window.quantile(0.5) {
            usual if usual <= TIMER_GRAIN => Duration::ZERO,
            usual => usual,
        }
    }

    /// Once when tickets shrink, and once when they are back.
    fn log(&mut self, at: Instant, tickets: u32) {
        let most = self.limit.most();
        match (tickets < most, self.shrunk) {
            (true, None) => {
                self.shrunk = Some(at);
                events::tickets_shrink(tickets, most, self.window.quantile(0.9), self.observed);
            }
            (false, Some(since)) => {
                self.shrunk = None;
                events::tickets_back(most, at.saturating_duration_since(since));
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}

/// Probes lag for as long as it is polled, and sizes the tickets by it. `pages` are those in force.
pub async fn watch<T: Transport>(pages: impl Fn() -> Arc<Pages<T>>) {
    let mut due = now();
    loop {
        let pages = pages();
        due += match pages.admission().tickets_under_way() {
            0 => AT_REST,
            _ => PROBE_EVERY,
        };
        pages.telemetry().lag().due(due + TIMER_GRAIN);
        sleep_until(due).await;
        let ran = now();
        let lag = ran.saturating_duration_since(due + TIMER_GRAIN);
        pages.probed(ran, lag);
        // Those that were due meanwhile have been counted.
        while due + PROBE_EVERY <= ran {
            due += PROBE_EVERY;
        }
    }
}
