//! Every refusal the gateway can answer: one exhaustive table.
//!
//! What a client is told is here: few, stable, and nothing that a downstream said but what its
//! part passes on: a status of a closed set, and bounded [`AnswerFields`]. Why a call failed, for the people who run the gateway, is
//! [`Cause`](crate::page::downstream::Cause).

use std::time::Duration;

use http::StatusCode;

use crate::config::{DownstreamId, PassedStatus, ShedStatus};
use crate::outcome::{PageOutcome, Reason, Scope};
use crate::page::admission::core::{Shed, ShedWhy};
use crate::page::downstream::AnswerFields;
use crate::page::quota::LoadLimit;

/// The methods of every page, as `Allow` names them.
pub const METHODS: &str = "GET, HEAD, OPTIONS";

/// A page that is not served, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Something of the request is not allowed; the text says what and what to send instead.
    BadRequest(String),
    /// No page has this path.
    NoRoute,
    /// The path has a page, but not for this method.
    Method,
    /// The request target is longer than the gateway reads.
    UriTooLong,
    /// The header section is larger than the gateway reads.
    HeadersTooLarge,
    /// A required part was answered with a status that it passes on, and what else its service
    /// said.
    Passed(DownstreamId, PassedStatus, Option<Box<AnswerFields>>),
    /// A required part failed, or what came cannot be used.
    DownstreamFailed(DownstreamId),
    /// A required part was not there in time.
    Deadline(DownstreamId),
    /// The time that the client gives the page was over before its own would have been.
    ClientBudget,
    /// The client gives the page less time than its configuration says it takes.
    BelowMinBudget,
    /// The client asks more often than its quota allows; time until it may again.
    ClientQuota(Duration),
    /// All tickets are out.
    GatewayFull,
    /// No permits, and none came in time.
    BulkheadFull(DownstreamId),
    /// A newer page took its place in the queue.
    QueueEvicted(DownstreamId),
    /// Its client came back before the time it was told, and the limit that refused it then
    /// still refuses others; `None` is the gateway's tickets.
    Early(LoadLimit),
    /// The page could not have been finished before its deadline: for want of permits, or because
    /// it was over when the gateway got to it (`None`).
    DeadlineUnreachable(Option<DownstreamId>),
    /// The gateway is shutting down.
    Draining,
    /// The gateway itself failed; a defect.
    Internal,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Status of the answer.
    pub status: StatusCode,
    /// Stable name, for programs.
    pub reason: Reason,
    /// For people; the same for every occurrence.
    pub title: &'static str,
    /// What it is about, if it is about a limit or a part.
    pub scope: Option<Scope>,
    /// When to come again at the soonest, if coming again can help.
    pub retry_after: Option<Duration>,
    /// How the page ended, if it was one.
    pub outcome: PageOutcome,
}

/// After a load refusal, a retry sooner than this would meet the same load.
const SHED_RETRY: Duration = Duration::from_secs(1);

impl Refusal {
    /// The refusal's row of the table; `shed` is the configured status of load refusals.
    pub fn row(&self, shed: ShedStatus) -> Row {
        use Scope::{Client, Downstream, Gateway};
        let load = match shed {
            ShedStatus::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            ShedStatus::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        let again = Some(SHED_RETRY);
        let (status, reason, title, scope, retry_after) = match *self {
            Self::BadRequest(_) => (
                StatusCode::BAD_REQUEST,
                Reason::BadRequest,
                "Request not allowed",
                None,
                None,
            ),
            Self::NoRoute => (
                StatusCode::NOT_FOUND,
                Reason::NoRoute,
                "No such page",
                None,
                None,
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                Reason::Method,
                "Method not allowed",
                None,
                None,
            ),
            Self::UriTooLong => (
                StatusCode::URI_TOO_LONG,
                Reason::BadRequest,
                "Request target too long",
                None,
                None,
            ),
            Self::HeadersTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                Reason::BadRequest,
                "Request headers too large",
                None,
                None,
            ),
            Self::Passed(d, status, _) => {
                let (status, reason, title) = passed(status);
                let again = again.filter(|_| reason == Reason::DownstreamBusy);
                (status, reason, title, Some(Downstream(d)), again)
            }
            Self::DownstreamFailed(d) => (
                StatusCode::BAD_GATEWAY,
                Reason::DownstreamFailed,
                "A required part failed",
                Some(Downstream(d)),
                None,
            ),
            Self::Deadline(d) => (
                StatusCode::GATEWAY_TIMEOUT,
                Reason::Deadline,
                "A required part was too late",
                Some(Downstream(d)),
                None,
            ),
            Self::ClientBudget | Self::BelowMinBudget => (
                StatusCode::GATEWAY_TIMEOUT,
                Reason::ClientBudget,
                "The client's time was over",
                Some(Client),
                None,
            ),
            Self::ClientQuota(wait) => (
                StatusCode::TOO_MANY_REQUESTS,
                Reason::ClientQuota,
                "Over the client's quota",
                Some(Client),
                Some(wait),
            ),
            Self::GatewayFull | Self::Early(None) => (
                load,
                Reason::GatewayFull,
                "Too many pages in flight",
                Some(Gateway),
                again,
            ),
            Self::BulkheadFull(d) | Self::Early(Some(d)) => (
                load,
                Reason::BulkheadFull,
                "No call permits free",
                Some(Downstream(d)),
                again,
            ),
            Self::QueueEvicted(d) => (
                load,
                Reason::QueueEvicted,
                "Gave way to a newer page",
                Some(Downstream(d)),
                again,
            ),
            Self::DeadlineUnreachable(d) => (
                load,
                Reason::DeadlineUnreachable,
                "Cannot be finished in time",
                Some(d.map_or(Gateway, Downstream)),
                again,
            ),
            Self::Draining => (
                StatusCode::SERVICE_UNAVAILABLE,
                Reason::Draining,
                "Shutting down",
                Some(Gateway),
                again,
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Reason::Internal,
                "The gateway failed",
                Some(Gateway),
                None,
            ),
        };
        Row {
            status,
            reason,
            title,
            scope,
            retry_after,
            outcome: reason.outcome(),
        }
    }

