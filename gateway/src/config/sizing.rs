//! How large limits must be: the rules of `docs/tuning.md` as functions.
//!
//! Here and nowhere else is the arithmetic. The guide and the runbook quote it and a test holds their worked
//! figures against it; `gateway check` and its warnings call it; `chaos/tests/sizing` follows each rule word
//! by word in simulated time. All of it is pure. Not here: what is measured, which the operator brings.
//!
//! Two laws carry all of it. Little's law: how many at once = how many a second x seconds each. And
//! of a mean `n` of things that vary, [`DEVIATIONS`] standard deviations more are enough, where the variance
//! is `b` times the mean: `b` is 1 where they arrive independently of each other (Poisson), and the
//! peakedness of teletraffic theory otherwise (Fredericks, "Congestion in blocking systems", Bell
//! System Technical Journal 59(6), 1980).

use std::time::Duration;

/// Standard deviations that a limit leaves room for: of independent arrivals less than one in a
/// thousand lies beyond.
pub const DEVIATIONS: f64 = 3.0;

/// Share of calls that a service may be sent beyond what it works on at once, so that a worker
/// that has answered finds its next call there.
pub const AT_THE_DOOR: f64 = 0.1;

/// The most that contention may cost for that: the share by which calls get slower.
pub const CONTENDED: f64 = 0.05;

/// How much longer than the p99 of its call a part that is not required is waited for.
pub const PATIENCE: f64 = 1.7;

/// Calls at once: Little's law, of calls a second that take `each` on average.
#[must_use]
pub fn at_once(per_second: f64, each: Duration) -> f64 {
    per_second * each.as_secs_f64()
}

/// What `permits` carry a second, each held for `each`: Little's law once more.
#[must_use]
pub fn carried(permits: f64, each: Duration) -> f64 {
    permits / each.as_secs_f64()
}

/// So many more than the mean `n`, of which the variance is `b` times the mean.
fn spread(n: f64, b: f64) -> f64 {
    DEVIATIONS * (b * n).sqrt()
}

/// The burstiness of pages where `at` of them are at once, from that of calls: `b` was measured where `n`
/// calls were at once, `calls_per_page` of each page.
///
/// What independent arrivals vary by is as much as their mean, at any rate; what the rate itself
/// varies by grows with it.
#[must_use]
pub fn burstiness_at(at: f64, b: f64, n: f64, calls_per_page: u32) -> f64 {
    let calls = f64::from(calls_per_page);
    let of_the_rate = (b / calls - 1.0).max(0.0);
    1.0 + of_the_rate * at / (n / calls)
}

/// Pages a second that `permits` carry, with `calls_per_page` calls that take `each`.
///
/// A page starts when all of its permits are free at once, and they come one by one: meanwhile half of
/// what it needs, less one, is idle.
#[must_use]
pub fn pages_carried(permits: u32, calls_per_page: u32, each: Duration) -> f64 {
    let calls = f64::from(calls_per_page);
    carried(f64::from(permits) - (calls - 1.0) / 2.0, each) / calls
}

/// The least permits of a downstream at one gateway: N + 3 sqrt(b N).
///
/// `n` is the mean number of calls at once at this gateway: calls a second of all pages, divided by the
/// number of gateways, times the seconds of a call. `b` is the variance of that number over its mean,
/// measured; not measured, it is `calls_per_page`, which is what independent arrivals of pages give. A
/// page that takes several permits takes all or none, so that less than a multiple is of no use.
#[must_use]
pub fn least_permits(n: f64, b: f64, calls_per_page: u32) -> u32 {
    let pages = rounded_up((n + spread(n, b)) / f64::from(calls_per_page));
    pages.max(1) * calls_per_page
}

/// The most permits of a downstream at one gateway, of a service that works on `workers` calls at once for
/// all its gateways: a tenth more than that, or less where each call beyond `workers` makes all
/// others slower by the share `contention`, divided by `gateways`; a multiple of `calls_per_page`.
#[must_use]
pub fn most_permits(workers: u32, contention: f64, gateways: u32, calls_per_page: u32) -> u32 {
    let workers = f64::from(workers);
    let contended = match contention > 0.0 {
        true => CONTENDED / contention,
        false => f64::INFINITY,
    };
    let all = workers + (workers * AT_THE_DOOR).min(contended);
    let pages = rounded_down(all / f64::from(gateways) / f64::from(calls_per_page));
    pages.max(1) * calls_per_page
}

/// Places in a page's queue at one gateway.
///
/// `arrivals` and `capacity` are pages a second at this gateway, at the worst load at which nobody is to be
/// refused before `max_wait` is over. What waits is what has arrived in `max_wait` less what has
/// been started, and its spread is that of the arrivals, whose burstiness `b` is that of pages at
/// [`at_once`]`(arrivals, max_wait)`. A queue below capacity is there for the spread alone.
#[must_use]
pub fn places(arrivals: f64, capacity: f64, max_wait: Duration, b: f64) -> u32 {
    let arrived = at_once(arrivals, max_wait);
    let started = at_once(capacity, max_wait);
    rounded_up((arrived - started).max(0.0) + spread(arrived, b))
}

/// The most pages a second, arriving independently, for which [`places`] asks for no more than `queue`.
#[must_use]
pub fn borne(queue: usize, capacity: f64, max_wait: Duration) -> f64 {
    let queue = queue as f64;
    let started = at_once(capacity, max_wait);
    // Of n + d sqrt(n) = queue + started, and below capacity of d sqrt(n) = queue.
    let above = (queue + started + DEVIATIONS * DEVIATIONS / 4.0).sqrt() - DEVIATIONS / 2.0;
    let below = queue / DEVIATIONS;
    let arrived = match above * above >= started {
        true => above * above,
        false => below * below,
    };
    carried(arrived, max_wait)
}

