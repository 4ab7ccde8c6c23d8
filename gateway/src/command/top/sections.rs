//! What a snapshot says, section by section, as lines of text.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::columns::{Cell, Column, cut, numbers, table, words};
use super::looks::{self, BAD, SOFT, STRONG};
use super::units::{ago, rate};
use crate::admin::console::snapshot::{Downstream, Endpoint, Page, Rate, Snapshot};
use crate::command::waterfall::{time, wrapped};

/// Cells of a bar that shows how full a bulkhead is.
const METER: usize = 6;

/// The gateway, and the words at the right.
pub(super) fn title(snapshot: &Snapshot, right: &str, width: usize) -> Line<'static> {
    let gateway = &snapshot.gateway;
    let about = format!(" {} {} {}", gateway.env, gateway.version, gateway.instance);
    let room = width.saturating_sub(right.chars().count() + 1);
    let service = cut(&gateway.service, room);
    let about = cut(&about, room - service.chars().count());
    let used = service.chars().count() + about.chars().count() + right.chars().count();
    Line::from(vec![
        Span::styled(service, STRONG),
        Span::styled(about, SOFT),
        Span::raw(" ".repeat(width.saturating_sub(used))),
        Span::raw(right.to_owned()),
    ])
}

/// How it does: one line, or two where the sentence is longer.
pub(super) fn headline(snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let (shape, style) = looks::of(snapshot.headline.state);
    let word = format!(
        "{shape} {}  ",
        snapshot.headline.state.as_str().to_uppercase()
    );
    let indent = word.chars().count();
    let mut lines = Vec::new();
    for (nth, words) in in_lines(&snapshot.headline.text, width.saturating_sub(indent), 2)
        .into_iter()
        .enumerate()
    {
        let lead = match nth {
            0 => Span::styled(word.clone(), style.patch(STRONG)),
            _ => Span::raw(" ".repeat(indent)),
        };
        lines.push(Line::from(vec![lead, Span::raw(words)]));
    }
    lines
}

