//! Who may start, who waits, who is refused: a pure state machine.
//!
//! Owns the counts of tickets and permits and the queues of waiting pages. It
//! has no clock, no locks, no futures: time comes in with each event, and what
//! is to be done comes out as [`Action`]s.
//!
//! After every event:
//! - permits in use of a downstream never exceed its limit;
//! - a waiting page holds no permit;
//! - no waiting page could start: capacity never stands beside an eligible waiter;
//! - a page that needs more than a limit has been refused, not parked.
//!
//! Among waiting pages the newest starts first, across all queues. Under overload
//! a first-in-first-out queue serves only pages that are nearly out of time;
//! newest first keeps most of them fresh and lets the oldest go (adaptive LIFO:
//! Maurer, "Fail at Scale", ACM Queue 13(8), 2015).

use std::collections::VecDeque;
use std::time::Duration;

/// Time since an epoch of the caller's choice; only differences and order matter.
pub type Moment = Duration;

/// A page that arrived. The caller numbers arrivals upwards; a greater id is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageSeq(pub u64);

/// One part of a class: which bulkhead it draws on, and whether the page can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartNeed {
    /// Index of the bulkhead.
    pub downstream: usize,
    /// A required part must have its permit before the page starts.
    pub required: bool,
}

/// Pages with the same needs: one queue, one set of parts.
#[derive(Clone, Debug)]
pub struct Class {
    /// At most 64, in the page's order.
    pub parts: Vec<PartNeed>,
    /// How many may wait at once.
    pub queue_limit: usize,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A page wants its permits.
    Arrive {
        /// Its id; greater than every id before.
        page: PageSeq,
        /// Index of its class.
        class: usize,
        /// When it stops waiting; it never starts at or after this moment.
        give_up: Moment,
        /// What ends the wait at `give_up`.
        because: GiveUp,
    },
    /// One permit of a downstream came home.
    Release {
        /// Index of the bulkhead.
        downstream: usize,
    },
    /// A waiting page reached the end of its wait. Of no effect on one that is not waiting.
    Expire {
        /// Which.
        page: PageSeq,
    },
    /// A waiting page's client went away. Of no effect on one that is not waiting.
    Leave {
        /// Which.
        page: PageSeq,
    },
}

/// What ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// The page's `max_wait`.
    MaxWait,
    /// The page's deadline, which comes before `max_wait` is over.
    Deadline,
}

/// What is to be done about a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It starts. It holds one permit for each part whose bit is set.
    Grant {
        /// Which.
        page: PageSeq,
        /// Its class.
        class: usize,
        /// Bit i: part i has a permit. Every required part's bit is set.
        parts: u64,
    },
    /// It waits in its class's queue.
    Park {
        /// Which.
        page: PageSeq,
    },
    /// It is refused, having started nothing.
    Refuse {
        /// Which.
        page: PageSeq,
        /// Why.
        shed: Shed,
    },
}

/// Why a page was refused its permits, and which bulkhead stood in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    /// The rule that refused it.
    pub why: ShedWhy,
    /// Index of the first bulkhead that had no room for it.
    pub downstream: usize,
}

/// The rule that refused a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShedWhy {
    /// No room, and none came within `max_wait`.
    BulkheadFull,
    /// A newer page took its place in the full queue.
    QueueEvicted,
    /// Its deadline came before room did.
    DeadlineUnreachable,
}

/// Deliberately broken variants, so that a suite can show that it would notice.
#[cfg(any(test, feature = "negative-controls"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegativeControl {
    /// Serve the oldest waiter first.
    FirstInFirstOut,
    /// Let the wait for permits run on past the deadline, and start the deadline after it.
    WaitOutsideDeadline,
    /// Forget permits that were granted to a page that is gone.
    LeakOnCancel,
    /// Give out permits part by part, so that waiting pages hold some.
    PartByPart,
}

#[derive(Debug)]
struct Bulkhead {
    limit: Option<u32>,
    in_use: u32,
}

impl Bulkhead {
    fn fits(&self, count: u32) -> bool {
        self.limit.is_none_or(|limit| self.in_use + count <= limit)
    }
}

#[derive(Debug)]
struct Queue {
    parts: Vec<PartNeed>,
    /// Permits the required parts take of each bulkhead, in order of first use.
    needs: Vec<(usize, u32)>,
    limit: usize,
    /// Oldest at the front.
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    page: PageSeq,
    give_up: Moment,
    because: GiveUp,
}

