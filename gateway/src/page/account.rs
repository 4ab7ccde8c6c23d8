//! Every page ends in exactly one outcome, however it ends.
//!
//! A `Life` begins with the page and is told how the page ended; dropped before
//! that, the page was cancelled, or a defect ended it.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::{PageId, ShedStatus};
use crate::page::admission::Ticket;
use crate::page::admission::core::Shed;
use crate::page::assemble::Page;
use crate::page::deadline::now;
use crate::page::fan_out::EndedPart;
use crate::page::refusal::Refusal;
use crate::page::{Answer, PageRequest};
use crate::telemetry::events;
use crate::telemetry::meters::Meters;
use crate::telemetry::names::PageOutcome;

/// Where a page's time went.
#[derive(Clone, Debug, Default)]
pub struct Timing {
    /// Waiting for permits; `None` when it never came to that.
    pub wait: Option<Duration>,
    /// By part, in the page's order; `None` for one that was cancelled or never began.
    pub parts: Vec<Option<EndedPart>>,
    /// From arrival to answer.
    pub total: Duration,
}

/// Counts a page exactly once: as it ended, or as cancelled when it is dropped before.
pub(super) struct Life<'a> {
    meters: &'a Meters,
    page: PageId,
    arrived: Instant,
    /// The page's ticket, once it has one.
    pub(super) ticket: Option<Ticket>,
    /// Where its time went so far.
    pub(super) timing: Timing,
    outcome: PageOutcome,
    reason: Option<&'static str>,
}

impl<'a> Life<'a> {
    pub(super) fn begin(meters: &'a Meters, request: &PageRequest) -> Self {
        Self {
            meters,
            page: request.page,
            arrived: request.arrived,
            ticket: None,
            timing: Timing::default(),
            outcome: PageOutcome::Cancelled,
            reason: None,
        }
    }

    /// Measures the wait for admission, however it ends.
    pub(super) async fn wait<V>(
        &mut self,
        permits: impl Future<Output = Result<V, Shed>>,
    ) -> Result<V, Refusal> {
        let began = now();
        let verdict = permits.await;
        let wait = now() - began;
        self.timing.wait = Some(wait);
        self.meters.wait(self.page.0, wait);
        verdict.map_err(Refusal::from)
    }

    pub(super) fn end(mut self, result: Result<Page, Refusal>, shed: ShedStatus) -> Answer {
        self.timing.total = now() - self.arrived;
        (self.outcome, self.reason) = match &result {
            Ok(page) if page.complete => (PageOutcome::Complete, None),
            Ok(_) => (PageOutcome::Partial, None),
            Err(refusal) => {
                let row = refusal.row(shed);
                if let Some(by) = refusal.shed_by() {
                    self.meters.shed(by);
                }
                (row.outcome, Some(row.reason))
            }
        };
        let ticket = self.ticket.take();
        let timing = Timing {
            parts: std::mem::take(&mut self.timing.parts),
            ..self.timing
        };
        events::page_ended(
            self.meters.counts().page_name(self.page.0),
            self.outcome,
            self.reason,
            timing.total,
        );
        Answer {
            result,
            ticket,
            timing,
        }
    }
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        if self.outcome == PageOutcome::Cancelled {
            if std::thread::panicking() {
                self.outcome = PageOutcome::Failed;
            }
            self.timing.total = now() - self.arrived;
            let page = self.meters.counts().page_name(self.page.0);
            events::page_ended(page, self.outcome, None, self.timing.total);
        }
        self.meters
            .page(self.page.0, self.outcome, self.timing.total);
    }
}
