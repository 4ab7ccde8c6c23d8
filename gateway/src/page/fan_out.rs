//! Runs the parts of a page side by side, and ends them together.
//!
//! The calls are futures inside the page's own future, not tasks: when this
//! returns, or is dropped, every call has been dropped and every permit is home
//! before the next line of the caller runs. Nothing can outlive its page.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::page::admission::Permits;
use crate::page::downstream::CallEnd;
use crate::page::json::CheckedJson;
use crate::page::plan::PlannedPart;
use crate::page::refusal::Refusal;

/// How one part ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartEnd {
    /// There, and usable.
    Ok(CheckedJson),
    /// The downstream says there is no such thing: an answer, not a loss.
    NotFound,
    /// Lost: not there in time.
    Late,
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
    pub fn status(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::NotFound => "not_found",
            Self::Late => "late",
            Self::Failed { .. } => "failed",
            Self::Shed => "shed",
        }
    }

    /// For a lost part, whether asking again might help; `None` for one that is there.
    pub fn lost(&self) -> Option<bool> {
        match self {
            Self::Ok(_) | Self::NotFound => None,
            Self::Late | Self::Shed => Some(true),
            Self::Failed { retryable } => Some(*retryable),
        }
    }

    /// What becomes of the page when a required part ended so.
    fn refusal(&self, part: &PlannedPart) -> Option<Refusal> {
        match self {
            Self::Ok(_) => None,
            Self::NotFound => Some(Refusal::NotFound(part.downstream)),
            Self::Late => Some(Refusal::Deadline(part.downstream)),
            Self::Failed { .. } => Some(Refusal::DownstreamFailed(part.downstream)),
            Self::Shed => Some(Refusal::BulkheadFull(part.downstream)),
        }
    }
}

impl From<CallEnd> for PartEnd {
    fn from(end: CallEnd) -> Self {
        match end {
            CallEnd::Ok(json) => Self::Ok(json),
            CallEnd::NotFound => Self::NotFound,
            CallEnd::Late => Self::Late,
            CallEnd::Failed(cause) => Self::Failed {
                retryable: cause.is_retryable(),
            },
        }
    }
}

/// A part that ended, and how long its call took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedPart {
    /// How it ended.
    pub end: PartEnd,
    /// Zero for a part that was never called.
    pub took: Duration,
}

/// Runs `call` for every part that has a permit, all at once, until each has ended
/// or a required one is lost. `ends` holds, in the page's order, the parts that
/// ended; those still `None` after an error were cancelled.
///
/// # Errors
/// The page's [`Refusal`] as soon as a required part is lost.
pub async fn fan_out<'a, C, F>(
    parts: &'a [PlannedPart],
    permits: Permits,
    ends: &mut Vec<Option<EndedPart>>,
    call: C,
) -> Result<(), Refusal>
where
    C: Fn(&'a PlannedPart, crate::page::admission::Permit) -> F,
    F: Future<Output = (CallEnd, Duration)>,
{
    ends.resize(parts.len(), None);
    let mut running = FuturesUnordered::new();
    for (index, (part, permit)) in parts.iter().zip(permits).enumerate() {
        match permit {
            Some(permit) => {
                let call = call(part, permit);
                running.push(async move { (index, call.await) });
            }
            None => settle(part, &mut ends[index], PartEnd::Shed, Duration::ZERO)?,
        }
    }
    while let Some((index, (end, took))) = running.next().await {
        settle(&parts[index], &mut ends[index], end.into(), took)?;
    }
    Ok(())
}

fn settle(
    part: &PlannedPart,
    slot: &mut Option<EndedPart>,
    end: PartEnd,
    took: Duration,
) -> Result<(), Refusal> {
    let lost = end.refusal(part).filter(|_| part.required);
    *slot = Some(EndedPart { end, took });
    lost.map_or(Ok(()), Err)
}
