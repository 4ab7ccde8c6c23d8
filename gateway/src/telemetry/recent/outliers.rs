//! What slow, refused and lost pages have in common that the others do not.
//!
//! Cases are compared with pages drawn at random from all whole ones ([`retention`](super::retention)): as
//! both groups were chosen without regard to their traits, the shares of a trait in them can be
//! compared, however many of each were kept (a case-control study). Both are taken from the span of
//! time of which no page of either is forgotten. What always holds: without any difference a
//! trait is named in at most `LEVEL` of all looks at a group (`exact`); too few pages are said
//! to be too few.
//!
//! It counts pages as if each came about by itself. Pages that were slow for one and the same reason are
//! fewer causes than pages, and two groups of different minutes differ in what those minutes
//! differed in: a trait that is named is where to look, not what it was.

mod exact;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::time::Instant;

use self::exact::{Factorials, Table, correction};
use super::Recent;
use super::retention::Class;
use super::shown::{moment, time};
use crate::outcome::PageOutcome;
use crate::telemetry::record::PageRecord;

/// Share of looks in which something is named although there is nothing.
const LEVEL: f64 = 0.01;

/// Traits that are shown of a group; the rest says the same in other words.
const SHOWN: usize = 6;

/// The gateway's lag from which on it may have been that.
const LAG: Duration = Duration::from_millis(10);

/// In which connections and caches are cold.
const FIRST_MINUTE: Duration = Duration::from_secs(60);

/// The groups that are looked at, and what their pages are called.
const GROUPS: [(Class, &str, &str); 3] = [
    (
        Class::Slow,
        "slowest",
        "the slowest of a hundred whole pages each",
    ),
    (Class::Refused, "refused", "refused for load"),
    (Class::Lost, "lost", "late, failed or given up"),
];

/// One trait that stands out.
#[derive(Clone, Debug, PartialEq)]
struct Common {
    what: String,
    table: Table,
    /// After the correction.
    p: f64,
}

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq)]
struct Compared {
    common: Vec<Common>,
    /// Traits that could have been named.
    tested: usize,
    /// Whether any trait could have been, of so few pages.
    enough: bool,
}

type Traits = BTreeSet<String>;

/// All groups, over the `last` before `now`, which is `wall` on the clock.
pub fn shown(recent: &Recent, last: Duration, now: Instant, wall: SystemTime) -> Value {
    let groups = GROUPS.map(|group| shown_group(recent, group, last, now, wall));
    json!({
        "last_ms": last.as_millis() as u64,
        "groups": groups,
        "note": format!(
            "Each group is compared with whole pages drawn at random in the same time. Without any difference, \
             something is named in at most {:.0} % of looks at a group. Pages are counted as if each were slow or \
             refused by itself: what is named is where to look, not what it was.",
            100.0 * LEVEL
        ),
    })
}

fn shown_group(
    recent: &Recent,
    (class, name, are): (Class, &str, &str),
    last: Duration,
    now: Instant,
    wall: SystemTime,
) -> Value {
    let since = known_since(recent, class, last, now);
    let cases = recent.latest(class, since, usize::MAX);
    let drawn = recent.latest(Class::Sample, since, usize::MAX);
    let other = |page: &&Arc<PageRecord>| !cases.iter().any(|case| Arc::ptr_eq(case, page));
    let others: Vec<_> = drawn.iter().filter(other).collect();
    let traits = |page: &Arc<PageRecord>| traits(recent, page);
    let case_traits: Vec<_> = cases.iter().map(traits).collect();
    let other_traits: Vec<_> = others.iter().map(|page| traits(page)).collect();
    let compared = compare(&case_traits, &other_traits, LEVEL);
    let span = since.map_or(last, |since| now.saturating_duration_since(since));
    let said = said(are, cases.len(), others.len(), span, &compared);
    let common = compared.common.iter().map(|one| {
        json!({
            "trait": one.what,
            "cases_with": one.table.cases_with,
            "others_with": one.table.others_with,
            "p": one.p,
        })
    });
    json!({
        "group": name,
        "cases": cases.len(),
        "others": others.len(),
        "since": moment(wall.checked_sub(span)),
        "tested": compared.tested,
        "enough": compared.enough,
        "common": common.collect::<Vec<_>>(),
        "said": said,
    })
}

