//! What stands out, in the order in which to believe it: a gateway that lags says little about
//! services, and a service that no page requires costs none.

use super::facts::{Downstream, Facts, Page};
use crate::outcome::{CallOutcome, PageOutcome};

/// Fewer events are not a share of anything.
const FEWEST: f64 = 20.0;

/// A share of which fewer happened may be chance.
const FEWEST_BAD: f64 = 5.0;

/// A share from which on something stands out, unless said otherwise.
const STANDS_OUT: f64 = 0.05;

/// One thing that stands out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) text: String,
    /// Its entry in the runbook.
    pub(super) entry: &'static str,
}

/// Everything that stands out, first things first.
pub(super) fn of(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = own(facts).into_iter().chain(late(facts)).collect();
    found.extend(quota(facts));
    for downstream in &facts.downstreams {
        found.extend(downstream.findings());
    }
    found.extend(facts.pages.iter().filter_map(|page| left(page, facts)));
    found.extend(facts.pages.iter().filter_map(|page| hurried(page, facts)));
    found.extend(refused(facts));
    found.extend(telemetry(facts));
    found
}

fn own(facts: &Facts) -> Option<Finding> {
    let own = &facts.own;
    let lag = own.lag.at_most(0.95).filter(|_| own.lag.count >= FEWEST)?;
    let held_up = own
        .cpu_limit
        .map_or(0.0, |(periods, held_up)| share(held_up, periods));
    let lags = lag > 0.01;
    (lags || own.because == "lag").then(|| Finding {
        text: format!(
            "the gateway itself is short of CPU: what can run waits up to {} (p95), \
             {} of {} tickets are left, its CPU limit held it up in {:.0} % of all periods. \
             Every time below is partly its own",
            seconds(lag),
            own.tickets,
            own.max_in_flight,
            100.0 * held_up
        ),
        entry: "own-lag",
    })
}

fn late(facts: &Facts) -> Option<Finding> {
    let page = facts
        .pages
        .iter()
        .find(|page| exceeds(page.late_answers, page.owed, 0.01))?;
    Some(Finding {
        text: format!(
            "{}: {} were answered after the deadline: the gateway or its machine is slow, not a service",
            page.name,
            percent(page.late_answers, page.owed)
        ),
        entry: "late-answers",
    })
}

fn quota(facts: &Facts) -> Option<Finding> {
    let clients = &facts.clients;
    let stands_out = exceeds(clients.quota, clients.requests, STANDS_OUT);
    stands_out.then(|| Finding {
        text: format!(
            "clients are over their quota: {} of all requests; {} clients are known, {} were before",
            percent(clients.quota, clients.requests),
            clients.known.1,
            clients.known.0
        ),
        entry: "quota-refusals",
    })
}

impl Downstream {
    /// Of its own fault; what it only suffers is not here.
    fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |text: String, entry| {
            let text = format!("{} ({}): {text}", self.name, self.needed());
            found.push(Finding { text, entry });
        };
        if self.endpoints == 0 {
            add("its name resolves to no address".into(), "call-errors");
        } else if !self.ejected.is_empty() {
            let (aside, at) = (self.ejected.len(), self.ejected.join(", "));
            let text = format!(
                "{aside} of {} endpoints are set aside: {at}",
                self.endpoints
            );
            add(text, "endpoint-ejected");
        }
        let ended = self.all() - self.ended(CallOutcome::Cancelled);
        let bad = |outcome| {
            let bad = self.ended(outcome);
            exceeds(bad, ended, STANDS_OUT).then(|| percent(bad, ended))
        };
        if let Some(share) = bad(CallOutcome::Failed) {
            add(format!("{share} of its calls failed"), "call-errors");
        }
        if let Some(share) = bad(CallOutcome::Busy) {
            add(
                format!("{share} of its calls were answered 429"),
                "call-errors",
            );
        }
        if let Some(share) = bad(CallOutcome::Late) {
            let text = format!(
                "{share} of its calls were late: cut off after {} on average. How long they would \
                 have taken only its owners know",
                self.cut.mean().map_or_else(|| "?".into(), seconds)
            );
            add(text, "call-errors");
        }
        found
    }

    fn needed(&self) -> String {
        match self.required_by.as_slice() {
            [] => "optional: costs no page".into(),
            pages => format!("required by {}", pages.join(", ")),
        }
    }

    /// Of its calls, those that had no answer when they were ended.
    fn unanswered(&self) -> f64 {
        let cut = self.ended(CallOutcome::Cancelled) + self.ended(CallOutcome::Late);
        share(cut, self.all())
    }
}

