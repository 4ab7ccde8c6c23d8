//! The shadow against the machine that enforces, on random histories: where calls take as long
//! either way, both decide the very same.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::*;
use crate::config::DownstreamId;
use crate::page::admission::core::{Need, Required, ShedWhy};

const TICKETS: u32 = 9;
const LIMITS: [Option<u32>; 3] = [Some(3), Some(4), None];
const QUEUES: [usize; 2] = [4, 0];
const MAX_WAIT: Time = Duration::from_millis(50);
const DEADLINE: Time = Duration::from_millis(120);

fn core() -> Core {
    let mut core = Core::new(Order::NewestFirst, TICKETS);
    for (at, limit) in LIMITS.into_iter().enumerate() {
        core.enter_bulkhead(&at.to_string(), limit);
    }
    for (at, limit) in QUEUES.into_iter().enumerate() {
        core.enter_queue(&at.to_string(), limit);
    }
    core
}

fn shadow(limits: &[Option<u32>], queues: &[usize]) -> Shadow<()> {
    let mut shadow = Shadow::new(TICKETS, 0);
    for (at, &limit) in limits.iter().enumerate() {
        shadow.resize(Time::ZERO, BulkheadId(at), limit);
    }
    for (at, &limit) in queues.iter().enumerate() {
        shadow.resize_queue(Time::ZERO, QueueId(at), limit);
    }
    shadow
}

fn needs() -> Vec<NeedSet> {
    let set = |required: &[usize], optional: &[usize]| {
        let need = |required| {
            move |&id| Need {
                downstream: DownstreamId(id),
                bulkhead: BulkheadId(id),
                required,
            }
        };
        let required = required.iter().map(need(true));
        NeedSet::new(required.chain(optional.iter().map(need(false))))
    };
    vec![
        set(&[0, 1], &[2]),
        set(&[1], &[0]),
        set(&[1, 1, 2], &[]),
        set(&[0], &[1, 1]),
    ]
}

/// One page of a history.
#[derive(Clone, Debug)]
struct Page {
    at: Time,
    queue: QueueId,
    needs: NeedSet,
    /// How long the call of each part takes.
    calls: Vec<Time>,
    /// How long its client takes to read the answer.
    reading: Time,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    NoTicket,
    Started(Parts),
    Refused(Shed),
}

impl Page {
    fn wanted(&self) -> Wanted<'_> {
        let (wait, deadline) = (self.at + MAX_WAIT, self.at + DEADLINE);
        Wanted {
            queue: self.queue,
            needs: &self.needs,
            give_up: wait,
            reason: GiveUp::MaxWait,
            deadline,
        }
    }

    /// When what ends, of a page that starts now with these parts.
    fn ends(&self, start: Time, parts: Parts) -> Vec<(Time, End)> {
        let deadline = self.at + DEADLINE;
        let end = |part: usize| (start + self.calls[part]).min(deadline);
        let mut ends: Vec<_> = each(parts)
            .map(|part| (end(part), End::Call(part)))
            .collect();
        let answered = ends.iter().map(|(at, _)| *at).max().unwrap_or(start);
        ends.push((answered, End::Answered));
        ends.push((answered + self.reading, End::Page));
        ends
    }

    fn every_part(&self) -> Parts {
        (1 << self.calls.len()) - 1
    }
}

/// Pages at about twice what there is room for. No optional part is the last one to end, so that
/// a page ends as it does without it.
fn history(seed: u64) -> Vec<Page> {
    let mut random = fastrand::Rng::with_seed(seed);
    let (sets, mut at) = (needs(), Time::ZERO);
    let mut page = || {
        at += Duration::from_micros(random.u64(1..14_000));
        let needs = sets[random.usize(..sets.len())].clone();
        let mut calls: Vec<_> = (0..needs.parts().len())
            .map(|_| Duration::from_micros(random.u64(1_000..90_000)))
            .collect();
        let last = (0..calls.len()).filter(|&part| needs.parts()[part].required);
        let last = last.map(|part| calls[part]).max().unwrap_or_default();
        calls.iter_mut().for_each(|call| *call = (*call).min(last));
        Page {
            at,
            queue: QueueId(usize::from(random.u8(..8) == 0)),
            needs,
            calls,
            reading: Duration::from_micros(random.u64(..30_000)),
        }
    };
    (0..400).map(|_| page()).collect()
}

