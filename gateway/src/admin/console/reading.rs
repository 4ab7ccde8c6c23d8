//! What has been counted and measured so far, by name, so that two readings can be compared whatever the
//! configuration was between them.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::snapshot::Rate;
use crate::config::{DownstreamId, PageId};
use crate::outcome::{CallOutcome, PageOutcome, Reason, ShedBy};
use crate::page::Pages;
use crate::telemetry::meters::distribution::Distribution;

/// Everything counted, at one instant.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) at: Instant,
    pages: HashMap<String, PageCounts>,
    downstreams: HashMap<String, DownstreamCounts>,
    /// By the limit's spelling.
    refused: HashMap<Limit, u64>,
}

/// Of one page.
#[derive(Clone, Debug, Default)]
struct PageCounts {
    outcomes: [u64; PageOutcome::ALL.len()],
    owed: u64,
    good: u64,
    /// How long those took that were let in and answered.
    took: Distribution,
}

/// Of one downstream.
#[derive(Clone, Debug, Default)]
struct DownstreamCounts {
    calls: [u64; CallOutcome::ALL.len()],
    parts_shed: u64,
    /// How long those took that had an answer.
    took: Distribution,
}

/// Two readings of one gateway, the earlier first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between<'a>(pub(super) &'a Reading, pub(super) &'a Reading);

impl Reading {
    /// Of everything, now.
    pub(super) fn of<T>(pages: &Pages<T>, at: Instant) -> Self
    where
        T: crate::page::downstream::Transport,
    {
        let (names, meters) = (pages.telemetry().names(), pages.telemetry().meters());
        let counts = meters.counts();
        let page = |index| {
            let id = PageId(index);
            let [owed, good, ..] = counts.standings(id);
            let answered = PageOutcome::ALL.into_iter().filter(|o| was_let_in(*o));
            let took = answered.map(|outcome| meters.page_durations(id, outcome));
            PageCounts {
                outcomes: PageOutcome::ALL.map(|outcome| counts.pages(id, outcome)),
                owed,
                good,
                took: took.fold(Distribution::default(), Distribution::and),
            }
        };
        let downstream = |index| {
            let id = DownstreamId(index);
            let answered = CallOutcome::ALL.into_iter().filter(|o| was_answered(*o));
            let took = answered.map(|outcome| meters.call_durations(id, outcome));
            DownstreamCounts {
                calls: CallOutcome::ALL.map(|outcome| counts.calls(id, outcome)),
                parts_shed: counts.parts_shed(id),
                took: took.fold(Distribution::default(), Distribution::and),
            }
        };
        let refused = |by: ShedBy| {
            let limit = |observed| Limit {
                reason: by.reason(),
                scope: names.scope(by.scope()).into_owned(),
                observed,
            };
            let (did, would) = (counts.pages_shed(by), counts.pages_would_shed(by));
            [(limit(false), did), (limit(true), would)]
        };
        let named = names.pages.iter().enumerate();
        let pages = named.map(|(index, names)| (names.name.clone(), page(index)));
        let named = names.downstreams.iter().enumerate();
        let downstreams = named.map(|(index, names)| (names.name.clone(), downstream(index)));
        Self {
            at,
            pages: pages.collect(),
            refused: ShedBy::all(names.downstreams.len())
                .flat_map(refused)
                .collect(),
            downstreams: downstreams.collect(),
        }
    }
}

/// A limit, as pages are refused by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Limit {
    pub(super) reason: Reason,
    pub(super) scope: String,
    /// It is only watched: it would have refused them.
    pub(super) observed: bool,
}

/// Refusals cost next to nothing, and a client that leaves, or gives a page less time, says how patient
/// it is: none of them says how long pages take.
fn was_let_in(outcome: PageOutcome) -> bool {
    match outcome {
        PageOutcome::Complete
        | PageOutcome::Partial
        | PageOutcome::Late
        | PageOutcome::Failed
        | PageOutcome::NotFound
        | PageOutcome::Denied => true,
        PageOutcome::Shed
        | PageOutcome::Quota
        | PageOutcome::BadRequest
        | PageOutcome::ClientBudget
        | PageOutcome::Cancelled => false,
    }
}

/// What was cut off says how long the gateway waited.
fn was_answered(outcome: CallOutcome) -> bool {
    match outcome {
        CallOutcome::Ok
        | CallOutcome::NotFound
        | CallOutcome::Denied
        | CallOutcome::Failed
        | CallOutcome::Busy => true,
        CallOutcome::Late | CallOutcome::Cancelled => false,
    }
}

