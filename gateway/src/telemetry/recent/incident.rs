//! What goes wrong now: what is slow, since when, whose fault it is, and which key helps.
//!
//! Read off the recent pages that were lost, refused or incomplete; each is put down to the one that
//! its refusal names. Beside it stands how the same calls did before, from pages drawn at random. What
//! always holds: every figure is a count of pages that are kept or a median of their calls; a
//! service is blamed for its calls, never for refusals alone, which may be demand.
//!
//! Not here: figures that are no page's (`/limits`).

mod told;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::retention::Class;
use super::{Kept, Recent};
use crate::outcome::{Fault, PageOutcome, PartStatus, Reason, Scope};
use crate::telemetry::record::{CallRecord, PageRecord};

/// Nothing for so long, and what comes then is another incident.
const PAUSE: Duration = Duration::from_secs(15);

/// Calls that take so many times what they did are slow.
const SLOWER: u32 = 2;

/// Fewer pages are no incident.
const FEWEST: usize = 3;

/// Who pages are put down to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Culprit {
    /// The gateway's tickets, a shutdown, or a defect.
    Gateway,
    /// The quotas of clients.
    Quota,
    /// A downstream, or its permits.
    Downstream(String),
}

/// Pages that are put down to one.
#[derive(Debug)]
pub struct Finding {
    /// Whom.
    pub culprit: Culprit,
    /// What is wrong with it.
    pub fault: Fault,
    /// When the first page of an unbroken row ended so.
    pub since: Instant,
    /// It may have been before: no older page is kept.
    pub or_before: bool,
    /// When the last did.
    pub until: Instant,
    /// How many pages, by page and by what became of them: an outcome, or a reason of a refusal.
    pub pages: BTreeMap<(String, &'static str), usize>,
    /// Whether a page can do without: it costs parts of pages only.
    pub optional: bool,
    /// Calls of these pages that had no answer when they were ended, and the median of how long
    /// they had run.
    pub cut: Option<(usize, Duration)>,
    /// Calls that failed, and how the last did, in words.
    pub failed: Option<(usize, String)>,
    /// Of calls that were answered: how many and their median, since then and before.
    pub answered: [Option<(usize, Duration)>; 2],
    /// The page and the part that names of keys are taken from.
    pub example: (String, String),
}

/// What goes wrong in the `last` before `now`, what costs most pages first.
pub fn findings(recent: &Recent, last: Duration, now: Instant) -> Vec<Finding> {
    let all = recent.all();
    let began = now.checked_sub(last).unwrap_or(now);
    let mut blamed: BTreeMap<Culprit, Vec<&PageRecord>> = BTreeMap::new();
    // The first to end first.
    for (_, record) in all.iter().rev() {
        for culprit in culprits(record) {
            blamed.entry(culprit).or_default().push(record);
        }
    }
    let mut found: Vec<_> = blamed
        .into_iter()
        .filter_map(|(culprit, pages)| finding(recent, &all, culprit, &pages))
        .filter(|finding| finding.until >= began)
        .collect();
    found.sort_by_key(|one| (one.optional, std::cmp::Reverse(one.count())));
    found
}

impl Finding {
    /// Pages in all.
    pub fn count(&self) -> usize {
        self.pages.values().sum()
    }
}

/// Whom a page is put down to; nobody for one that is as it should be.
fn culprits(record: &PageRecord) -> Vec<Culprit> {
    let named = |id| Culprit::Downstream(record.names.downstream(id).name.clone());
    let parts = record.names.page(record.page).parts.iter();
    let mut parts = parts.zip(&record.parts);
    match (record.outcome, record.scope) {
        (PageOutcome::Shed | PageOutcome::Late | PageOutcome::Failed, Some(scope)) => match scope {
            Scope::Downstream(id) => vec![named(id)],
            Scope::Gateway => vec![Culprit::Gateway],
            Scope::Client => Vec::new(),
        },
        (PageOutcome::Quota, _) => vec![Culprit::Quota],
        (PageOutcome::Partial, _) => {
            let lost = parts.filter(|(_, part)| is_lost(part.status));
            lost.map(|(names, _)| named(names.downstream)).collect()
        }
        (PageOutcome::Cancelled, _) if record.standing.abandoned => {
            let awaited = parts.find(|(names, part)| {
                names.required && part.status == PartStatus::Cancelled && part.call.is_some()
            });
            let waited_for = record.waited_for.map(named);
            let awaited = awaited.map(|(names, _)| named(names.downstream));
            awaited.or(waited_for).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn is_lost(status: PartStatus) -> bool {
    matches!(
        status,
        PartStatus::Late | PartStatus::Failed | PartStatus::Busy | PartStatus::Shed
    )
}

fn finding(
    recent: &Recent,
    all: &[Kept],
    culprit: Culprit,
    pages: &[&PageRecord],
) -> Option<Finding> {
    let row = last_row(pages);
    let (first, last) = (row.first()?, row.last()?);
    if row.len() < FEWEST {
        return None;
    }
    let since = first.ended;
    let forgotten = recent.holdings().into_iter();
    let forgotten = forgotten.filter_map(|one| one.forgotten).max();
    let calls = Calls::of(&culprit, row, all, since);
    let optional = row.iter().all(|page| page.outcome == PageOutcome::Partial);
    let mut counts = BTreeMap::new();
    for page in row {
        let name = page.names.page(page.page).name.clone();
        let refused = page.reason.filter(|_| page.outcome == PageOutcome::Shed);
        let what = refused.map_or(page.outcome.as_str(), Reason::as_str);
        *counts.entry((name, what)).or_default() += 1;
    }
    Some(Finding {
        fault: fault(&culprit, row, &calls),
        since,
        or_before: row.len() == pages.len() && forgotten.is_some_and(|at| at + PAUSE >= since),
        until: last.ended,
        pages: counts,
        optional,
        cut: median(&calls.cut),
        failed: calls.last_failure.map(|words| (calls.failed, words)),
        answered: [median(&calls.answered), median(&calls.before)],
        example: example(&culprit, last),
        culprit,
    })
}

/// The last of the rows in which one page follows the other without a pause.
fn last_row<'a, 'b>(pages: &'b [&'a PageRecord]) -> &'b [&'a PageRecord] {
    let paused = |two: &[&PageRecord]| two[1].ended.saturating_duration_since(two[0].ended) > PAUSE;
    let begin = pages.windows(2).rposition(paused).map_or(0, |at| at + 1);
    &pages[begin..]
}

/// How the calls of one downstream did.
#[derive(Default)]
struct Calls {
    /// Without an answer when they were ended.
    cut: Vec<Duration>,
    failed: usize,
    last_failure: Option<String>,
    answered: Vec<Duration>,
    before: Vec<Duration>,
}

impl Calls {
    fn of(culprit: &Culprit, row: &[&PageRecord], all: &[Kept], since: Instant) -> Self {
        let mut calls = Self::default();
        let Culprit::Downstream(name) = culprit else {
            return calls;
        };
        for page in row {
            for (status, call) in calls_to(name, page) {
                match status {
                    PartStatus::Late | PartStatus::Cancelled => calls.cut.push(call.span.took),
                    PartStatus::Failed => {
                        calls.failed += 1;
                        let words = call.failure.as_ref().map(|(_, words)| words.clone());
                        calls.last_failure = words.or(calls.last_failure.take());
                    }
                    PartStatus::Busy => {
                        calls.failed += 1;
                        calls.last_failure = call.answered();
                    }
                    PartStatus::Ok
                    | PartStatus::NotFound
                    | PartStatus::Denied
                    | PartStatus::Shed => {}
                }
            }
        }
        // Of pages that were drawn before anything was known of them, and of those not yet old
        // enough for a draw of their own to say much.
        let drawn = all
            .iter()
            .filter(|(class, _)| matches!(class, Class::Sample | Class::Whole));
        for (_, page) in drawn {
            let answered = calls_to(name, page).filter(|(status, _)| *status == PartStatus::Ok);
            let times = answered.map(|(_, call)| call.span.took);
            match page.ended < since {
                true => calls.before.extend(times),
                false => calls.answered.extend(times),
            }
        }
        calls
    }

    fn are_slow(&self) -> bool {
        let times = median(&self.answered).zip(median(&self.before));
        times.is_some_and(|((_, now), (_, before))| now > SLOWER * before)
    }
}

fn calls_to<'a>(
    name: &'a str,
    page: &'a PageRecord,
) -> impl Iterator<Item = (PartStatus, &'a CallRecord)> {
    let names = page.names.page(page.page).parts.iter();
    let parts = names.zip(&page.parts);
    let of = parts.filter(move |(part, _)| page.names.downstream(part.downstream).name == name);
    of.filter_map(|(_, part)| Some((part.status, part.call.as_ref()?)))
}

/// Whose fault it is, as far as the calls say.
fn fault(culprit: &Culprit, row: &[&PageRecord], calls: &Calls) -> Fault {
    match culprit {
        Culprit::Quota => Fault::Quota,
        Culprit::Gateway => {
            let draining = |page: &&&PageRecord| page.reason == Some(Reason::Draining);
            match row.iter().filter(draining).count() * 2 > row.len() {
                true => Fault::Draining,
                false => Fault::TooFewTickets,
            }
        }
        Culprit::Downstream(_) => {
            // Siblings of a lost part are cut too, but then their own pages are not put down to them.
            let bad = calls.cut.len() + calls.failed;
            if bad == 0 && !calls.are_slow() {
                Fault::TooFewPermits
            } else if calls.failed > calls.cut.len() {
                Fault::FailingService
            } else {
                Fault::SlowService
            }
        }
    }
}

/// How many, and the median.
fn median(times: &[Duration]) -> Option<(usize, Duration)> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let middle = sorted.get(sorted.len() / 2)?;
    Some((sorted.len(), *middle))
}

fn example(culprit: &Culprit, page: &PageRecord) -> (String, String) {
    let names = page.names.page(page.page);
    let is_it = |name: &str| *culprit == Culprit::Downstream(name.to_owned());
    let mut parts = names.parts.iter();
    let part = parts.find(|part| is_it(&page.names.downstream(part.downstream).name));
    let part = part.map_or_else(String::new, |part| part.name.clone());
    (names.name.clone(), part)
}
