//! Why a page was refused: what programs branch on.

use std::fmt;

use crate::outcome::PageOutcome;

/// Why a page was refused, as the `reason` of a problem answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Something of the request is not allowed.
    BadRequest,
    /// No page has this path.
    NoRoute,
    /// The path has a page, but not for this method.
    Method,
    /// A required part does not exist.
    NotFound,
    /// A required part wants to know who the client is.
    Unauthorized,
    /// A required part is not for this client.
    Forbidden,
    /// A required part is not in a state to be shown.
    Conflict,
    /// A required part does not exist any more.
    Gone,
    /// A required part's service has too much to do.
    DownstreamBusy,
    /// A required part failed, or what came cannot be used.
    DownstreamFailed,
    /// A required part was not there in time.
    Deadline,
    /// The client's own smaller budget ran out.
    ClientBudget,
    /// The client asks more often than its quota allows.
    ClientQuota,
    /// All tickets were out.
    GatewayFull,
    /// No permits, and none came in time.
    BulkheadFull,
    /// A newer page took its place in the queue.
    QueueEvicted,
    /// Not to be finished before its deadline: nothing was started.
    DeadlineUnreachable,
    /// The gateway is shutting down.
    Draining,
    /// The gateway itself failed; a defect.
    Internal,
}

impl Reason {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 19] = [
        Self::BadRequest,
        Self::NoRoute,
        Self::Method,
        Self::NotFound,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Conflict,
        Self::Gone,
        Self::DownstreamBusy,
        Self::DownstreamFailed,
        Self::Deadline,
        Self::ClientBudget,
        Self::ClientQuota,
        Self::GatewayFull,
        Self::BulkheadFull,
        Self::QueueEvicted,
        Self::DeadlineUnreachable,
        Self::Draining,
        Self::Internal,
    ];

    /// As clients, logs and tags spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::NoRoute => "no_route",
            Self::Method => "method",
            Self::NotFound => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::DownstreamBusy => "downstream_busy",
            Self::DownstreamFailed => "downstream_failed",
            Self::Deadline => "deadline",
            Self::ClientBudget => "client_budget",
            Self::ClientQuota => "client_quota",
            Self::GatewayFull => "gateway_full",
            Self::BulkheadFull => "bulkhead_full",
            Self::QueueEvicted => "queue_evicted",
            Self::DeadlineUnreachable => "deadline_unreachable",
            Self::Draining => "draining",
            Self::Internal => "internal",
        }
    }

    /// The reason of this spelling, if there is one.
    pub fn named(spelling: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == spelling)
    }

    /// How a page ends that is refused for it.
    pub fn outcome(self) -> PageOutcome {
        match self {
            Self::BadRequest | Self::NoRoute | Self::Method => PageOutcome::BadRequest,
            Self::NotFound | Self::Conflict | Self::Gone => PageOutcome::NotFound,
            Self::Unauthorized | Self::Forbidden => PageOutcome::Denied,
            // Its client is owed the page: that the part may say why does not change it.
            Self::DownstreamFailed | Self::DownstreamBusy | Self::Internal => PageOutcome::Failed,
            Self::Deadline => PageOutcome::Late,
            Self::ClientBudget => PageOutcome::ClientBudget,
            Self::ClientQuota => PageOutcome::Quota,
            Self::GatewayFull
            | Self::BulkheadFull
            | Self::QueueEvicted
            | Self::DeadlineUnreachable
            | Self::Draining => PageOutcome::Shed,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
