//! What the gateway's pages, calls and connections cost it. How its lag is probed is in `probe`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gateway::telemetry::record::PageRecord;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::cpu::Cpu;
use crate::scenario::{Costs, Scenario};

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

    /// Whether the gateway costs nothing.
    pub(super) fn is_nothing(&self) -> bool {
        self.costs.are_none()
    }

    /// Waits for the CPU as a task does that needs nothing of it: how long that took.
    pub(super) async fn lag(&self) -> Duration {
        self.cpu.run(Duration::ZERO).await
    }

    /// The page that ended last.
    pub(super) fn last(&self) -> Last {
        *self.last.lock()
    }

    /// What a connection to or of this peer costs: nothing if one is idle.
    fn connection(&self, peer: usize) -> Duration {
        let take = |idle: u32| idle.checked_sub(1);
        let kept = self.idle[peer].fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        kept.map_or(self.costs.per_connection, |_| Duration::ZERO)
    }
}
