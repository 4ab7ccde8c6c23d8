//! The state machine against a model that is too simple to be wrong, on random histories.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::core::*;
use super::model::{Decision, Ending, Model, Step, Wait};
use super::{LIMITS, QUEUES, core, needs};

/// What a caller may do; indices are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Op {
    Arrive {
        needs: usize,
        queue: usize,
        wait: u64,
        reason: GiveUp,
    },
    Release(usize),
    Expire(usize),
    Leave(usize),
    TryOne(usize),
    Resize(usize, Option<u32>),
    ResizeQueue(usize, usize),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let reason = prop_oneof![Just(GiveUp::MaxWait), Just(GiveUp::Deadline)];
    let arrive = (0..needs().len(), 0..QUEUES.len(), 0..40u64, reason);
    let limit = prop_oneof![9 => (0..5u32).prop_map(Some), 1 => Just(None)];
    prop_oneof![
        8 => arrive.prop_map(|(needs, queue, wait, reason)| {
            Op::Arrive { needs, queue, wait, reason }
        }),
        8 => any::<usize>().prop_map(Op::Release),
        2 => any::<usize>().prop_map(Op::Expire),
        2 => any::<usize>().prop_map(Op::Leave),
        1 => (0..LIMITS.len()).prop_map(Op::TryOne),
        1 => (0..LIMITS.len(), limit).prop_map(|(downstream, limit)| Op::Resize(downstream, limit)),
        1 => (0..QUEUES.len(), 0..4usize).prop_map(|(queue, limit)| Op::ResizeQueue(queue, limit)),
        2 => (1..20u64).prop_map(Op::Pass),
    ]
}

/// Tells the core, and says what it decided.
pub(super) fn tell(core: &mut Core, needs: &[NeedSet], now: Time, step: Step) -> Vec<Decision> {
    let mut actions = Vec::new();
    let event = match step {
        Step::Arrive(page, wait) => Event::Arrive(Arrival {
            page,
            queue: QueueId(wait.queue),
            needs: &needs[wait.needs],
            give_up: wait.give_up,
            reason: wait.reason,
        }),
        Step::Release(bulkhead) => Event::Release { bulkhead },
        Step::Expire(page) => Event::Expire { page },
        Step::Leave(page) => Event::Leave { page },
        Step::Resize(bulkhead, limit) => Event::Resize { bulkhead, limit },
        Step::ResizeQueue(queue, limit) => Event::ResizeQueue { queue, limit },
        Step::TryOne(bulkhead) => {
            let taken = core.try_one(bulkhead);
            return taken
                .then_some((None, Ending::Granted(1)))
                .into_iter()
                .collect();
        }
    };
    core.on_event(now, event, &mut actions);
    decisions(actions)
}

/// What the core decided, as the model says it.
pub(super) fn decisions(actions: Vec<Action>) -> Vec<Decision> {
    let decision = |action| match action {
        Action::Grant { page, parts, .. } => (Some(page), Ending::Granted(parts)),
        Action::Park { page } => (Some(page), Ending::Parked),
        Action::Refuse { page, shed } => (Some(page), Ending::Refused(shed.why)),
    };
    actions.into_iter().map(decision).collect()
}

/// Runs both and compares every decision and, after every step, every count. The core is told
/// what `told` makes of each step, the model the step itself.
fn agree(ops: &[Op], order: Order, told: impl Fn(Step) -> Option<Step>) -> Result<(), String> {
    let (mut core, mut model, needs) = (core(order), Model::new(), needs());
    let (mut now, mut seq) = (Duration::ZERO, 0);
    for &op in ops {
        let page = |i: usize| PageSeq(i as u64 % seq);
        let step = match op {
            Op::Arrive {
                needs,
                queue,
                wait,
                reason,
            } => {
                seq += 1;
                let give_up = now + Duration::from_millis(wait);
                let wait = Wait {
                    needs,
                    queue,
                    give_up,
                    reason,
                };
                Step::Arrive(PageSeq(seq), wait)
            }
            Op::Release(i) if !model.held.is_empty() => {
                Step::Release(model.held[i % model.held.len()])
            }
            Op::Expire(i) if seq > 0 => Step::Expire(page(i)),
            Op::Leave(i) if seq > 0 => Step::Leave(page(i)),
            Op::TryOne(i) => Step::TryOne(BulkheadId(i)),
            Op::Resize(i, limit) => Step::Resize(BulkheadId(i), limit),
            Op::ResizeQueue(i, limit) => Step::ResizeQueue(QueueId(i), limit),
            Op::Pass(ms) => {
                now += Duration::from_millis(ms);
                continue;
            }
            Op::Release(_) | Op::Expire(_) | Op::Leave(_) => continue,
        };
        let before = core.view();
        let got = told(step).map_or_else(Vec::new, |step| tell(&mut core, &needs, now, step));
        let wanted = model.step(now, step);
        if got != wanted {
            return Err(format!(
                "{step:?}: decided {got:?}, the rules say {wanted:?}"
            ));
        }
        invariants(&before, &core.view(), &model).map_err(|what| format!("{step:?}: {what}"))?;
    }
    Ok(())
}

