//! Configurations that come and go among pages that ask, wait, run and leave: every decision is
//! the model's, which knows names alone and nothing of configurations.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::core::*;
use super::histories::tell;
use super::model::{Decision, Ending, Model, Step, Wait};
use crate::config::DownstreamId;

/// Names that most configurations have. All others are new each time.
const USUAL: usize = 3;

/// What a caller may do; indices are taken modulo what there is.
#[derive(Clone, Debug)]
enum Op {
    /// Another configuration: of each usual name its permits, if it is there; permits of a new
    /// name; places of the usual queue, and of a new one.
    Reconfigure([Option<Option<u32>>; USUAL], u32, [usize; 2]),
    /// Nobody refers to an earlier configuration any more.
    Forget(usize),
    /// A page of some configuration that somebody still refers to.
    Arrive {
        generation: usize,
        needs: usize,
        queue: usize,
        wait: u64,
    },
    Release(usize),
    Expire(usize),
    Leave(usize),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let permits = prop_oneof![9 => (0..5u32).prop_map(Some), 1 => Just(None)];
    let usual = prop::array::uniform(prop::option::weighted(0.8, permits));
    let config = (usual, 0..4u32, [0..4usize, 0..4usize]);
    let arrive = (any::<usize>(), 0..4usize, 0..2usize, 0..40u64);
    prop_oneof![
        3 => config.prop_map(|(usual, new, queues)| Op::Reconfigure(usual, new, queues)),
        2 => any::<usize>().prop_map(Op::Forget),
        12 => arrive.prop_map(|(generation, needs, queue, wait)| {
            Op::Arrive { generation, needs, queue, wait }
        }),
        10 => any::<usize>().prop_map(Op::Release),
        2 => any::<usize>().prop_map(Op::Expire),
        2 => any::<usize>().prop_map(Op::Leave),
        2 => (1..20u64).prop_map(Op::Pass),
    ]
}

/// What is wrong with the core, or with whoever tells it of configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// A limit that shrinks takes permits back.
    TakesBack,
    /// A configuration does not know what is in use of the names that it has.
    ForgetsWhatIsInUse,
    /// Whoever waits is not asked when limits change.
    ForgetsWhoWaits,
}

/// One configuration. Names are numbers, which are never used again.
struct Generation {
    bulkheads: Vec<(usize, BulkheadId)>,
    queues: Vec<(usize, QueueId)>,
    /// For the core, and the numbers of the same in the model.
    needs: Vec<(NeedSet, usize)>,
}

struct World {
    broken: Broken,
    core: Core,
    model: Model,
    generations: Vec<Generation>,
    /// Pages that wait, and by which generation.
    waiting: HashMap<PageSeq, usize>,
    /// Generations that are referred to, by their number.
    referred: Vec<usize>,
    now: Time,
    seq: u64,
    /// Most names that were referred to or held at once.
    most: usize,
}

impl World {
    fn new(broken: Broken) -> Self {
        let mut model = Model::new();
        (model.limits, model.queues) = (vec![Some(0); USUAL], vec![0; 1]);
        model.needs.clear();
        Self {
            broken,
            core: Core::new(Order::NewestFirst, 1),
            model,
            generations: Vec::new(),
            waiting: HashMap::new(),
            referred: Vec::new(),
            now: Duration::ZERO,
            seq: 0,
            most: 0,
        }
    }

    fn reconfigure(
        &mut self,
        usual: [Option<Option<u32>>; USUAL],
        new: u32,
        queues: [usize; 2],
    ) -> Result<(), String> {
        let number = self.generations.len();
        let usual = usual.into_iter().enumerate();
        let mut limits: Vec<_> = usual
            .filter_map(|(name, limit)| Some((name, limit?)))
            .collect();
        limits.push((self.model.limits.len(), Some(new)));
        self.model.limits.push(Some(new));
        let places = [(0, queues[0]), (self.model.queues.len(), queues[1])];
        self.model.queues.push(queues[1]);
        let called = |name: usize| match self.broken {
            Broken::ForgetsWhatIsInUse => format!("{name} of {number}"),
            Broken::Nothing | Broken::TakesBack | Broken::ForgetsWhoWaits => name.to_string(),
        };
        let core = &mut self.core;
        let bulkheads = limits.iter();
        let bulkheads =
            bulkheads.map(|&(name, limit)| (name, core.enter_bulkhead(&called(name), limit)));
        let bulkheads: Vec<_> = bulkheads.collect();
        let queues = places.map(|(name, limit)| (name, core.enter_queue(&called(name), limit)));
        let needs = self.needs(&bulkheads);
        self.generations.push(Generation {
            bulkheads,
            queues: queues.to_vec(),
            needs,
        });
        self.referred.push(number);
        for (at, (name, limit)) in limits.into_iter().enumerate() {
            let id = self.generations[number].bulkheads[at].1;
            self.take_back(id, limit);
            let told = Step::Resize(id, limit);
            self.agree(told, Step::Resize(BulkheadId(name), limit))?;
        }
        for (at, (name, limit)) in places.into_iter().enumerate() {
            let told = Step::ResizeQueue(self.generations[number].queues[at].1, limit);
            self.agree(told, Step::ResizeQueue(QueueId(name), limit))?;
        }
        Ok(())
    }