/// From when on neither the group nor the draw has forgotten a page.
fn known_since(recent: &Recent, class: Class, last: Duration, now: Instant) -> Option<Instant> {
    let holdings = recent.holdings().into_iter();
    let of_both = holdings.filter(|one| [class, Class::Sample].contains(&one.class));
    let forgotten = of_both.filter_map(|one| one.forgotten).max();
    forgotten.max(now.checked_sub(last))
}

fn said(
    are: &str,
    cases: usize,
    others: usize,
    span: Duration,
    compared: &Compared,
) -> Vec<String> {
    let span = time(span);
    let mut said = vec![format!(
        "{cases} pages were {are} in the last {span}; {others} others were drawn."
    )];
    if !compared.enough {
        said.push("Not enough of them to tell anything.".to_owned());
    } else if compared.tested == 0 {
        said.push("What they have, the others have too, or too few of them have it.".to_owned());
    } else if compared.common.is_empty() {
        said.push(format!(
            "Nothing sets them apart: {} traits were compared.",
            compared.tested
        ));
    }
    said.extend(compared.common.iter().map(|one| {
        let Table {
            cases,
            others,
            cases_with,
            others_with,
        } = one.table;
        format!(
            "{}: {cases_with} of {cases}, and {others_with} of {others} others (p {}, corrected for {} traits)",
            one.what,
            shown_p(one.p),
            compared.tested
        )
    }));
    said
}

fn shown_p(p: f64) -> String {
    match p {
        p if p < 1e-6 => "below 0.000001".to_owned(),
        p => format!("{p:.6}"),
    }
}

/// Traits that more of the `cases` have than chance explains, the surest first.
fn compare(cases: &[Traits], others: &[Traits], level: f64) -> Compared {
    let mut counts = BTreeMap::<&str, (usize, usize)>::new();
    for what in cases.iter().flatten() {
        counts.entry(what).or_default().0 += 1;
    }
    // What no case has is common to none of them.
    for what in others.iter().flatten() {
        counts
            .entry(what)
            .and_modify(|(_, others_with)| *others_with += 1);
    }
    let table = |(cases_with, others_with)| Table {
        cases: cases.len(),
        others: others.len(),
        cases_with,
        others_with,
    };
    let logs = Factorials::up_to(cases.len() + others.len());
    let least: Vec<_> = counts
        .values()
        .map(|&with| table(with).least_p(&logs))
        .collect();
    let by = correction(&least, level) as f64;
    let could = least.iter().filter(|least| **least <= level / by);
    let of_all = counts.iter().map(|(what, &with)| Common {
        what: (*what).to_owned(),
        table: table(with),
        p: table(with).p(&logs) * by,
    });
    let mut common: Vec<_> = of_all.filter(|one| one.p <= level).collect();
    common.sort_by(|a, b| a.p.total_cmp(&b.p));
    let tested = could.count();
    common.truncate(SHOWN);
    Compared {
        common,
        tested,
        enough: table((cases.len(), 0)).p(&logs) <= level,
    }
}

/// What there is to say of a page that it may have in common with others.
fn traits(recent: &Recent, record: &PageRecord) -> Traits {
    let names = record.names.page(record.page);
    let mut all = Traits::new();
    all.insert(format!("page {}", names.name));
    if let Some(client) = record.client {
        all.insert(format!("client {}", recent.client_tag(client)));
    }
    if let Some(downstream) = record.waited_for {
        let name = &record.names.downstream(downstream).name;
        all.insert(format!("waited for permits of {name}"));
    }
    let arrived = record.origin.arrived;
    let since_start = recent
        .started()
        .map(|start| arrived.saturating_duration_since(start));
    if since_start.is_some_and(|since| since < FIRST_MINUTE) {
        all.insert("in the first minute after the start".to_owned());
    }
    if record.lag >= LAG {
        all.insert(format!("the gateway lagged by {} or more", time(LAG)));
    }
    let parts = names.parts.iter().zip(&record.parts);
    let calls = parts.filter_map(|(names, part)| Some((names, part.call.as_ref()?)));
    for (names, call) in calls.clone() {
        let Some(attempt) = call.attempts.last() else {
            all.insert(format!("{} had no connection", names.name));
            continue;
        };
        all.insert(format!("{} at {}", names.name, attempt.endpoint));
        if attempt.connection.is_new {
            all.insert(format!("{} on a new connection", names.name));
        }
        if call.attempts.len() > 1 {
            all.insert(format!("{} was sent again", names.name));
        }
    }
    if let Some((names, _)) = calls.clone().max_by_key(|(_, call)| call.span.took) {
        all.insert(format!("the longest call was {}", names.name));
    }
    if record.outcome == PageOutcome::Complete {
        // Of others some bodies never came.
        let bytes: usize = calls.filter_map(|(_, call)| call.body).sum();
        all.insert(size(bytes));
    }
    all
}

