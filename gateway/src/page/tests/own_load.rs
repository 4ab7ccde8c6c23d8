//! Tickets by the gateway's own lag. The lag is the test's; services, clients and time are simulated.

use super::*;
use crate::page::admission::limit::{FLOOR, PROBE_EVERY, SizedBy};
use crate::page::own_load;

/// A page of one part that takes so long.
fn gateway(service: u64, keys: &str) -> (Arc<Pages<Only<Simulated>>>, Simulated) {
    let simulated = Simulated::new([Answers::ok(service)]);
    let mut config = config_with(&[("a", true)], keys);
    config.downstreams[0].permits = None;
    (pages(&config, &simulated), simulated)
}

/// So many pages under way, none of them answered for a long time.
async fn under_way(pages: &Arc<Pages<Only<Simulated>>>, count: usize) -> tokio::task::JoinSet<()> {
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..count {
        let pages = Arc::clone(pages);
        all.spawn(async move {
            let _ = pages.serve(request()).await;
        });
    }
    tokio::time::sleep(MS).await;
    all
}

/// Probes that ran so late, one after the other.
async fn lagging(pages: &Pages<Only<Simulated>>, probes: u32, lag: Duration) {
    for _ in 0..probes {
        tokio::time::sleep(PROBE_EVERY).await;
        pages.probed(now(), lag);
    }
}

#[tokio::test(start_paused = true)]
async fn pages_beyond_what_the_cpu_can_finish_are_refused_at_once_and_let_in_again_after() {
    let (pages, simulated) = gateway(250, "");
    let running = under_way(&pages, 40).await;
    lagging(&pages, 3, 20 * MS).await;
    let view = pages.own_load().view();
    assert_eq!((view.tickets, view.reason), (20, SizedBy::Lag));
    assert!(pages.own_load().is_short_of_cpu());
    assert_eq!(view.lag_p90, 20 * MS);
    assert_eq!(pages.admission().view().effective_tickets, 20);
    let calls = simulated.seen(0).started;
    let refused = pages.serve(request()).await;
    assert_eq!(refused.result.unwrap_err(), Refusal::GatewayFull);
    assert_eq!(refused.record.lag, Duration::ZERO);
    assert_eq!(
        (refused.record.total(), simulated.seen(0).started),
        (Duration::ZERO, calls)
    );
    // A second after the last lag they are all there.
    lagging(&pages, 18 + 200, Duration::ZERO).await;
    let view = pages.own_load().view();
    assert_eq!((view.tickets, view.reason), (1024, SizedBy::Configured));
    assert!(!pages.own_load().is_short_of_cpu());
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn pages_whose_clients_read_neither_shrink_tickets_nor_keep_others_out() {
    let (pages, simulated) = gateway(5, "");
    let mut reading = Vec::new();
    for _ in 0..40 {
        reading.push(pages.serve(request()).await);
    }
    assert_eq!(pages.admission().view().in_flight, 40);
    lagging(&pages, 100, 50 * MS).await;
    assert_eq!(pages.own_load().view().tickets, 1024);
    simulated.set(0, Answers::ok(200));
    let mut running = under_way(&pages, 9).await;
    lagging(&pages, 1, 50 * MS).await;
    assert_eq!(pages.own_load().view().tickets, FLOOR);
    running.shutdown().await;
    // Of eight tickets none is a reader's.
    assert!(pages.serve(request()).await.result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_service_is_no_lag() {
    let (pages, _simulated) = gateway(280, "");
    let running = under_way(&pages, 500).await;
    // The probes themselves: on this clock they are never late.
    let watched = own_load::watch(|| Arc::clone(&pages));
    let _ = Deadline::after(now(), 2000 * MS).limit(watched).await;
    let view = pages.own_load().view();
    assert_eq!((view.tickets, view.lag_p90), (1024, Duration::ZERO));
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn without_a_bound_lag_is_seen_and_changes_nothing() {
    let (pages, _simulated) = gateway(250, "admission.max_lag = \"none\"");
    let running = under_way(&pages, 40).await;
    lagging(&pages, 20, 90 * MS).await;
    let view = pages.own_load().view();
    assert_eq!((view.tickets, view.lag_p90), (1024, 80 * MS));
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn a_page_and_its_call_are_told_the_worst_lag_meanwhile() {
    let (pages, _simulated) = gateway(30, "");
    lagging(&pages, 1, 25 * MS).await;
    tokio::time::sleep(MS).await;
    let serving = pages.serve(request());
    let lag = async {
        lagging(&pages, 1, 4 * MS).await;
        lagging(&pages, 1, 12 * MS).await;
        lagging(&pages, 1, 3 * MS).await;
    };
    let (answer, ()) = tokio::join!(serving, lag);
    let record = &answer.record;
    let call = record.parts[0].call.as_ref().unwrap();
    assert_eq!((record.lag, call.lag), (12 * MS, 12 * MS));
}