    /// One permit of each, two of the first, one of the first and optional ones of all, of the last.
    fn needs(&mut self, bulkheads: &[(usize, BulkheadId)]) -> Vec<(NeedSet, usize)> {
        let (first, last) = (bulkheads[0], bulkheads[bulkheads.len() - 1]);
        let all = |required| bulkheads.iter().map(move |&of| (of, required));
        let sets = [
            all(true).collect::<Vec<_>>(),
            vec![(first, true), (first, true)],
            [(first, true)].into_iter().chain(all(false)).collect(),
            vec![(last, true)],
        ];
        let need = |name: usize, bulkhead, required| Need {
            downstream: DownstreamId(name),
            bulkhead,
            required,
        };
        let mut needs = Vec::new();
        for set in sets {
            let of_core = set
                .iter()
                .map(|&((name, id), required)| need(name, id, required));
            let of_model = set
                .iter()
                .map(|&((name, _), required)| need(name, BulkheadId(name), required));
            self.model.needs.push(NeedSet::new(of_model));
            needs.push((NeedSet::new(of_core), self.model.needs.len() - 1));
        }
        needs
    }

    fn take_back(&mut self, bulkhead: BulkheadId, limit: Option<u32>) {
        let in_use = self.core.view().bulkheads[bulkhead.0].in_use;
        if self.broken == Broken::TakesBack
            && let Some(limit) = limit
        {
            for _ in limit..in_use {
                let mut ignored = Vec::new();
                self.core
                    .on_event(self.now, Event::Release { bulkhead }, &mut ignored);
            }
        }
    }

    /// Nobody refers to a generation but the last: none of its pages waits, so none will come.
    fn forget(&mut self, which: usize) {
        let at = which % self.referred.len();
        let number = self.referred[at];
        let is_last = number + 1 == self.generations.len();
        if is_last || self.waiting.values().any(|of| *of == number) {
            return;
        }
        self.referred.remove(at);
        for &(_, id) in &self.generations[number].bulkheads {
            self.core.leave_bulkhead(id);
        }
        for &(_, id) in &self.generations[number].queues {
            self.core.leave_queue(id);
        }
    }

    fn arrive(
        &mut self,
        which: usize,
        needs: usize,
        queue: usize,
        wait: u64,
    ) -> Result<(), String> {
        let number = self.referred[which % self.referred.len()];
        let generation = &self.generations[number];
        let (set, of_model) = generation.needs[needs].clone();
        let (queue_name, queue) = generation.queues[queue];
        self.seq += 1;
        let page = PageSeq(self.seq);
        let wait = Wait {
            needs: of_model,
            queue: queue_name,
            give_up: self.now + Duration::from_millis(wait),
            reason: GiveUp::MaxWait,
        };
        let arrival = Arrival {
            page,
            queue,
            needs: &set,
            give_up: wait.give_up,
            reason: wait.reason,
        };
        let mut actions = Vec::new();
        self.core
            .on_event(self.now, Event::Arrive(arrival), &mut actions);
        let got = super::histories::decisions(actions);
        let wanted = self.model.step(self.now, Step::Arrive(page, wait));
        self.waiting.insert(page, number);
        self.compare(Step::Arrive(page, wait), got, wanted)
    }

    /// Tells the core one thing and the model another, which is the same by names.
    fn agree(&mut self, told: Step, step: Step) -> Result<(), String> {
        let of_queue = matches!(told, Step::ResizeQueue(..));
        let got = match of_queue && self.broken == Broken::ForgetsWhoWaits {
            true => Vec::new(),
            false => tell(&mut self.core, &[], self.now, told),
        };
        let wanted = self.model.step(self.now, step);
        self.compare(step, got, wanted)
    }

    fn compare(
        &mut self,
        step: Step,
        got: Vec<Decision>,
        wanted: Vec<Decision>,
    ) -> Result<(), String> {
        if got != wanted {
            return Err(format!(
                "{step:?}: decided {got:?}, the rules say {wanted:?}"
            ));
        }
        for (page, ending) in got {
            if ending != Ending::Parked
                && let Some(page) = page
            {
                self.waiting.remove(&page);
            }
        }
        let (model, waiting) = (&self.model, &mut self.waiting);
        waiting.retain(|page, _| model.waiting.iter().any(|(waits, _)| waits == page));
        self.holds().map_err(|what| format!("{step:?}: {what}"))
    }

