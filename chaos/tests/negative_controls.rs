//! Gateways that are broken on purpose: the shipped scenarios notice each.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use chaos::play::Watch;
use chaos::run::find;
use chaos::scenario::{Scenario, Text};
use chaos::simulated::{NegativeControl, play_with};
use chaos::verdict::Verdict;

fn is_noticed(control: NegativeControl, by: &str) -> bool {
    let scenario = Scenario::load(&find(by).unwrap(), &Text::default_config()).unwrap();
    let record = play_with(&scenario, &Watch::NOBODY, Some(control)).unwrap();
    !Verdict::of(&scenario, &record).is_ok()
}

#[test]
fn a_queue_that_serves_the_oldest_first_is_noticed() {
    assert!(is_noticed(NegativeControl::OldestFirst, "one-overloaded"));
}

#[test]
fn a_wait_outside_the_deadline_is_noticed() {
    assert!(is_noticed(
        NegativeControl::WaitOutsideDeadline,
        "incident-required"
    ));
}

#[test]
fn permits_that_leak_when_their_page_is_gone_are_noticed() {
    assert!(is_noticed(NegativeControl::LeakOnCancel, "clients-hang-up"));
}

#[test]
fn a_waiting_page_that_holds_permits_is_noticed() {
    assert!(is_noticed(NegativeControl::PartByPart, "burst"));
}

#[test]
fn a_gateway_that_keeps_no_page_out_when_it_is_short_of_cpu_is_noticed() {
    assert!(is_noticed(
        NegativeControl::AllTicketsAlways,
        "own-cpu-short"
    ));
    assert!(is_noticed(NegativeControl::LagIsOverhead, "own-cpu-short"));
}

#[test]
fn a_gateway_that_keeps_pages_out_with_cpu_to_spare_is_noticed() {
    let by = "own-cpu-returns";
    assert!(is_noticed(NegativeControl::FewestTicketsAlways, by));
    assert!(is_noticed(NegativeControl::LagIsPageLatency, by));
}

#[test]
fn a_gateway_that_tells_everybody_the_same_seconds_is_noticed() {
    assert!(is_noticed(
        NegativeControl::RetryAfterIsFixed,
        "burst-comes-back"
    ));
}

#[test]
fn a_gateway_that_welcomes_who_is_back_too_early_is_noticed() {
    assert!(is_noticed(
        NegativeControl::EarlyReturnsAdmitted,
        "impatience-does-not-pay"
    ));
}

#[test]
fn a_gateway_that_charges_clients_for_its_refusals_is_noticed() {
    assert!(is_noticed(
        NegativeControl::RefusalsCharged,
        "refused-within-quota"
    ));
}