/// What the machine that enforces decides.
fn enforced(pages: &[Page]) -> Vec<Option<Fate>> {
    let (mut core, mut fates) = (core(), vec![None; pages.len()]);
    let mut due: BTreeSet<(Time, usize, Option<Due>)> = BTreeSet::new();
    due.extend(pages.iter().enumerate().map(|(n, page)| (page.at, n, None)));
    let mut answered = vec![false; pages.len()];
    while let Some((now, n, what)) = due.pop_first() {
        let page = &pages[n];
        let seq = PageSeq(n as u64);
        let wanted = page.wanted();
        let event = match what {
            None if !core.take_ticket() => {
                fates[n] = Some(Fate::NoTicket);
                continue;
            }
            None => Event::Arrive(Arrival {
                page: seq,
                queue: wanted.queue,
                needs: wanted.needs,
                give_up: wanted.give_up,
                reason: wanted.reason,
            }),
            Some(Due::Expire) => Event::Expire { page: seq },
            Some(Due::End(End::Call(part))) => Event::Release {
                bulkhead: page.needs.parts()[part].bulkhead,
            },
            Some(Due::End(End::Answered)) => {
                core.answer_ticket();
                answered[n] = true;
                continue;
            }
            Some(Due::End(End::Page)) => {
                core.release_ticket(answered[n]);
                continue;
            }
        };
        let mut actions = Vec::new();
        core.on_event(now, event, &mut actions);
        for action in actions {
            match action {
                Action::Park { .. } => drop(due.insert((wanted.give_up, n, Some(Due::Expire)))),
                Action::Grant { page, parts, .. } => {
                    let n = page.0 as usize;
                    fates[n] = Some(Fate::Started(parts));
                    let ends = pages[n].ends(now, parts).into_iter();
                    due.extend(ends.map(|(at, end)| (at, n, Some(Due::End(end)))));
                }
                Action::Refuse { page, shed } => {
                    fates[page.0 as usize] = Some(Fate::Refused(shed));
                    core.release_ticket(false);
                }
            }
        }
    }
    fates
}

/// What a shadow holds of a page that it would have refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refused {
    HoldNothing,
    /// Broken: what it would have held, as long as it really runs.
    HoldTheirPermits,
}

/// What a shadow decides beside a gateway that lets in everything, and what it then still keeps.
fn observed(pages: &[Page], refused: Refused) -> (Vec<Option<Fate>>, Shadow<()>) {
    let (mut shadow, mut fates) = (shadow(&LIMITS, &QUEUES), vec![None; pages.len()]);
    let mut due: BTreeSet<(Time, usize, Option<End>)> = BTreeSet::new();
    due.extend(pages.iter().enumerate().map(|(n, page)| (page.at, n, None)));
    let mut seqs: HashMap<usize, PageSeq> = HashMap::new();
    let mut numbers: HashMap<PageSeq, usize> = HashMap::new();
    let mut beyond = Beyond::default();
    while let Some((now, n, what)) = due.pop_first() {
        match what {
            None => {
                let ends = pages[n].ends(now, pages[n].every_part());
                due.extend(ends.into_iter().map(|(at, end)| (at, n, Some(end))));
                match shadow.arrive(now, &pages[n].wanted(), ()) {
                    None => fates[n] = Some(Fate::NoTicket),
                    Some(seq) => {
                        seqs.insert(n, seq);
                        numbers.insert(seq, n);
                        shadow.started(now, seq, pages[n].every_part());
                    }
                }
            }
            Some(end) => {
                if let Some(&seq) = seqs.get(&n) {
                    shadow.ended(now, seq, end);
                }
                if end == End::Page {
                    beyond.released(now, n, &mut shadow);
                }
            }
        }
        for decided in shadow.decided().collect::<Vec<_>>() {
            let n = numbers.get(&decided.page).copied().unwrap_or(n);
            let fate = decided.verdict.map_or_else(Fate::Refused, Fate::Started);
            fates[n] = Some(fate);
            if refused == Refused::HoldTheirPermits && matches!(fate, Fate::Refused(_)) {
                beyond.held(now, n, &decided.needs, &mut shadow);
            }
        }
    }
    shadow.advance(Time::MAX);
    (fates, shadow)
}

/// Permits that pages hold which were refused, taken off the limits from outside.
#[derive(Default)]
struct Beyond {
    pages: HashMap<usize, NeedSet>,
    held: [u32; LIMITS.len()],
}

impl Beyond {
    fn held(&mut self, now: Time, page: usize, needs: &NeedSet, shadow: &mut Shadow<()>) {
        self.pages.insert(page, needs.clone());
        self.change(now, needs, shadow, u32::wrapping_add);
    }

    fn released(&mut self, now: Time, page: usize, shadow: &mut Shadow<()>) {
        if let Some(needs) = self.pages.remove(&page) {
            self.change(now, &needs, shadow, u32::wrapping_sub);
        }
    }

    fn change(
        &mut self,
        now: Time,
        needs: &NeedSet,
        shadow: &mut Shadow<()>,
        by: fn(u32, u32) -> u32,
    ) {
        for &Required {
            bulkhead, count, ..
        } in needs.required()
        {
            let held = &mut self.held[bulkhead.0];
            *held = by(*held, count);
            // What a page needs at once stays within the limit, or all would be hopeless.
            let limit = LIMITS[bulkhead.0].map(|limit| limit.saturating_sub(*held).max(2));
            shadow.resize(now, bulkhead, limit);
        }
    }
}