/// Clients that left, and what they waited for.
fn left(page: &Page, facts: &Facts) -> Option<Finding> {
    let gave_up = exceeds(page.abandoned, page.owed, 0.02);
    let all: f64 = page.outcomes.iter().map(|(_, pages)| pages).sum();
    let cancelled = page.ended(PageOutcome::Cancelled);
    let leave = exceeds(cancelled - page.abandoned, all, 0.2);
    if !gave_up && !leave {
        return None;
    }
    let waited_for = waited_for(page, facts);
    let text = match gave_up {
        true => format!(
            "clients gave up waiting for {} of what was owed",
            percent(page.abandoned, page.owed)
        ),
        false => format!(
            "clients leave at once, {} of all requests: before a healthy page is done",
            percent(cancelled, all)
        ),
    };
    Some(Finding {
        text: format!("{}: {text}{waited_for}", page.name),
        entry: "abandoned",
    })
}

/// Clients whose own budgets ran out, and what they waited for.
fn hurried(page: &Page, facts: &Facts) -> Option<Finding> {
    let all: f64 = page.outcomes.iter().map(|(_, pages)| pages).sum();
    let hurried = page.ended(PageOutcome::ClientBudget);
    exceeds(hurried, all, STANDS_OUT).then(|| Finding {
        text: format!(
            "{}: clients give {} of all requests less time than they took{}",
            page.name,
            percent(hurried, all),
            waited_for(page, facts)
        ),
        entry: "abandoned",
    })
}

/// Among the required parts, the one that answered least.
fn waited_for(page: &Page, facts: &Facts) -> String {
    let of_page = facts
        .downstreams
        .iter()
        .filter(|one| page.required.contains(&one.name));
    let slowest = of_page.max_by(|a, b| a.unanswered().total_cmp(&b.unanswered()));
    slowest.filter(|one| one.unanswered() > 0.0).map_or_else(String::new, |one| {
        format!(
            "; what they waited for is {} (required): {:.0} % of its calls had no answer, {} after they began",
            one.name,
            100.0 * one.unanswered(),
            one.cut.mean().map_or_else(|| "?".into(), seconds)
        )
    })
}

/// The limit that refused most; quotas have a finding of their own.
fn refused(facts: &Facts) -> Option<Finding> {
    let owed: f64 = facts.pages.iter().map(|page| page.owed).sum();
    let mut refused = facts.refused.iter();
    let (reason, scope, pages) = refused.find(|(_, scope, _)| scope != "client")?;
    exceeds(*pages, owed, 0.02).then(|| Finding {
        text: format!(
            "{} of what was owed was refused: {reason}, by the limit of {scope}",
            percent(*pages, owed)
        ),
        entry: "bulkhead-saturation",
    })
}

fn telemetry(facts: &Facts) -> Option<Finding> {
    let telemetry = &facts.telemetry;
    let lost: f64 = telemetry.dropped.iter().map(|(_, _, lost)| lost).sum();
    let (signal, cause, _) = telemetry.dropped.first()?;
    exceeds(lost, telemetry.kept, 0.1).then(|| Finding {
        text: format!(
            "{lost:.0} traces and log lines did not leave, most of them {signal} ({cause})"
        ),
        entry: "telemetry-dropped",
    })
}

/// Whether so many of so many are worth a word.
fn exceeds(part: f64, whole: f64, limit: f64) -> bool {
    whole >= FEWEST && part >= FEWEST_BAD && share(part, whole) > limit
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// `12.3 %`.
pub(super) fn percent(part: f64, whole: f64) -> String {
    format!("{:.1} %", 100.0 * share(part, whole))
}

/// `12 ms`, `0.2 ms`, `1.50 s`.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds * 1e3 {
        ms if ms.is_infinite() => "longer than any bucket".into(),
        ms if ms >= 1000.0 => format!("{seconds:.2} s"),
        ms if ms >= 10.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}
