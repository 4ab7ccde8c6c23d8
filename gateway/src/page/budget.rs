//! The time that a page has, and whose limit it is.
//!
//! A client may give a page less time than its configuration does, never more. What runs out
//! because of that is the client's: no service, limit or promise is held to it.
//!
//! Not here: how a client says it (HTTP), and the waits themselves.

use std::time::Duration;

use tokio::time::Instant;

use super::admission::core::{Shed, ShedWhy};
use super::deadline::{Deadline, now};
use super::plan::Plan;
use super::refusal::Refusal;

/// By when the calls of one page must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The earlier of the page's own limit and its client's.
    deadline: Deadline,
    /// The page's own limit.
    own: Deadline,
}

/// By when one call must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimit {
    /// The instant.
    pub deadline: Deadline,
    /// Whether it is the client's own smaller budget: the service had the time until then only.
    pub is_clients: bool,
}

impl Budget {
    /// From `arrived`, the page's budget or the smaller one of its `client`, less the reserve.
    ///
    /// # Errors
    /// [`Refusal::BelowMinBudget`] if the client gives less than the page takes at the least;
    /// otherwise as [`still_ahead`](Self::still_ahead).
    pub fn of(plan: &Plan, arrived: Instant, client: Option<Duration>) -> Result<Self, Refusal> {
        let after = |budget: Option<Duration>| {
            let at = budget.map_or(Deadline::NEVER, |budget| Deadline::after(arrived, budget));
            at.less(plan.reserve)
        };
        let own = after(plan.budget);
        let budget = Self {
            deadline: own.min(after(client)),
            own,
        };
        if client
            .zip(plan.min_budget)
            .is_some_and(|(client, least)| client < least)
        {
            return Err(Refusal::BelowMinBudget);
        }
        budget.still_ahead()?;
        Ok(budget)
    }

    /// The instant at which all waiting ends.
    pub fn deadline(self) -> Deadline {
        self.deadline
    }

    /// No call starts at its page's deadline or after. Returns when they start: now.
    ///
    /// # Errors
    /// [`Refusal::ClientBudget`] while the page's own time would have sufficed,
    /// [`Refusal::DeadlineUnreachable`] when that is over as well.
    pub fn still_ahead(self) -> Result<Instant, Refusal> {
        let now = now();
        if !self.deadline.is_past(now) {
            Ok(now)
        } else if self.own.is_past(now) {
            Err(Refusal::DeadlineUnreachable(None))
        } else {
            Err(Refusal::ClientBudget)
        }
    }

    /// What a page is refused for whose wait for permits ended so.
    pub fn refusal(self, shed: Shed) -> Refusal {
        match shed.why {
            ShedWhy::DeadlineUnreachable if self.is_clients() => Refusal::ClientBudget,
            ShedWhy::DeadlineUnreachable | ShedWhy::BulkheadFull | ShedWhy::QueueEvicted => {
                shed.into()
            }
        }
    }

    /// Of a call that may take no longer than until `part`.
    pub fn of_call(self, part: Deadline) -> CallLimit {
        let deadline = self.deadline.min(part);
        CallLimit {
            deadline,
            is_clients: self.is_clients() && deadline != part,
        }
    }

    fn is_clients(self) -> bool {
        self.deadline != self.own
    }
}
