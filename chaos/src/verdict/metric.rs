//! The figures that can be expected of a run. What they mean exactly is in
//! [`Record::measure`](crate::record::Record::measure).

use std::time::Duration;

use super::unit::Unit;

macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $unit:ident;)*) => {
        /// A figure of the pages that arrived in a window.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric { $($(#[doc = $doc])* $name,)* }

        impl Metric {
            /// All figures, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The key in a scenario.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What it is, in a sentence.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }

            /// What it counts in.
            #[must_use]
            pub fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }
        }
    };
}

metrics! {
    /// Share of pages served in time with every required part.
    GoodPages = "good_pages", Share;
    /// Good pages per second.
    Goodput = "goodput", PerSecond;
    /// Share of pages whose client was owed one.
    Owed = "owed", Share;
    /// Share of the pages owed that were good.
    Sli = "sli", Share;
    /// Share of pages refused because of load, drain or quota.
    Refused = "refused", Share;
    /// Share of pages refused because their client is over its quota.
    OverQuota = "over_quota", Share;
    /// Share of pages that limits which are only watched would have refused, of all pages and
    /// clients.
    WouldShed = "would_shed", Share;
    /// Share of pages served without some optional part.
    Partial = "partial", Share;
    /// Share of pages lost because a required part failed or was late.
    Failed = "failed", Share;
    /// Share of pages whose client left, or that were cut off.
    Cancelled = "cancelled", Share;
    /// Share of pages whose client left after waiting longer than a healthy page takes.
    Abandoned = "abandoned", Share;
    /// Median time to a page that was served.
    P50 = "p50", Time;
    /// 99th percentile of the time to a page that was served.
    P99 = "p99", Time;
    /// 99.9th percentile of the time to a page that was served.
    P999 = "p999", Time;
    /// 99th percentile of the time to any answer, refusals included, or to the client's leaving.
    AnyP99 = "any_p99", Time;
    /// 99.9th percentile of the time to any answer, refusals included, or to the client's leaving.
    AnyP999 = "any_p999", Time;
    /// The longest time to any answer, refusals included, or to a client's leaving.
    Slowest = "slowest", Time;
    /// Median time to a refusal for load.
    RefusalP50 = "refusal_p50", Time;
    /// 99th percentile of the time to a refusal for load.
    RefusalP99 = "refusal_p99", Time;
    /// Most pages in flight at once, of all pages and clients.
    InFlightMax = "in_flight_max", Number;
    /// Calls started for each good page.
    CallsPerGoodPage = "calls_per_good_page", Number;
    /// Calls started per second.
    Calls = "calls", PerSecond;
    /// Share of calls ended by the gateway: late, their page lost, or their client gone.
    Aborted = "aborted", Share;
    /// Share of calls that a downstream went on working on after their end.
    Wasted = "wasted", Share;
    /// Time from the start of the window to the first stretch of good pages that lasts; infinite if
    /// there is none in the window: never.
    Recovery = "recovery", Time;
}

impl Metric {
    /// The fewest pages that the figure can be told from. Of a percentile `q` these are 1 / (1 - q),
    /// so that one page at least lies beyond it; of [`Metric::Recovery`] as many as tell a share of
    /// 95 % from a larger one.
    #[must_use]
    pub fn needs(self) -> usize {
        match self {
            Self::P50 | Self::RefusalP50 => 2,
            Self::Recovery => RECOVERY_PAGES,
            Self::P99 | Self::AnyP99 | Self::RefusalP99 => 100,
            Self::P999 | Self::AnyP999 => 1000,
            Self::GoodPages
            | Self::Goodput
            | Self::Owed
            | Self::Sli
            | Self::Refused
            | Self::OverQuota
            | Self::WouldShed
            | Self::Partial
            | Self::Failed
            | Self::Cancelled
            | Self::Abandoned
            | Self::Slowest
            | Self::InFlightMax
            | Self::CallsPerGoodPage
            | Self::Calls
            | Self::Aborted
            | Self::Wasted => 1,
        }
    }
}

/// Pages are good again where at least this share of them is.
pub const RECOVERED: f64 = 0.95;

/// Pages that tell that share from a larger one.
pub const RECOVERY_PAGES: usize = 20;

/// How long pages must stay good to have recovered, in a window of twice that at least, and longer
/// until there are [`RECOVERY_PAGES`] of them.
pub const RECOVERY_LASTS: Duration = Duration::from_secs(1);