/// Bodies by steps of four: finer says no more.
fn size(bytes: usize) -> String {
    let steps = [4, 16, 64, 256, 1024];
    let below = steps.iter().position(|kib| bytes < kib * 1024);
    match below {
        Some(0) => "bodies below 4 KiB".to_owned(),
        Some(at) => format!("bodies of {} to {} KiB", steps[at - 1], steps[at]),
        None => "bodies of 1024 KiB or more".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages with traits by chance, each of its own likelihood.
    fn pages(random: &mut fastrand::Rng, count: usize) -> Vec<Traits> {
        let page = |random: &mut fastrand::Rng| {
            let traits = (1..=20).filter(|nth| random.f64() < f64::from(*nth) / 21.0);
            traits.map(|nth| format!("trait {nth}")).collect()
        };
        (0..count).map(|_| page(random)).collect()
    }

    /// Of so many looks at cases that differ in nothing, those in which something is named.
    fn named_of_nothing(looks: usize, level: f64) -> usize {
        let mut random = fastrand::Rng::with_seed(12);
        let look = |_| {
            let all = pages(&mut random, 150);
            let (cases, others) = all.split_at(30);
            usize::from(!compare(cases, others, level).common.is_empty())
        };
        (0..looks).map(look).sum()
    }

    #[test]
    fn of_pages_that_differ_in_nothing_something_is_named_no_more_often_than_stated() {
        // At the level, 2000 looks name something 20 times; 34 is three standard deviations more.
        let named = named_of_nothing(2000, LEVEL);
        assert!(named <= 34, "{named}");
        // Twenty traits each held to the level by itself would.
        let uncorrected = named_of_nothing(2000, 20.0 * LEVEL);
        assert!(
            uncorrected > 100,
            "the test would not notice: {uncorrected}"
        );
    }

    #[test]
    fn a_trait_that_most_cases_have_and_few_others_is_named_first_with_its_counts() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut cases = pages(&mut random, 20);
        let mut others = pages(&mut random, 80);
        for case in cases.iter_mut().take(16) {
            case.insert("bad".to_owned());
        }
        for other in others.iter_mut().take(8) {
            other.insert("bad".to_owned());
        }
        let compared = compare(&cases, &others, LEVEL);
        let first = &compared.common[0];
        assert_eq!(first.what, "bad");
        assert_eq!((first.table.cases_with, first.table.others_with), (16, 8));
        assert!(compared.enough);
    }

    #[test]
    fn few_pages_are_not_enough_and_name_nothing() {
        let bad = |_| Traits::from(["bad".to_owned()]);
        let fine = |_| Traits::new();
        let cases: Vec<_> = (0..2).map(bad).collect();
        let others: Vec<_> = (0..8).map(fine).collect();
        // One of 45: no answer could be surer.
        let compared = compare(&cases, &others, LEVEL);
        assert!(!compared.enough && compared.common.is_empty());
        let cases: Vec<_> = (0..4).map(bad).collect();
        assert!(compare(&cases, &others, LEVEL).enough);
        assert!(!compare(&[], &[], LEVEL).enough);
    }

    #[test]
    fn sizes_are_told_in_steps() {
        assert_eq!(size(0), "bodies below 4 KiB");
        assert_eq!(size(4096), "bodies of 4 to 16 KiB");
        assert_eq!(size(1 << 20), "bodies of 1024 KiB or more");
    }
}
