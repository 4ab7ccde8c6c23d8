//! The gateway's CPU: whatever it does waits its turn and takes its time.
//!
//! One queue, first in, first out, before the least busy of the cores. Work is reckoned exactly, in
//! nanoseconds: a core is busy until an instant of its own, so that a thousand steps of 20 us are
//! 20 ms of it. Only the instants at which somebody goes on are whole milliseconds, as all are in
//! here: a step ends in the millisecond in which its last nanosecond lies. So what is short of CPU
//! is exactly so, and what is not loses nothing.
//!
//! Work that was asked for is done, also when nobody waits for it any more. Not modelled: tasks that
//! give way to each other, and what a crowd costs in caches.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::clock::now;
use crate::scenario::Costs;

/// The CPUs of a gateway.
pub(super) struct Cpu {
    start: Instant,
    /// A share of a core is a core that is slower by as much.
    speed: f64,
    /// Until when each core is busy, from the start.
    busy: Mutex<Vec<Duration>>,
}

impl Cpu {
    /// All of them idle.
    pub(super) fn new(costs: &Costs, start: Instant) -> Self {
        let cores = costs.cores.ceil();
        Self {
            start,
            speed: costs.cores / cores,
            busy: Mutex::new(vec![Duration::ZERO; cores as usize]),
        }
    }

    /// Waits its turn and takes so much of a core; returns how long it waited.
    pub(super) async fn run(&self, work: Duration) -> Duration {
        let (waited, end) = self.queue(now() - self.start, work);
        let end = self.start + Duration::from_millis(end.as_millis() as u64);
        if end > now() {
            sleep_until(end).await;
        }
        waited
    }

    /// Puts work at the end of the queue; how long it waits, and when it is done.
    fn queue(&self, at: Duration, work: Duration) -> (Duration, Duration) {
        let mut busy = self.busy.lock();
        let Some(core) = busy.iter_mut().min() else {
            return (Duration::ZERO, at);
        };
        let begin = at.max(*core);
        *core = begin + work.div_f64(self.speed);
        (begin - at, *core)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    fn cpu(cores: f64) -> Cpu {
        let none = Duration::ZERO;
        let costs = Costs {
            cores,
            per_page: none,
            per_call: none,
            per_refusal: none,
            per_connection: none,
        };
        Cpu::new(&costs, now())
    }

    #[tokio::test(start_paused = true)]
    async fn steps_shorter_than_a_millisecond_add_up_to_all_of_their_time() {
        let cpu = cpu(0.2);
        // Each is 150 us of a fifth of a core.
        for step in 0..100 {
            let waited = cpu.queue(Duration::ZERO, 30 * US).0;
            assert_eq!(waited, 150 * US * step);
        }
        assert_eq!(cpu.run(Duration::ZERO).await, 15_000 * US);
        assert_eq!(now() - cpu.start, 15_000 * US);
        assert_eq!(cpu.run(Duration::ZERO).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_steps_as_there_are_cores_run_at_once() {
        let cpu = cpu(2.0);
        let waits: Vec<_> = (0..5)
            .map(|_| cpu.queue(Duration::ZERO, 4_000 * US).0.as_millis())
            .collect();
        assert_eq!(waits, [0, 0, 4, 4, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_within_a_millisecond_is_done_at_once() {
        let cpu = cpu(1.0);
        cpu.run(900 * US).await;
        assert_eq!(now(), cpu.start);
        cpu.run(200 * US).await;
        assert_eq!(now() - cpu.start, 1_000 * US);
    }
}
