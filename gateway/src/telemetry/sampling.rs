//! Which traces are kept.
//!
//! The share `sample` is decided when a trace begins, so that the services behind agree
//! on it; whoever brings a trace has decided already. What went wrong is kept whatever
//! was decided, which only the end of a page can tell: services behind it may then have
//! kept nothing of it.

use std::time::Duration;

use crate::config::Telemetry;
use crate::outcome::PageOutcome;
use crate::telemetry::context::{Decision, Incoming, TraceContext};
use crate::telemetry::record::PageRecord;

/// Datadog's tracers keep a trace when its id times this, modulo 2^64, is within the
/// share of all numbers; the same arithmetic makes the same choice everywhere.
const KNUTH: u64 = 1_111_111_111_111_111_111;

/// The rules of the config.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    share: f64,
    log_share: f64,
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
            log_share: config.log_sample,
            slower_than: config.keep_slower_than,
        }
    }

    /// The trace of a request, chosen or not where nobody has decided: its own, or one that
    /// begins here.
    pub fn decided(&self, incoming: Incoming) -> TraceContext {
        let mut context = incoming.context.unwrap_or_default();
        match incoming.decision {
            Decision::Made => {}
            Decision::Open => context.priority = i8::from(self.chooses(context.trace_id as u64)),
            Decision::Without(keep) => context.priority = i8::from(keep),
        }
        context
    }

    fn chooses(&self, low: u64) -> bool {
        within(self.share, low)
    }

    /// Whether the page's line is written: of complete pages, a share that is chosen as traces
    /// are, so that where `log_sample` is the smaller every line leads to a trace; of all others,
    /// and of what was slow, every one.
    pub fn logs(&self, record: &PageRecord) -> bool {
        self.log_share >= 1.0
            || record.outcome != PageOutcome::Complete
            || record.standing.answered_late
            || self.is_slow(record)
            || within(self.log_share, record.origin.trace.trace_id as u64)
    }

    fn is_slow(&self, record: &PageRecord) -> bool {
        self.slower_than.is_some_and(|slow| record.total() > slow)
    }

    /// Why the page's trace is kept, if it is.
    pub fn keep(&self, record: &PageRecord) -> Option<KeptReason> {
        if went_wrong(record.outcome) || record.standing.abandoned || record.standing.answered_late
        {
            Some(KeptReason::Outcome)
        } else if self.is_slow(record) {
            Some(KeptReason::Slow)
        } else {
            (record.origin.trace.priority > 0).then_some(KeptReason::Sampled)
        }
    }
}

/// Whether a trace's id is within `share` of all. Exact at both ends; in between a rounding error
/// of one in 2^53 traces.
fn within(share: f64, low: u64) -> bool {
    low.wrapping_mul(KNUTH) as f64 <= share * u64::MAX as f64 && share > 0.0
}

/// A quota that works is nothing to look into, and one busy client would fill the traces.
fn went_wrong(outcome: PageOutcome) -> bool {
    match outcome {
        PageOutcome::Partial | PageOutcome::Shed | PageOutcome::Late | PageOutcome::Failed => true,
        PageOutcome::Complete
        | PageOutcome::Quota
        | PageOutcome::NotFound
        | PageOutcome::Denied
        | PageOutcome::BadRequest
        | PageOutcome::ClientBudget
        | PageOutcome::Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::PageId;
    use crate::telemetry::names::configured::Configured;

    use crate::page::deadline::now;
    use crate::telemetry::record::Origin;

    fn sampling(share: f64) -> Sampling {
        Sampling {
            share,
            log_share: share,
            slower_than: None,
        }
    }

    fn incoming(decision: Decision) -> Incoming {
        Incoming {
            context: None,
            decision,
            unreadable: Vec::new(),
        }
    }

    fn chosen(sampling: Sampling) -> bool {
        sampling.decided(incoming(Decision::Open)).is_kept()
    }

    #[test]
    fn the_share_of_chosen_traces_is_the_one_configured() {
        for share in [0.01, 0.25, 0.9] {
            let chosen = (0..100_000).filter(|_| chosen(sampling(share))).count();
            let got = chosen as f64 / 100_000.0;
            assert!((got - share).abs() < 0.01, "{got} for {share}");
        }
    }

    #[test]
    fn what_was_decided_elsewhere_is_not_decided_again() {
        let brought = |decision, priority| {
            let context = TraceContext {
                priority,
                ..TraceContext::new()
            };
            let context = Some(context);
            Incoming {
                context,
                ..incoming(decision)
            }
        };
        let (none, all) = (sampling(0.0), sampling(1.0));
        assert!(none.decided(brought(Decision::Made, 2)).is_kept());
        assert!(!all.decided(brought(Decision::Made, 0)).is_kept());
        assert!(!none.decided(brought(Decision::Open, 1)).is_kept());
        assert!(all.decided(brought(Decision::Open, 1)).is_kept());
        assert!(none.decided(incoming(Decision::Without(true))).is_kept());
        assert!(!all.decided(incoming(Decision::Without(false))).is_kept());
    }

    #[test]
    fn of_complete_pages_a_share_is_logged_and_of_all_others_every_one() {
        let half = Sampling {
            share: 0.6,
            log_share: 0.5,
            slower_than: Some(Duration::from_secs(1)),
        };
        let mut logged = 0;
        for _ in 0..10_000 {
            let mut record = record(half.decided(incoming(Decision::Open)));
            let kept = half.keep(&record).is_some();
            if half.logs(&record) {
                assert!(kept, "a line that leads to no trace");
                logged += 1;
            }
            for outcome in PageOutcome::ALL {
                record.outcome = outcome;
                assert!(outcome == PageOutcome::Complete || half.logs(&record));
            }
            record.outcome = PageOutcome::Complete;
            record.standing.answered_late = true;
            assert!(half.logs(&record), "an answer that came too late");
            record.standing.answered_late = false;
            record.ended += Duration::from_secs(2);
            assert!(half.logs(&record), "a slow page");
        }
        assert!((4_500..5_500).contains(&logged), "{logged}");
    }

    fn names() -> Arc<Configured> {
        let config = crate::config::load_text("test", crate::config::default_text(), &[]);
        Arc::new(Configured::new(&config.unwrap().config))
    }

    /// A complete page that took no time.
    fn record(trace: TraceContext) -> PageRecord {
        let origin = Origin {
            arrived: now(),
            method: "GET",
            request_id: None,
            trace,
        };
        PageRecord {
            outcome: PageOutcome::Complete,
            status: Some(200),
            ..PageRecord::open(PageId(0), names(), Arc::new(origin))
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
