//! What a report is about.

use gateway::config::PageId;
use serde_json::Value;

use crate::record::Record;
use crate::scenario::Scenario;
use crate::verdict::Verdict;

/// Pages that have plots of their own; of more, there are only plots of all together.
const MOST_PAGES: usize = 4;

/// What a report is about: one run, or two of the same arrivals.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What repeats it.
    pub command: &'a str,
    /// The first run's config before the scenario's overrides: its name, and every key in effect.
    pub base: (&'a str, &'a Value),
    /// One; or two, before and after. Never empty.
    pub runs: &'a [Run<'a>],
}

/// A run and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What its config is called.
    pub name: &'a str,
    /// What was run.
    pub scenario: &'a Scenario,
    /// What happened.
    pub record: &'a Record,
    /// Whether it is as expected.
    pub verdict: &'a Verdict,
}

impl Report<'_> {
    /// Each page that is asked for if these are several, or all together.
    pub(super) fn pages(&self) -> impl Iterator<Item = Option<PageId>> + use<> {
        let mut pages: Vec<PageId> = self
            .first()
            .scenario
            .loads
            .iter()
            .map(|load| load.page)
            .collect();
        pages.sort_by_key(|page| page.0);
        pages.dedup();
        let pages: Vec<_> = match pages.len() {
            2..=MOST_PAGES => pages.into_iter().map(Some).collect(),
            _ => vec![None],
        };
        pages.into_iter()
    }

    /// The run that the scenario's own texts are taken from.
    pub(super) fn first(&self) -> &Run<'_> {
        &self.runs[0]
    }
}
