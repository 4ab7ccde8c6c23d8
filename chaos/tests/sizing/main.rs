//! The rules of `docs/tuning.md`, followed word by word at sites that differ in everything, and the
//! rules that they replaced, which do not give what is promised.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod rehearsal;
mod site;

use std::time::Duration;

use chaos::run::each_seed;
use gateway::config::sizing;

use self::rehearsal::{measure, rehearse};
use self::site::{Limits, Measured, PEAK, Permits, SITES, Site};

#[test]
fn every_rule_gives_what_it_promises_at_every_site() {
    let at = |index: u64| {
        let site = &SITES[index as usize];
        let measured = measure(site);
        let end = |permits| {
            let limits = site.limits(&measured, permits);
            (limits, rehearse(site, &limits))
        };
        Ok([Permits::Least, Permits::Most].map(end))
    };
    let all = each_seed(0..SITES.len() as u64, at, &|_| {}).unwrap();
    for (site, ends) in SITES.iter().zip(&all) {
        for (limits, broken) in ends {
            assert!(broken.is_empty(), "{}, {limits:?}: {broken:#?}", site.name);
        }
        let (least, most) = (ends[0].0.permits, ends[1].0.permits);
        assert!(least <= most, "{} has no room: {least}, {most}", site.name);
    }
}

/// Whether following the guide but for one rule breaks a promise in these words.
fn breaks(site: &Site, permits: Permits, other: impl Fn(&Measured, &mut Limits), promise: &str) {
    let measured = measure(site);
    let mut limits = site.limits(&measured, permits);
    other(&measured, &mut limits);
    let broken = rehearse(site, &limits);
    let is_it = broken.iter().any(|what| what.contains(promise));
    assert!(is_it, "{}, {limits:?}: {broken:#?}", site.name);
}

fn site(name: &str) -> &'static Site {
    SITES.iter().find(|site| site.name == name).unwrap()
}

#[test]
fn a_queue_of_the_mean_evicts_those_who_could_have_waited() {
    for name in [
        "the guide's example",
        "three short calls a page",
        "a fast service",
    ] {
        let site = site(name);
        let mean = |_: &Measured, limits: &mut Limits| {
            let arrive = site.worst / f64::from(site.gateways);
            let excess = arrive - site.capacity(limits.permits);
            limits.queue = sizing::at_once(excess, limits.max_wait).ceil() as u32;
        };
        breaks(site, Permits::Most, mean, "refusals are evictions");
    }
}

#[test]
fn no_queue_below_capacity_refuses_bunches_of_a_usual_day() {
    let site = site("four gateways and contention");
    let none = |_: &Measured, limits: &mut Limits| limits.queue = 0;
    breaks(site, Permits::Least, none, "good_pages");
}

#[test]
fn permits_that_count_pages_instead_of_calls_refuse_on_a_usual_day() {
    for name in ["two calls a page", "three short calls a page"] {
        let site = site(name);
        let pages = |measured: &Measured, limits: &mut Limits| {
            let pages = measured.in_use / f64::from(site.calls);
            limits.permits = sizing::least_permits(pages, 1.0, 1);
        };
        breaks(site, Permits::Least, pages, "good_pages");
    }
}

#[test]
fn permits_for_independent_arrivals_refuse_where_the_rate_varies() {
    let site = site("rates that vary by half, two calls a page, two gateways");
    let independent = |measured: &Measured, limits: &mut Limits| {
        limits.permits = sizing::least_permits(measured.in_use, 1.0, site.calls);
    };
    breaks(site, Permits::Least, independent, "good_pages");
}

#[test]
fn a_service_that_is_not_divided_is_overrun_by_its_gateways() {
    let site = site("four gateways and contention");
    let undivided = |_: &Measured, limits: &mut Limits| {
        limits.permits = sizing::most_permits(site.workers, site.contention, 1, site.calls);
    };
    breaks(site, Permits::Most, undivided, "failed");
}

#[test]
fn a_tenth_more_of_a_large_service_that_contends_costs_a_sixth_of_it() {
    let site = site("a large service");
    let tenth = |_: &Measured, limits: &mut Limits| {
        limits.permits = sizing::most_permits(site.workers, 0.0, site.gateways, site.calls);
    };
    breaks(site, Permits::Most, tenth, "goodput");
}

#[test]
fn an_optional_part_that_is_given_up_at_its_p99_is_missed() {
    let p99 = |_: &Measured, limits: &mut Limits| {
        limits.extra_timeout = Duration::from_millis(PEAK.extra[1]);
    };
    breaks(&PEAK, Permits::Least, p99, "partial");
}

#[test]
fn tickets_for_the_mean_of_what_is_served_are_the_first_limit_reached() {
    let mean = |_: &Measured, limits: &mut Limits| {
        let served = PEAK.capacity(limits.permits);
        limits.tickets = sizing::at_once(served, PEAK.mean_call()).ceil() as u32;
    };
    breaks(&PEAK, Permits::Most, mean, "for want of tickets");
}

#[test]
fn a_wait_as_long_as_the_deadline_leaves_is_longer_than_refusals_may_take() {
    let all = |measured: &Measured, limits: &mut Limits| {
        let (deadline, reserve) = (PEAK.deadline(), PEAK.reserve());
        limits.max_wait = sizing::longest_wait(deadline, reserve, measured.page_p99);
        limits.queue = 1000;
    };
    breaks(&PEAK, Permits::Most, all, "refusal_p99");
}
