//! Random scenarios: nothing is broken in the gateway, and what is broken on purpose is found.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::process::Command;

use chaos::play::Watch;
use chaos::run::each_seed;
use chaos::simulated::NegativeControl;
use chaos::sweep::{Case, Played};

/// Enough for every kind of ending; a release build plays hundreds in a minute.
const SEEDS: std::ops::Range<u64> = 1..26;

fn play(seed: u64) -> Played {
    Case::of(seed).play(&Watch::NOBODY, None).unwrap()
}

fn play_all() -> Vec<Played> {
    each_seed(SEEDS, |seed| Ok(play(seed)), &|_| {}).unwrap()
}

#[test]
fn no_invariant_is_broken_and_every_kind_of_ending_is_seen() {
    let played = play_all();
    for one in &played {
        assert!(one.broken.is_empty(), "seed {}: {:?}", one.seed, one.broken);
    }
    let seen: BTreeSet<_> = played.iter().flat_map(|one| one.outcomes.keys()).collect();
    let endings = [
        ("cancelled", ""),
        ("complete", ""),
        ("failed", "downstream_failed"),
        ("late", "deadline"),
        ("not_found", "not_found"),
        ("partial", ""),
        ("quota", "client_quota"),
        ("shed", "bulkhead_full"),
        ("shed", "deadline_unreachable"),
        ("shed", "draining"),
        ("shed", "gateway_full"),
        ("shed", "queue_evicted"),
    ];
    for ending in &endings {
        assert!(seen.contains(ending), "{ending:?} is not in {seen:?}");
    }
}

#[test]
fn everything_that_makes_the_world_hard_is_drawn() {
    let texts: Vec<String> = (1..200)
        .map(Case::of)
        .map(|case| case.config.text + &case.scenario.text)
        .collect();
    for what in [
        "contention =",
        "workers =",
        "work_goes_on = true",
        "arrivals = { cv =",
        "arrivals = \"constant\"",
        "users =",
        "patience =",
        "budget = \"",
        "budget = { lognormal",
        "retries =",
        "retry_late = false",
        "retry_budget =",
        "backoff = \"retry-after\"",
        "[gateway]\ncores",
        "[[fault]]",
        "drain_at =",
    ] {
        let with = texts.iter().filter(|text| text.contains(what)).count();
        assert!(with >= 10, "{what} is in {with} of 199");
    }
    let shared = |text: &&String| {
        let urls: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("url"))
            .collect();
        urls.iter().collect::<BTreeSet<_>>().len() < urls.len()
    };
    assert!(texts.iter().filter(shared).count() >= 10);
}

#[test]
fn the_same_seed_gives_the_same_events_byte_for_byte() {
    let keep = Watch {
        keep_events: true,
        ..Watch::NOBODY
    };
    for seed in [3, 4] {
        let [first, second] = [1, 2].map(|_| Case::of(seed).play(&keep, None).unwrap().events);
        assert!(first.count > 100, "{}", first.count);
        assert_eq!(first.text, second.text);
        assert_eq!(first.hash, second.hash);
    }
    assert_ne!(play(3).events.hash, play(4).events.hash);
}

#[test]
fn a_case_is_files_that_anybody_can_run_and_repeats_what_was_swept() {
    let folder = tempfile::tempdir().unwrap();
    let chaos = |args: &[&str]| {
        let chaos = Command::new(env!("CARGO_BIN_EXE_chaos"))
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let out = String::from_utf8(chaos.stdout).unwrap();
        (chaos.status.code(), out)
    };
    let (code, out) = chaos(&["sweep", "--seeds", "1", "--from", "3"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("all invariants held"), "{out}");
    let (code, _) = chaos(&["sweep", "--seeds", "1", "--from", "3", "--write", "."]);
    assert_eq!(code, Some(0));
    let (code, out) = chaos(&[
        "run",
        "seed-3.toml",
        "--config",
        "seed-3.config.toml",
        "--explore",
    ]);
    assert_eq!(code, Some(0), "{out}");
    let hash = format!("{:016x}", play(3).events.hash);
    assert!(out.contains(&hash), "{hash} is not in {out}");
}

/// Plays a gateway that is broken so, and looks for what was said of it.
fn is_found(control: NegativeControl, as_what: &str) {
    let play = |seed| Case::of(seed).play(&Watch::NOBODY, Some(control));
    let played = each_seed(SEEDS, play, &|_| {}).unwrap();
    let told: Vec<&String> = played.iter().flat_map(|one| &one.broken).collect();
    let is_it = told.iter().any(|what| what.contains(as_what));
    assert!(is_it, "{as_what} is not in {told:#?}");
}

#[test]
fn tickets_that_are_never_kept_back_are_found() {
    is_found(NegativeControl::AllTicketsAlways, "no ticket is kept back");
}

#[test]
fn tickets_that_are_always_kept_back_are_found() {
    is_found(NegativeControl::FewestTicketsAlways, "are kept back");
}

#[test]
fn tickets_that_go_by_the_latency_of_pages_are_found() {
    is_found(NegativeControl::LagIsPageLatency, "after the last lag");
}

#[test]
fn tickets_that_go_by_the_overhead_of_pages_are_found() {
    is_found(NegativeControl::LagIsOverhead, "no ticket is kept back");
}

#[test]
fn refusals_that_are_charged_to_the_client_are_found() {
    is_found(NegativeControl::RefusalsCharged, "over its quota after");
}

#[test]
fn clients_that_are_back_too_soon_and_are_let_in_are_found() {
    is_found(
        NegativeControl::EarlyReturnsAdmitted,
        "back before its time",
    );
}

#[test]
fn a_time_to_come_back_that_does_not_follow_from_the_crowd_is_found() {
    is_found(NegativeControl::RetryAfterIsFixed, "told to come back");
}

#[test]
fn a_queue_that_serves_the_oldest_first_is_found() {
    is_found(NegativeControl::OldestFirst, "went on waiting");
}

#[test]
fn a_wait_outside_the_deadline_is_found() {
    is_found(NegativeControl::WaitOutsideDeadline, "deadline");
}

#[test]
fn permits_that_leak_when_their_page_is_gone_are_found() {
    is_found(NegativeControl::LeakOnCancel, "without a call");
}

#[test]
fn a_waiting_page_that_holds_permits_is_found() {
    is_found(NegativeControl::PartByPart, "without a call");
}
