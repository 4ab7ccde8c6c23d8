//! Every page ends in exactly one outcome, however it ends.
//!
//! A `PageAccount` is opened with the page and closed with its result. Dropped
//! before that, the page was cancelled, or a defect ended it. Either way the
//! page's record reaches telemetry exactly once.
//!
//! Not here: calls, which `downstream` records, and what
//! is made of a record.

use std::sync::Arc;

use crate::config::{PageId, ShedStatus};
use crate::outcome::{PageOutcome, Promise};
use crate::page::Answer;
use crate::page::admission::Ticket;
use crate::page::admission::core::Shed;
use crate::page::assemble::Page;
use crate::page::deadline::{now, wall_clock};
use crate::page::quota::Charge;
use crate::page::refusal::Refusal;
use crate::telemetry::Telemetry;
use crate::telemetry::record::{Origin, PageRecord, PartRecord, TimeSpan};

/// One page: its record, and its ticket until the answer takes it over.
pub(super) struct PageAccount<'a> {
    telemetry: &'a Telemetry,
    promise: Promise,
    /// What its client was charged, until it is known whether that stands.
    pub(super) charge: Option<Charge>,
    /// The page's ticket, once it has one.
    pub(super) ticket: Option<Ticket>,
    /// What the page did so far.
    pub(super) record: PageRecord,
    /// Whole seconds after which the client is to come back.
    pub(super) retry_after: Option<u32>,
    closed: bool,
}

impl<'a> PageAccount<'a> {
    pub(super) fn open(
        telemetry: &'a Telemetry,
        page: PageId,
        origin: &Arc<Origin>,
        promise: Promise,
    ) -> Self {
        Self {
            telemetry,
            promise,
            charge: None,
            ticket: None,
            record: PageRecord::open(page, Arc::clone(telemetry.names()), Arc::clone(origin)),
            retry_after: None,
            closed: false,
        }
    }

    /// Measures the wait for admission, however it ends.
    pub(super) async fn wait<V>(
        &mut self,
        permits: impl Future<Output = Result<V, Shed>>,
    ) -> Result<V, Refusal> {
        let waiting = Measured::begin(&mut self.record.admission);
        let verdict = permits.await;
        drop(waiting);
        verdict.map_err(Refusal::from)
    }

    /// As many parts as the page has, none of them begun.
    pub(super) fn parts(&mut self, count: usize) -> &mut [PartRecord] {
        self.record.parts.resize_with(count, PartRecord::default);
        &mut self.record.parts
    }

    /// Measures the writing of the page.
    pub(super) fn assemble(&mut self, assemble: impl FnOnce() -> Page) -> Page {
        let _writing = Measured::begin(&mut self.record.assembly);
        assemble()
    }

    /// Closes the account with the page's result; `shed` is the configured status of load refusals.
    pub(super) fn close(mut self, result: Result<Page, Refusal>, shed: ShedStatus) -> Answer {
        match &result {
            Ok(page) => self.served(page),
            Err(refusal) => self.refused(refusal, shed),
        }
        let ticket = self.ticket.take().map(Ticket::answered);
        let retry_after = self.retry_after;
        let record = self.record();
        Answer {
            result,
            retry_after,
            ticket,
            record,
        }
    }

    fn served(&mut self, page: &Page) {
        self.record.outcome = match page.complete {
            true => PageOutcome::Complete,
            false => PageOutcome::Partial,
        };
        self.record.status = Some(200);
    }

    fn refused(&mut self, refusal: &Refusal, shed: ShedStatus) {
        let row = refusal.row(shed);
        self.record.outcome = row.outcome;
        self.record.status = Some(row.status.as_u16());
        self.record.reason = Some(row.reason);
        self.record.scope = row.scope;
    }

    fn record(&mut self) -> Arc<PageRecord> {
        self.closed = true;
        self.record.ended = now();
        self.record.ended_at = wall_clock();
        let (arrived, ended) = (self.record.origin.arrived, self.record.ended);
        let lag = self.telemetry.lag().worst(arrived, ended);
        let total = self.record.total();
        self.record.lag = lag.min(total);
        self.record.standing = self.promise.standing(self.record.outcome, total);
        let record = PageRecord {
            origin: Arc::clone(&self.record.origin),
            names: Arc::clone(&self.record.names),
            parts: std::mem::take(&mut self.record.parts),
            ..self.record
        };
        let record = Arc::new(record);
        self.telemetry.page_ended(&record);
        record
    }
}

impl Drop for PageAccount<'_> {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        if std::thread::panicking() {
            // The edge catches it and answers so.
            self.refused(&Refusal::Internal, ShedStatus::TooManyRequests);
        }
        self.record();
    }
}

/// Writes down when something began and, when dropped, how long it took.
struct Measured<'a>(&'a mut Option<TimeSpan>);

impl<'a> Measured<'a> {
    fn begin(slot: &'a mut Option<TimeSpan>) -> Self {
        *slot = Some(TimeSpan {
            began: now(),
            took: std::time::Duration::ZERO,
        });
        Self(slot)
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        if let Some(span) = self.0 {
            span.took = now() - span.began;
        }
    }
}
