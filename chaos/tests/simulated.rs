//! The simulated world itself: it repeats and is exact. That it notices broken gateways is in
//! `negative_controls`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::time::Duration;

use chaos::play::Watch;
use chaos::record::{PageEnd, Record};
use chaos::scenario::{Scenario, Text};
use chaos::simulated::play;
use gateway::outcome::PageOutcome;

/// Everything random at once: arrivals, latencies, errors, retries, clients that leave, and a fault
/// whose end wakes many calls at one instant.
const BUSY: &str = r#"
title = "busy"
length = "3s"
downstream.pricing.workers = 12
downstream.pricing.work_goes_on = true
downstream.reviews.errors = [{ share = 0.1, kind = "reset" }, { share = 0.1, kind = "hang" }]
config.downstream.pricing.permits = 14
[[load]]
rate = "200/s"
patience = "250ms"
[[load]]
rate = "50/s"
retries = 2
[[fault]]
downstream = "inventory"
from = "1s"
until = "2s"
latency = { fixed = "2s" }
"#;

fn scenario(text: &str) -> Scenario {
    let text = Text {
        name: "test.toml".to_owned(),
        text: text.to_owned(),
    };
    Scenario::load(&text, &Text::default_config()).unwrap_or_else(|report| panic!("{report}"))
}

