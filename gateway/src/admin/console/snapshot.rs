//! What the console shows, at one instant: the one shape that the web page and `gateway top` draw.
//!
//! Plain data, read from the gateway and written as JSON. Times are milliseconds, rates are per second, and
//! each field says over how long. Whoever reads it passes over members that it does not know, so fields may be
//! added.

use serde::{Deserialize, Serialize};

/// Everything that is shown. An event of `/events` holds one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Snapshots made since the gateway started, this one included: none is made while nobody looks.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Rates of pages and calls are of so long a time, up to `at_ms`.
    pub rates_over_ms: f64,
    /// Percentiles and refusals are of so long a time, up to `at_ms`.
    pub spread_over_ms: f64,
    /// How it does, in a sentence.
    pub headline: Headline,
    /// The gateway itself.
    pub gateway: Gateway,
    /// In the order of the configuration.
    pub pages: Vec<Page>,
    /// In the order of the configuration.
    pub downstreams: Vec<Downstream>,
    /// Pages refused by each limit that refused some, or would have, most first.
    pub refusals: Vec<Refused>,
    /// Pages that have no answer yet, the oldest first; not all of many.
    pub in_flight: Vec<PageInFlight>,
    /// Pages that ended lately and took longest, the slowest first.
    pub slow: Vec<SlowPage>,
    /// What was changed last, the latest first.
    pub changes: Vec<Change>,
}

/// How it does, for who has one look only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    /// In a word.
    pub state: State,
    /// In a sentence.
    pub text: String,
}

/// How many of the pages that were owed were good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No page was owed.
    #[default]
    Idle,
    /// At least as many as the objective asks for.
    Good,
    /// Fewer than that.
    Degraded,
    /// Fewer than nine of ten.
    Failing,
    /// The gateway is shutting down.
    Draining,
}

impl State {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Good => "good",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Draining => "draining",
        }
    }
}

/// The gateway itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    /// `telemetry.service`.
    pub service: String,
    /// `telemetry.env`.
    pub env: String,
    /// What runs.
    pub version: String,
    /// Which of all that call themselves so.
    pub instance: String,
    /// Who looks at the console, this viewer included.
    pub viewers: usize,
    /// Pages in flight: tickets in use.
    pub in_flight: u32,
    /// Tickets there are now.
    pub tickets: u32,
    /// Tickets there are at most.
    pub max_in_flight: u32,
    /// Why there are as many tickets: `configured`, `lag` or `recovering`.
    pub tickets_because: String,
    /// How long what could run waited to run; half of it, in the last 100 ms.
    pub lag_p50_ms: f64,
    /// The same; nine tenths of it.
    pub lag_p90_ms: f64,
    /// `admission.max_lag`; null is none.
    pub max_lag_ms: Option<f64>,
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Its name.
    pub name: String,
    /// Its deadline; null is none.
    pub deadline_ms: Option<f64>,
    /// Per second: answered inside the deadline with every required part.
    pub good_per_s: f64,
    /// Per second: owed to their clients.
    pub owed_per_s: f64,
    /// Per second, by outcome; every outcome is there.
    pub outcomes: Vec<Rate>,
    /// Of pages that were let in and answered, half took no longer; null without any.
    pub p50_ms: Option<f64>,
    /// Of the same, 99 of 100.
    pub p99_ms: Option<f64>,
    /// Waiting for permits.
    pub queued: usize,
    /// How many may wait.
    pub queue: usize,
}

/// How often something happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// How it ended.
    pub outcome: String,
    /// Per second.
    pub per_s: f64,
}

/// One downstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Downstream {
    /// Its name.
    pub name: String,
    /// Pages that are lost without it.
    pub required_by: Vec<String>,
    /// Its bulkhead; null is none.
    pub permits: Option<u32>,
    /// Permits out.
    pub in_use: u32,
    /// Pages that wait for one.
    pub queued: usize,
    /// Calls per second, by outcome; every outcome is there.
    pub calls: Vec<Rate>,
    /// Optional parts left out for want of a permit, per second.
    pub parts_shed_per_s: f64,
    /// Of its calls that had an answer, half took no longer; null without any.
    pub p50_ms: Option<f64>,
    /// Of the same, 99 of 100.
    pub p99_ms: Option<f64>,
    /// Addresses it has.
    pub endpoints: Vec<Endpoint>,
}

/// One address of a downstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where.
    pub address: String,
    /// `in use`, `ejected` or `probing`.
    pub state: String,
    /// Attempts under way.
    pub in_flight: u32,
}

/// What one limit refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// As clients are told.
    pub reason: String,
    /// Which limit: `client`, `gateway`, `downstream:pricing`.
    pub scope: String,
    /// Whether the limit is only watched: it refused none of them, and would have.
    #[serde(default)]
    pub observed: bool,
    /// Per second.
    pub per_s: f64,
    /// Keys that would change it, the likeliest first.
    pub keys: Vec<Turnable>,
}

/// A key that can be turned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Turnable {
    /// The key, with `PAGE` in place of a page's name where it is one of several.
    pub key: String,
    /// Which way, and on what condition.
    pub advice: String,
    /// The entry of the runbook.
    pub runbook: String,
}

/// A page that has no answer yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PageInFlight {
    /// Its request's id, or its trace's.
    pub id: String,
    /// Which page.
    pub page: String,
    /// Since its request came.
    pub age_ms: f64,
    /// What it is at, and what it waits for.
    pub stage: String,
    /// Until its deadline; null is none.
    pub left_ms: Option<f64>,
}

/// A page that took long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlowPage {
    /// Its request's id, or its trace's: `/pages/{id}` has all of it.
    pub id: String,
    /// Which page.
    pub page: String,
    /// When it ended, in milliseconds since 1970.
    pub at_ms: u64,
    /// From its request to its end.
    pub total_ms: f64,
    /// How it ended.
    pub outcome: String,
    /// What it was refused for, or what was late: a few words; may be empty.
    pub because: String,
}

/// A change of what is in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What asked for it: `signal`, `file`, `request`, `override`, `override_ended`.
    pub trigger: String,
    /// `applied`, `unchanged` or `refused`.
    pub outcome: String,
    /// Keys that changed; not all of many.
    pub keys: Vec<String>,
}
