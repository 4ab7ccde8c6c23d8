//! The law by exact values, by what always holds, and against a CPU that is too small.

use proptest::prelude::*;

use super::model::{Setup, Signal, Tenth};
use super::*;

const MS: Duration = Duration::from_millis(1);
const MAX_LAG: Duration = Duration::from_millis(10);
const MOST: u32 = 1024;

/// A law and its lag, looked at once per probe.
struct Looked {
    law: TicketLimit,
    window: Window,
    now: Time,
}

impl Looked {
    fn new(most: u32) -> Self {
        Self {
            law: TicketLimit::new(most, Some(MAX_LAG)),
            window: Window::default(),
            now: Time::ZERO,
        }
    }

    fn once(&mut self, lag: Duration, used: TicketUse) -> u32 {
        self.now += PROBE_EVERY;
        self.window.probe(lag, |_| ());
        self.law.look(self.now, &self.window, used)
    }

    /// So many probes, all the same; the limit after each that changed it.
    fn times(&mut self, count: usize, lag: Duration, used: TicketUse) -> Vec<u32> {
        let mut limits = vec![self.law.limit()];
        for _ in 0..count {
            limits.push(self.once(lag, used));
        }
        limits.dedup();
        limits[1..].to_vec()
    }
}

/// So many tickets are out, and all of their pages will be in time.
fn in_use(in_use: u32) -> TicketUse {
    TicketUse {
        in_use,
        refused: 0,
        in_time: PROBE_EVERY * in_use,
    }
}

fn refusing(tickets: u32) -> TicketUse {
    TicketUse {
        refused: 1,
        ..in_use(tickets)
    }
}

#[test]
fn a_late_probe_stands_for_those_that_were_due_meanwhile() {
    let mut window = Window::default();
    let mut seen = Vec::new();
    window.probe(12 * MS, |lag| seen.push(lag));
    assert_eq!(seen, [12 * MS, 7 * MS, 2 * MS]);
    window.probe(5 * MS, |lag| seen.push(lag));
    assert_eq!(seen[3..], [5 * MS]);
    window.probe(Duration::ZERO, |lag| seen.push(lag));
    assert_eq!(seen[4..], [Duration::ZERO]);
    assert_eq!(window.quantile(1.0), 12 * MS);
    // Of 20 probes, 16 were not late; the 18th of them in order was, by 5 ms.
    assert_eq!(window.quantile(0.8), Duration::ZERO);
    assert_eq!(window.quantile(0.9), 5 * MS);
}

#[test]
fn lag_at_its_bound_is_not_above_it_and_a_short_stall_is_not_the_p90() {
    let mut law = Looked::new(MOST);
    assert_eq!(law.times(100, MAX_LAG, in_use(500)), [0; 0]);
    // 20 ms, 15 ms and so on: two of twenty are above 10 ms.
    let mut law = Looked::new(MOST);
    law.once(20 * MS, in_use(500));
    assert_eq!(law.times(40, Duration::ZERO, in_use(500)), [0; 0]);
    assert_eq!(law.law.reason(), SizedBy::Configured);
    // 21 ms: three are.
    let mut law = Looked::new(MOST);
    assert!(law.once(21 * MS, in_use(500)) < 500);
}

#[test]
fn tickets_shrink_by_how_far_lag_is_above_its_bound_once_in_a_hundred_milliseconds() {
    let mut law = Looked::new(MOST);
    // Three probes above 10 ms make the p90; the first step is from what is in use.
    assert_eq!(law.times(2, 12 * MS, in_use(300)), [0; 0]);
    assert_eq!(law.times(1, 12 * MS, in_use(300)), [250]);
    assert_eq!(law.law.reason(), SizedBy::Lag);
    // While pages beyond the limit have not left, the next step waits up to 300 ms.
    assert_eq!(law.times(59, 12 * MS, in_use(300)), [0; 0]);
    assert_eq!(law.times(1, 12 * MS, in_use(300)), [208]);
    // Once they have, 100 ms.
    assert_eq!(law.times(19, 12 * MS, in_use(208)), [0; 0]);
    assert_eq!(law.times(1, 12 * MS, in_use(208)), [173]);
    // Never more than by half, never less than by a tenth.
    assert_eq!(law.times(20, 80 * MS, in_use(173)), [86]);
    let mut law = Looked::new(MOST);
    assert_eq!(law.times(3, MAX_LAG + MS / 10, in_use(300)), [270]);
}

#[test]
fn what_was_not_finished_in_time_is_taken_back_faster() {
    let used = TicketUse {
        in_time: PROBE_EVERY * 200,
        ..in_use(300)
    };
    let mut law = Looked::new(MOST);
    // 11 ms would leave 272; pages served in time had 200 tickets on average.
    assert_eq!(law.times(3, 11 * MS, used), [200]);
}

