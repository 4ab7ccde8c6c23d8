//! The same scenario and seed twice: limits enforced, and only watched.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use chaos::play::Watch;
use chaos::scenario::{SHIPPED, Scenario, Text, Window};
use chaos::simulated::play;
use chaos::verdict::Metric;
use std::time::Duration;

fn scenario(name: &str) -> Scenario {
    let (_, text) = SHIPPED.iter().find(|(own, _)| *own == name).unwrap();
    let text = Text {
        name: format!("{name}.toml"),
        text: (*text).to_owned(),
    };
    Scenario::load(&text, &Text::default_config()).unwrap_or_else(|report| panic!("{report}"))
}

/// Every limit of the scenario is watched, or every one is enforced.
fn observing(mut scenario: Scenario, observe: bool) -> Scenario {
    let config = &mut scenario.config;
    config.clients.observe = observe;
    config.admission.observe = observe;
    config
        .downstreams
        .iter_mut()
        .for_each(|d| d.observe = observe);
    config
        .pages
        .iter_mut()
        .for_each(|page| page.observe = observe);
    scenario
}

/// What enforcing refuses, and what watching says that it would, over the whole run.
fn figures(name: &str) -> (f64, f64) {
    let of = |observe, metric| {
        let scenario = observing(scenario(name), observe);
        let record = play(&scenario, &Watch::NOBODY).unwrap();
        assert!(record.broken.is_empty(), "{name}: {:?}", record.broken);
        let all = Window {
            from: Duration::ZERO,
            until: scenario.length,
            page: None,
            client: None,
        };
        if observe {
            let refused = record.figure(&scenario, &all, Metric::Refused);
            assert_eq!(refused, Some(0.0), "{name}: observed limits refuse");
        }
        record.figure(&scenario, &all, metric).unwrap()
    };
    (of(false, Metric::Refused), of(true, Metric::WouldShed))
}

#[track_caller]
fn agrees(name: &str) {
    let (enforced, watched) = figures(name);
    let apart = (enforced - watched).abs();
    assert!(
        apart <= 0.02,
        "{name}: {enforced:.4} refused, {watched:.4} counted"
    );
    assert!(enforced > 0.01, "{name}: nothing is refused");
}

#[test]
fn the_share_is_what_enforcing_refuses_where_permits_are_too_few_for_a_service_with_room() {
    agrees("observed");
}

#[test]
fn the_share_is_what_enforcing_refuses_while_a_service_is_slow_and_not_for_its_load() {
    agrees("incident-required");
}

#[test]
fn the_share_is_what_enforcing_refuses_where_tickets_are_short() {
    agrees("slow-readers");
}

#[test]
fn the_share_is_what_enforcing_refuses_of_a_client_over_its_quota() {
    agrees("greedy-client");
}

#[test]
fn the_share_errs_on_the_high_side_where_a_service_is_overrun_without_the_limit() {
    let (enforced, watched) = figures("observed-saturated");
    assert!((0.3..0.45).contains(&enforced), "{enforced:.4}");
    assert!(watched > enforced + 0.2, "{enforced:.4}, {watched:.4}");
}
