//! Every name that leaves the gateway in a log, a metric or a trace, but for outcomes
//! and reasons: those are answers first ([`outcome`](crate::outcome)).
//!
//! Tag values are closed sets, so they are enums: a new value does not compile until
//! everything that counts knows it.

pub mod configured;
mod instance;
pub mod listing;
pub mod metrics;
mod series;
pub mod spans;

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
    /// A log line: the system did not take it.
    LogNotWritten,
    /// Ten seconds of statistics: a minute of them waited already.
    StatsQueueFull,
    /// Ten seconds of statistics: the agent does not answer, or refused them.
    StatsNotReceived,
    /// Ten seconds of statistics: the process ended before they could leave.
    StatsAtShutdown,
}

impl Dropped {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::TraceQueueFull,
        Self::TraceNotReceived,
        Self::TraceAtShutdown,
        Self::LogQueueFull,
        Self::LogNotWritten,
        Self::StatsQueueFull,
        Self::StatsNotReceived,
        Self::StatsAtShutdown,
    ];

    /// Tag value: what was lost.
    pub fn signal(self) -> &'static str {
        match self {
            Self::TraceQueueFull | Self::TraceNotReceived | Self::TraceAtShutdown => "traces",
            Self::LogQueueFull | Self::LogNotWritten => "logs",
            Self::StatsQueueFull | Self::StatsNotReceived | Self::StatsAtShutdown => "stats",
        }
    }

    /// Tag value: why.
    pub fn cause(self) -> &'static str {
        match self {
            Self::TraceQueueFull | Self::LogQueueFull | Self::StatsQueueFull => "queue_full",
            Self::TraceNotReceived | Self::StatsNotReceived => "not_received",
            Self::TraceAtShutdown | Self::StatsAtShutdown => "shutdown",
            Self::LogNotWritten => "not_written",
        }
    }
}

/// What came on a connection that is no request, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// TLS, which is not spoken here.
    Tls,
    /// The PROXY protocol, which is not spoken here.
    ProxyProtocol,
    /// HTTP/2, which is not spoken here.
    Http2,
    /// A head that is larger than is read.
    TooLarge,
    /// Anything else.
    Malformed,
    /// No TLS, where it is spoken.
    Plaintext,
    /// A handshake of TLS that failed.
    TlsHandshake,
    /// A handshake for which the client showed no certificate, or not a good one.
    TlsClientCertificate,
    /// A handshake that was not done in time, or was the oldest of too many.
    TlsTimeout,
    /// HTTP/2 that floods: resets, or frames that ask for nothing.
    Http2Flood,
}

impl Unreadable {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::Tls,
        Self::ProxyProtocol,
        Self::Http2,
        Self::TooLarge,
        Self::Malformed,
        Self::Plaintext,
        Self::TlsHandshake,
        Self::TlsClientCertificate,
        Self::TlsTimeout,
        Self::Http2Flood,
    ];

    /// The tag value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::ProxyProtocol => "proxy_protocol",
            Self::Http2 => "http2",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Plaintext => "plaintext",
            Self::TlsHandshake => "tls_handshake",
            Self::TlsClientCertificate => "tls_client_certificate",
            Self::TlsTimeout => "tls_timeout",
            Self::Http2Flood => "http2_flood",
        }
    }
}

/// What came of reading the configuration again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReloadOutcome {
    /// It is in force.
    Applied,
    /// It says what the one in force says.
    Unchanged,
    /// It has errors, or changes what only a restart can.
    Refused,
}

impl ReloadOutcome {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Refused];

    /// The tag value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
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
    /// `b3`, or one of `x-b3-*`.
    B3,
}

impl BadContext {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::Traceparent, Self::Tracestate, Self::Datadog, Self::B3];

    /// The tag value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traceparent => "traceparent",
            Self::Tracestate => "tracestate",
            Self::Datadog => "x-datadog",
            Self::B3 => "b3",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::in_order;

    #[test]
    fn what_indexes_a_table_is_its_place_in_all() {
        in_order(&TraceDecision::ALL, |d| d as usize);
        in_order(&Dropped::ALL, |d| d as usize);
        in_order(&BadContext::ALL, |b| b as usize);
        in_order(&ReloadOutcome::ALL, |r| r as usize);
    }
}
