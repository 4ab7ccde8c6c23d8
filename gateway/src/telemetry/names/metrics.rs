//! Every metric, in one table: the code records by it, `gateway metrics` prints it, and
//! a test holds dashboards, monitors and alert rules against it.

/// A metric of the gateway.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// As Datadog spells it.
    pub name: &'static str,
    /// What can be asked of it.
    pub kind: Kind,
    /// Of its values.
    pub unit: Unit,
    /// Tags that every one of its series has. Their values are closed sets.
    pub tags: &'static [Tag],
    /// What is counted or measured.
    pub meaning: &'static str,
}

/// What can be asked of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution: shares and percentiles.
    Histogram,
}

/// Of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Pages.
    Page,
    /// Calls.
    Call,
    /// Permits.
    Permit,
    /// Seconds.
    Second,
    /// Traces, log lines, or whatever else there is a number of.
    Item,
}

/// A tag's name. Its values are a closed set, known when the configuration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// A page.
    Page,
    /// A downstream.
    Downstream,
    /// How a page ended.
    PageOutcome,
    /// How a call ended.
    CallOutcome,
    /// What came of reading the configuration again.
    ReloadOutcome,
    /// Why a page was refused for load.
    Reason,
    /// The limit that refused it.
    Scope,
    /// What kind of telemetry.
    Signal,
    /// Why telemetry was dropped.
    Cause,
    /// What became of a trace.
    Decision,
    /// Which of the request's headers.
    Header,
    /// What bytes that are no request seem to be.
    Kind,
    /// What runs: `telemetry.version`.
    Version,
}

impl Kind {
    /// For machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Unit {
    /// Datadog's name of the unit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Call => "request",
            Self::Permit => "permit",
            Self::Second => "second",
            Self::Item => "item",
        }
    }
}

impl Tag {
    /// The tag's key, in Datadog and as a Prometheus label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Downstream => "downstream",
            Self::PageOutcome | Self::CallOutcome | Self::ReloadOutcome => "outcome",
            Self::Reason => "reason",
            Self::Scope => "scope",
            Self::Signal => "signal",
            Self::Cause => "cause",
            Self::Decision => "decision",
            Self::Header => "header",
            Self::Kind => "kind",
            Self::Version => "version",
        }
    }
}

