//! A small gateway with one CPU of a given speed, to try a law on.
//!
//! Everything that runs is a step in one queue: a page's start, each of its answers, a
//! refusal, a probe of lag. A page's answers come a service's time after its start. The lag
//! of a probe is its wait in the queue. What a step costs grows with the pages under way, as
//! more connections do. Time is in microseconds, arrivals are even, nothing is random.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::{FLOOR, PROBE_EVERY, TicketLimit, TicketUse, Time, Window};

/// Calls of a page.
const CALLS: u32 = 4;

/// A page that takes longer is lost.
const DEADLINE: u64 = 300_000;

/// Cost of steps, in microseconds of CPU.
const START: u64 = 60;
const ANSWER: u64 = 30;
const REFUSAL: u64 = 15;

/// What is offered, to what.
#[derive(Clone, Copy)]
pub(super) struct Setup {
    /// Share of a core.
    pub(super) cpu: f64,
    /// A service's time, in milliseconds.
    pub(super) service: u64,
    pub(super) tickets: u32,
    /// What is offered and for how long, one after the other: times the peak and milliseconds.
    pub(super) load: &'static [(f64, u64)],
}

/// What the law is told, for laws that are wrong on purpose.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Signal {
    Lag,
    /// How long pages took.
    PageLatency,
    /// Time of a page that was neither a wait nor a call: the last step.
    Overhead,
}

/// What happened in one tenth of a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tenth {
    pub(super) offered: u32,
    /// Of the pages offered in it.
    pub(super) good: u32,
    pub(super) late: u32,
    /// Least and most tickets there were.
    pub(super) least: u32,
    pub(super) most: u32,
    /// Longest wait of a probe that ran in it, in microseconds.
    pub(super) lag: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Arrival { at: u64 },
    Answer { page: usize },
    Probe { due: u64 },
}

struct Page {
    at: u64,
    unanswered: u32,
}

struct Model {
    setup: Setup,
    signal: Signal,
    law: TicketLimit,
    window: Window,
    now: u64,
    /// What will be able to run, and when.
    ahead: BinaryHeap<Reverse<(u64, u64, Step)>>,
    ready: VecDeque<Step>,
    pages: Vec<Page>,
    in_use: u32,
    used: TicketUse,
    told: Duration,
    tenths: Vec<Tenth>,
}

impl Setup {
    /// Pages per second that the CPU can do with hardly any under way.
    pub(super) fn peak(&self) -> f64 {
        self.cpu * 1e6 / (START + u64::from(CALLS) * ANSWER) as f64
    }

    /// Plays it all with this law.
    pub(super) fn play(self, law: TicketLimit, signal: Signal) -> Vec<Tenth> {
        let mut model = Model {
            setup: self,
            signal,
            law,
            window: Window::default(),
            now: 0,
            ahead: BinaryHeap::new(),
            ready: VecDeque::new(),
            pages: Vec::new(),
            in_use: 0,
            used: TicketUse::default(),
            told: Duration::ZERO,
            tenths: Vec::new(),
        };
        let end = model.arrivals();
        model.at(
            PROBE_EVERY.as_micros() as u64,
            Step::Probe {
                due: PROBE_EVERY.as_micros() as u64,
            },
        );
        while model.now < end {
            model.turn();
        }
        model.tenths
    }
}

impl Model {
    /// Puts all arrivals ahead; returns when the load ends.
    fn arrivals(&mut self) -> u64 {
        let mut from = 0;
        for &(times, ms) in self.setup.load {
            let (gap, until) = (1e6 / (times * self.setup.peak()), from + ms * 1000);
            let mut at = from as f64;
            while (at as u64) < until {
                self.at(at as u64, Step::Arrival { at: at as u64 });
                at += gap;
            }
            from = until;
        }
        let tenths = from.div_ceil(100_000) as usize;
        let tenth = Tenth {
            least: u32::MAX,
            ..Tenth::default()
        };
        self.tenths = vec![tenth; tenths + 1];
        from
    }

    fn at(&mut self, at: u64, step: Step) {
        let order = self.ahead.len() as u64;
        self.ahead.push(Reverse((at, order, step)));
    }

    /// Runs the next step, or lets time pass until there is one.
    fn turn(&mut self) {
        while let Some(&Reverse((at, _, step))) = self.ahead.peek()
            && at <= self.now
        {
            self.ahead.pop();
            self.ready.push_back(step);
        }
        match self.ready.pop_front() {
            Some(step) => self.run(step),
            None => self.now = self.ahead.peek().map_or(u64::MAX, |next| next.0.0),
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Arrival { at } => self.arrival(at),
            Step::Answer { page } => self.answer(page),
            Step::Probe { due } => self.probe(due),
        }
    }

    /// Takes CPU time. A page more under way costs every step half a hundredth more.
    fn work(&mut self, cost: u64) {
        let crowded = 1.0 + f64::from(self.in_use) / 200.0;
        self.now += (cost as f64 * crowded / self.setup.cpu) as u64;
    }

    fn arrival(&mut self, at: u64) {
        self.tenth(at).offered += 1;
        if self.in_use >= self.law.limit() {
            self.used.refused += 1;
            return self.work(REFUSAL);
        }
        self.in_use += 1;
        self.work(START);
        self.pages.push(Page {
            at,
            unanswered: CALLS,
        });
        let page = self.pages.len() - 1;
        for _ in 0..CALLS {
            let answered = self.now + self.setup.service * 1000;
            self.at(answered, Step::Answer { page });
        }
    }

    fn answer(&mut self, page: usize) {
        let began = self.now;
        self.work(ANSWER);
        self.pages[page].unanswered -= 1;
        if self.pages[page].unanswered > 0 {
            return;
        }
        self.in_use -= 1;
        let (at, took) = (self.pages[page].at, self.now - self.pages[page].at);
        let good = took <= DEADLINE;
        self.tenth(at).good += u32::from(good);
        self.tenth(at).late += u32::from(!good);
        if good {
            self.used.in_time += Duration::from_micros(took);
        }
        self.told = Duration::from_micros(match self.signal {
            Signal::Lag => return,
            Signal::PageLatency => took,
            Signal::Overhead => self.now - began,
        });
    }

    fn probe(&mut self, due: u64) {
        let lag = Duration::from_micros(self.now - due);
        let told = match self.signal {
            Signal::Lag => lag,
            Signal::PageLatency | Signal::Overhead => self.told,
        };
        self.window.probe(told, |_| ());
        self.used.in_use = self.in_use;
        let used = std::mem::take(&mut self.used);
        let limit = self
            .law
            .look(Time::from_micros(self.now), &self.window, used);
        assert!(limit >= FLOOR.min(self.setup.tickets) && limit <= self.setup.tickets);
        let (now, every) = (self.now, PROBE_EVERY.as_micros() as u64);
        let tenth = self.tenth(now);
        tenth.least = tenth.least.min(limit);
        tenth.most = tenth.most.max(limit);
        tenth.lag = tenth.lag.max(now - due);
        let due = due + every * ((now - due) / every + 1);
        self.at(due, Step::Probe { due });
    }

    fn tenth(&mut self, at: u64) -> &mut Tenth {
        let last = self.tenths.len() - 1;
        &mut self.tenths[last.min((at / 100_000) as usize)]
    }
}
