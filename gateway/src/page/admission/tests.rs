//! Admission: single rules by example here, all of them against a `model` in `histories`.

use std::sync::Arc;
use std::time::Duration;

use super::core::*;
use super::{Admission, Ticket};
use crate::config::{DownstreamId, PageId};
use crate::page::deadline::{Deadline, now};

mod histories;
mod model;
mod reconfigured;

const LIMITS: [Option<u32>; 4] = [Some(2), Some(3), Some(1), None];

/// How many wait at each page.
const QUEUES: [usize; 3] = [3, 1, 0];

/// Needs that share bulkheads, one that takes two permits of one, one that requires none, one
/// that can never be met.
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
        set(&[1, 2, 3], &[0]),
        set(&[0, 0], &[1, 1]),
        set(&[], &[0, 1, 2, 3]),
        set(&[2, 2], &[]),
        set(&[1], &[2]),
    ]
}

fn core(order: Order) -> Core {
    let mut core = Core::new(order, 2);
    for (at, limit) in LIMITS.into_iter().enumerate() {
        assert_eq!(
            core.enter_bulkhead(&format!("b{at}"), limit),
            BulkheadId(at)
        );
    }
    for (at, limit) in QUEUES.into_iter().enumerate() {
        assert_eq!(core.enter_queue(&format!("q{at}"), limit), QueueId(at));
    }
    core
}

/// A page with these needs arrives, and waits 50 ms if it has to.
fn arrive(core: &mut Core, seq: u64, set: usize) -> Vec<Action> {
    let arrival = Arrival {
        page: PageSeq(seq),
        queue: QueueId(0),
        needs: &needs()[set],
        give_up: Duration::from_millis(50),
        reason: GiveUp::MaxWait,
    };
    event(core, 0, Event::Arrive(arrival))
}

fn event(core: &mut Core, at_ms: u64, event: Event<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    core.on_event(Duration::from_millis(at_ms), event, &mut actions);
    actions
}

/// Which page was refused for want of which bulkhead, if that is all that happened.
fn refused(actions: &[Action]) -> Option<(u64, ShedWhy, usize)> {
    match actions {
        [Action::Refuse { page, shed }] => Some((page.0, shed.why, shed.downstream.0)),
        _ => None,
    }
}

#[test]
fn a_page_that_can_never_fit_is_refused_and_names_the_bulkhead() {
    let mut core = core(Order::NewestFirst);
    let actions = arrive(&mut core, 1, 4);
    assert_eq!(refused(&actions), Some((1, ShedWhy::BulkheadFull, 2)));
}

/// Three pages hold all of bulkhead 1; a fourth waits for it, and has room at bulkhead 0.
fn one_waits_for_bulkhead_1() -> Core {
    let mut core = core(Order::NewestFirst);
    for seq in 0..3 {
        let actions = arrive(&mut core, seq, 5);
        assert!(matches!(actions[..], [Action::Grant { .. }]), "{actions:?}");
    }
    let actions = arrive(&mut core, 3, 0);
    assert!(matches!(actions[..], [Action::Park { .. }]), "{actions:?}");
    core
}

#[test]
fn a_refusal_names_the_bulkhead_that_had_no_room() {
    let mut core = one_waits_for_bulkhead_1();
    let actions = event(&mut core, 50, Event::Expire { page: PageSeq(3) });
    assert_eq!(refused(&actions), Some((3, ShedWhy::BulkheadFull, 1)));
}

#[test]
fn a_waiter_whose_time_is_over_is_never_started_even_if_its_timer_is_late() {
    let mut core = one_waits_for_bulkhead_1();
    let bulkhead = BulkheadId(1);
    let actions = event(&mut core, 50, Event::Release { bulkhead });
    assert!(refused(&actions).is_some_and(|(page, ..)| page == 3));
}

#[test]
fn tickets_are_given_out_up_to_their_number_and_released() {
    let mut core = core(Order::NewestFirst);
    assert!(core.take_ticket() && core.take_ticket());
    assert!(!core.take_ticket());
    assert_eq!(core.release_ticket(false), 1);
    assert!(core.take_ticket());
}

#[test]
fn tickets_shrink_to_any_number_and_grow_to_the_configured_one() {
    let mut core = core(Order::NewestFirst);
    assert!(core.take_ticket() && core.take_ticket());
    core.resize_tickets(1);
    assert_eq!(core.release_ticket(false), 1);
    assert!(!core.take_ticket(), "one is still out");
    core.resize_tickets(u32::MAX);
    assert!(core.take_ticket() && !core.take_ticket());
    let view = core.view();
    assert_eq!((view.effective_tickets, view.max_in_flight), (2, 2));
    core.resize_tickets(0);
    core.release_ticket(false);
    assert!(!core.take_ticket());
}

#[test]
fn one_permit_is_lent_beside_a_page_that_cannot_use_it() {
    // A page waits for bulkhead 1; bulkhead 0 has two permits.
    let mut core = one_waits_for_bulkhead_1();
    assert!(!core.try_one(BulkheadId(1)), "all three are out");
    assert!(core.try_one(BulkheadId(0)) && core.try_one(BulkheadId(0)));
    assert!(!core.try_one(BulkheadId(0)));
    assert!(core.try_one(BulkheadId(3)), "where there is no bulkhead");
}

#[test]
fn a_bulkhead_that_grows_starts_who_waits_and_one_that_shrinks_takes_nothing_back() {
    let bulkhead = BulkheadId(1);
    let resize = |limit| Event::Resize { bulkhead, limit };
    let mut core = one_waits_for_bulkhead_1();
    assert!(event(&mut core, 1, resize(Some(1))).is_empty());
    for _ in 0..2 {
        let actions = event(&mut core, 2, Event::Release { bulkhead });
        assert!(actions.is_empty(), "{actions:?}");
    }
    assert_eq!(core.view().bulkheads[1].in_use, 1);
    let actions = event(&mut core, 3, resize(Some(2)));
    assert!(matches!(actions[..], [Action::Grant { .. }]), "{actions:?}");
}

