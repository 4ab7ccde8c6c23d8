//! What must hold in a storm, and that it is noticed when it does not.
//!
//! What is broken is broken from outside: other rules, another config, a client that
//! takes a permit along.

use super::dropped::ended;
use super::*;
use crate::page::admission::Grant;
use crate::page::downstream::only::Only;

/// What is wrong with a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    /// The budget of a page's calls begins when its wait for permits is over.
    WaitOutsideDeadline,
    /// A page whose client goes away leaves a permit behind.
    LeakOnCancel,
    /// Pages hold permits while they wait for others.
    PartByPart,
}

fn broken_pages(
    config: &Config,
    simulated: &Simulated,
    defect: Option<Defect>,
) -> Arc<Pages<Only<Simulated>>> {
    let mut config = config.clone();
    let mut rules = Rules::default();
    match defect {
        Some(Defect::WaitOutsideDeadline) => wait_outside_deadline(&mut config),
        Some(Defect::PartByPart) => rules.grant = Grant::PartByPart,
        Some(Defect::LeakOnCancel) | None => {}
    }
    let admission = Admission::with_rules(&config, rules);
    let pages = Pages::with_admission(
        &config,
        simulated.transport(),
        telemetry(&config),
        admission,
    );
    Arc::new(pages)
}

/// Pages may wait for permits first, and their calls have the whole budget then.
fn wait_outside_deadline(config: &mut Config) {
    for page in &mut config.pages {
        for part in &mut page.parts {
            part.timeout = page.deadline.map(|deadline| deadline - page.reserve);
        }
        page.deadline = page.deadline.map(|deadline| deadline + page.max_wait);
    }
}

/// Three seconds of three times the load that can be carried, with clients that leave.
/// Says which invariants were broken.
async fn storm(seed: u64, defect: Option<Defect>) -> Vec<&'static str> {
    let config = two_required_one_optional();
    let mut random = fastrand::Rng::with_seed(seed);
    let simulated = Simulated::new([Answers::ok(40), Answers::ok(30), Answers::ok(60)]);
    let pages = broken_pages(&config, &simulated, defect);
    let began = now();
    let (mut clients, mut arrived) = (tokio::task::JoinSet::new(), 0);
    let mut broken = Vec::new();
    while now() - began < 3000 * MS {
        tokio::time::sleep(random.u32(0..14) * MS).await;
        for downstream in 0..3 {
            simulated.set(downstream, Answers::ok(random.u64(5..120)));
        }
        if random.u8(0..8) == 0 {
            let part = random.usize(0..3);
            simulated.set(
                part,
                if random.bool() {
                    Answers::never()
                } else {
                    Answers::status(3, 503)
                },
            );
        }
        let patience = if random.u8(0..5) == 0 {
            random.u32(0..300)
        } else {
            10_000
        };
        let served = Arc::clone(&pages);
        arrived += 1;
        clients.spawn(async move {
            let answered = tokio::time::timeout(patience * MS, served.serve(request())).await;
            if answered.is_err() && defect == Some(Defect::LeakOnCancel) {
                std::mem::forget(served.admission().try_one(DownstreamId(0)));
            }
            answered.map(|answer| answer.record.total())
        });
        // Let everything that is due at this instant happen before it is looked at.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let in_use: u32 = pages
            .admission()
            .view()
            .bulkheads
            .iter()
            .map(|b| b.in_use)
            .sum();
        if in_use as usize > simulated.running() {
            broken.push("a waiting page holds no permit");
        }
    }
    while let Some(total) = clients.join_next().await {
        if total.unwrap().is_ok_and(|total| total > 300 * MS) {
            broken.push("no answer later than the deadline");
        }
    }
    for downstream in 0..3 {
        if simulated.seen(downstream).most_running > 2 {
            broken.push("running permits never exceed the limit");
        }
    }
    if !at_rest(&pages, &simulated) {
        broken.push("every permit is released");
    }
    if ended(&pages) != arrived {
        broken.push("arrivals = sum of outcomes");
    }
    broken.sort_unstable();
    broken.dedup();
    broken
}

#[tokio::test(start_paused = true)]
async fn a_storm_breaks_no_invariant_and_each_defect_breaks_its_own() {
    for seed in 0..10 {
        assert_eq!(storm(seed, None).await, [""; 0], "seed {seed}");
    }
    for (defect, invariant) in [
        (
            Defect::WaitOutsideDeadline,
            "no answer later than the deadline",
        ),
        (Defect::LeakOnCancel, "every permit is released"),
        (Defect::PartByPart, "a waiting page holds no permit"),
    ] {
        let mut seeds = 0..20;
        let caught = loop {
            let Some(seed) = seeds.next() else {
                break false;
            };
            if storm(seed, Some(defect)).await.contains(&invariant) {
                break true;
            }
        };
        assert!(caught, "{defect:?} goes unnoticed");
    }
}
