//! What pages are shed by: only the pairs of reason and scope that can occur.

use crate::config::DownstreamId;
use crate::telemetry::names::Scope;

/// What a page was shed by: the reason and the limit that its client is told. Limits
/// of downstreams carry the downstream's index in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShedBy {
    /// The client asks more often than its quota allows.
    ClientQuota,
    /// The client's own budget was over before anything could start.
    ClientBudget,
    /// All tickets were out.
    GatewayFull,
    /// The gateway is shutting down.
    Draining,
    /// No permits, and none came in time.
    BulkheadFull(usize),
    /// A newer page took its place in the queue.
    QueueEvicted(usize),
    /// Not to be finished before its deadline for want of permits.
    DeadlineUnreachable(usize),
}

impl ShedBy {
    /// Everything a page can be shed by, in the order of [`ShedBy::index`].
    pub fn all(downstreams: usize) -> impl Iterator<Item = Self> {
        let fixed = [
            Self::ClientQuota,
            Self::ClientBudget,
            Self::GatewayFull,
            Self::Draining,
        ];
        let of = |d| {
            [
                Self::BulkheadFull(d),
                Self::QueueEvicted(d),
                Self::DeadlineUnreachable(d),
            ]
        };
        fixed.into_iter().chain((0..downstreams).flat_map(of))
    }

    /// Its place among [`ShedBy::all`].
    pub fn index(self) -> usize {
        match self {
            Self::ClientQuota => 0,
            Self::ClientBudget => 1,
            Self::GatewayFull => 2,
            Self::Draining => 3,
            Self::BulkheadFull(d) => 4 + 3 * d,
            Self::QueueEvicted(d) => 5 + 3 * d,
            Self::DeadlineUnreachable(d) => 6 + 3 * d,
        }
    }

    /// Tag value: the reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ClientQuota => "client_quota",
            Self::GatewayFull => "gateway_full",
            Self::Draining => "draining",
            Self::BulkheadFull(_) => "bulkhead_full",
            Self::QueueEvicted(_) => "queue_evicted",
            Self::ClientBudget | Self::DeadlineUnreachable(_) => "deadline_unreachable",
        }
    }

    /// The limit.
    pub fn scope(self) -> Scope {
        match self {
            Self::ClientQuota | Self::ClientBudget => Scope::Client,
            Self::GatewayFull | Self::Draining => Scope::Gateway,
            Self::BulkheadFull(d) | Self::QueueEvicted(d) | Self::DeadlineUnreachable(d) => {
                Scope::Downstream(DownstreamId(d))
            }
        }
    }
}
