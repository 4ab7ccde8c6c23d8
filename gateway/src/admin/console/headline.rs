//! How the gateway does, in a sentence: how many of the owed pages are good, and what costs most of the others.

use super::snapshot::{Downstream, Headline, Page, Rate, Refused, State};
use crate::lifecycle::phase::Phase;
use crate::outcome::{CallOutcome, PageOutcome};

/// The share of owed pages that are to be good: the objective of `dashboards/`.
const OBJECTIVE: f64 = 0.999;

/// Below this share it is an incident, whatever the objective.
const FAILING: f64 = 0.9;

/// Fewer pages per second than this are none: rates are shown with one decimal.
const NONE: f64 = 0.05;

/// Of what a snapshot shows of these pages, downstreams and limits.
pub(super) fn headline(
    phase: Phase,
    pages: &[Page],
    downstreams: &[Downstream],
    refusals: &[Refused],
) -> Headline {
    let sum = |of: fn(&Page) -> f64| pages.iter().map(of).sum::<f64>();
    let (good, owed) = (sum(|page| page.good_per_s), sum(|page| page.owed_per_s));
    let share = good / owed;
    let (state, text) = match phase {
        Phase::LameDuck => (
            State::Draining,
            "shutting down: pages are served until load balancers have turned away".into(),
        ),
        Phase::Draining => (
            State::Draining,
            "shutting down: new pages are refused, those in flight finish".into(),
        ),
        Phase::Starting | Phase::Ready if owed < NONE => {
            (State::Idle, "no page is asked for".into())
        }
        Phase::Starting | Phase::Ready => {
            let state = match share {
                share if share >= OBJECTIVE => State::Good,
                share if share >= FAILING => State::Degraded,
                _ => State::Failing,
            };
            let text = format!(
                "{good:.1} of {owed:.1} owed pages/s are good ({})",
                percent(share)
            );
            (state, text)
        }
    };
    let lost = owed - good >= NONE;
    let cause = lost.then(|| cause(pages, downstreams, refusals)).flatten();
    let text = cause.map_or_else(|| text.clone(), |cause| format!("{text}; {cause}"));
    Headline { state, text }
}

/// What costs most of the pages that were owed and not good.
fn cause(pages: &[Page], downstreams: &[Downstream], refusals: &[Refused]) -> Option<String> {
    let ended = |outcome: PageOutcome| -> f64 {
        let of = |page: &Page| rate(&page.outcomes, outcome.as_str());
        pages.iter().map(of).sum()
    };
    let losses = [PageOutcome::Shed, PageOutcome::Late, PageOutcome::Failed]
        .map(|outcome| (outcome, ended(outcome)));
    let (outcome, per_s) = losses.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    if per_s < NONE {
        return None;
    }
    match outcome {
        PageOutcome::Shed => {
            let most = refusals.iter().find(|refused| refused.scope != "client")?;
            Some(format!(
                "{per_s:.1}/s are refused, most by {} ({})",
                most.scope, most.reason
            ))
        }
        PageOutcome::Late => Some(blame(per_s, "late", CallOutcome::Late, downstreams)),
        _ => Some(blame(per_s, "failed", CallOutcome::Failed, downstreams)),
    }
}

/// Of the downstreams that a page requires, the one most of whose calls end so.
fn blame(per_s: f64, word: &str, outcome: CallOutcome, downstreams: &[Downstream]) -> String {
    let calls = |downstream: &Downstream| rate(&downstream.calls, outcome.as_str());
    let required = downstreams.iter().filter(|one| !one.required_by.is_empty());
    let worst = required.max_by(|a, b| calls(a).total_cmp(&calls(b)));
    match worst.filter(|worst| calls(worst) >= NONE) {
        Some(worst) => format!(
            "{per_s:.1}/s are {word}, and {} has {:.1} {word} calls/s",
            worst.name,
            calls(worst)
        ),
        None => format!("{per_s:.1}/s are {word}"),
    }
}

/// Per second, of those that ended so.
fn rate(rates: &[Rate], outcome: &str) -> f64 {
    let found = rates.iter().find(|rate| rate.outcome == outcome);
    found.map_or(0.0, |rate| rate.per_s)
}

/// Rounded down, so that what is not all of it never reads as if it were.
fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 1000.0).floor() / 10.0)
}
