//! The state machine against a model that is too simple to be wrong.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::core::*;

const LIMITS: [Option<u32>; 4] = [Some(2), Some(3), Some(1), None];

/// Classes that share bulkheads, one that needs two permits of one, one that needs none,
/// one that can never be admitted, one without a queue.
fn classes() -> Vec<Class> {
    let class = |required: &[usize], optional: &[usize], queue_limit| {
        let need = |required| {
            move |&downstream| PartNeed {
                downstream,
                required,
            }
        };
        let parts = required
            .iter()
            .map(need(true))
            .chain(optional.iter().map(need(false)));
        Class {
            parts: parts.collect(),
            queue_limit,
        }
    };
    vec![
        class(&[0, 1], &[2], 3),
        class(&[1, 2, 3], &[0], 2),
        class(&[0, 0], &[1, 1], 2),
        class(&[], &[0, 1, 2, 3], 1),
        class(&[2, 2], &[], 4),
        class(&[1], &[2], 0),
    ]
}

/// What a caller may do; indices are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Op {
    Arrive {
        class: usize,
        wait: u64,
        because: GiveUp,
    },
    Release(usize),
    Expire(usize),
    Leave(usize),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let because = prop_oneof![Just(GiveUp::MaxWait), Just(GiveUp::Deadline)];
    prop_oneof![
        4 => (0..6usize, 0..40u64, because)
            .prop_map(|(class, wait, because)| Op::Arrive { class, wait, because }),
        4 => any::<usize>().prop_map(Op::Release),
        1 => any::<usize>().prop_map(Op::Expire),
        1 => any::<usize>().prop_map(Op::Leave),
        1 => (1..20u64).prop_map(Op::Pass),
    ]
}

/// The rules, said once more without queues, counters or cleverness.
#[derive(Default)]
struct Model {
    /// Every permit out: whose, of which bulkhead.
    held: Vec<(PageSeq, usize)>,
    /// In order of arrival.
    waiting: Vec<(PageSeq, usize, Moment, GiveUp)>,
}

impl Model {
    fn used(&self, downstream: usize) -> u32 {
        self.held.iter().filter(|(_, d)| *d == downstream).count() as u32
    }

    fn needs(class: usize) -> HashMap<usize, u32> {
        let mut needs = HashMap::new();
        for part in classes()[class].parts.iter().filter(|part| part.required) {
            *needs.entry(part.downstream).or_default() += 1;
        }
        needs
    }

    fn has_room(&self, class: usize) -> bool {
        let free = |(d, n): (usize, u32)| LIMITS[d].is_none_or(|limit| self.used(d) + n <= limit);
        Self::needs(class).into_iter().all(free)
    }

    fn can_ever(class: usize) -> bool {
        Self::needs(class)
            .into_iter()
            .all(|(d, n)| LIMITS[d].is_none_or(|limit| n <= limit))
    }

    fn start(&mut self, page: PageSeq, class: usize) -> Ending {
        let mut parts = 0;
        for required in [true, false] {
            for (index, part) in classes()[class].parts.iter().enumerate() {
                let free = LIMITS[part.downstream].is_none_or(|l| self.used(part.downstream) < l);
                if part.required == required && (required || free) {
                    self.held.push((page, part.downstream));
                    parts |= 1 << index;
                }
            }
        }
        Ending::Granted(parts)
    }

