//! How pages, parts and calls end, and why pages are refused: each spelled once; and which
//! endings are owed and good ([`Promise`]), and which keys would have changed them ([`Turn`]).
//!
//! Answers, logs, metrics, traces and rehearsals all read it here. The sets are
//! closed, so they are enums: a new ending does not compile until everything that
//! counts or answers endings knows it.
//!
//! Not here: the HTTP status of a refusal and its words for people
//! ([`Refusal`](crate::page::refusal::Refusal)), the reason why a call failed
//! ([`Cause`](crate::page::downstream::Cause)), names of metrics and spans.

mod keys;
mod promise;
mod reason;
mod shed;

pub use self::keys::{Fault, Turn};
pub use self::promise::{Promise, Standing};
pub use self::reason::Reason;
pub use self::shed::{Scope, ShedBy};

/// How a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageOutcome {
    /// Answered with every part.
    Complete,
    /// Answered without some optional part.
    Partial,
    /// Refused because of load, or because the gateway drains.
    Shed,
    /// Refused because its client is over its quota.
    Quota,
    /// A required part ran out of time.
    Late,
    /// A required part failed.
    Failed,
    /// A required part does not exist.
    NotFound,
    /// A required part is not for this client.
    Denied,
    /// The request was not one the page accepts.
    BadRequest,
    /// Its client gave it less time than its own deadline, and that ran out.
    ClientBudget,
    /// The client went away.
    Cancelled,
}

impl PageOutcome {
    /// All endings, in the order of declaration.
    pub const ALL: [Self; 11] = [
        Self::Complete,
        Self::Partial,
        Self::Shed,
        Self::Quota,
        Self::Late,
        Self::Failed,
        Self::NotFound,
        Self::Denied,
        Self::BadRequest,
        Self::ClientBudget,
        Self::Cancelled,
    ];

    /// As logs and tags spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Shed => "shed",
            Self::Quota => "quota",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::BadRequest => "bad_request",
            Self::ClientBudget => "client_budget",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How a part ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PartStatus {
    /// There, and usable.
    Ok,
    /// The downstream says there is no such thing: an answer, not a loss.
    NotFound,
    /// The downstream says that it is not for this client: an answer, not a loss.
    Denied,
    /// Lost: not there in time.
    Late,
    /// Lost: no usable answer.
    Failed,
    /// Lost: the downstream says that it has too much to do.
    Busy,
    /// Lost: no permit was free, so no call was made.
    Shed,
    /// Ended by the gateway: its page was lost, its client left, or the time was over that its
    /// client gave. No client reads it.
    #[default]
    Cancelled,
}

impl PartStatus {
    /// All endings, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::NotFound,
        Self::Denied,
        Self::Late,
        Self::Failed,
        Self::Busy,
        Self::Shed,
        Self::Cancelled,
    ];

    /// As clients and logs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::Shed => "shed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// A usable body.
    Ok,
    /// 404, 409 or 410, where its part passes that on.
    NotFound,
    /// 401 or 403, where its part passes that on.
    Denied,
    /// No answer, or none that can be used.
    Failed,
    /// 429, where its part passes that on.
    Busy,
    /// Ran out of time.
    Late,
    /// Ended by the gateway: its page was lost, its client left, or the time was over that its
    /// client gave.
    Cancelled,
}

impl CallOutcome {
    /// All endings, in the order of declaration.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::NotFound,
        Self::Denied,
        Self::Failed,
        Self::Busy,
        Self::Late,
        Self::Cancelled,
    ];

    /// As logs and tags spell it: like the part it was made for.
    pub fn as_str(self) -> &'static str {
        self.part().as_str()
    }

    /// What its part ended as.
    pub fn part(self) -> PartStatus {
        match self {
            Self::Ok => PartStatus::Ok,
            Self::NotFound => PartStatus::NotFound,
            Self::Denied => PartStatus::Denied,
            Self::Failed => PartStatus::Failed,
            Self::Busy => PartStatus::Busy,
            Self::Late => PartStatus::Late,
            Self::Cancelled => PartStatus::Cancelled,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Asserts that `index` of each value is its place in `all`.
    pub(crate) fn in_order<T: Copy>(all: &[T], index: impl Fn(T) -> usize) {
        let places: Vec<_> = all.iter().map(|&value| index(value)).collect();
        assert_eq!(places, Vec::from_iter(0..all.len()));
    }

    #[test]
    fn what_indexes_a_table_is_its_place_in_all() {
        in_order(&PageOutcome::ALL, |outcome| outcome as usize);
        in_order(&PartStatus::ALL, |status| status as usize);
        in_order(&CallOutcome::ALL, |outcome| outcome as usize);
        in_order(&Reason::ALL, |reason| reason as usize);
        let shed: Vec<_> = ShedBy::all(3).collect();
        let (gateway, downstreams) = shed.split_at(ShedBy::all(0).count());
        in_order(gateway, ShedBy::within_name);
        for downstream in downstreams.chunks(ShedBy::PER_DOWNSTREAM) {
            in_order(downstream, ShedBy::within_name);
        }
    }

    #[test]
    fn no_two_of_a_kind_are_spelled_alike() {
        fn differ<T: Copy>(all: &[T], spelling: impl Fn(T) -> &'static str) {
            let spellings: HashSet<_> = all.iter().map(|&value| spelling(value)).collect();
            assert_eq!(spellings.len(), all.len(), "{spellings:?}");
        }
        differ(&PageOutcome::ALL, PageOutcome::as_str);
        differ(&PartStatus::ALL, PartStatus::as_str);
        differ(&CallOutcome::ALL, CallOutcome::as_str);
        differ(&Reason::ALL, Reason::as_str);
    }
}