#[test]
fn where_calls_take_as_long_a_shadow_decides_the_very_same_as_enforcing() {
    let mut kinds = [0; 5];
    for seed in 0..60 {
        let pages = history(seed);
        let (fates, shadow) = observed(&pages, Refused::HoldNothing);
        let differs = fates
            .iter()
            .zip(enforced(&pages))
            .position(|(a, b)| *a != b);
        assert_eq!(differs, None, "the page of seed {seed}");
        assert_eq!(shadow.kept(), 0);
        let view = shadow.view();
        assert_eq!((view.in_flight, shadow.tickets_under_way()), (0, 0));
        assert!(view.bulkheads.iter().all(|bulkhead| bulkhead.in_use == 0));
        for fate in fates.into_iter().flatten() {
            kinds[match fate {
                Fate::NoTicket => 0,
                Fate::Started(_) => 1,
                Fate::Refused(shed) => 2 + shed.why as usize,
            }] += 1;
        }
    }
    let [no_ticket, started, full, evicted, _] = kinds;
    assert!(
        no_ticket > 100 && started > 1_000 && full > 100 && evicted > 100,
        "{kinds:?}"
    );
}

#[test]
fn a_shadow_in_which_refused_pages_hold_their_permits_would_be_noticed() {
    let differs = |seed| {
        let pages = history(seed);
        observed(&pages, Refused::HoldTheirPermits).0 != enforced(&pages)
    };
    assert!((0..20).all(differs));
}

fn one(at_ms: u64) -> Page {
    Page {
        at: Duration::from_millis(at_ms),
        queue: QueueId(0),
        needs: needs()[1].clone(),
        calls: vec![Duration::from_millis(20); 2],
        reading: Time::ZERO,
    }
}

/// A shadow of one permit, and one page that has it from 0 to 20 ms.
fn taken() -> (Shadow<()>, PageSeq) {
    let mut shadow = shadow(&[None, Some(1)], &[4]);
    let first = shadow.arrive(Time::ZERO, &one(0).wanted(), ()).unwrap();
    shadow.started(Time::ZERO, first, 0b11);
    (shadow, first)
}

const fn ms(ms: u64) -> Time {
    Duration::from_millis(ms)
}

#[test]
fn a_page_that_would_have_waited_holds_its_permit_that_much_longer() {
    let (mut shadow, first) = taken();
    let second = shadow.arrive(ms(5), &one(5).wanted(), ()).unwrap();
    shadow.started(ms(5), second, 0b11);
    shadow.ended(ms(20), first, End::Call(0));
    assert_eq!(
        shadow.view().bulkheads[1].in_use,
        1,
        "granted to the second"
    );
    // Really from 5 to 25; here from 20 to 40.
    shadow.ended(ms(25), second, End::Call(0));
    shadow.advance(ms(39));
    assert_eq!(shadow.view().bulkheads[1].in_use, 1);
    shadow.advance(ms(40));
    assert_eq!(shadow.view().bulkheads[1].in_use, 0);
}

#[test]
fn a_page_may_have_ended_before_it_is_known_whether_it_would_have_started() {
    let (mut shadow, first) = taken();
    let second = shadow.arrive(ms(5), &one(5).wanted(), ()).unwrap();
    shadow.started(ms(5), second, 0b11);
    for end in [End::Call(0), End::Call(1), End::Answered, End::Page] {
        shadow.ended(ms(10), second, end);
    }
    assert_eq!(shadow.view().bulkheads[1].queued, 1);
    shadow.ended(ms(20), first, End::Call(0));
    assert_eq!(shadow.view().bulkheads[1].in_use, 1);
    shadow.advance(ms(24));
    assert_eq!(shadow.view().bulkheads[1].in_use, 1);
    shadow.advance(ms(25));
    assert_eq!(
        shadow.view().bulkheads[1].in_use,
        0,
        "5 ms, as it really took"
    );
}

#[test]
fn a_page_that_waits_too_long_is_refused_at_its_own_instant_whenever_that_is_noticed() {
    let (mut shadow, _) = taken();
    let second = shadow.arrive(ms(5), &one(5).wanted(), ()).unwrap();
    shadow.started(ms(5), second, 0b11);
    shadow.advance(ms(54));
    assert!(shadow.refused(second).is_none());
    shadow.advance(ms(1_000));
    let why = shadow.refused(second).map(|(_, shed)| shed.why);
    assert_eq!(why, Some(ShedWhy::BulkheadFull));
    assert_eq!(shadow.view().in_flight, 1, "the first page's");
}

#[test]
fn a_client_that_leaves_takes_its_page_out_of_the_queue_uncounted() {
    let (mut shadow, first) = taken();
    let second = shadow.arrive(ms(5), &one(5).wanted(), ()).unwrap();
    shadow.left(ms(6), second);
    shadow.left(ms(7), first);
    assert_eq!(shadow.kept(), 0);
    assert_eq!(shadow.view().in_flight, 0);
    assert_eq!(shadow.decided().count(), 1, "the first, which started");
}

#[test]
fn an_optional_part_that_is_really_left_out_holds_nothing() {
    let mut shadow = shadow(&LIMITS, &QUEUES);
    let page = shadow.arrive(Time::ZERO, &one(0).wanted(), ()).unwrap();
    assert_eq!(shadow.view().bulkheads[0].in_use, 1);
    shadow.started(Time::ZERO, page, 0b01);
    assert_eq!(shadow.view().bulkheads[0].in_use, 0);
    assert_eq!(shadow.view().bulkheads[1].in_use, 1);
}