#[test]
fn pages_within_the_floor_are_let_be_and_the_floor_is_never_passed() {
    let mut law = Looked::new(MOST);
    assert_eq!(law.times(400, 500 * MS, in_use(FLOOR)), [0; 0]);
    assert_eq!(law.times(200, 500 * MS, in_use(FLOOR + 1)), [FLOOR]);
    assert_eq!(law.times(400, 500 * MS, in_use(FLOOR + 1)), [0; 0]);
    let mut few = Looked::new(3);
    assert_eq!(few.times(400, 500 * MS, in_use(3)), [0; 0]);
}

#[test]
fn tickets_grow_back_while_pages_are_refused_for_want_of_one() {
    let mut law = Looked::new(MOST);
    law.times(200, 100 * MS, in_use(9));
    assert_eq!(law.law.limit(), FLOOR);
    // The window forgets the lag, then half as many again in each hundred milliseconds.
    let grown = law.times(120, MS, refusing(FLOOR));
    assert_eq!(grown, [12, 18, 27, 40, 60]);
    assert_eq!(law.law.reason(), SizedBy::Recovering);
    // Close to its bound, lag leaves less to grow: a ninth, and one at least.
    let mut law = Looked::new(MOST);
    law.times(3, 100 * MS, in_use(96));
    assert_eq!(law.times(70, 9 * MS, refusing(48)), [53, 58, 64]);
    let mut law = Looked::new(MOST);
    law.times(200, 100 * MS, in_use(9));
    assert_eq!(law.times(70, 9 * MS, refusing(FLOOR)), [9, 10, 11]);
}

#[test]
fn a_second_without_lag_and_refusals_gives_all_tickets_back() {
    let mut law = Looked::new(MOST);
    law.times(4, 100 * MS, in_use(100));
    assert!(law.law.limit() < MOST);
    law.times(20, MS, in_use(20));
    let strained = law.now;
    assert_eq!(law.law.limit(), 50);
    let back = law.times(200, MS, in_use(20));
    assert_eq!(back, [MOST]);
    assert_eq!(law.law.reason(), SizedBy::Configured);
    // The last probes above 10 ms left the window some milliseconds before `strained`.
    assert!(law.now - strained >= REST);
}

#[test]
fn a_second_of_lag_far_below_its_bound_gives_all_back_though_pages_are_refused() {
    let mut law = Looked::new(100_000);
    law.times(200, 100 * MS, in_use(9));
    assert_eq!(
        law.times(240, 5 * MS, refusing(FLOOR)),
        [12, 18, 27, 40, 60, 90, 135, 202, 303, 454, 100_000]
    );
    let mut law = Looked::new(100_000);
    law.times(200, 100 * MS, in_use(9));
    let near = law.times(400, 9 * MS, refusing(FLOOR));
    assert_eq!((near[0], *near.last().unwrap()), (9, 41));
}

#[test]
fn without_a_bound_nothing_ever_shrinks() {
    let mut law = TicketLimit::new(MOST, None);
    let mut window = Window::default();
    window.probe(900 * MS, |_| ());
    assert_eq!(law.look(5 * MS, &window, in_use(900)), MOST);
}

proptest! {
    #[test]
    fn the_limit_stays_between_floor_and_most_and_shrinks_only_under_lag(
        most in 1_u32..3000,
        looks in prop::collection::vec((0_u32..60, 0_u32..3000, 0_u64..3, 0_u32..100), 1..400),
    ) {
        let mut law = Looked::new(most);
        let mut before = law.law.limit();
        for (lag, tickets, refused, share) in looks {
            let in_use = tickets.min(most);
            let in_time = PROBE_EVERY * in_use * share / 100;
            let limit = law.once(MS * lag, TicketUse { in_use, refused, in_time });
            prop_assert!(limit >= FLOOR.min(most) && limit <= most);
            let high = law.window.quantile(0.9) > MAX_LAG;
            prop_assert!(limit >= before || high, "shrank without lag");
            prop_assert!(limit <= before || !high, "grew under lag");
            before = limit;
        }
    }

    #[test]
    fn two_seconds_after_the_last_lag_all_tickets_are_there(
        most in 1_u32..3000,
        looks in prop::collection::vec((0_u32..400, 0_u32..3000, 0_u64..3), 1..200),
    ) {
        let mut law = Looked::new(most);
        for (lag, tickets, refused) in looks {
            let used = TicketUse { refused, ..in_use(tickets.min(most)) };
            law.once(MS * lag, used);
        }
        law.times(400, MS, refusing(FLOOR.min(most)));
        prop_assert_eq!(law.law.limit(), most);
    }
}

