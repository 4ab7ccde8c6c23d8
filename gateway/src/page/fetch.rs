//! Fetches the parts of a page side by side, and ends them together.
//!
//! The calls are futures inside the page's own future, not tasks: when [`fetch`]
//! returns, or is dropped, every call has been dropped and every permit released
//! before the next line of the caller runs. Nothing can outlive its page.
//!
//! Not here: what a call is, and how it ends.

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::config::PassedStatus;
use crate::outcome::PartStatus;
use crate::page::admission::{Permit, Permits};
use crate::page::downstream::{AnswerFields, CallEnd, part_status};
use crate::page::json::CheckedJson;
use crate::page::plan::PlannedPart;
use crate::page::refusal::Refusal;
use crate::telemetry::record::PartRecord;

/// How one part ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartEnd {
    /// There, and usable.
    Ok(CheckedJson),
    /// The downstream says why this client does not have it, with a status that the part passes on.
    Passed(PassedStatus, Option<Box<AnswerFields>>),
    /// Lost: not there in time.
    Late,
    /// Lost: not there within the smaller budget that the client gave.
    ClientBudget,
    /// Lost: no usable answer.
    Failed {
        /// Whether asking again might help.
        retryable: bool,
    },
    /// Lost: no permit was free, so no call was made.
    Shed,
}

impl PartEnd {
    /// The `status` clients see.
    pub fn status(&self) -> PartStatus {
        match self {
            Self::Ok(_) => PartStatus::Ok,
            Self::Passed(status, _) => part_status(*status),
            // Clients read what they have missed, and need not learn of whose limit it was.
            Self::Late | Self::ClientBudget => PartStatus::Late,
            Self::Failed { .. } => PartStatus::Failed,
            Self::Shed => PartStatus::Shed,
        }
    }

    /// For a lost part, whether asking again might help; `None` for one that is there.
    pub fn lost(&self) -> Option<bool> {
        match self {
            Self::Late
            | Self::ClientBudget
            | Self::Shed
            | Self::Passed(PassedStatus::TooManyRequests, _) => Some(true),
            Self::Ok(_) | Self::Passed(..) => None,
            Self::Failed { retryable } => Some(*retryable),
        }
    }

    /// What becomes of the page when a required part ended so.
    fn refusal(&self, part: &PlannedPart) -> Option<Refusal> {
        match self {
            Self::Ok(_) => None,
            Self::Passed(status, fields) => {
                Some(Refusal::Passed(part.downstream, *status, fields.clone()))
            }
            Self::Late => Some(Refusal::Deadline(part.downstream)),
            Self::ClientBudget => Some(Refusal::ClientBudget),
            Self::Failed { .. } => Some(Refusal::DownstreamFailed(part.downstream)),
            Self::Shed => Some(Refusal::BulkheadFull(part.downstream)),
        }
    }
}

impl From<CallEnd> for PartEnd {
    fn from(end: CallEnd) -> Self {
        match end {
            CallEnd::Ok(json) => Self::Ok(json),
            CallEnd::Passed(status, fields) => Self::Passed(status, fields),
            CallEnd::Late => Self::Late,
            CallEnd::ClientBudget => Self::ClientBudget,
            CallEnd::Failed(cause) => Self::Failed {
                retryable: cause.is_retryable(),
            },
        }
    }
}

/// Runs `call` with its place for every part that has a permit, all at once, until each has ended
/// or a required one is lost. `records`, one per part, say what became of each; those
/// of parts that had not ended are left cancelled.
///
/// # Errors
/// The page's [`Refusal`] as soon as a required part is lost.
pub async fn fetch<'a, C, F>(
    parts: &'a [PlannedPart],
    mut permits: Permits,
    records: &'a mut [PartRecord],
    call: C,
) -> Result<Vec<PartEnd>, Refusal>
where
    C: Fn(usize, &'a PlannedPart, Permit, &'a mut PartRecord) -> F,
    F: Future<Output = CallEnd>,
{
    // Replaced as the parts end; no page is made while one has not.
    let mut ends = vec![PartEnd::Shed; parts.len()];
    let mut running = FuturesUnordered::new();
    for (index, (part, record)) in parts.iter().zip(records).enumerate() {
        match permits.take(index) {
            Some(permit) => {
                // Not by an async block, which would have room for it twice.
                let call = call(index, part, permit, record);
                running.push(call.map(move |end| (index, end)));
            }
            None => {
                record.status = PartStatus::Shed;
                check(part, &PartEnd::Shed)?;
            }
        }
    }
    while let Some((index, end)) = running.next().await {
        ends[index] = end.into();
        check(&parts[index], &ends[index])?;
    }
    Ok(ends)
}

/// A page ends with the first required part it loses.
fn check(part: &PlannedPart, end: &PartEnd) -> Result<(), Refusal> {
    match end.refusal(part) {
        Some(refusal) if part.required => Err(refusal),
        Some(_) | None => Ok(()),
    }
}