    /// What always holds, of every name that somebody refers to.
    fn holds(&mut self) -> Result<(), String> {
        let view = self.core.view();
        let mut names = Vec::new();
        for &number in &self.referred {
            for &(name, id) in &self.generations[number].bulkheads {
                let (seen, used) = (view.bulkheads[id.0], self.model.used(BulkheadId(name)));
                if seen.in_use != used {
                    return Err(format!("{name}: {} in use, {used} held", seen.in_use));
                }
                names.push(name);
            }
            for &(name, id) in &self.generations[number].queues {
                if view.queues[id.0].depth != self.model.depth(name) {
                    return Err(format!("queue {name}: {:?}", view.queues[id.0]));
                }
            }
        }
        names.extend(self.model.held.iter().map(|id| id.0));
        names.sort_unstable();
        names.dedup();
        self.most = self.most.max(names.len());
        let (bulkheads, queues) = self.core.places();
        if bulkheads > self.most {
            return Err(format!(
                "{bulkheads} places for {} names at most",
                self.most
            ));
        }
        if queues > 1 + self.generations.len() {
            return Err(format!("{queues} queues"));
        }
        Ok(())
    }

    /// The core's number of a bulkhead of which a permit is out.
    fn named(&self, name: usize) -> Option<BulkheadId> {
        let mut all = self.generations.iter().rev().flat_map(|of| &of.bulkheads);
        all.find(|(known, _)| *known == name).map(|(_, id)| *id)
    }

    fn run(&mut self, op: &Op) -> Result<(), String> {
        let page = |i: usize, seq: u64| PageSeq(i as u64 % seq.max(1) + 1);
        let first = matches!(op, Op::Reconfigure(..));
        if self.generations.is_empty() && !first {
            return Ok(());
        }
        match *op {
            Op::Reconfigure(usual, new, queues) => self.reconfigure(usual, new, queues),
            Op::Forget(which) => {
                self.forget(which);
                Ok(())
            }
            Op::Arrive {
                generation,
                needs,
                queue,
                wait,
            } => self.arrive(generation, needs, queue, wait),
            Op::Release(_) if self.model.held.is_empty() => Ok(()),
            Op::Release(i) => {
                let name = self.model.held[i % self.model.held.len()].0;
                let id = self.named(name).ok_or("a permit of no name")?;
                self.agree(Step::Release(id), Step::Release(BulkheadId(name)))
            }
            Op::Expire(i) => {
                let step = Step::Expire(page(i, self.seq));
                self.agree(step, step)
            }
            Op::Leave(i) => {
                let step = Step::Leave(page(i, self.seq));
                self.agree(step, step)
            }
            Op::Pass(ms) => {
                self.now += Duration::from_millis(ms);
                Ok(())
            }
        }
    }
}

/// The first thing that is not as it should be.
fn play(ops: &[Op], broken: Broken) -> Result<(), String> {
    let mut world = World::new(broken);
    ops.iter().try_for_each(|op| world.run(op))
}

fn histories() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 0..150)
}

proptest! {
    #![proptest_config(Config { cases: 1000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn configurations_come_and_go_and_every_decision_is_the_models(ops in histories()) {
        play(&ops, Broken::Nothing).map_err(TestCaseError::fail)?;
    }
}

/// Whether some of 200 histories, always the same, show it.
fn is_caught(broken: Broken) -> bool {
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let run = |ops: Vec<Op>| play(&ops, broken).map_err(TestCaseError::fail);
    TestRunner::new_with_rng(config, random)
        .run(&histories(), run)
        .is_err()
}

#[test]
fn a_shrink_that_takes_back_is_caught_and_so_is_a_swap_that_forgets_what_is_in_use() {
    assert!(!is_caught(Broken::Nothing), "the control's control");
    assert!(is_caught(Broken::TakesBack));
    assert!(is_caught(Broken::ForgetsWhatIsInUse));
    assert!(is_caught(Broken::ForgetsWhoWaits));
}

#[test]
fn names_that_were_never_there_before_take_no_more_room_each_time() {
    let mut core = Core::new(Order::NewestFirst, 1);
    let mut before = None;
    for round in 0..1000 {
        let name = format!("new-{round}");
        let (bulkhead, queue) = (
            core.enter_bulkhead(&name, Some(1)),
            core.enter_queue(&name, 1),
        );
        if let Some((bulkhead, queue)) = before.replace((bulkhead, queue)) {
            core.leave_bulkhead(bulkhead);
            core.leave_queue(queue);
        }
    }
    assert_eq!(core.places(), (2, 2));
}

#[test]
fn a_name_that_comes_back_while_a_permit_of_it_is_out_knows_of_it() {
    let mut core = Core::new(Order::NewestFirst, 1);
    let first = core.enter_bulkhead("pricing", Some(1));
    assert!(core.try_one(first));
    core.leave_bulkhead(first);
    assert_ne!(
        core.enter_bulkhead("other", Some(1)),
        first,
        "its place is taken"
    );
    let again = core.enter_bulkhead("pricing", Some(1));
    assert_eq!(again, first);
    assert!(!core.try_one(again), "the only permit is out");
}
