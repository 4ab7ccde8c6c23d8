//! What the gateway says about itself: names, counts, log lines and traces.
//!
//! Nothing here waits, and nothing here decides what becomes of a page: the layers
//! above say what happened, this module counts it, logs it, and lets its trace leave.

pub mod context;
pub mod counts;
pub mod events;
pub mod log;
pub mod names;
pub mod record;
pub mod sampling;
pub mod traces;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use self::context::TraceContext;
use self::counts::Counts;
use self::names::configured::Configured;
use self::names::{CallOutcome, TraceDecision};
use self::record::PageRecord;
use self::sampling::Sampling;
use self::traces::queue::Queue;
use self::traces::{Departure, TracesError};
use crate::config::{Config, DownstreamId};

/// Where pages and calls are told of.
#[derive(Debug)]
pub struct Telemetry {
    names: Arc<Configured>,
    counts: Arc<Counts>,
    sampling: Sampling,
    traces: Option<Queue>,
}

impl Telemetry {
    /// Counts and logs; no trace leaves.
    pub fn new(config: &Config) -> Self {
        Self {
            names: Arc::new(Configured::new(config)),
            counts: Arc::new(Counts::new(config)),
            sampling: Sampling::new(&config.telemetry),
            traces: None,
        }
    }

    /// As [`Telemetry::new`], with traces to where the config says. They leave as long
    /// as the returned [`Departure`] runs.
    ///
    /// # Errors
    /// [`TracesError`] when there cannot be an exporter.
    pub fn exporting(config: &Config) -> Result<(Self, Option<Departure>), TracesError> {
        let mut telemetry = Self::new(config);
        let names = Arc::clone(&telemetry.names);
        let Some((queue, departure)) =
            traces::export(&config.telemetry, names, Arc::clone(&telemetry.counts))?
        else {
            return Ok((telemetry, None));
        };
        telemetry.traces = Some(queue);
        Ok((telemetry, Some(departure)))
    }

    /// The names of the config.
    pub fn names(&self) -> &Configured {
        &self.names
    }

    /// How pages and calls ended so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The trace that a request belongs to: its own, or a new one where it brings none
    /// that can be read.
    pub fn trace_of(&self, headers: &HeaderMap) -> TraceContext {
        let (context, unreadable) = TraceContext::from_headers(headers);
        for header in unreadable {
            self.counts.bad_context(header);
        }
        context.unwrap_or_else(|| self.sampling.new_trace())
    }

    /// A page ended.
    pub fn page_ended(&self, record: &Arc<PageRecord>) {
        self.counts.page(record.page, record.outcome);
        events::page_ended(&self.names, record);
        let Some(traces) = &self.traces else {
            return;
        };
        let because = self.sampling.keep(record);
        let decision = match because {
            Some(_) => TraceDecision::Kept,
            None => TraceDecision::Unsampled,
        };
        self.counts.trace(decision);
        if let Some(because) = because {
            traces.offer(Arc::clone(record), because);
        }
    }

    /// A call ended.
    pub fn call_ended(&self, downstream: DownstreamId, outcome: CallOutcome, _took: Duration) {
        self.counts.call(downstream.0, outcome);
    }
}