    /// One of each, for whoever describes answers; what is about a downstream is about this one.
    pub fn every(downstream: DownstreamId) -> Vec<Self> {
        let passed = PassedStatus::ALL.map(|status| Self::Passed(downstream, status, None));
        let others = vec![
            Self::BadRequest(String::new()),
            Self::NoRoute,
            Self::Method,
            Self::UriTooLong,
            Self::HeadersTooLarge,
            Self::DownstreamFailed(downstream),
            Self::Deadline(downstream),
            Self::ClientBudget,
            Self::BelowMinBudget,
            Self::ClientQuota(SHED_RETRY),
            Self::GatewayFull,
            Self::BulkheadFull(downstream),
            Self::QueueEvicted(downstream),
            Self::Early(None),
            Self::Early(Some(downstream)),
            Self::DeadlineUnreachable(None),
            Self::DeadlineUnreachable(Some(downstream)),
            Self::Draining,
            Self::Internal,
        ];
        others.into_iter().chain(passed).collect()
    }

    /// What the part's service said, beside its status, of why.
    pub fn fields(&self) -> Option<&AnswerFields> {
        let Self::Passed(_, _, fields) = self else {
            return None;
        };
        fields.as_deref()
    }

    /// The limit that had no room for the page: tickets or permits, and nothing of the client's
    /// or of a shutdown.
    pub fn load_limit(&self) -> Option<LoadLimit> {
        match *self {
            Self::GatewayFull => Some(None),
            Self::BulkheadFull(d) | Self::QueueEvicted(d) | Self::DeadlineUnreachable(Some(d)) => {
                Some(Some(d))
            }
            Self::Early(limit) => Some(limit),
            Self::BadRequest(_)
            | Self::NoRoute
            | Self::Method
            | Self::UriTooLong
            | Self::HeadersTooLarge
            | Self::Passed(..)
            | Self::DownstreamFailed(_)
            | Self::Deadline(_)
            | Self::ClientBudget
            | Self::BelowMinBudget
            | Self::ClientQuota(_)
            | Self::DeadlineUnreachable(None)
            | Self::Draining
            | Self::Internal => None,
        }
    }

    /// What happened, in a sentence or two, for the person who reads the answer.
    pub fn detail(&self) -> &str {
        match self {
            Self::BadRequest(what) => what,
            Self::NoRoute => "No page is served at this path.",
            Self::Method => "The page answers the methods named in Allow.",
            Self::UriTooLong => "The request target is longer than 8 KiB. Send a shorter one.",
            Self::HeadersTooLarge => {
                "The header section is larger than 16 KiB or has more than 100 fields. Send less."
            }
            Self::Passed(_, status, _) => passed_detail(*status),
            Self::DownstreamFailed(_) => {
                "A required part failed or gave an answer that cannot be used; the calls for the other parts were cancelled."
            }
            Self::Deadline(_) => {
                "A required part had not answered when its time, or the page's, was over; calls still running were cancelled."
            }
            Self::ClientBudget => {
                "The time that the client gave the page was over before its required parts were there; calls still running were cancelled."
            }
            Self::BelowMinBudget => {
                "The client gives the page less time than it takes at the least. Nothing was started."
            }
            Self::ClientQuota(_) => "This client requests more pages than its quota allows.",
            Self::GatewayFull => "All tickets are out. Nothing was started.",
            Self::BulkheadFull(_) => {
                "A required part had no call permit free within the time a page may wait. Nothing was started."
            }
            Self::QueueEvicted(_) => {
                "Waiting for call permits, the page was the oldest of a full queue. Nothing was started."
            }
            Self::Early(_) => {
                "The client came back before the time in its Retry-After had passed, and others are still refused. Nothing was started."
            }
            Self::DeadlineUnreachable(_) => {
                "The page's time would be over before its calls could start. Nothing was started."
            }
            Self::Draining => {
                "This gateway is shutting down: it finishes pages in flight and accepts no new ones."
            }
            Self::Internal => {
                "A defect in the gateway ended this request. Please report the request id."
            }
        }
    }
}