/// The state machine. See the module's head for what always holds.
#[derive(Debug)]
pub struct Core {
    bulkheads: Vec<Bulkhead>,
    queues: Vec<Queue>,
    waiting: usize,
    tickets_in_use: u32,
    tickets: u32,
    #[cfg(any(test, feature = "negative-controls"))]
    control: Option<NegativeControl>,
}

impl Core {
    /// Nothing in use, nobody waiting. A limit of `None` is no bulkhead.
    pub fn new(tickets: u32, limits: &[Option<u32>], classes: &[Class]) -> Self {
        Self {
            bulkheads: limits
                .iter()
                .map(|&limit| Bulkhead { limit, in_use: 0 })
                .collect(),
            queues: classes.iter().map(Queue::new).collect(),
            waiting: 0,
            tickets_in_use: 0,
            tickets,
            #[cfg(any(test, feature = "negative-controls"))]
            control: None,
        }
    }

    /// Breaks one rule on purpose.
    #[cfg(any(test, feature = "negative-controls"))]
    pub fn break_rule(&mut self, control: NegativeControl) {
        self.control = Some(control);
    }

    /// Which rule is broken, if any.
    #[cfg(any(test, feature = "negative-controls"))]
    pub fn control(&self) -> Option<NegativeControl> {
        self.control
    }

    /// Takes a ticket, unless all are out.
    pub fn take_ticket(&mut self) -> bool {
        let free = self.tickets_in_use < self.tickets;
        self.tickets_in_use += u32::from(free);
        free
    }

    /// A ticket came home. Returns how many are still out.
    pub fn return_ticket(&mut self) -> u32 {
        debug_assert!(
            self.tickets_in_use > 0,
            "a ticket came home that was never out"
        );
        self.tickets_in_use = self.tickets_in_use.saturating_sub(1);
        self.tickets_in_use
    }

    /// From now on there are so many tickets. Those that are out beyond it are not taken back.
    pub fn resize_tickets(&mut self, tickets: u32) {
        self.tickets = tickets;
    }

    /// Tickets out.
    pub fn tickets_in_use(&self) -> u32 {
        self.tickets_in_use
    }

    /// Permits of a downstream in use.
    pub fn in_use(&self, downstream: usize) -> u32 {
        self.bulkheads[downstream].in_use
    }

    /// Pages of a class that wait.
    pub fn queued(&self, class: usize) -> usize {
        self.queues[class].waiting.len()
    }

    /// Pages that wait and require a permit of this downstream.
    pub fn queued_for(&self, downstream: usize) -> usize {
        let needing = |queue: &&Queue| queue.needs.iter().any(|&(d, _)| d == downstream);
        self.queues
            .iter()
            .filter(needing)
            .map(|queue| queue.waiting.len())
            .sum()
    }

