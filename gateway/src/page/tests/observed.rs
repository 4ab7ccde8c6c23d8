//! Limits that are only watched, under ten times the load there is room for: nothing is refused,
//! and what is counted is exactly what enforcing refuses.

use std::collections::HashMap;

use super::*;
use crate::outcome::Reason;
use crate::telemetry::counts::Counts;

/// One page each millisecond, for half a second: permits for two of 30 ms, tickets for four,
/// 20 a second for a client.
const LOAD: u32 = 500;

/// By reason and limit.
type Shed = HashMap<(&'static str, Scope), u64>;

fn limited() -> Config {
    let keys = "admission.max_in_flight = 4\nclients.rate = \"20/s\"\nclients.burst = 10";
    config_with(&[("a", true), ("b", true), ("c", false)], keys)
}

/// Of the limits only these are left: of clients, tickets, permits.
fn only(clients: bool, tickets: bool, permits: bool) -> Config {
    let mut config = limited();
    if !clients {
        config.clients.rate = None;
    }
    if !tickets {
        config.admission.max_in_flight = std::num::NonZeroU32::MAX;
    }
    if !permits {
        config.downstreams.iter_mut().for_each(|d| d.permits = None);
    }
    config
}

fn observed(mut config: Config) -> Config {
    config.clients.observe = true;
    config.admission.observe = true;
    config.downstreams.iter_mut().for_each(|d| d.observe = true);
    config.pages.iter_mut().for_each(|page| page.observe = true);
    config
}

/// What came of the load.
struct Played {
    pages: Arc<Pages<Only<Simulated>>>,
    answers: Vec<Answer>,
}

/// The optional part is never the last, so that a page without it takes as long.
async fn play(config: &Config) -> Played {
    let simulated = Simulated::new([Answers::ok(30), Answers::ok(20), Answers::ok(10)]);
    let pages = pages(config, &simulated);
    let page = |delay: u32| {
        let pages = Arc::clone(&pages);
        async move {
            tokio::time::sleep(delay * MS).await;
            let mut answer = pages.serve(request()).await;
            (answer.ticket, answer.in_flight) = (None, None);
            answer
        }
    };
    let answers = futures_util::future::join_all((0..LOAD).map(page)).await;
    // Whatever would still be waiting has been decided by then.
    tokio::time::sleep(1_000 * MS).await;
    pages.publish();
    assert!(at_rest(&pages, &simulated));
    Played { pages, answers }
}

impl Played {
    fn counted(&self, count: fn(&Counts, ShedBy) -> u64) -> Shed {
        let downstreams = self.pages.telemetry().names().downstreams.len();
        let counts = self.pages.telemetry().counts();
        let all = ShedBy::all(downstreams).map(|by| (by, count(counts, by)));
        let some = all.filter(|(_, pages)| *pages > 0);
        some.map(|(by, pages)| ((by.reason().as_str(), by.scope()), pages))
            .collect()
    }

    fn shed(&self) -> Shed {
        self.counted(Counts::pages_shed)
    }

    fn would_shed(&self) -> Shed {
        self.counted(Counts::pages_would_shed)
    }
}

/// Enforced, and then watched: whether the same is refused and counted.
async fn agree(config: Config) -> Shed {
    let enforced = play(&config).await.shed();
    let watched = play(&observed(config)).await;
    assert!(watched.answers.iter().all(|answer| answer.result.is_ok()));
    assert_eq!(watched.shed(), Shed::new());
    assert_eq!(watched.would_shed(), enforced);
    enforced
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_only_watched_counts_what_it_would_refuse() {
    let shed = agree(only(true, false, false)).await;
    // A burst of ten, and one each 50 ms.
    assert_eq!(shed, Shed::from([(("client_quota", Scope::Client), 481)]));
}

#[tokio::test(start_paused = true)]
async fn tickets_that_are_only_watched_count_what_they_would_refuse() {
    let shed = agree(only(false, true, false)).await;
    // Four of 30 ms.
    assert_eq!(shed, Shed::from([(("gateway_full", Scope::Gateway), 432)]));
}

#[tokio::test(start_paused = true)]
async fn bulkheads_and_queues_that_are_only_watched_count_what_they_would_refuse() {
    let shed = agree(only(false, false, true)).await;
    let of_a = |reason: &'static str| shed.get(&(reason, Scope::Downstream(DownstreamId(0))));
    assert!(of_a("queue_evicted").is_some_and(|pages| *pages > 400));
    assert_eq!(shed.values().sum::<u64>(), 464, "{shed:?}");
}

#[tokio::test(start_paused = true)]
async fn tickets_bulkheads_and_queues_are_watched_together_as_they_work_together() {
    let shed = agree(only(false, true, true)).await;
    assert!(shed.contains_key(&("gateway_full", Scope::Gateway)));
    assert!(shed.len() > 1, "{shed:?}");
}

#[tokio::test(start_paused = true)]
async fn every_limit_that_is_only_watched_lets_ten_times_the_load_in() {
    let watched = play(&observed(limited())).await;
    assert!(watched.answers.iter().all(|answer| answer.result.is_ok()));
    let would = watched.would_shed();
    let sum: u64 = would.values().sum();
    let quota = would[&("client_quota", Scope::Client)];
    assert!(
        quota > 400 && sum > quota && sum < u64::from(LOAD),
        "{would:?}"
    );
    let view = watched.pages.admission().observed();
    let clients = view.clients.map(|seen| (seen.refused, seen.of));
    assert_eq!(clients, Some((quota, u64::from(LOAD))));
    let tickets = view.tickets.unwrap_or_default();
    let page = view.pages[0].unwrap_or_default().seen;
    // Each limit decides on what those before it would have let through.
    assert_eq!(tickets.of, u64::from(LOAD) - quota);
    assert_eq!(page.of, tickets.of - tickets.refused);
    assert_eq!(quota + tickets.refused + page.refused, sum);
}

#[tokio::test(start_paused = true)]
async fn a_queue_alone_that_is_only_watched_lets_pages_wait_until_their_deadline() {
    let mut config = only(false, false, true);
    config.pages[0].observe = true;
    let played = play(&config).await;
    let reasons = played.shed().into_keys().map(|(reason, _)| reason);
    assert_eq!(Vec::from_iter(reasons), ["deadline_unreachable"]);
    let longest = played.answers.iter().map(|answer| answer.record.total());
    assert_eq!(longest.max(), Some(295 * MS));
    let would = played.would_shed();
    let evicted = would.keys().any(|(reason, _)| *reason == "queue_evicted");
    assert!(evicted, "{would:?}");
}

#[tokio::test(start_paused = true)]
async fn optional_parts_that_would_be_left_out_are_counted_and_are_there() {
    let mut config = only(false, false, true);
    for index in [0, 1] {
        config.downstreams[index].permits = None;
    }
    let is = |wanted| move |answer: &&Answer| answer.record.outcome == wanted;
    let enforced = play(&config).await.answers;
    let left_out = enforced.iter().filter(is(PageOutcome::Partial)).count() as u64;
    config.downstreams[2].observe = true;
    let played = play(&config).await;
    let complete = played.answers.iter().filter(is(PageOutcome::Complete));
    assert_eq!(complete.count(), LOAD as usize);
    let view = played.pages.admission().observed();
    let c = view.downstreams[2].unwrap_or_default();
    assert_eq!(
        (c.pages.of, c.parts.refused, c.parts.of),
        (0, left_out, 500)
    );
    assert!(left_out > 390, "two of 10 ms at once: {left_out}");
    assert_eq!(view.downstreams[0], None, "it is enforced");
}

#[tokio::test(start_paused = true)]
async fn what_would_have_refused_a_page_is_in_its_record_and_its_client_never_hears_of_it() {
    let mut config = only(false, false, true);
    config.pages[0].queue = 0;
    let played = play(&observed(config)).await;
    let would = |answer: &Answer| answer.record.would_shed.map(ShedBy::reason);
    let marked = played.answers.iter().filter_map(would);
    assert_eq!(marked.clone().count(), 466);
    assert!(
        marked
            .into_iter()
            .all(|reason| reason == Reason::BulkheadFull)
    );
    assert!(
        played
            .answers
            .iter()
            .all(|answer| answer.retry_after.is_none())
    );
}