    /// What happens to which page.
    fn on_event(&mut self, now: Moment, event: Event) -> Vec<(PageSeq, Ending)> {
        let expired = |because| match because {
            GiveUp::MaxWait => Ending::Refused(ShedWhy::BulkheadFull),
            GiveUp::Deadline => Ending::Refused(ShedWhy::DeadlineUnreachable),
        };
        let mut out = Vec::new();
        match event {
            Event::Arrive {
                page,
                class,
                give_up,
                because,
            } => {
                let over = give_up <= now;
                if over && because == GiveUp::Deadline {
                    out.push((page, expired(because)));
                } else if self.has_room(class) {
                    out.push((page, self.start(page, class)));
                } else if over || !Self::can_ever(class) || classes()[class].queue_limit == 0 {
                    out.push((page, Ending::Refused(ShedWhy::BulkheadFull)));
                } else {
                    let same = |w: &&(PageSeq, usize, Moment, GiveUp)| w.1 == class;
                    if self.waiting.iter().filter(same).count() == classes()[class].queue_limit {
                        let oldest = self.waiting.iter().position(|w| w.1 == class).unwrap();
                        let evicted = self.waiting.remove(oldest).0;
                        out.push((evicted, Ending::Refused(ShedWhy::QueueEvicted)));
                    }
                    self.waiting.push((page, class, give_up, because));
                    out.push((page, Ending::Parked));
                }
            }
            Event::Release { downstream } => {
                let at = self
                    .held
                    .iter()
                    .position(|(_, d)| *d == downstream)
                    .unwrap();
                self.held.remove(at);
                while let Some(at) = self.waiting.iter().rposition(|w| self.has_room(w.1)) {
                    let (page, class, give_up, because) = self.waiting.remove(at);
                    let ending = if give_up <= now {
                        expired(because)
                    } else {
                        self.start(page, class)
                    };
                    out.push((page, ending));
                }
            }
            Event::Expire { page } => {
                if let Some(at) = self.waiting.iter().position(|w| w.0 == page) {
                    out.push((page, expired(self.waiting.remove(at).3)));
                }
            }
            Event::Leave { page } => self.waiting.retain(|w| w.0 != page),
        }
        out
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Granted(u64),
    Parked,
    Refused(ShedWhy),
}

fn of(action: Action) -> (PageSeq, Ending) {
    match action {
        Action::Grant { page, parts, .. } => (page, Ending::Granted(parts)),
        Action::Park { page } => (page, Ending::Parked),
        Action::Refuse { page, shed } => (page, Ending::Refused(shed.why)),
    }
}

/// Runs both and compares every decision and, after every event, every count.
fn agree(ops: &[Op], control: Option<NegativeControl>) -> Result<(), String> {
    let mut core = Core::new(1, &LIMITS, &classes());
    if let Some(control) = control {
        core.break_rule(control);
    }
    let mut model = Model::default();
    let (mut now, mut seq, mut actions) = (Duration::ZERO, 0, Vec::new());
    for &op in ops {
        let event = match op {
            Op::Arrive {
                class,
                wait,
                because,
            } => {
                seq += 1;
                let give_up = now + Duration::from_millis(wait);
                Event::Arrive {
                    page: PageSeq(seq),
                    class,
                    give_up,
                    because,
                }
            }
            Op::Release(i) if !model.held.is_empty() => Event::Release {
                downstream: model.held[i % model.held.len()].1,
            },
            Op::Expire(i) if seq > 0 => Event::Expire {
                page: PageSeq(i as u64 % seq),
            },
            Op::Leave(i) if seq > 0 => Event::Leave {
                page: PageSeq(i as u64 % seq),
            },
            Op::Pass(ms) => {
                now += Duration::from_millis(ms);
                continue;
            }
            Op::Release(_) | Op::Expire(_) | Op::Leave(_) => continue,
        };
        actions.clear();
        core.on_event(now, event, &mut actions);
        let got: Vec<_> = actions.iter().copied().map(of).collect();
        let wanted = model.on_event(now, event);
        if got != wanted {
            return Err(format!(
                "{event:?}: decided {got:?}, the rules say {wanted:?}"
            ));
        }
        invariants(&core, &model)?;
    }
    Ok(())
}

fn invariants(core: &Core, model: &Model) -> Result<(), String> {
    for (downstream, limit) in LIMITS.into_iter().enumerate() {
        let (used, held) = (core.in_use(downstream), model.used(downstream));
        if used != held {
            return Err(format!(
                "bulkhead {downstream}: {used} in use, {held} granted and not released"
            ));
        }
        if limit.is_some_and(|limit| used > limit) {
            return Err(format!("bulkhead {downstream}: {used} in use of {limit:?}"));
        }
    }
    for class in 0..classes().len() {
        let waits = model.waiting.iter().filter(|w| w.1 == class).count();
        if core.queued(class) != waits {
            return Err(format!(
                "class {class}: {} queued, {waits} waiting",
                core.queued(class)
            ));
        }
        if waits > 0 && model.has_room(class) {
            return Err(format!(
                "class {class}: free capacity beside an eligible waiter"
            ));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 2000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_decision_is_the_models(ops in prop::collection::vec(op(), 0..120)) {
        agree(&ops, None).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn the_model_catches_a_first_in_first_out_queue() {
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let caught = runner.run(&prop::collection::vec(op(), 0..120), |ops| {
        agree(&ops, Some(NegativeControl::FirstInFirstOut)).map_err(TestCaseError::fail)
    });
    assert!(caught.is_err(), "a broken queue went unnoticed");
}

fn arrive(core: &mut Core, seq: u64, class: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    let page = PageSeq(seq);
    let give_up = Duration::from_millis(50);
    core.on_event(
        Duration::ZERO,
        Event::Arrive {
            page,
            class,
            give_up,
            because: GiveUp::MaxWait,
        },
        &mut actions,
    );
    actions
}

#[test]
fn a_page_that_can_never_fit_is_refused_and_names_the_bulkhead() {
    let mut core = Core::new(1, &LIMITS, &classes());
    let shed = Shed {
        why: ShedWhy::BulkheadFull,
        downstream: 2,
    };
    assert_eq!(
        arrive(&mut core, 1, 4),
        [Action::Refuse {
            page: PageSeq(1),
            shed
        }]
    );
}

#[test]
fn a_refusal_names_the_bulkhead_that_had_no_room() {
    let mut core = Core::new(1, &LIMITS, &classes());
    for seq in 0..3 {
        assert!(
            matches!(arrive(&mut core, seq, 5)[..], [Action::Grant { .. }]),
            "{seq}"
        );
    }
    // Class 0 needs bulkheads 0, which is free, and 1, which is not.
    arrive(&mut core, 3, 0);
    let mut actions = Vec::new();
    core.on_event(
        Duration::from_millis(50),
        Event::Expire { page: PageSeq(3) },
        &mut actions,
    );
    let shed = Shed {
        why: ShedWhy::BulkheadFull,
        downstream: 1,
    };
    assert_eq!(
        actions,
        [Action::Refuse {
            page: PageSeq(3),
            shed
        }]
    );
}

#[test]
fn a_waiter_whose_time_is_over_is_never_started_even_if_its_timer_is_late() {
    let mut core = Core::new(1, &LIMITS, &classes());
    for seq in 0..3 {
        arrive(&mut core, seq, 5);
    }
    arrive(&mut core, 3, 0);
    let mut actions = Vec::new();
    core.on_event(
        Duration::from_millis(50),
        Event::Release { downstream: 1 },
        &mut actions,
    );
    assert!(
        matches!(
            actions[..],
            [Action::Refuse {
                page: PageSeq(3),
                ..
            }]
        ),
        "{actions:?}"
    );
}

#[test]
fn tickets_are_given_out_up_to_their_number_and_come_home() {
    let mut core = Core::new(2, &LIMITS, &classes());
    assert!(core.take_ticket() && core.take_ticket());
    assert!(!core.take_ticket());
    assert_eq!(core.return_ticket(), 1);
    assert!(core.take_ticket());
}

/// Not in virtual time: what is looked for is what threads do to each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_that_come_and_go_on_several_threads_leave_nothing_behind() {
    let toml = "admission.max_in_flight = 20\n\
        [page.p]\npath = \"/p\"\nqueue = 4\nmax_wait = \"2ms\"\n\
        part.a = { downstream = \"a\", path = \"/\" }\n\
        part.b = { downstream = \"b\", path = \"/\" }\n\
        part.c = { downstream = \"b\", path = \"/\", required = false }\n\
        [downstream.a]\nurl = \"http://127.0.0.1:1\"\npermits = 3\n\
        [downstream.b]\nurl = \"http://127.0.0.1:1\"\npermits = 2\n";
    let config = crate::config::load_text("test", toml, &[]).unwrap().config;
    let admission = super::Admission::new(&config);
    let mut clients = tokio::task::JoinSet::new();
    for seed in 0..16 {
        let admission = std::sync::Arc::clone(&admission);
        clients.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut served, mut refused) = (0, 0);
            for _ in 0..1500 {
                let Some(ticket) = admission.ticket() else {
                    continue;
                };
                let patience = Duration::from_micros(random.u64(0..3000));
                let permits =
                    admission.permits(crate::config::PageId(0), crate::page::Deadline::NEVER);
                match tokio::time::timeout(patience, permits).await {
                    Ok(Ok(permits)) => {
                        served += 1;
                        for _ in 0..random.u8(0..4) {
                            tokio::task::yield_now().await;
                        }
                        drop(permits);
                    }
                    Ok(Err(_)) => refused += 1,
                    Err(_) => {}
                }
                drop(ticket);
            }
            (served, refused)
        });
    }
    let (mut served, mut refused) = (0, 0);
    while let Some(one) = clients.join_next().await {
        let one = one.unwrap();
        (served, refused) = (served + one.0, refused + one.1);
    }
    assert!(
        served > 0 && refused > 0,
        "{served} served, {refused} refused"
    );
    let view = admission.view();
    assert_eq!(view.in_flight, 0);
    assert!(
        view.bulkheads
            .iter()
            .all(|b| b.in_use == 0 && b.queued == 0),
        "{view:?}"
    );
    assert!(admission.state.lock().parked.is_empty());
}