impl Between<'_> {
    /// Time between them.
    pub(super) fn elapsed(self) -> Duration {
        self.1.at.saturating_duration_since(self.0.at)
    }

    fn per_second(self, before: u64, now: u64) -> f64 {
        // Two readings of one instant have nothing between them.
        let seconds = self.elapsed().as_secs_f64().max(1e-3);
        now.saturating_sub(before) as f64 / seconds
    }

    /// Good and owed pages per second.
    pub(super) fn standing(self, page: &str) -> (f64, f64) {
        let (before, now) = both(&self.0.pages, &self.1.pages, page);
        let good = self.per_second(before.good, now.good);
        (good, self.per_second(before.owed, now.owed))
    }

    /// Pages per second by outcome.
    pub(super) fn outcomes(self, page: &str) -> Vec<Rate> {
        let (before, now) = both(&self.0.pages, &self.1.pages, page);
        let rate = |outcome: PageOutcome| {
            let at = outcome as usize;
            self.rate(outcome.as_str(), before.outcomes[at], now.outcomes[at])
        };
        PageOutcome::ALL.map(rate).to_vec()
    }

    /// Calls per second by outcome.
    pub(super) fn calls(self, downstream: &str) -> Vec<Rate> {
        let (before, now) = both(&self.0.downstreams, &self.1.downstreams, downstream);
        let rate = |outcome: CallOutcome| {
            let at = outcome as usize;
            self.rate(outcome.as_str(), before.calls[at], now.calls[at])
        };
        CallOutcome::ALL.map(rate).to_vec()
    }

    fn rate(self, outcome: &str, before: u64, now: u64) -> Rate {
        Rate {
            outcome: outcome.to_owned(),
            per_s: self.per_second(before, now),
        }
    }

    /// Optional parts left out, per second.
    pub(super) fn parts_shed(self, downstream: &str) -> f64 {
        let (before, now) = both(&self.0.downstreams, &self.1.downstreams, downstream);
        self.per_second(before.parts_shed, now.parts_shed)
    }

    /// How long pages took that were let in.
    pub(super) fn page_took(self, page: &str) -> Distribution {
        let (before, now) = both(&self.0.pages, &self.1.pages, page);
        now.took.since(&before.took)
    }

    /// How long calls took that had an answer.
    pub(super) fn call_took(self, downstream: &str) -> Distribution {
        let (before, now) = both(&self.0.downstreams, &self.1.downstreams, downstream);
        now.took.since(&before.took)
    }

    /// Pages per second that each limit refused, or would have; only of limits that did, most first.
    pub(super) fn refused(self) -> Vec<(Limit, f64)> {
        let rate = |(limit, &now): (&Limit, &u64)| {
            let before = self.0.refused.get(limit);
            let per_s = self.per_second(before.copied().unwrap_or(0), now);
            (limit.clone(), per_s)
        };
        let all = self.1.refused.iter().map(rate);
        let mut some: Vec<_> = all.filter(|(_, per_s)| *per_s > 0.0).collect();
        some.sort_by(|(a, more), (b, less)| {
            let scopes = || a.scope.cmp(&b.scope);
            less.total_cmp(more).then_with(scopes)
        });
        some
    }
}

/// What was not there had nothing.
fn both<V: Clone + Default>(
    before: &HashMap<String, V>,
    now: &HashMap<String, V>,
    name: &str,
) -> (V, V) {
    let of = |all: &HashMap<String, V>| all.get(name).cloned().unwrap_or_default();
    (of(before), of(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pricing() -> Limit {
        Limit {
            reason: Reason::BulkheadFull,
            scope: "downstream:pricing".to_owned(),
            observed: false,
        }
    }

    /// A reading `seconds` after `start` with these good of owed pages, and refusals.
    fn reading(start: Instant, seconds: u64, good: u64, owed: u64, refused: u64) -> Reading {
        let page = PageCounts {
            good,
            owed,
            ..PageCounts::default()
        };
        Reading {
            at: start + Duration::from_secs(seconds),
            pages: HashMap::from([("p".to_owned(), page)]),
            downstreams: HashMap::new(),
            refused: HashMap::from([(pricing(), refused)]),
        }
    }

    #[test]
    fn rates_are_what_came_between_two_readings_by_the_time_between_them() {
        let start = crate::page::deadline::now();
        let (before, after) = (
            reading(start, 10, 100, 100, 3),
            reading(start, 12, 150, 180, 9),
        );
        let between = Between(&before, &after);
        assert_eq!(between.standing("p"), (25.0, 40.0));
        assert_eq!(between.refused(), [(pricing(), 3.0)]);
        let same = Between(&after, &after);
        assert_eq!((same.standing("p"), same.refused()), ((0.0, 0.0), vec![]));
    }

    #[test]
    fn what_a_reload_added_counts_from_nothing_and_what_it_removed_is_not_shown() {
        let start = crate::page::deadline::now();
        let (mut before, after) = (reading(start, 0, 9, 9, 1), reading(start, 1, 5, 5, 2));
        before.pages.clear();
        before.refused.clear();
        assert_eq!(Between(&before, &after).standing("p"), (5.0, 5.0));
        assert_eq!(Between(&before, &after).refused()[0].1, 2.0);
        assert_eq!(Between(&after, &before).standing("p"), (0.0, 0.0));
        assert!(Between(&after, &before).refused().is_empty());
    }
}