impl Metric {
    /// As Prometheus spells it: underscores, the unit of times, `_total` on counters.
    pub fn prometheus(&self) -> String {
        let mut name = self.name.replace('.', "_");
        if self.unit == Unit::Second {
            name.push_str("_seconds");
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal $unit:ident [$($tag:ident),*] $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $id: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                tags: &[$(Tag::$tag),*],
                meaning: $meaning,
            };
        )*
        /// All of them.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    PAGES = Counter "gateway.pages" Page [Page, PageOutcome]
        "Pages, by how they ended. The sum over all outcomes is every request for a page.";
    PAGES_OWED = Counter "gateway.pages.owed" Page [Page]
        "Pages whose client was owed one: complete, partial, shed, late, failed, and abandoned. The SLI is good by owed.";
    PAGES_GOOD = Counter "gateway.pages.good" Page [Page]
        "Pages owed and served with every required part no later than their deadline.";
    PAGES_ABANDONED = Counter "gateway.pages.abandoned" Page [Page]
        "Cancelled pages whose client had waited longer than abandoned_after: owed and not good.";
    ANSWERS_LATE = Counter "gateway.answers.late" Page [Page]
        "Answers, refusals too, that left after their page's deadline.";
    PAGE_DURATION = Histogram "gateway.page.duration" Second [Page, PageOutcome]
        "From the request's head to the answer's, or to the client's leaving.";
    PAGE_DEADLINE = Gauge "gateway.page.deadline" Second [Page]
        "The page's configured deadline; no series for a page without one.";
    SHED = Counter "gateway.shed" Page [Reason, Scope]
        "Pages refused for load, quota or a shutdown, by the reason and the limit that clients are told.";
    WOULD_SHED = Counter "gateway.would_shed" Page [Reason, Scope]
        "Pages that limits which are only watched (observe = true) would have refused, by the reason and the limit; they were not refused for it.";
    IN_FLIGHT = Gauge "gateway.in_flight" Page []
        "Tickets in use: pages in flight, until the last byte of their answer has been taken.";
    IN_FLIGHT_LIMIT = Gauge "gateway.in_flight.limit" Page []
        "Tickets there are at most: admission.max_in_flight.";
    TICKETS_EFFECTIVE = Gauge "gateway.tickets.effective" Page []
        "Tickets there are now: fewer than at most while the gateway itself is short of CPU.";
    LAG = Histogram "gateway.lag" Second []
        "How long what could run in the gateway waited to run, probed every 5 ms while pages are under way: near zero while it has CPU to spare.";
    QUEUE_DEPTH = Gauge "gateway.queue.depth" Page [Page]
        "Pages waiting for permits.";
    QUEUE_LIMIT = Gauge "gateway.queue.limit" Page [Page]
        "Pages that may wait for permits.";
    ADMISSION_WAIT = Histogram "gateway.admission.wait" Second [Page]
        "Wait for permits, of pages admitted and refused; near zero while there are free ones.";
    BULKHEAD_IN_USE = Gauge "gateway.bulkhead.in_use" Permit [Downstream]
        "Permits in use: calls that are running.";
    BULKHEAD_LIMIT = Gauge "gateway.bulkhead.limit" Permit [Downstream]
        "Permits there are; no series for a downstream without a bulkhead.";
    ENDPOINTS = Gauge "gateway.endpoints" Item [Downstream]
        "Addresses that the downstream's name or urls resolve to now; 0 while its name has never been resolved.";
    ENDPOINTS_EJECTED = Gauge "gateway.endpoints.ejected" Item [Downstream]
        "Endpoints set aside for their failures, those that are being probed among them.";
    PARTS_SHED = Counter "gateway.parts.shed" Call [Downstream]
        "Optional parts left out because no permit was free; no call was made.";
    PARTS_WOULD_SHED = Counter "gateway.parts.would_shed" Call [Downstream]
        "Optional parts that a bulkhead which is only watched would have left out.";
    CALLS = Counter "gateway.calls" Call [Downstream, CallOutcome]
        "Calls, by how they ended. The sum over all outcomes is every call begun.";
    CALL_DURATION = Histogram "gateway.call.duration" Second [Downstream, CallOutcome]
        "From a call's begin to the last byte of its answer, or to its being ended.";
    RETRIES = Counter "gateway.retries" Call [Downstream]
        "Further attempts of calls whose attempt was never sent. What the HTTP library repeats by itself is not counted.";
    OVERHEAD = Histogram "gateway.overhead" Second [Page]
        "Of pages that made calls, the time that was neither a wait for permits nor for calls: the gateway's own, and its machine's. What of its lag fell into calls is in gateway.lag.";
    RUNTIME_WORKERS = Gauge "gateway.runtime.workers" Item []
        "Threads that run pages.";
    RUNTIME_TASKS = Gauge "gateway.runtime.tasks" Item []
        "Tasks there are, those that wait for something among them: some for each connection.";
    RUNTIME_QUEUE = Gauge "gateway.runtime.queue" Item []
        "Tasks that could run and that no thread has taken to itself yet. gateway.lag says what that costs.";
    BUILD_INFO = Gauge "gateway.build_info" Item [Version]
        "Always 1; its label is the version that runs: DD_VERSION, or the gateway's own.";
    CONFIG_LOADED = Gauge "gateway.config.loaded" Second []
        "When the configuration in force was loaded, in seconds since 1970.";
    RELOADS = Counter "gateway.reloads" Item [ReloadOutcome]
        "Times the configuration was read again: applied, unchanged, or refused for its errors or for what only a restart can change.";
    CONNECTIONS_UNREADABLE = Counter "gateway.connections.unreadable" Item [Kind]
        "Connections that ended with bytes that are no request, a TLS handshake that failed, or a flood: what it seems to be. Nothing else counts them.";
    CONNECTIONS_REFUSED = Counter "gateway.connections.refused" Item []
        "Connections closed at once, as their client had as many open as it may (server.max_connections_per_client).";
    TELEMETRY_TRACES = Counter "gateway.telemetry.traces" Item [Decision]
        "Traces of pages, by what was decided at the page's end: kept or unsampled.";
    TELEMETRY_DROPPED = Counter "gateway.telemetry.dropped" Item [Signal, Cause]
        "Kept traces, log lines and statistics (in tens of seconds) that did not leave: what, and why.";
    TELEMETRY_BAD_CONTEXT = Counter "gateway.telemetry.bad_context" Item [Header]
        "Trace headers that could not be read completely. The page continued without what was unreadable or, without a trace id, started a trace of its own.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_in_both_spellings() {
        for (at, metric) in ALL.iter().enumerate() {
            for other in &ALL[..at] {
                assert_ne!(metric.name, other.name);
                assert_ne!(metric.prometheus(), other.prometheus());
            }
        }
    }

    #[test]
    fn prometheus_spells_units_and_totals() {
        assert_eq!(PAGES.prometheus(), "gateway_pages_total");
        assert_eq!(PAGE_DURATION.prometheus(), "gateway_page_duration_seconds");
        assert_eq!(BULKHEAD_IN_USE.prometheus(), "gateway_bulkhead_in_use");
    }
}