/// A fifth of a core: at its peak for a second, then times that, then less again.
const SHORT: Setup = Setup {
    cpu: 0.2,
    service: 5,
    tickets: MOST,
    load: &[(0.8, 1000), (3.0, 3000), (0.8, 3000)],
};

/// Plenty of CPU, and services that take a second.
const SLOW_SERVICE: Setup = Setup {
    cpu: 1.0,
    service: 1000,
    tickets: MOST,
    load: &[(0.02, 3000)],
};

fn law() -> TicketLimit {
    TicketLimit::new(MOST, Some(MAX_LAG))
}

fn sum(tenths: &[Tenth], of: impl Fn(&Tenth) -> u32) -> f64 {
    f64::from(tenths.iter().map(of).sum::<u32>())
}

/// Of the peak, pages served in time while three times as many were offered.
fn goodput(tenths: &[Tenth]) -> f64 {
    let short = &tenths[15..40];
    sum(short, |tenth| tenth.good) / (SHORT.peak() * 2.5)
}

/// What was not as it should be, short of CPU.
fn faults_when_short(tenths: &[Tenth]) -> Vec<&'static str> {
    let (before, after) = (&tenths[2..10], &tenths[60..69]);
    let good = |tenths: &[Tenth]| sum(tenths, |t| t.good) / sum(tenths, |t| t.offered);
    let faults = [
        (good(before) < 0.98, "pages are lost before it is short"),
        (goodput(tenths) < 0.75, "less than 75 % of the peak"),
        (sum(&tenths[15..40], |t| t.late) > 0.0, "pages are late"),
        (good(after) < 0.98, "pages are lost after it"),
        (tenths[69].least < MOST, "tickets are not all back"),
    ];
    faults
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, what)| what)
        .collect()
}

/// Tickets of a gateway with CPU to spare are never touched.
fn touched(tenths: &[Tenth]) -> bool {
    tenths[..29].iter().any(|tenth| tenth.least < MOST)
}

#[test]
fn short_of_cpu_the_gateway_serves_what_it_can_in_time_and_is_well_again_after() {
    let tenths = SHORT.play(law(), Signal::Lag);
    assert_eq!(faults_when_short(&tenths), [""; 0], "{tenths:?}");
    let fewest = tenths.iter().map(|tenth| tenth.least).min();
    assert!(fewest.is_some_and(|fewest| fewest < 32), "{fewest:?}");
}

#[test]
fn a_slow_service_touches_no_ticket() {
    assert!(!touched(&SLOW_SERVICE.play(law(), Signal::Lag)));
}

#[test]
fn a_law_frozen_at_the_top_is_noticed() {
    let tenths = SHORT.play(TicketLimit::new(MOST, None), Signal::Lag);
    assert!(faults_when_short(&tenths).contains(&"less than 75 % of the peak"));
}

#[test]
fn a_law_frozen_at_the_floor_is_noticed() {
    let floor = Setup {
        tickets: FLOOR,
        ..SHORT
    };
    let tenths = floor.play(TicketLimit::new(FLOOR, Some(MAX_LAG)), Signal::Lag);
    assert!(faults_when_short(&tenths).contains(&"tickets are not all back"));
    let floor = Setup {
        tickets: FLOOR,
        ..SLOW_SERVICE
    };
    let tenths = floor.play(TicketLimit::new(FLOOR, Some(MAX_LAG)), Signal::Lag);
    assert!(sum(&tenths[..20], |t| t.good) < 0.5 * sum(&tenths[..20], |t| t.offered));
}

#[test]
fn a_law_driven_by_page_latency_is_noticed() {
    assert!(touched(&SLOW_SERVICE.play(law(), Signal::PageLatency)));
}

#[test]
fn a_law_driven_by_overhead_is_noticed() {
    let tenths = SHORT.play(law(), Signal::Overhead);
    assert!(faults_when_short(&tenths).contains(&"less than 75 % of the peak"));
}

#[test]
fn another_number_of_tickets_holds_at_once_and_what_lag_has_taken_stays_taken() {
    let mut looked = Looked::new(MOST);
    looked.law.configure(500, Some(MAX_LAG));
    assert_eq!(
        (looked.law.limit(), looked.law.reason()),
        (500, SizedBy::Configured)
    );
    looked.times(WINDOW, 40 * MS, in_use(400));
    let shrunk = looked.law.limit();
    assert!(shrunk < 500);
    looked.law.configure(MOST, Some(MAX_LAG));
    assert_eq!(looked.law.limit(), shrunk);
    looked.law.configure(20, Some(MAX_LAG));
    assert_eq!(looked.law.limit(), 20);
    looked.law.configure(MOST, None);
    assert_eq!(
        (looked.law.limit(), looked.law.reason()),
        (MOST, SizedBy::Configured)
    );
}
