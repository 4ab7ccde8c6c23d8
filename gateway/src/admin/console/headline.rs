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
    let (shed, late) = (ended(PageOutcome::Shed), ended(PageOutcome::Late));
    let failed = ended(PageOutcome::Failed);
    if shed.max(late).max(failed) < NONE {
        return None;
    }
    if shed >= late.max(failed) {
        let is_cause = |refused: &&Refused| refused.scope != "client" && !refused.observed;
        let most = refusals.iter().find(is_cause)?;
        let (scope, reason) = (&most.scope, &most.reason);
        return Some(format!(
            "{shed:.1}/s are refused, most by {scope} ({reason})"
        ));
    }
    Some(match late >= failed {
        true => blame(late, "late", CallOutcome::Late, downstreams),
        false => blame(failed, "failed", CallOutcome::Failed, downstreams),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn page(good: f64, owed: f64, outcome: &str) -> Page {
        let lost = Rate {
            outcome: outcome.to_owned(),
            per_s: owed - good,
        };
        Page {
            good_per_s: good,
            owed_per_s: owed,
            outcomes: vec![lost],
            ..Page::default()
        }
    }

    fn calls(name: &str, required: bool, outcome: &str, per_s: f64) -> Downstream {
        let rate = Rate {
            outcome: outcome.to_owned(),
            per_s,
        };
        Downstream {
            name: name.to_owned(),
            required_by: if required {
                vec!["p".to_owned()]
            } else {
                vec![]
            },
            calls: vec![rate],
            ..Downstream::default()
        }
    }

    fn of(page: Page, downstreams: &[Downstream], refusals: &[Refused]) -> (State, String) {
        let Headline { state, text } = headline(Phase::Ready, &[page], downstreams, refusals);
        (state, text)
    }

    #[test]
    fn the_state_is_how_many_of_the_owed_pages_are_good() {
        let state = |good, owed| of(page(good, owed, "cancelled"), &[], &[]).0;
        let states = [
            state(0.0, 0.0),
            state(1000.0, 1000.0),
            state(999.0, 1000.0),
            state(998.9, 1000.0),
            state(899.0, 1000.0),
        ];
        assert_eq!(
            states,
            [
                State::Idle,
                State::Good,
                State::Good,
                State::Degraded,
                State::Failing
            ]
        );
        let (_, text) = of(page(998.9, 1000.0, "cancelled"), &[], &[]);
        assert_eq!(text, "998.9 of 1000.0 owed pages/s are good (99.8 %)");
    }

    #[test]
    fn late_pages_are_blamed_on_the_required_downstream_with_most_late_calls() {
        let all = [
            calls("ads", false, "late", 90.0),
            calls("pricing", true, "late", 40.0),
            calls("stock", true, "late", 1.0),
        ];
        let (state, text) = of(page(10.0, 50.0, "late"), &all, &[]);
        assert_eq!(state, State::Failing);
        assert_eq!(
            text,
            "10.0 of 50.0 owed pages/s are good (20.0 %); 40.0/s are late, and pricing has 40.0 late calls/s"
        );
        // Nobody is blamed for what nobody did.
        let (_, text) = of(page(10.0, 50.0, "failed"), &all, &[]);
        assert!(text.ends_with("; 40.0/s are failed"), "{text}");
    }

    #[test]
    fn refused_pages_are_said_to_be_by_the_limit_that_refused_most() {
        let refused = |scope: &str| Refused {
            reason: "bulkhead_full".to_owned(),
            scope: scope.to_owned(),
            ..Refused::default()
        };
        let watched = Refused {
            observed: true,
            ..refused("downstream:stock")
        };
        let refusals = [
            refused("client"),
            watched,
            refused("downstream:pricing"),
            refused("gateway"),
        ];
        let (_, text) = of(page(45.0, 50.0, "shed"), &[], &refusals);
        assert!(
            text.ends_with("; 5.0/s are refused, most by downstream:pricing (bulkhead_full)"),
            "{text}"
        );
    }

    #[test]
    fn a_gateway_that_shuts_down_says_so_whatever_its_pages_do() {
        for phase in [Phase::LameDuck, Phase::Draining] {
            let Headline { state, text } = headline(phase, &[page(50.0, 50.0, "shed")], &[], &[]);
            assert!(
                state == State::Draining && text.starts_with("shutting down"),
                "{text}"
            );
        }
    }
}