    /// Takes in one event at `now` and appends what is to be done to `actions`.
    pub fn on_event(&mut self, now: Moment, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Arrive {
                page,
                class,
                give_up,
                because,
            } => {
                self.arrive(
                    now,
                    class,
                    Waiting {
                        page,
                        give_up,
                        because,
                    },
                    actions,
                );
            }
            Event::Release { downstream } => self.release(now, downstream, actions),
            Event::Expire { page } => {
                if let Some((class, waiting)) = self.remove(page) {
                    actions.push(self.expired(class, waiting));
                }
            }
            Event::Leave { page } => {
                self.remove(page);
            }
        }
    }

    fn arrive(&mut self, now: Moment, class: usize, new: Waiting, actions: &mut Vec<Action>) {
        if new.give_up <= now && new.because == GiveUp::Deadline {
            actions.push(self.expired(class, new));
            return;
        }
        if self.fits(class) {
            actions.push(self.grant(class, new.page));
            return;
        }
        let never = self.queues[class]
            .needs
            .iter()
            .find(|&&(downstream, count)| {
                self.bulkheads[downstream]
                    .limit
                    .is_some_and(|limit| count > limit)
            });
        let waits = never.is_none() && new.give_up > now && self.queues[class].limit > 0;
        if !waits {
            let downstream =
                never.map_or_else(|| self.blocking(class), |&(downstream, _)| downstream);
            let shed = Shed {
                why: ShedWhy::BulkheadFull,
                downstream,
            };
            actions.push(Action::Refuse {
                page: new.page,
                shed,
            });
            return;
        }
        if self.queues[class].waiting.len() >= self.queues[class].limit
            && let Some(oldest) = self.queues[class].waiting.pop_front()
        {
            self.waiting -= 1;
            let shed = Shed {
                why: ShedWhy::QueueEvicted,
                downstream: self.blocking(class),
            };
            actions.push(Action::Refuse {
                page: oldest.page,
                shed,
            });
        }
        self.queues[class].waiting.push_back(new);
        self.waiting += 1;
        actions.push(Action::Park { page: new.page });
    }

    fn release(&mut self, now: Moment, downstream: usize, actions: &mut Vec<Action>) {
        let bulkhead = &mut self.bulkheads[downstream];
        debug_assert!(bulkhead.in_use > 0, "a permit came home that was never out");
        bulkhead.in_use = bulkhead.in_use.saturating_sub(1);
        while self.waiting > 0
            && let Some(class) = self.next_class()
            && let Some(next) = self.pop_next(class)
        {
            actions.push(if next.give_up <= now {
                self.expired(class, next)
            } else {
                self.grant(class, next.page)
            });
        }
    }

    /// The class whose next waiter is the newest of all that could start.
    fn next_class(&self) -> Option<usize> {
        let newest = |class: &usize| {
            self.queues[*class]
                .waiting
                .back()
                .map(|waiting| waiting.page)
        };
        (0..self.queues.len())
            .filter(|class| !self.queues[*class].waiting.is_empty() && self.fits(*class))
            .max_by_key(newest)
    }

    fn pop_next(&mut self, class: usize) -> Option<Waiting> {
        self.waiting -= 1;
        #[cfg(any(test, feature = "negative-controls"))]
        if self.control == Some(NegativeControl::FirstInFirstOut) {
            return self.queues[class].waiting.pop_front();
        }
        self.queues[class].waiting.pop_back()
    }

    fn fits(&self, class: usize) -> bool {
        self.queues[class]
            .needs
            .iter()
            .all(|&(downstream, count)| self.bulkheads[downstream].fits(count))
    }

    /// Takes every required permit and whatever optional ones are free.
    fn grant(&mut self, class: usize, page: PageSeq) -> Action {
        for &(downstream, count) in &self.queues[class].needs {
            self.bulkheads[downstream].in_use += count;
        }
        let mut parts = 0;
        for (index, part) in self.queues[class].parts.iter().enumerate() {
            let bulkhead = &mut self.bulkheads[part.downstream];
            if !part.required && bulkhead.fits(1) {
                bulkhead.in_use += 1;
                parts |= 1 << index;
            } else if part.required {
                parts |= 1 << index;
            }
        }
        Action::Grant { page, class, parts }
    }

    fn expired(&self, class: usize, waiting: Waiting) -> Action {
        let why = match waiting.because {
            GiveUp::MaxWait => ShedWhy::BulkheadFull,
            GiveUp::Deadline => ShedWhy::DeadlineUnreachable,
        };
        let shed = Shed {
            why,
            downstream: self.blocking(class),
        };
        Action::Refuse {
            page: waiting.page,
            shed,
        }
    }

    /// The first bulkhead without room for the class; the first it needs, when all have room.
    fn blocking(&self, class: usize) -> usize {
        let queue = &self.queues[class];
        let full = queue
            .needs
            .iter()
            .find(|&&(d, count)| !self.bulkheads[d].fits(count));
        full.or(queue.needs.first())
            .map_or(queue.parts[0].downstream, |&(downstream, _)| downstream)
    }

    fn remove(&mut self, page: PageSeq) -> Option<(usize, Waiting)> {
        for (class, queue) in self.queues.iter_mut().enumerate() {
            // Ids grow towards the back, so the queue is sorted by them.
            if let Ok(at) = queue
                .waiting
                .binary_search_by_key(&page, |waiting| waiting.page)
            {
                self.waiting -= 1;
                return queue.waiting.remove(at).map(|waiting| (class, waiting));
            }
        }
        None
    }
}

impl Queue {
    fn new(class: &Class) -> Self {
        assert!(
            (1..=64).contains(&class.parts.len()),
            "a page has 1 to 64 parts; the config's check sees to it"
        );
        let mut needs: Vec<(usize, u32)> = Vec::new();
        for part in class.parts.iter().filter(|part| part.required) {
            match needs
                .iter_mut()
                .find(|(downstream, _)| *downstream == part.downstream)
            {
                Some((_, count)) => *count += 1,
                None => needs.push((part.downstream, 1)),
            }
        }
        let limit = class.queue_limit;
        Self {
            parts: class.parts.clone(),
            needs,
            limit,
            waiting: VecDeque::new(),
        }
    }
}