fn events(scenario: &Scenario) -> Record {
    let watch = Watch {
        keep_events: true,
        ..Watch::NOBODY
    };
    play(scenario, &watch).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_events_byte_for_byte_and_another_seed_does_not() {
    let busy = scenario(BUSY);
    let (first, second) = (events(&busy).events, events(&busy).events);
    assert!(first.count > 5_000, "{}", first.count);
    assert_eq!(first.text, second.text);
    assert_eq!((first.hash, first.count), (second.hash, second.count));
    assert_ne!(first.hash, events(&busy.with_seed(2)).events.hash);
}

#[test]
fn a_record_accounts_for_the_whole_run_and_can_be_written_as_json() {
    let record = events(&scenario(BUSY));
    assert_eq!(
        record.by_outcome().values().sum::<usize>(),
        record.pages.len()
    );
    assert_eq!(record.slices.len(), 30);
    let started: u32 = record
        .slices
        .iter()
        .flat_map(|s| &s.downstreams)
        .map(|d| d.started)
        .sum();
    let called: u32 = record.pages.iter().map(|page| u32::from(page.calls)).sum();
    // The calls of the last pages may start after the last slice.
    assert!(
        started <= called && started + 200 > called,
        "{started} of {called}"
    );
    let json = serde_json::to_value(&record).unwrap();
    assert_eq!(
        json["pages"][0]["outcome"],
        record.pages[0].outcome.as_str()
    );
    assert_eq!(record.broken, Vec::<String>::new());
}

#[test]
fn another_load_does_not_change_when_the_first_one_arrives() {
    let arrivals = |text: &str| {
        let record = events(&scenario(text));
        let first = record.pages.into_iter().filter(|page| page.load == 0);
        first.map(|page| page.at).collect::<Vec<_>>()
    };
    let more = format!("{BUSY}\n[[load]]\nrate = \"10/s\"\n");
    assert_eq!(arrivals(BUSY), arrivals(&more));
}

#[test]
fn a_late_page_is_answered_at_its_deadline_less_the_reserve_to_the_millisecond() {
    let hang = r#"
        title = "hang"
        length = "2s"
        [[load]]
        rate = "50/s"
        [[fault]]
        downstream = "pricing"
        errors = [{ share = 1.0, kind = "hang" }]
    "#;
    let record = events(&scenario(hang));
    // What is under way when the fault ends, with the last arrival, is freed.
    let while_it_hangs = |at: Duration| at < Duration::from_millis(1700);
    let late = record.pages.iter().filter(|page| while_it_hangs(page.at));
    for page in late {
        assert_eq!(page.outcome, PageOutcome::Late);
        assert_eq!(page.took, Duration::from_millis(295));
        assert_eq!((page.calls, page.aborted), (5, 1));
    }
    assert_eq!(record.broken, Vec::<String>::new());
}

#[test]
fn a_run_ends_though_nothing_is_ever_answered() {
    let stuck = r#"
        title = "stuck"
        length = "1s"
        [config.page.product-page]
        deadline = "none"
        [config.page.product-page.part]
        reviews.timeout = "none"
        recommendations.timeout = "none"
        [downstream.pricing]
        errors = [{ share = 1.0, kind = "hang" }]
        [[load]]
        rate = "20/s"
    "#;
    let record = events(&scenario(stuck));
    assert!(!record.pages.is_empty());
    let all_cut_off = |page: &_| {
        let page: &chaos::record::PageEnd = page;
        page.outcome == PageOutcome::Cancelled
    };
    assert!(record.pages.iter().all(all_cut_off));
    assert_eq!(record.broken, Vec::<String>::new());
}

/// Pages of 2 s whose pricing answers 200, then this status, which the part passes on; the query has a
/// parameter that is required.
fn passing(status: u16) -> Record {
    let text = r#"
        title = "passed on"
        length = "2s"
        [config.page.product-page]
        query.currency = { pattern = "^[A-Z]{3}$", required = true }
        [config.page.product-page.part.pricing]
        path = "/prices/{id}?c={currency}"
        pass = [401, 404, 429]
        [[load]]
        rate = "50/s"
        retries = 1
        backoff = "retry-after"
        [[fault]]
        downstream = "pricing"
        from = "1s"
        errors = [{ share = 1.0, kind = { status = STATUS } }]
    "#;
    events(&scenario(&text.replace("STATUS", &status.to_string())))
}

#[test]
fn what_a_part_passes_on_is_played_with_what_its_service_says_beside_it() {
    let ms = Duration::from_millis;
    for (status, outcome, reason, back_after) in [
        (401, PageOutcome::Denied, "unauthorized", None),
        (404, PageOutcome::NotFound, "not_found", None),
        (429, PageOutcome::Failed, "downstream_busy", Some(ms(2000))),
        (403, PageOutcome::Failed, "downstream_failed", None),
    ] {
        let record = passing(status);
        let first = || record.pages.iter().filter(|page| !page.retry);
        let before = first().filter(|page| page.at < ms(900));
        assert!(before.count() > 20);
        let mut before = first().filter(|page| page.at < ms(900));
        assert!(before.all(|page| page.outcome == PageOutcome::Complete));
        // What is under way when the fault ends, with the last arrival, may be freed.
        let failing = |page: &&PageEnd| page.at >= ms(1000) && page.at < ms(1700);
        let failing: Vec<_> = first().filter(failing).collect();
        assert!(failing.len() > 20);
        for page in failing {
            assert_eq!((page.outcome, page.reason), (outcome, Some(reason)));
        }
        let back = record.pages.iter().filter(|page| page.retry);
        let soonest = back.map(|page| page.at).min();
        assert_eq!(soonest.is_some(), back_after.is_some(), "{status}");
        if let (Some(soonest), Some(after)) = (soonest, back_after) {
            assert!(soonest >= ms(1000) + after && soonest < ms(1200) + after);
        }
        assert_eq!(record.broken, Vec::<String>::new(), "{status}");
    }
}

#[test]
fn a_config_with_names_of_its_own_can_be_rehearsed() {
    let own = Text {
        name: "own.toml".to_owned(),
        text:
            "[downstream.search]\nurl = \"http://127.0.0.1:1\"\n[page.results]\npath = \"/r/{q}\"\n\
               params.q = \"^[0-9]+$\"\n[page.results.part.hits]\ndownstream = \"search\"\n\
               path = \"/s/{q}\"\nrequired = true\n"
                .to_owned(),
    };
    let text = Text {
        name: "test.toml".to_owned(),
        text: "title = \"t\"\nlength = \"1s\"\n[[load]]\nrate = \"50/s\"\n".to_owned(),
    };
    let scenario = Scenario::load(&text, &own).unwrap();
    let record = events(&scenario);
    assert!(record.pages.len() > 20);
    assert!(
        record
            .pages
            .iter()
            .all(|page| page.outcome == PageOutcome::Complete)
    );
}

#[test]
fn a_client_that_obeys_comes_back_when_it_was_told_and_not_at_all_if_it_was_not() {
    let obeys = r#"
        title = "obeys"
        length = "20s"
        config.downstream.pricing.permits = 1
        config.page.product-page.queue = 0
        [downstream.pricing]
        latency = { fixed = "250ms" }
        [[load]]
        rate = "8/s"
        until = "5s"
        retries = 10
        backoff = "retry-after"
    "#;
    let record = events(&scenario(obeys));
    let retries: Vec<_> = record.pages.iter().filter(|page| page.retry).collect();
    assert!(retries.len() > 10, "{}", retries.len());
    for retry in &retries {
        // Refused at once, so that it is back a whole number of seconds after it asked.
        let asked_before = |page: &&chaos::record::PageEnd| {
            let since = retry.at.saturating_sub(page.at);
            !since.is_zero() && since.subsec_nanos() == 0 && page.is_refused()
        };
        assert!(
            record.pages.iter().any(|page| asked_before(&page)),
            "{:?}",
            retry.at
        );
    }
    // A 504 says nothing about when to come back.
    let late = obeys
        .replace("250ms", "5s")
        .replace("permits = 1", "permits = 64");
    let record = events(&scenario(&late));
    assert!(record.pages.iter().all(|page| !page.retry));
}

/// Everything that counts for the promise: pages served, refused, late, and left at once or late.
#[test]
fn the_gateway_counts_as_owed_and_good_what_a_rehearsal_judges_so() {
    let mixed = r#"
        title = "mixed"
        length = "6s"
        config.downstream.pricing.permits = 14
        [[load]]
        rate = "100/s"
        patience = "250ms"
        [[load]]
        rate = "50/s"
        patience = "100ms"
        [[load]]
        rate = "50/s"
        [[fault]]
        downstream = "pricing"
        from = "2s"
        until = "4s"
        latency = { fixed = "2s" }
    "#;
    let scenario = scenario(mixed);
    // The recorder holds the gateway's own counts against what it judged: see `invariants`.
    let record = events(&scenario);
    assert_eq!(record.broken, Vec::<String>::new());
    let standings = || record.pages.iter().map(|page| page.standing(&scenario));
    let count = |wanted: fn(gateway::outcome::Standing) -> bool| {
        standings().filter(|standing| wanted(*standing)).count()
    };
    let (owed, good) = (count(|s| s.owed), count(|s| s.good));
    let (abandoned, pages) = (count(|s| s.abandoned), record.pages.len());
    assert!(good > 500 && owed > good + abandoned && abandoned > 50 && pages > owed);
}