/// The words in at most so many lines, the last of which is cut.
pub(super) fn in_lines(words: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = wrapped(words, width, "");
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(rest);
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

/// A line for each page, and one above them.
pub(super) fn pages(snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let columns = [
        words("page"),
        numbers("good/s"),
        numbers("owed/s"),
        numbers("p50").if_wide(),
        numbers("p99"),
        numbers("deadline"),
        numbers("queue"),
        words("not good/s"),
    ];
    let row = |page: &Page| {
        let beyond = page
            .p99_ms
            .zip(page.deadline_ms)
            .is_some_and(|(p99, deadline)| p99 >= deadline);
        let p99 = time(page.p99_ms);
        vec![
            Cell(page.name.clone(), STRONG),
            Cell::plain(rate(page.good_per_s)),
            Cell::plain(rate(page.owed_per_s)),
            Cell::plain(time(page.p50_ms)),
            if beyond {
                Cell::bad(p99)
            } else {
                Cell::plain(p99)
            },
            Cell::plain(
                page.deadline_ms
                    .map_or_else(|| "none".into(), |ms| time(Some(ms))),
            ),
            Cell::plain(format!("{}/{}", page.queued, page.queue)),
            badly(&page.outcomes, &["complete", "partial"], None),
        ]
    };
    table(&columns, snapshot.pages.iter().map(row).collect(), width)
}

/// A line for each downstream, and one above them.
pub(super) fn downstreams(snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let columns = [
        words("downstream"),
        words("permits"),
        numbers("queue"),
        numbers("calls/s"),
        numbers("p50").if_wide(),
        numbers("p99"),
        words("endpoints; bad/s"),
    ];
    let row = |one: &Downstream| {
        let calls = one.calls.iter().map(|rate| rate.per_s).sum();
        let shed = (one.parts_shed_per_s > 0.0).then_some(("left out", one.parts_shed_per_s));
        let bad = badly(&one.calls, &["ok", "not_found", "denied"], shed);
        vec![
            match one.required_by.is_empty() {
                true => Cell::plain(format!("{} (opt.)", one.name)),
                false => Cell(one.name.clone(), STRONG),
            },
            permits(one),
            Cell::plain(one.queued.to_string()),
            Cell::plain(rate(calls)),
            Cell::plain(time(one.p50_ms)),
            Cell::plain(time(one.p99_ms)),
            endpoints(&one.endpoints, bad),
        ]
    };
    table(
        &columns,
        snapshot.downstreams.iter().map(row).collect(),
        width,
    )
}

/// Outcomes that are not among `fine`, most first.
fn badly(rates: &[Rate], fine: &[&str], more: Option<(&str, f64)>) -> Cell {
    let all = rates
        .iter()
        .map(|rate| (rate.outcome.as_str(), rate.per_s))
        .chain(more);
    let mut bad: Vec<_> = all
        .filter(|(outcome, per_s)| *per_s > 0.0 && !fine.contains(outcome))
        .collect();
    bad.sort_by(|a, b| b.1.total_cmp(&a.1));
    let words: Vec<_> = bad
        .iter()
        .map(|(outcome, per_s)| format!("{} {outcome}", rate(*per_s)))
        .collect();
    match words.is_empty() {
        true => Cell::soft("none"),
        false => Cell::bad(words.join(", ")),
    }
}

fn permits(one: &Downstream) -> Cell {
    let Some(limit) = one.permits else {
        return Cell::plain(format!("{} in use, no bulkhead", one.in_use));
    };
    let share = f64::from(one.in_use) / f64::from(limit.max(1));
    let full = ((share * METER as f64).ceil() as usize).min(METER);
    let words = format!(
        "{}{} {}/{limit}",
        "▮".repeat(full),
        "▯".repeat(METER - full),
        one.in_use
    );
    match one.in_use >= limit {
        true => Cell::bad(words + " full"),
        false => Cell::plain(words),
    }
}

fn endpoints(all: &[Endpoint], bad: Cell) -> Cell {
    let in_use = all.iter().filter(|one| one.state == "in use").count();
    let (words, style) = match all.len() {
        0 => ("no address".to_owned(), BAD),
        there if there == in_use => (format!("{in_use} ok"), Style::new()),
        there => (format!("{in_use} of {there} ok"), BAD),
    };
    match bad.0 == "none" {
        true => Cell(words, style),
        false => Cell(format!("{words}; {}", bad.0), BAD),
    }
}

/// What each limit refused, or would have.
pub(super) fn refusals(snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let columns = [
        numbers("pages/s"),
        words("reason"),
        words("limit"),
        words("key that would change it"),
    ];
    let row = |one: &crate::admin::console::snapshot::Refused| {
        vec![
            Cell::plain(rate(one.per_s)),
            match one.observed {
                true => Cell::soft(format!("{}, observed", one.reason)),
                false => Cell::bad(one.reason.clone()),
            },
            Cell::plain(one.scope.clone()),
            match one.keys.first() {
                Some(turn) => Cell::plain(format!("{}: {}", turn.key, turn.advice)),
                None => Cell::soft("none"),
            },
        ]
    };
    let over = format!(
        "no page was refused in the last {:.0} s",
        snapshot.spread_over_ms / 1e3
    );
    listed(
        &columns,
        snapshot.refusals.iter().map(row).collect(),
        &over,
        width,
    )
}

/// Pages without an answer yet.
pub(super) fn in_flight(snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let columns = [
        numbers("age"),
        numbers("left"),
        words("page"),
        words("stage"),
    ];
    let row = |page: &crate::admin::console::snapshot::PageInFlight| {
        vec![
            Cell::plain(time(Some(page.age_ms))),
            Cell::plain(time(page.left_ms)),
            Cell::plain(page.page.clone()),
            Cell::plain(page.stage.clone()),
        ]
    };
    listed(
        &columns,
        snapshot.in_flight.iter().map(row).collect(),
        "no page is in flight",
        width,
    )
}

/// Pages that ended lately, and took long or were refused.
pub(super) fn slow(snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let columns = [
        numbers("took"),
        words("outcome"),
        numbers("ended"),
        words("page"),
        words("because"),
    ];
    let row = |page: &crate::admin::console::snapshot::SlowPage| {
        vec![
            Cell::plain(time(Some(page.total_ms))),
            Cell::plain(page.outcome.clone()),
            Cell::plain(ago(page.at_ms, snapshot.at_ms)),
            Cell::plain(page.page.clone()),
            Cell::plain(page.because.clone()),
        ]
    };
    listed(
        &columns,
        snapshot.slow.iter().map(row).collect(),
        "no page was kept yet",
        width,
    )
}

/// What was changed last.
pub(super) fn changes(snapshot: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let columns = [
        numbers("when"),
        words("what asked"),
        words("outcome"),
        words("keys"),
    ];
    let row = |change: &crate::admin::console::snapshot::Change| {
        let outcome = change.outcome.clone();
        vec![
            Cell::plain(ago(change.at_ms, snapshot.at_ms)),
            Cell::plain(change.trigger.replace('_', " ")),
            if outcome == "refused" {
                Cell::bad(outcome)
            } else {
                Cell::plain(outcome)
            },
            Cell::plain(change.keys.join(", ")),
        ]
    };
    listed(
        &columns,
        snapshot.changes.iter().map(row).collect(),
        "nothing was changed since the start",
        width,
    )
}

fn listed(
    columns: &[Column],
    rows: Vec<Vec<Cell>>,
    none: &str,
    width: usize,
) -> Vec<Line<'static>> {
    match rows.is_empty() {
        true => vec![Line::styled(cut(none, width), SOFT)],
        false => table(columns, rows, width),
    }
}

/// The gateway itself, in a line.
pub(super) fn own(snapshot: &Snapshot, width: usize) -> Line<'static> {
    let own = &snapshot.gateway;
    let fewer = match own.tickets < own.max_in_flight {
        true => format!(" (of {}: {})", own.max_in_flight, own.tickets_because),
        false => String::new(),
    };
    let said = format!(
        "{} pages in flight of {} tickets{fewer}, lag p50 {} p90 {}",
        own.in_flight,
        own.tickets,
        time(Some(own.lag_p50_ms)),
        time(Some(own.lag_p90_ms))
    );
    let style = if fewer.is_empty() { Style::new() } else { BAD };
    Line::styled(cut(&said, width), style)
}
