//! The same work for many seeds, on all cores.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

/// What `work` makes of each seed, in their order; each run has one thread. `done` is told which
/// share of them is over.
///
/// # Errors
/// The first error of `work`; the seeds after it may not have been run.
pub fn each_seed<T: Send>(
    seeds: Range<u64>,
    work: impl Fn(u64) -> Result<T> + Sync,
    done: &(dyn Fn(f64) + Sync),
) -> Result<Vec<T>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, over) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let worker = || {
        let mut results = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(results);
            }
            results.push((seed, work(seed)?));
            let over = over.fetch_add(1, Ordering::Relaxed) + 1;
            done(over as f64 / (seeds.end - seeds.start) as f64);
        }
    };
    let each: Vec<Result<Vec<(u64, T)>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let ended = workers.into_iter().map(|worker| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        ended.collect()
    });
    let mut all = Vec::new();
    for results in each {
        all.extend(results?);
    }
    all.sort_by_key(|(seed, _)| *seed);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_their_seeds() {
        let squares = each_seed(3..8, |seed| Ok(seed * seed), &|_| {}).unwrap();
        assert_eq!(squares, [9, 16, 25, 36, 49]);
    }

    #[test]
    fn an_error_of_one_seed_is_the_error_of_all() {
        let odd = |seed| match seed {
            5 => anyhow::bail!("five"),
            seed => Ok(seed),
        };
        assert_eq!(
            each_seed(0..9, odd, &|_| {}).unwrap_err().to_string(),
            "five"
        );
    }
}
