//! Which keys of the configuration would have changed what a page came to.
//!
//! The one table: what `gateway why` and the console say beside a refusal. The runbook says the
//! same at length, with figures; a test holds that each key is one and that the entry exists.
//!
//! Not here: whether a key should be turned. Most refusals are a limit doing its work.

use crate::outcome::{PartStatus, Reason};

/// A key, and what turning it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The key, with `PAGE`, `PART` and `DOWNSTREAM` in place of names.
    pub key: &'static str,
    /// Which way, and on what condition.
    pub advice: &'static str,
    /// The entry of the runbook.
    pub entry: &'static str,
}

macro_rules! turns {
    ($($id:ident = $key:literal $advice:literal $entry:literal;)*) => {
        $(const $id: Turn = Turn { key: $key, advice: $advice, entry: $entry };)*
        #[cfg(test)]
        const ALL: &[Turn] = &[$($id),*];
    };
}

turns! {
    PERMITS = "downstream.DOWNSTREAM.permits"
        "larger, if the service can do more at once; not if it has become slow"
        "bulkhead-saturation";
    MAX_WAIT = "page.PAGE.max_wait"
        "longer, if refusals come in bunches with quiet between"
        "queue-saturation";
    QUEUE = "page.PAGE.queue"
        "larger, if pages come in bunches that max_wait can outlast"
        "queue-saturation";
    REQUIRED = "page.PAGE.part.PART.required"
        "false, if the page is worth having without the part"
        "error-rate";
    DEADLINE = "page.PAGE.deadline"
        "longer, if the service usually takes a little more than this and clients wait; every page then holds its permits longer"
        "error-rate";
    TIMEOUT = "page.PAGE.part.PART.timeout"
        "longer, if the page may wait longer for the part"
        "call-errors";
    SHORTER_DEADLINE = "page.PAGE.deadline"
        "shorter, until the service is back: permits are released sooner, and refusals are quicker; no key makes a service faster"
        "error-rate";
    SHORTER_TIMEOUT = "page.PAGE.part.PART.timeout"
        "shorter, for a part that pages can do without: a slow one is left out sooner"
        "call-errors";
    RATE = "clients.rate"
        "higher, if this is what a client may ask for"
        "quota-refusals";
    BURST = "clients.burst"
        "larger, if clients ask for many pages at once and then for none"
        "quota-refusals";
    MAX_IN_FLIGHT = "admission.max_in_flight"
        "larger, if all tickets were out, memory allows it and CPU is free"
        "bulkhead-saturation";
    MAX_LAG = "admission.max_lag"
        "longer, if tickets were fewer for the gateway's own lag; more CPU is better"
        "own-lag";
    DRAIN_DELAY = "server.drain_delay"
        "longer, if the load balancer takes longer to turn away"
        "slo-fast-burn";
}

impl Reason {
    /// What would have changed a refusal with this reason, the likeliest first. Nothing where no key
    /// is to blame.
    pub fn turns(self) -> &'static [Turn] {
        match self {
            // How long a client gives a page is the client's to change.
            Self::BadRequest
            | Self::NoRoute
            | Self::Method
            | Self::NotFound
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Conflict
            | Self::Gone
            | Self::ClientBudget
            | Self::Internal => &[],
            Self::DownstreamFailed | Self::DownstreamBusy => &[REQUIRED],
            Self::Deadline => &[REQUIRED, DEADLINE],
            Self::ClientQuota => &[RATE, BURST],
            Self::GatewayFull => &[MAX_IN_FLIGHT, MAX_LAG],
            Self::BulkheadFull => &[PERMITS, MAX_WAIT],
            Self::QueueEvicted => &[PERMITS, QUEUE],
            Self::DeadlineUnreachable => &[PERMITS, DEADLINE],
            Self::Draining => &[DRAIN_DELAY],
        }
    }
}

/// What goes wrong when pages are lost, refused or incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A service takes longer than pages can wait.
    SlowService,
    /// A service fails, or cannot be reached.
    FailingService,
    /// A service does as ever, and its permits do not suffice for what is asked.
    TooFewPermits,
    /// The gateway's tickets do not suffice, or are fewer for its own lag.
    TooFewTickets,
    /// The gateway is being shut down, and clients still come.
    Draining,
    /// Clients ask for more than their quota.
    Quota,
}

impl Fault {
    /// For views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlowService => "slow_service",
            Self::FailingService => "failing_service",
            Self::TooFewPermits => "too_few_permits",
            Self::TooFewTickets => "too_few_tickets",
            Self::Draining => "draining",
            Self::Quota => "quota",
        }
    }

    /// What helps until it is over; `optional` if pages can do without the service.
    pub fn turns(self, optional: bool) -> &'static [Turn] {
        match self {
            Self::SlowService if optional => &[SHORTER_TIMEOUT],
            Self::FailingService if optional => &[],
            Self::SlowService => &[REQUIRED, SHORTER_DEADLINE],
            Self::FailingService => &[REQUIRED],
            Self::TooFewPermits => &[PERMITS, MAX_WAIT],
            Self::TooFewTickets => &[MAX_IN_FLIGHT, MAX_LAG],
            Self::Draining => &[DRAIN_DELAY],
            Self::Quota => &[RATE, BURST],
        }
    }
}

impl PartStatus {
    /// What would have given a page that was answered the part that it lost so.
    pub fn turns(self) -> &'static [Turn] {
        match self {
            Self::Ok
            | Self::NotFound
            | Self::Denied
            | Self::Cancelled
            | Self::Failed
            | Self::Busy => &[],
            Self::Late => &[TIMEOUT, DEADLINE],
            Self::Shed => &[PERMITS],
        }
    }
}

impl Turn {
    /// The key with names in it.
    pub fn key_of(self, page: &str, part: &str, downstream: &str) -> String {
        self.key
            .replace("PAGE", page)
            .replace("PART", part)
            .replace("DOWNSTREAM", downstream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::PageOutcome;

    #[test]
    fn every_key_is_one_and_its_entry_is_in_the_runbook() {
        let config = include_str!("../../../config.toml");
        let runbook = include_str!("../../../docs/runbook.md");
        for turn in ALL {
            let (section, key) = turn.key.rsplit_once('.').unwrap();
            let section = section.split('.').next().unwrap();
            assert!(config.contains(&format!("[{section}")), "{turn:?}");
            let line = format!("\n{key} = ");
            assert!(config.contains(&line), "config.toml has no {turn:?}");
            assert!(
                runbook.contains(&format!("\n## {}\n", turn.entry)),
                "{turn:?}"
            );
        }
    }

    #[test]
    fn every_refusal_for_load_or_quota_has_a_key() {
        for reason in Reason::ALL {
            let refuses = matches!(reason.outcome(), PageOutcome::Shed | PageOutcome::Quota);
            assert!(!refuses || !reason.turns().is_empty(), "{reason}");
        }
    }

    #[test]
    fn names_stand_in_the_place_of_theirs() {
        let key = TIMEOUT.key_of("product-page", "reviews", "reviews-v2");
        assert_eq!(key, "page.product-page.part.reviews.timeout");
        let key = PERMITS.key_of("product-page", "reviews", "reviews-v2");
        assert_eq!(key, "downstream.reviews-v2.permits");
    }
}
