//! Which traces are kept.
//!
//! The share `sample` is decided when a trace begins, so that the services behind agree
//! on it; whoever brings a trace has decided already. What went wrong is kept whatever
//! was decided, which only the end of a page can tell: services behind it may then have
//! kept nothing of it.

use std::time::Duration;

use crate::config::Telemetry;
use crate::outcome::PageOutcome;
use crate::telemetry::context::TraceContext;
use crate::telemetry::record::PageRecord;

/// Datadog's tracers keep a trace when its id times this, modulo 2^64, is within the
/// share of all numbers; the same arithmetic makes the same choice everywhere.
const KNUTH: u64 = 1_111_111_111_111_111_111;

/// The rules of the config.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    share: f64,
    slower_than: Option<Duration>,
}

/// Why a trace is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptReason {
    /// Chosen when the trace began, here or where it began.
    Sampled,
    /// The page erred, was partial, shed, abandoned or answered late.
    Outcome,
    /// The page was slow.
    Slow,
}

impl KeptReason {
    /// For the span.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::Outcome => "outcome",
            Self::Slow => "slow",
        }
    }
}

impl Sampling {
    /// As `[telemetry]` says.
    pub fn new(config: &Telemetry) -> Self {
        Self {
            share: config.sample,
            slower_than: config.keep_slower_than,
        }
    }

    /// A trace that begins here, chosen or not.
    pub fn new_trace(&self) -> TraceContext {
        let mut context = TraceContext::new();
        context.priority = i8::from(self.chooses(context.trace_id as u64));
        context
    }

    fn chooses(&self, low: u64) -> bool {
        // Exact at both ends; in between a rounding error of one in 2^53 traces.
        low.wrapping_mul(KNUTH) as f64 <= self.share * u64::MAX as f64 && self.share > 0.0
    }

    /// Why the page's trace is kept, if it is.
    pub fn keep(&self, record: &PageRecord) -> Option<KeptReason> {
        if went_wrong(record.outcome) || record.standing.abandoned || record.standing.answered_late
        {
            Some(KeptReason::Outcome)
        } else if self.slower_than.is_some_and(|slow| record.total() > slow) {
            Some(KeptReason::Slow)
        } else {
            (record.origin.trace.priority > 0).then_some(KeptReason::Sampled)
        }
    }
}

/// A quota that works is nothing to look into, and one busy client would fill the traces.
fn went_wrong(outcome: PageOutcome) -> bool {
    match outcome {
        PageOutcome::Partial | PageOutcome::Shed | PageOutcome::Late | PageOutcome::Failed => true,
        PageOutcome::Complete
        | PageOutcome::Quota
        | PageOutcome::NotFound
        | PageOutcome::BadRequest
        | PageOutcome::Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(share: f64) -> Sampling {
        Sampling {
            share,
            slower_than: None,
        }
    }

    #[test]
    fn the_share_of_chosen_traces_is_the_one_configured() {
        for share in [0.01, 0.25, 0.9] {
            let chosen = (0..100_000)
                .filter(|_| sampling(share).new_trace().priority > 0)
                .count();
            let got = chosen as f64 / 100_000.0;
            assert!((got - share).abs() < 0.01, "{got} for {share}");
        }
    }

    #[test]
    fn all_is_all_and_nothing_is_nothing() {
        for low in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            assert!(sampling(1.0).chooses(low));
            assert!(!sampling(0.0).chooses(low));
        }
    }
}