/// The longest wait for permits that leaves a page time: `page_p99` is that of pages that did not wait. Zero
/// where nothing is left, and then no queue helps.
#[must_use]
pub fn longest_wait(deadline: Duration, reserve: Duration, page_p99: Duration) -> Duration {
    deadline.saturating_sub(reserve).saturating_sub(page_p99)
}

/// The `timeout` of a part that is not required, whose call takes `call_p99` at p99.
#[must_use]
pub fn optional_timeout(call_p99: Duration) -> Duration {
    Duration::from_millis((call_p99.as_secs_f64() * PATIENCE * 1e3).round() as u64)
}

/// `max_in_flight` of one gateway: twice what is there at the worst load, so that it is never first.
///
/// `admitted` pages a second take `each` until their last byte has been read, and `waiting` pages wait in
/// all queues.
#[must_use]
pub fn tickets(admitted: f64, each: Duration, waiting: u32) -> u32 {
    rounded_up(2.0 * (at_once(admitted, each) + f64::from(waiting)))
}

/// The longest `max_lag` that makes sense for a page with this deadline.
#[must_use]
pub fn longest_lag(deadline: Duration) -> Duration {
    deadline / 10
}

/// What a float is short of a whole number by rounding is not one more.
const ROUNDING: f64 = 1e-9;

fn rounded_up(n: f64) -> u32 {
    (n - ROUNDING).ceil() as u32
}

fn rounded_down(n: f64) -> u32 {
    (n + ROUNDING).floor() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Duration = Duration::from_millis(81);
    const WAIT: Duration = Duration::from_millis(50);

    #[test]
    fn permits_leave_room_for_three_standard_deviations_of_what_is_measured() {
        let n = at_once(200.0, CALL);
        assert_eq!(least_permits(n, 1.0, 1), 29);
        // Rates that vary by half of their mean: nearly six times the variance.
        assert_eq!(least_permits(n, 5.9, 1), 46);
        assert_eq!(least_permits(0.0, 1.0, 1), 1);
    }

    #[test]
    fn permits_of_pages_with_several_calls_are_counted_in_calls_and_whole_pages() {
        let n = at_once(400.0, CALL);
        // 32.4 + 3 sqrt(2 x 32.4) = 56.5, and 57 would leave one that nobody can use.
        assert_eq!(least_permits(n, 2.0, 2), 58);
        assert_eq!(most_permits(24, 0.0, 1, 3), 24);
        assert_eq!(most_permits(2, 0.0, 1, 3), 3);
    }

    #[test]
    fn what_a_service_works_on_is_divided_by_its_gateways_before_it_is_rounded() {
        assert_eq!(most_permits(24, 0.0, 1, 1), 26);
        assert_eq!(most_permits(24, 0.0, 4, 1), 6);
        assert_eq!(most_permits(24, 0.0, 2, 1), 13);
        // A tenth of 200 would be 20, and make all calls a fifth slower.
        assert_eq!(most_permits(200, 0.01, 1, 1), 205);
        assert_eq!(most_permits(200, 0.0, 1, 1), 220);
    }

    #[test]
    fn queues_have_room_for_bunches_and_not_for_their_mean_alone() {
        assert_eq!(places(600.0, 296.0, WAIT, 1.0), 32);
        // Below capacity nothing is in excess, and bunches come all the same.
        assert_eq!(places(200.0, 296.0, WAIT, 1.0), 10);
        assert_eq!(places(600.0, 296.0, Duration::ZERO, 1.0), 0);
    }

    #[test]
    fn a_queue_bears_the_arrivals_that_it_has_places_for() {
        for (queue, capacity) in [(64, 800.0), (32, 296.0), (2, 800.0), (10, 296.0)] {
            let borne = borne(queue, capacity, WAIT);
            assert_eq!(places(borne, capacity, WAIT, 1.0) as usize, queue);
            let more = places(borne + 10.0, capacity, WAIT, 1.0) as usize;
            assert!(more > queue, "{borne}");
        }
        assert_eq!(borne(64, 800.0, WAIT).round(), 1552.0);
    }

    #[test]
    fn what_a_rate_varies_by_grows_with_it_and_what_is_independent_does_not() {
        assert_eq!(burstiness_at(30.0, 1.0, 16.0, 1), 1.0);
        assert_eq!(burstiness_at(30.0, 2.0, 32.0, 2), 1.0);
        assert_eq!(burstiness_at(32.0, 3.0, 16.0, 1), 5.0);
        assert_eq!(burstiness_at(32.0, 6.0, 32.0, 2), 5.0);
        // Measured on a quiet day; less than independent is luck.
        assert_eq!(burstiness_at(30.0, 0.9, 16.0, 1), 1.0);
    }

    #[test]
    fn permits_of_several_calls_wait_for_each_other() {
        assert_eq!(
            pages_carried(8, 1, Duration::from_millis(80)).round(),
            100.0
        );
        assert_eq!(
            pages_carried(17, 3, Duration::from_millis(80)).round(),
            67.0
        );
    }

    #[test]
    fn times_are_what_the_deadline_leaves() {
        let ms = Duration::from_millis;
        assert_eq!(longest_wait(ms(300), ms(5), ms(130)), ms(165));
        assert_eq!(longest_wait(ms(100), ms(5), ms(130)), Duration::ZERO);
        assert_eq!(optional_timeout(ms(120)), ms(204));
        assert_eq!(longest_lag(ms(300)), ms(30));
    }

    #[test]
    fn tickets_are_twice_what_the_worst_load_takes() {
        assert_eq!(tickets(296.0, Duration::from_millis(300), 32), 242);
    }
}