/// Status, reason and title of a page whose required part was answered so.
fn passed(status: PassedStatus) -> (StatusCode, Reason, &'static str) {
    match status {
        PassedStatus::Unauthorized => (
            StatusCode::UNAUTHORIZED,
            Reason::Unauthorized,
            "Not signed in",
        ),
        PassedStatus::Forbidden => (StatusCode::FORBIDDEN, Reason::Forbidden, "Not allowed"),
        PassedStatus::NotFound => (StatusCode::NOT_FOUND, Reason::NotFound, "Not found"),
        PassedStatus::Conflict => (StatusCode::CONFLICT, Reason::Conflict, "In conflict"),
        PassedStatus::Gone => (StatusCode::GONE, Reason::Gone, "Gone"),
        PassedStatus::TooManyRequests => (
            StatusCode::TOO_MANY_REQUESTS,
            Reason::DownstreamBusy,
            "A required part's service is busy",
        ),
    }
}

fn passed_detail(status: PassedStatus) -> &'static str {
    match status {
        PassedStatus::Unauthorized => {
            "A required part wants to know who the client is. Send credentials; WWW-Authenticate names the kind if the service did."
        }
        PassedStatus::Forbidden => "A required part of the page is not for this client.",
        PassedStatus::NotFound => "A required part of the page does not exist.",
        PassedStatus::Conflict => {
            "A required part of the page is in a state in which it cannot be shown."
        }
        PassedStatus::Gone => "A required part of the page does not exist any more.",
        PassedStatus::TooManyRequests => {
            "The service of a required part has more to do than it accepts; the calls for the other parts were cancelled."
        }
    }
}

impl From<Shed> for Refusal {
    fn from(shed: Shed) -> Self {
        match shed.why {
            ShedWhy::BulkheadFull => Self::BulkheadFull(shed.downstream),
            ShedWhy::QueueEvicted => Self::QueueEvicted(shed.downstream),
            ShedWhy::DeadlineUnreachable => Self::DeadlineUnreachable(Some(shed.downstream)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::ShedBy;

    const D: DownstreamId = DownstreamId(0);

    fn every_refusal() -> Vec<Refusal> {
        Refusal::every(D)
    }

    #[test]
    fn every_reason_is_some_refusals() {
        let rows = every_refusal().into_iter();
        let reasons: Vec<_> = rows
            .map(|refusal| refusal.row(ShedStatus::TooManyRequests).reason)
            .collect();
        assert!(
            Reason::ALL.iter().all(|reason| reasons.contains(reason)),
            "{reasons:?}"
        );
    }

    #[test]
    fn every_429_and_503_says_when_to_come_again() {
        for shed in [ShedStatus::TooManyRequests, ShedStatus::ServiceUnavailable] {
            for refusal in every_refusal() {
                let row = refusal.row(shed);
                let come_again = matches!(row.status.as_u16(), 429 | 503);
                assert_eq!(row.retry_after.is_some(), come_again, "{refusal:?}");
                assert!(
                    row.scope.is_some() || !come_again,
                    "{refusal:?} names no limit"
                );
            }
        }
    }

    #[test]
    fn whatever_is_shed_counts_by_the_reason_and_the_limit_its_client_is_told() {
        for refusal in every_refusal() {
            let row = refusal.row(ShedStatus::TooManyRequests);
            let shed = matches!(row.outcome, PageOutcome::Shed | PageOutcome::Quota);
            let by = row.scope.and_then(|scope| ShedBy::of(row.reason, scope));
            assert_eq!(by.is_some(), shed, "{refusal:?}");
            if let Some(by) = by {
                assert_eq!((by.reason(), Some(by.scope())), (row.reason, row.scope));
            }
        }
    }

    #[test]
    fn the_configured_status_moves_load_refusals_but_not_the_quota() {
        for refusal in every_refusal() {
            let usual = refusal.row(ShedStatus::TooManyRequests);
            let moved = refusal.row(ShedStatus::ServiceUnavailable);
            let moves = matches!(
                usual.reason,
                Reason::GatewayFull
                    | Reason::BulkheadFull
                    | Reason::QueueEvicted
                    | Reason::DeadlineUnreachable
            );
            assert_eq!(usual.status != moved.status, moves, "{refusal:?}");
        }
    }
}
