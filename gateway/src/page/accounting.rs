//! Every page ends in exactly one outcome, however it ends.
//!
//! A `PageAccount` is opened with the page and closed with its result. Dropped
//! before that, the page was cancelled, or a defect ended it. Either way the
//! page's record reaches telemetry exactly once.
//!
//! Not here: calls, which `downstream` records, and what
//! is made of a record.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::config::{ClientKey, PageId, ShedStatus};
use crate::outcome::{PageOutcome, Promise};
use crate::page::Answer;
use crate::page::admission::core::Shed;
use crate::page::admission::{InShadow, Ticket};
use crate::page::assemble::Page;
use crate::page::deadline::{Deadline, now, wall_clock};
use crate::page::quota::{Allowance, Charge};
use crate::page::refusal::Refusal;
use crate::telemetry::Telemetry;
use crate::telemetry::recent::in_flight::{InFlightCall, InFlightPage};
use crate::telemetry::record::{Occupancy, Origin, PageRecord, PartRecord, TimeSpan};

/// One page: its record, its place among those in flight, and its ticket until the answer takes them over.
pub(super) struct PageAccount<'a> {
    telemetry: &'a Telemetry,
    promise: Promise,
    /// What its client was charged, until it is known whether that stands.
    pub(super) charge: Option<Charge>,
    /// What others see of it; `None` once the answer has it.
    in_flight: Option<InFlightPage>,
    /// The page's ticket, once it has one.
    pub(super) ticket: Option<Ticket>,
    /// The page beside limits that are only watched.
    pub(super) shadow: Option<InShadow>,
    /// What the page did so far.
    pub(super) record: PageRecord,
    /// Whole seconds after which the client is to come back.
    pub(super) retry_after: Option<u32>,
    /// What is left of the client's quota, if it is held to one.
    pub(super) allowance: Option<Allowance>,
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
            in_flight: Some(
                telemetry
                    .recent()
                    .in_flight()
                    .open(page, telemetry.names(), origin),
            ),
            ticket: None,
            shadow: None,
            record: PageRecord::open(page, Arc::clone(telemetry.names()), Arc::clone(origin)),
            retry_after: None,
            allowance: None,
            closed: false,
        }
    }

    /// Who asks, and by when its calls must have ended.
    pub(super) fn known(&mut self, client: ClientKey, deadline: Deadline) {
        self.record.client = Some(client);
        self.record.deadline = deadline.instant();
        if let Some(page) = &self.in_flight {
            page.known(client, deadline.instant());
        }
    }

    /// What limits that are only watched know it as.
    pub(super) fn in_shadow(&mut self, shadow: Option<InShadow>) {
        if let (Some(ticket), Some(shadow)) = (&mut self.ticket, &shadow) {
            ticket.with_shadow(shadow.clone());
        }
        self.shadow = shadow;
    }

    /// Measures the wait for admission, however it ends. `occupancy` says how the limits stand.
    pub(super) async fn wait<V>(
        &mut self,
        permits: impl Future<Output = Result<V, Shed>>,
        occupancy: impl Fn() -> Occupancy,
    ) -> Result<V, Shed> {
        let waiting = Measured::begin(&mut self.record.admission);
        let mut permits = pin!(permits);
        let verdict = match futures_util::poll!(permits.as_mut()) {
            Poll::Ready(verdict) => verdict,
            Poll::Pending => {
                let full = occupancy().permits.map(|(downstream, _)| downstream);
                self.record.waited_for = full;
                if let (Some(page), Some(full)) = (&self.in_flight, full) {
                    page.waits(now(), full);
                }
                permits.await
            }
        };
        drop(waiting);
        self.record.occupancy = Some(occupancy());
        verdict
    }

    /// As many parts as the page has, none of them begun, and what others see of them.
    pub(super) fn parts(&mut self, count: usize) -> (&mut [PartRecord], Calls<'_>) {
        self.record.parts.resize_with(count, PartRecord::default);
        if let Some(page) = &self.in_flight {
            page.admitted(self.record.admission, count);
        }
        (&mut self.record.parts, Calls(self.in_flight.as_ref()))
    }

    /// Measures the writing of the page.
    pub(super) fn assemble(&mut self, assemble: impl FnOnce() -> Page) -> Page {
        if let Some(page) = &self.in_flight {
            page.assembling();
        }
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
        let (retry_after, allowance) = (self.retry_after, self.allowance);
        let record = self.record();
        let in_flight = self.in_flight.take();
        if let Some(page) = &in_flight {
            page.writing(&record);
        }
        Answer {
            result,
            retry_after,
            allowance,
            ticket,
            in_flight,
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
        let would_shed = self.shadow.as_ref().and_then(InShadow::would_shed);
        self.record.would_shed = self.record.would_shed.or(would_shed);
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
        if let Some(shadow) = &self.shadow {
            shadow.left();
        }
    }
}

/// What others see of a page's calls.
#[derive(Clone, Copy)]
pub(super) struct Calls<'a>(Option<&'a InFlightPage>);

impl<'a> Calls<'a> {
    /// Of one part.
    pub(super) fn of(self, part: usize) -> Option<InFlightCall<'a>> {
        self.0.map(|page| page.call(part))
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
