//! A page as telemetry sees it: its record, and what is made of it whatever becomes of its trace.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use gateway::config::{Config, PageId};
use gateway::outcome::{PageOutcome, PartStatus};
use gateway::page::deadline::{now, wall_clock};
use gateway::telemetry::context::TraceContext;
use gateway::telemetry::names::configured::Configured;
use gateway::telemetry::record::{
    AttemptRecord, CallRecord, ConnectionUse, Origin, PageRecord, PartRecord, TimeSpan,
};
use gateway::telemetry::{Exports, Telemetry};

/// Shared by all records, as endpoints share theirs.
pub(crate) static ENDPOINT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("127.0.0.1:7101"));

/// Telemetry of one config, and a page to tell it of.
pub(crate) struct Told {
    telemetry: Telemetry,
    record: Arc<PageRecord>,
    /// Nothing leaves, as none of them runs; what waits is bounded.
    _exports: Exports,
}

impl Told {
    /// A complete page of `parts` calls whose trace is not kept.
    pub(crate) fn new(config: &Config, page: PageId, parts: usize) -> Self {
        let (telemetry, exports) = Telemetry::exporting(config);
        Self {
            record: Arc::new(record(page, Arc::clone(telemetry.names()), parts)),
            telemetry,
            _exports: exports,
        }
    }

    pub(crate) fn page_ended(&self) {
        self.telemetry.page_ended(&self.record);
    }
}

/// A complete page of `parts` calls, made anew.
pub(crate) fn record(page: PageId, names: Arc<Configured>, parts: usize) -> PageRecord {
    let (began, took) = (now(), Duration::from_millis(20));
    let attempt = AttemptRecord {
        endpoint: Arc::clone(&ENDPOINT),
        span: TimeSpan { began, took },
        connection: ConnectionUse::default(),
        failure: None,
    };
    let call = CallRecord {
        span: TimeSpan { began, took },
        http_status: Some(200),
        attempts: vec![attempt],
        ..CallRecord::begun(1, began)
    };
    let part = PartRecord {
        status: PartStatus::Ok,
        call: Some(call),
    };
    let origin = Origin {
        arrived: began,
        method: "GET",
        request_id: None,
        trace: TraceContext {
            priority: 0,
            ..TraceContext::new()
        },
    };
    PageRecord {
        admission: Some(TimeSpan {
            began,
            took: Duration::ZERO,
        }),
        parts: vec![part; parts],
        ended: began + took,
        ended_at: wall_clock(),
        outcome: PageOutcome::Complete,
        status: Some(200),
        ..PageRecord::open(page, names, Arc::new(origin))
    }
}
