//! Every scenario that comes with the program, played in simulated time: its expectations are met
//! and no invariant is broken.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
use chaos::play::Watch;
use chaos::scenario::{SHIPPED, Scenario, Text};
use chaos::simulated::play;
use chaos::verdict::Verdict;

fn scenario(name: &str) -> Scenario {
    let (_, text) = SHIPPED
        .iter()
        .find(|(shipped, _)| *shipped == name)
        .unwrap();
    let text = Text {
        name: format!("{name}.toml"),
        text: (*text).to_owned(),
    };
    Scenario::load(&text, &Text::default_config()).unwrap_or_else(|report| panic!("{report}"))
}

fn is_as_expected(name: &str) {
    let scenario = scenario(name);
    let record = play(&scenario, &Watch::NOBODY).unwrap();
    let verdict = Verdict::of(&scenario, &record);
    assert!(verdict.is_ok(), "{name}:\n{verdict}");
}

macro_rules! as_expected {
    ($($test:ident = $name:literal,)*) => {
        const TESTED: &[&str] = &[$($name,)*];
        $(#[test] fn $test() { is_as_expected($name); })*
    };
}

as_expected! {
    incident_required = "incident-required",
    incident_optional = "incident-optional",
    incident_unbounded = "incident-unbounded",
    one_overloaded = "one-overloaded",
    all_overloaded = "all-overloaded",
    all_overloaded_part_by_part = "all-overloaded-part-by-part",
    all_overloaded_parts_at_once = "all-overloaded-parts-at-once",
    all_overloaded_work_goes_on = "all-overloaded-work-goes-on",
    all_overloaded_parts_at_once_work_goes_on = "all-overloaded-parts-at-once-work-goes-on",
    one_of_four_short = "one-of-four-short",
    required_fails_fast = "required-fails-fast",
    resets = "resets",
    one_hangs = "one-hangs",
    flapping = "flapping",
    clients_hang_up = "clients-hang-up",
    clients_give_up = "clients-give-up",
    clients_retry = "clients-retry",
    late_pages_retried = "late-pages-retried",
    late_pages_within_a_budget = "late-pages-within-a-budget",
    impatience_pays = "impatience-pays",
    impatience_does_not_pay = "impatience-does-not-pay",
    burst_comes_back = "burst-comes-back",
    slow_readers = "slow-readers",
    burst = "burst",
    bursty_arrivals = "bursty-arrivals",
    contention = "contention",
    contention_too_many_permits = "contention-too-many-permits",
    users_wait = "users-wait",
    client_budgets = "client-budgets",
    work_goes_on = "work-goes-on",
    isolation = "isolation",
    greedy_client = "greedy-client",
    refused_within_quota = "refused-within-quota",
    observed = "observed",
    observed_saturated = "observed-saturated",
    deploy = "deploy",
    newcomer_all_one = "newcomer-all-one",
    newcomer_all_huge = "newcomer-all-huge",
    own_cpu_short = "own-cpu-short",
    own_cpu_returns = "own-cpu-returns",
}

#[test]
fn every_file_in_the_folder_is_shipped_and_tested_and_says_what_it_is_about() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(".toml").unwrap().to_owned())
        .collect();
    files.sort();
    let mut shipped: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
    shipped.sort_unstable();
    let mut tested = TESTED.to_vec();
    tested.sort_unstable();
    assert_eq!(files, shipped);
    assert_eq!(files, tested);
    for name in shipped {
        let scenario = scenario(name);
        assert!(scenario.about.len() > 100, "{name} has no prose");
        assert!(!scenario.expectations.is_empty(), "{name} expects nothing");
    }
}
