//! The report, in the order in which it is read: what stands out, the gateway itself, pages, downstreams.

use std::fmt::Write;

use super::facts::{Downstream, Facts, Own, Page};
use super::findings::{Finding, percent, seconds};
use crate::outcome::{CallOutcome, PageOutcome};

/// Lines of at most some 120 characters. Writing to a string cannot fail, here and below.
pub(super) fn report(facts: &Facts, findings: &[Finding]) -> String {
    let mut out = String::new();
    let pid = facts
        .own
        .pid
        .map_or_else(String::new, |pid| format!(" of process {pid}"));
    let _ = writeln!(out, "What happened in {:.1} s{pid}\n", facts.seconds);
    stands_out(&mut out, findings);
    own(&mut out, &facts.own);
    for one in &facts.pages {
        page(&mut out, one, facts.seconds);
    }
    for (reason, scope, pages) in &facts.refused {
        let _ = writeln!(
            out,
            "  refused {pages:.0}: {reason}, by the limit of {scope}"
        );
    }
    downstreams(&mut out, &facts.downstreams, facts.seconds);
    let _ = writeln!(out, "\nTELEMETRY  traces kept {:.0}", facts.telemetry.kept);
    for (signal, cause, lost) in &facts.telemetry.dropped {
        let _ = writeln!(out, "  lost {lost:.0}: {signal}, {cause}");
    }
    out
}

fn stands_out(out: &mut String, findings: &[Finding]) {
    let _ = writeln!(out, "STANDS OUT, first things first");
    for (number, finding) in findings.iter().enumerate() {
        let Finding { text, entry } = finding;
        let _ = writeln!(out, "  {}. {text}  [runbook: {entry}]", number + 1);
    }
    if findings.is_empty() {
        let _ = writeln!(out, "  nothing");
    }
}

fn own(out: &mut String, own: &Own) {
    let shown = |value: Option<f64>| value.map_or_else(|| "-".into(), seconds);
    let _ = write!(
        out,
        "\nTHE GATEWAY ITSELF  lag: mean {}, p95 at most {}  tickets: {} of {} ({})",
        shown(own.lag.mean()),
        shown(own.lag.at_most(0.95)),
        own.tickets,
        own.max_in_flight,
        own.because
    );
    let _ = match own.cpu_limit {
        Some((periods, held_up)) => writeln!(
            out,
            "  CPU limit reached in {} of periods",
            percent(held_up, periods)
        ),
        None => writeln!(out, "  no CPU limit"),
    };
}

fn page(out: &mut String, page: &Page, over: f64) {
    let _ = writeln!(
        out,
        "\nPAGE {}  deadline {}  requires {}; can do without {}",
        page.name,
        page.deadline,
        list(&page.required),
        list(&page.optional)
    );
    let of_owed = |pages: f64| percent(pages, page.owed);
    let _ = writeln!(
        out,
        "  owed {:.0} ({:.1}/s): good {}, late {}, failed {}, shed {}, abandoned {}; answered after the deadline {}",
        page.owed,
        page.owed / over,
        of_owed(page.good),
        of_owed(page.ended(PageOutcome::Late)),
        of_owed(page.ended(PageOutcome::Failed)),
        of_owed(page.ended(PageOutcome::Shed)),
        of_owed(page.abandoned),
        of_owed(page.late_answers)
    );
    let _ = writeln!(
        out,
        "  not owed: quota {:.0}, not_found {:.0}, denied {:.0}, bad_request {:.0}, client_budget {:.0}, left at once {:.0}",
        page.ended(PageOutcome::Quota),
        page.ended(PageOutcome::NotFound),
        page.ended(PageOutcome::Denied),
        page.ended(PageOutcome::BadRequest),
        page.ended(PageOutcome::ClientBudget),
        (page.ended(PageOutcome::Cancelled) - page.abandoned).max(0.0)
    );
}

fn list(names: &[String]) -> String {
    match names {
        [] => "nothing".into(),
        names => names.join(", "),
    }
}

fn downstreams(out: &mut String, downstreams: &[Downstream], over: f64) {
    let _ = writeln!(
        out,
        "\n{:<18}{:<9}{:>8}{:>9}{:>9}{:>9}{:>8}{:>8}{:>8}{:>9}{:>10}  endpoints",
        "DOWNSTREAM",
        "required",
        "calls/s",
        "ok mean",
        "ok p99<=",
        "cut at",
        "late",
        "failed",
        "cancel.",
        "in use",
        "permits"
    );
    for one in downstreams {
        let shown = |value: Option<f64>| value.map_or_else(|| "-".into(), seconds);
        let share = |outcome| percent(one.ended(outcome), one.all());
        let required = if one.required_by.is_empty() {
            "no"
        } else {
            "yes"
        };
        let permits = one
            .permits
            .map_or_else(|| "none".into(), |permits| permits.to_string());
        let aside = match one.ejected.len() {
            0 => String::new(),
            aside => format!(", {aside} set aside"),
        };
        let _ = writeln!(
            out,
            "{:<18}{required:<9}{:>8.1}{:>9}{:>9}{:>9}{:>8}{:>8}{:>8}{:>9}{permits:>10}  {}{aside}",
            one.name,
            one.all() / over,
            shown(one.ok.mean()),
            shown(one.ok.at_most(0.99)),
            shown(one.cut.mean()),
            share(CallOutcome::Late),
            share(CallOutcome::Failed),
            share(CallOutcome::Cancelled),
            one.in_use,
            one.endpoints
        );
    }
}