fn invariants(before: &AdmissionView, now: &AdmissionView, model: &Model) -> Result<(), String> {
    for (index, bulkhead) in now.bulkheads.iter().enumerate() {
        let (used, held) = (bulkhead.in_use, model.used(BulkheadId(index)));
        if used != held {
            return Err(format!(
                "bulkhead {index}: {used} in use, {held} granted and not released"
            ));
        }
        if bulkhead.limit != model.limits[index] {
            return Err(format!("bulkhead {index}: not resized"));
        }
        // After a shrink more may be out than there are, but never more than before.
        let most = bulkhead.limit.unwrap_or(u32::MAX);
        if used > most && used > before.bulkheads[index].in_use {
            return Err(format!(
                "bulkhead {index}: grows to {used} in use of {most}"
            ));
        }
    }
    for (queue, view) in now.queues.iter().enumerate() {
        let waits = model.depth(queue);
        if view.limit != model.queues[queue] {
            return Err(format!("queue {queue}: not resized"));
        }
        if view.depth != waits || waits > view.limit {
            return Err(format!("queue {queue}: {view:?}, {waits} waiting"));
        }
    }
    for (page, wait) in &model.waiting {
        if model.has_room(*wait) {
            return Err(format!("{page:?}: free capacity beside an eligible waiter"));
        }
        if !model.can_ever(*wait) {
            return Err(format!("{page:?}: waits for what can never be"));
        }
    }
    Ok(())
}

fn histories() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 0..120)
}

proptest! {
    #![proptest_config(Config { cases: 2000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_decision_is_the_models(ops in histories()) {
        agree(&ops, Order::NewestFirst, Some).map_err(TestCaseError::fail)?;
    }
}

/// Whether some of 200 histories, always the same, show that the core does not follow the rules.
fn is_caught(order: Order, told: impl Fn(Step) -> Option<Step>) -> bool {
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let run = |ops: Vec<Op>| agree(&ops, order, &told).map_err(TestCaseError::fail);
    let mut runner = TestRunner::new_with_rng(config, random);
    runner.run(&histories(), run).is_err()
}

#[test]
fn the_model_catches_a_queue_that_serves_the_oldest_first() {
    assert!(
        !is_caught(Order::NewestFirst, Some),
        "the control's control"
    );
    assert!(is_caught(Order::OldestFirst, Some));
}

/// Whether the model catches a core that is not told of some steps.
fn missing(what: fn(&Step) -> bool) -> bool {
    let told = move |step| Some(step).filter(|step| !what(step));
    is_caught(Order::NewestFirst, told)
}

#[test]
fn the_model_catches_a_core_that_leaks_permits() {
    assert!(missing(|step| matches!(step, Step::Release(_))));
}

#[test]
fn the_model_catches_waits_without_end() {
    assert!(missing(|step| matches!(step, Step::Expire(_))));
}

#[test]
fn the_model_catches_grants_to_pages_that_are_gone() {
    assert!(missing(|step| matches!(step, Step::Leave(_))));
}

#[test]
fn the_model_catches_limits_that_never_change() {
    assert!(missing(|step| matches!(step, Step::Resize(..))));
    assert!(missing(|step| matches!(step, Step::ResizeQueue(..))));
}

#[test]
fn the_model_catches_a_permit_too_many() {
    let one_more = |step| match step {
        Step::Resize(id, limit) => Step::Resize(id, limit.map(|limit| limit + 1)),
        Step::Arrive(..)
        | Step::Release(_)
        | Step::Expire(_)
        | Step::Leave(_)
        | Step::TryOne(_)
        | Step::ResizeQueue(..) => step,
    };
    assert!(is_caught(Order::NewestFirst, move |step| Some(one_more(
        step
    ))));
}

#[test]
fn the_model_catches_needs_that_are_not_the_arrivals_own() {
    let first_only = |step| match step {
        Step::Arrive(page, wait) => Step::Arrive(page, Wait { needs: 5, ..wait }),
        Step::Release(_)
        | Step::Expire(_)
        | Step::Leave(_)
        | Step::TryOne(_)
        | Step::Resize(..)
        | Step::ResizeQueue(..) => step,
    };
    assert!(is_caught(Order::NewestFirst, move |step| Some(first_only(
        step
    ))));
}