#[test]
fn a_waiter_whose_need_no_longer_fits_is_refused_and_names_the_bulkhead() {
    let (bulkhead, limit) = (BulkheadId(0), Some(1));
    let mut core = core(Order::NewestFirst);
    for seq in 0..2 {
        // Two permits of bulkhead 0 each.
        arrive(&mut core, seq, 2);
    }
    let actions = event(&mut core, 1, Event::Resize { bulkhead, limit });
    assert_eq!(refused(&actions), Some((1, ShedWhy::BulkheadFull, 0)));
    assert_eq!(core.view().queues[0].depth, 0);
}

fn admission(toml: &str) -> Arc<Admission> {
    let loaded = crate::config::load_text("test", toml, &[]);
    let config = loaded.unwrap_or_else(|report| panic!("{report}")).config;
    Admission::new(&config)
}

/// A gateway of one page with parts a (3 permits), b and, optional, c (both of 2 permits).
fn small() -> (Arc<Admission>, NeedSet) {
    let admission = admission(
        "admission.max_in_flight = 20\n\
        [page.p]\npath = \"/p\"\nqueue = 4\nmax_wait = \"2ms\"\n\
        part.a = { downstream = \"a\", path = \"/\" }\n\
        part.b = { downstream = \"b\", path = \"/\" }\n\
        part.c = { downstream = \"b\", path = \"/\", required = false }\n\
        [downstream.a]\nurl = \"http://127.0.0.1:1\"\npermits = 3\n\
        [downstream.b]\nurl = \"http://127.0.0.1:1\"\npermits = 2\n",
    );
    let need = |(id, required)| admission.need(DownstreamId(id), required);
    let needs = NeedSet::new([(0, true), (1, true), (1, false)].map(need));
    (admission, needs)
}

#[tokio::test(start_paused = true)]
async fn a_page_that_waits_receives_what_a_resize_decides_at_once() {
    let (admission, needs) = small();
    let b = DownstreamId(1);
    let held = [admission.try_one(b), admission.try_one(b)];
    assert!(held.iter().all(Option::is_some));
    let began = now();
    for (limit, starts) in [(Some(3), true), (Some(0), false)] {
        let resize = async { admission.resize(b, limit) };
        let page = admission.permits(PageId(0), &needs, Deadline::NEVER);
        let (page, ()) = tokio::join!(page, resize);
        assert_eq!(page.is_ok(), starts, "{limit:?}");
        admission.resize(b, Some(2));
    }
    assert_eq!(now() - began, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_is_lent_is_released_to_the_page_that_waits() {
    let (admission, needs) = small();
    let b = DownstreamId(1);
    let held = [admission.try_one(b), admission.try_one(b)];
    let page = admission.permits(PageId(0), &needs, Deadline::NEVER);
    let (page, ()) = tokio::join!(page, async { drop(held) });
    assert!(page.is_ok_and(|mut permits| permits.take(1).is_some()));
    let view = admission.view();
    assert!(view.bulkheads.iter().all(|b| b.in_use == 0), "{view:?}");
}

#[test]
fn fewer_tickets_are_given_out_while_they_are_fewer() {
    let (admission, _) = small();
    let first = admission.ticket();
    admission.resize_tickets(1);
    assert!(first.is_some() && admission.ticket().is_none());
    assert_eq!(admission.view().effective_tickets, 1);
    assert_eq!(admission.view().max_in_flight, 20);
    drop(first);
    assert!(admission.ticket().is_some());
}

#[test]
fn a_page_whose_client_reads_counts_against_all_tickets_and_not_against_fewer() {
    let (admission, _) = small();
    admission.resize_tickets(1);
    let read = admission.ticket().map(Ticket::answered);
    let under_way = admission.ticket();
    assert!(read.is_some() && under_way.is_some() && admission.ticket().is_none());
    assert_eq!(
        (admission.view().in_flight, admission.tickets_under_way()),
        (2, 1)
    );
    drop(under_way);
    let all: Vec<_> = (1..20)
        .map(|_| admission.ticket().map(Ticket::answered))
        .collect();
    assert!(all.iter().all(Option::is_some), "20 there are");
    assert!(admission.ticket().is_none());
    drop((read, all));
    assert_eq!(
        (admission.view().in_flight, admission.tickets_under_way()),
        (0, 0)
    );
}

/// Not in virtual time: what is looked for is what threads do to each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_that_come_and_go_while_limits_change_on_several_threads_leave_nothing_behind() {
    let (admission, needs) = small();
    let mut clients = tokio::task::JoinSet::new();
    for seed in 0..16 {
        let (admission, needs) = (Arc::clone(&admission), needs.clone());
        clients.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut served, mut refused) = (0, 0);
            for _ in 0..1500 {
                let Some(ticket) = admission.ticket() else {
                    continue;
                };
                if random.u8(0..20) == 0 {
                    admission.resize(DownstreamId(1), Some(random.u32(1..4)));
                    // Enough for all, or they would be through before anybody waits.
                    admission.resize_tickets(random.u32(16..30));
                    drop(admission.try_one(DownstreamId(0)));
                }
                let patience = Duration::from_micros(random.u64(0..3000));
                let permits = admission.permits(PageId(0), &needs, Deadline::NEVER);
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
    assert!(admission.gate.state.lock().parked.is_empty());
}
