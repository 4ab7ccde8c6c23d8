//! Every name that leaves the gateway in a log, a metric or a trace.
//!
//! Tag values are closed sets, so they are enums: a new ending of a page or a
//! call does not compile until everything that counts endings knows it.

pub mod configured;
pub mod listing;
pub mod metrics;
mod series;
mod shed;
pub mod spans;

pub use self::shed::ShedBy;
use crate::config::DownstreamId;

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
    /// The request was not one the page accepts.
    BadRequest,
    /// The client went away.
    Cancelled,
}

impl PageOutcome {
    /// All endings, in the order of declaration.
    pub const ALL: [Self; 9] = [
        Self::Complete,
        Self::Partial,
        Self::Shed,
        Self::Quota,
        Self::Late,
        Self::Failed,
        Self::NotFound,
        Self::BadRequest,
        Self::Cancelled,
    ];

    /// The tag value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Shed => "shed",
            Self::Quota => "quota",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::NotFound => "not_found",
            Self::BadRequest => "bad_request",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How a part ended: what clients read of it, and what logs say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PartStatus {
    /// There, and usable.
    Ok,
    /// The downstream says there is no such thing: an answer, not a loss.
    NotFound,
    /// Lost: not there in time.
    Late,
    /// Lost: no usable answer.
    Failed,
    /// Lost: no permit was free, so no call was made.
    Shed,
    /// Ended by the gateway: its page was lost, or its client left.
    #[default]
    Cancelled,
}

impl PartStatus {
    /// As clients and logs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::Shed => "shed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The limit or part a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The client's own rate or budget.
    Client,
    /// The whole gateway.
    Gateway,
    /// One downstream.
    Downstream(DownstreamId),
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// A usable body.
    Ok,
    /// 404.
    NotFound,
    /// No answer, or none that can be used.
    Failed,
    /// Ran out of time.
    Late,
    /// Ended by the gateway: its page was lost, or its client left.
    Cancelled,
}

impl CallOutcome {
    /// All endings, in the order of declaration.
    pub const ALL: [Self; 5] = [
        Self::Ok,
        Self::NotFound,
        Self::Failed,
        Self::Late,
        Self::Cancelled,
    ];

    /// The tag value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What became of a page's trace, decided at the page's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TraceDecision {
    /// It is to leave.
    Kept,
    /// A plain page outside the sample.
    Unsampled,
}

impl TraceDecision {
    /// All decisions, in the order of declaration.
    pub const ALL: [Self; 2] = [Self::Kept, Self::Unsampled];

    /// The tag value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Unsampled => "unsampled",
        }
    }
}

/// Telemetry that was lost: what, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// A trace: too much waited already.
    TraceQueueFull,
    /// A trace: the receiver does not answer, or refused it.
    TraceNotReceived,
    /// A trace: the process ended before it could leave.
    TraceAtShutdown,
    /// A log line: too much waited already.
    LogQueueFull,
}

impl Dropped {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 4] = [
        Self::TraceQueueFull,
        Self::TraceNotReceived,
        Self::TraceAtShutdown,
        Self::LogQueueFull,
    ];

    /// Tag value: what was lost.
    pub fn signal(self) -> &'static str {
        match self {
            Self::TraceQueueFull | Self::TraceNotReceived | Self::TraceAtShutdown => "traces",
            Self::LogQueueFull => "logs",
        }
    }

    /// Tag value: why.
    pub fn cause(self) -> &'static str {
        match self {
            Self::TraceQueueFull | Self::LogQueueFull => "queue_full",
            Self::TraceNotReceived => "not_received",
            Self::TraceAtShutdown => "shutdown",
        }
    }
}

/// A trace header that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadContext {
    /// W3C's `traceparent`.
    Traceparent,
    /// W3C's `tracestate`.
    Tracestate,
    /// One of `x-datadog-*`.
    Datadog,
}

impl BadContext {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 3] = [Self::Traceparent, Self::Tracestate, Self::Datadog];

    /// The tag value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traceparent => "traceparent",
            Self::Tracestate => "tracestate",
            Self::Datadog => "x-datadog",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_indexes_a_table_is_its_place_in_all() {
        fn in_order<T: Copy>(all: &[T], index: impl Fn(T) -> usize) {
            let places: Vec<_> = all.iter().map(|&value| index(value)).collect();
            assert_eq!(places, Vec::from_iter(0..all.len()));
        }
        in_order(&PageOutcome::ALL, |o| o as usize);
        in_order(&CallOutcome::ALL, |o| o as usize);
        in_order(&TraceDecision::ALL, |d| d as usize);
        in_order(&Dropped::ALL, |d| d as usize);
        in_order(&BadContext::ALL, |b| b as usize);
        in_order(&Vec::from_iter(ShedBy::all(3)), ShedBy::index);
    }
}
