//! Endpoints in simulated time: calls that take as long as the test says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::page::deadline::now;

#[derive(Clone, Debug)]
struct At(u32);

impl Endpoint for At {
    fn id(&self) -> EndpointId {
        EndpointId(self.0)
    }

    fn address(&self) -> Arc<str> {
        self.0.to_string().into()
    }

    fn failed_connects(&self) -> u32 {
        0
    }
}

fn endpoints(version: u64, ids: impl IntoIterator<Item = u32>) -> Endpoints<At> {
    Endpoints {
        version,
        all: ids.into_iter().map(At).collect(),
    }
}

fn balancer() -> Balancer {
    Balancer::new(fastrand::Rng::with_seed(1))
}

const MS: Duration = Duration::from_millis(1);

/// Calls at `per_second`, each as long as `takes` says of its endpoint at that time (`None`: it
/// fails after a millisecond); how many went to each endpoint, by second.
fn play(
    count: u32,
    per_second: u32,
    seconds: u32,
    takes: impl Fn(usize, Duration) -> Option<Duration>,
) -> Vec<Vec<u32>> {
    let (endpoints, mut balancer, start) = (endpoints(1, 0..count), balancer(), now());
    let mut under_way = BinaryHeap::new();
    let mut calls = vec![vec![0; count as usize]; seconds as usize];
    for n in 0..per_second * seconds {
        let at = Duration::from_secs(1) * n / per_second;
        while let Some(&Reverse((end, id, took, fails))) = under_way.peek()
            && end <= at
        {
            under_way.pop();
            let how = if fails {
                Ended::Failed
            } else {
                Ended::Answered(took)
            };
            balancer.ended(EndpointId(id), how, start + end);
        }
        let to = balancer.pick(&endpoints, &[], start + at).unwrap();
        calls[at.as_secs() as usize][to] += 1;
        let took = takes(to, at);
        let end = at + took.unwrap_or(MS);
        under_way.push(Reverse((
            end,
            to as u32,
            took.unwrap_or(MS),
            took.is_none(),
        )));
    }
    calls
}

fn share(calls: &[Vec<u32>], endpoint: usize) -> f64 {
    let all: u32 = calls.iter().flatten().sum();
    let its: u32 = calls.iter().map(|second| second[endpoint]).sum();
    f64::from(its) / f64::from(all)
}

#[tokio::test(start_paused = true)]
async fn equal_endpoints_get_equal_shares() {
    let calls = play(4, 400, 10, |_, _| Some(20 * MS));
    for endpoint in 0..4 {
        let share = share(&calls, endpoint);
        assert!((0.2..0.3).contains(&share), "{endpoint}: {share}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_endpoint_gets_next_to_nothing_once_it_is_known() {
    for per_second in [50, 200, 1000] {
        let calls = play(2, per_second, 10, |endpoint, _| {
            Some(if endpoint == 0 { 50 * MS } else { 5 * MS })
        });
        let slow = share(&calls[1..], 0);
        assert!(slow <= 0.01, "{per_second}/s: {slow}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_was_slow_has_its_share_again_within_five_seconds() {
    for per_second in [50, 200, 1000] {
        let calls = play(2, per_second, 12, |endpoint, at| {
            let slow = endpoint == 0 && at < Duration::from_secs(5);
            Some(if slow { 100 * MS } else { 10 * MS })
        });
        let again = share(&calls[10..], 0);
        assert!(again >= 0.3, "{per_second}/s: {again}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_fast_does_not_draw_the_calls_to_itself() {
    let calls = play(3, 300, 10, |endpoint, _| (endpoint != 0).then_some(20 * MS));
    let failing: u32 = calls[1..].iter().map(|second| second[0]).sum();
    assert!(failing <= 12, "{failing} calls besides the probes");
}

#[tokio::test(start_paused = true)]
async fn one_that_returns_after_its_failures_is_in_use_within_five_seconds() {
    let calls = play(3, 300, 25, |endpoint, at| {
        let dead = endpoint == 0 && at < Duration::from_secs(15);
        (!dead).then_some(20 * MS)
    });
    assert!(share(&calls[20..], 0) >= 0.25, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn at_least_half_of_the_endpoints_stay_in_use_however_they_fail() {
    let calls = play(4, 400, 10, |_, _| None);
    let used = (0..4).filter(|endpoint| share(&calls[5..], *endpoint) > 0.1);
    assert!(used.count() >= 2, "{:?}", &calls[5..]);
    let alone = play(1, 100, 3, |_, _| None);
    assert_eq!(share(&alone, 0), 1.0);
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_cut_short_show_that_an_endpoint_is_slow() {
    let (endpoints, mut balancer, start) = (endpoints(1, 0..2), balancer(), now());
    for n in 0..20_u32 {
        let at = start + n * 10 * MS;
        let to = balancer.pick(&endpoints, &[], at).unwrap();
        let how = match to {
            0 => Ended::Cut(300 * MS),
            _ => Ended::Answered(5 * MS),
        };
        balancer.ended(EndpointId(to as u32), how, at + 5 * MS);
    }
    let picks = (0..50).map(|_| {
        let to = balancer.pick(&endpoints, &[], start + 200 * MS).unwrap();
        balancer.ended(
            EndpointId(to as u32),
            Ended::Cut(Duration::ZERO),
            start + 200 * MS,
        );
        to
    });
    assert_eq!(picks.filter(|to| *to == 0).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_come_and_go_keep_what_is_known_of_the_others() {
    let (mut balancer, at) = (balancer(), now());
    let first = endpoints(1, [7]);
    assert_eq!(balancer.pick(&first, &[], at), Some(0));
    let more = endpoints(2, [3, 7]);
    assert_eq!(balancer.pick(&more, &[EndpointId(3)], at), Some(1));
    let view: Vec<_> = balancer
        .health()
        .map(|(id, _, calls)| (id.0, calls))
        .collect();
    assert_eq!(view, [(3, 0), (7, 2)]);
    let gone = endpoints(3, [3]);
    assert_eq!(balancer.pick(&gone, &[], at), Some(0));
    // The end of a call to one that is gone is of no consequence.
    balancer.ended(EndpointId(7), Ended::Answered(MS), at);
    assert_eq!(balancer.pick(&gone, &[EndpointId(3)], at), None);
}

proptest! {
    #[test]
    fn calls_under_way_are_counted_exactly(steps in prop::collection::vec((any::<bool>(), 0..4_u8), 1..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (endpoints, mut balancer, start) = (endpoints(1, 0..3), balancer(), now());
            let mut under_way: Vec<u32> = Vec::new();
            for (n, (begins, how)) in (0..).zip(steps) {
                let at = start + n * MS;
                if begins || under_way.is_empty() {
                    let to = balancer.pick(&endpoints, &[], at).unwrap();
                    under_way.push(to as u32);
                } else {
                    let id = under_way.swap_remove(how as usize % under_way.len());
                    let how = [Ended::Answered(MS), Ended::Failed, Ended::Unreached, Ended::Cut(MS)][how as usize];
                    balancer.ended(EndpointId(id), how, at);
                }
                for (id, _, counted) in balancer.health() {
                    let expected = under_way.iter().filter(|under_way| **under_way == id.0).count();
                    prop_assert_eq!(counted as usize, expected);
                }
            }
            Ok(())
        })?;
    }
}
