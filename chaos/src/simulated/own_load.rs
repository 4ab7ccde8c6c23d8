//! What the gateway's pages, calls and connections cost it, and the probes of its lag.
//!
//! The probes feed the gateway's own law with the waits of the modelled CPU, and hold it to what
//! must follow: short of CPU, tickets are kept back; a second after it was, none is. A gateway that
//! costs nothing is not probed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gateway::page::admission::limit::{FLOOR, PROBE_EVERY, Window};
use gateway::telemetry::record::PageRecord;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::client::Clients;
use super::control::{self, NegativeControl};
use super::cpu::Cpu;
use crate::clock::now;
use crate::scenario::{Costs, Scenario};

/// Without lag for so long, all tickets have been given back: a second, and a slice.
const BACK_AFTER: Duration = Duration::from_millis(1_100);

/// The gateway's CPU and what it is used for.
pub(super) struct OwnLoad {
    costs: Costs,
    cpu: Cpu,
    /// Connections that wait for the next request: of clients, and to each downstream.
    idle: Vec<AtomicU32>,
    last: Mutex<Last>,
}

/// Of the page that ended last.
#[derive(Clone, Copy, Default)]
pub(super) struct Last {
    pub(super) total: Duration,
    pub(super) overhead: Duration,
}

impl OwnLoad {
    pub(super) fn new(scenario: &Scenario, start: Instant) -> Self {
        let peers = scenario.config.downstreams.len() + 1;
        Self {
            costs: scenario.costs,
            cpu: Cpu::new(&scenario.costs, start),
            idle: (0..peers).map(|_| AtomicU32::new(0)).collect(),
            last: Mutex::default(),
        }
    }

    /// A request is read, and found out whether it is let in.
    pub(super) async fn read(&self) {
        let connection = self.connection(0);
        self.cpu.run(connection + self.costs.per_refusal).await;
    }

    /// A page that was let in is written.
    pub(super) async fn write(&self) {
        let rest = self.costs.per_page - self.costs.per_refusal;
        self.cpu.run(rest).await;
    }

    /// The client has its answer, and keeps its connection.
    pub(super) fn answered(&self, record: &PageRecord) {
        *self.last.lock() = Last {
            total: record.total(),
            overhead: record.overhead().unwrap_or_default(),
        };
        self.idle[0].fetch_add(1, Ordering::Relaxed);
    }

    /// A connection for a call to this downstream.
    pub(super) async fn connect(&self, downstream: usize) {
        self.cpu.run(self.connection(1 + downstream)).await;
    }

    /// An answer of this downstream is read, and its connection is kept if it can be.
    pub(super) async fn receive(&self, downstream: usize, whole: bool) {
        self.cpu.run(self.costs.per_call).await;
        if whole {
            self.idle[1 + downstream].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a connection to or of this peer costs: nothing if one is idle.
    fn connection(&self, peer: usize) -> Duration {
        let take = |idle: u32| idle.checked_sub(1);
        let kept = self.idle[peer].fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        kept.map_or(self.costs.per_connection, |_| Duration::ZERO)
    }
}

/// What the lag was, seen from outside.
#[derive(Default)]
struct Watched {
    window: Window,
    /// When it was last above half its bound.
    near: Duration,
}

/// Probes lag for as long as it is polled.
pub(super) async fn probe(clients: Arc<Clients>, control: Option<NegativeControl>) {
    let own = &clients.own_load;
    if own.costs.are_none() {
        return;
    }
    let (pages, start) = (&clients.pages, now());
    let (mut due, mut watched) = (start, Watched::default());
    loop {
        due += PROBE_EVERY;
        pages.telemetry().lag().due(due);
        sleep_until(due).await;
        let lag = own.cpu.run(Duration::ZERO).await;
        let last = *own.last.lock();
        let under_way = pages.admission().tickets_that_count();
        pages.probed(now(), control::lag(control, lag, last));
        control::probed(control, pages);
        let broken = watched.probe(now() - start, lag, under_way, &clients);
        clients.recorder.found(broken);
        while due + PROBE_EVERY <= now() {
            due += PROBE_EVERY;
        }
    }
}

impl Watched {
    /// What is wrong with the number of tickets, given what the lag was and how many pages were
    /// under way.
    fn probe(
        &mut self,
        at: Duration,
        lag: Duration,
        under_way: u32,
        clients: &Clients,
    ) -> Option<String> {
        self.window.probe(lag, |_| ());
        let max_lag = clients.max_lag?;
        let view = clients.pages.admission().view();
        let p90 = self.window.quantile(0.9);
        if p90 > max_lag / 2 {
            self.near = at;
        }
        // Of tickets that are only watched there are as many as ever.
        let own = clients.pages.own_load().view();
        let fewer = view.effective_tickets < view.max_in_flight || own.tickets < own.most;
        let since = at - self.near;
        if fewer && since > BACK_AFTER {
            return Some(format!(
                "tickets are kept back {since:?} after the last lag"
            ));
        }
        // What is always let in is never too much.
        let crowded = under_way > FLOOR && view.max_in_flight > FLOOR;
        (p90 > max_lag && crowded && !fewer)
            .then(|| format!("lag is {p90:?} and no ticket is kept back"))
    }
}
