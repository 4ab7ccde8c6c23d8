//! Reloads under load: no page is lost for them, and nothing is left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway::outcome::PageOutcome;
use tokio::task::JoinSet;

use super::*;
use crate::common::{alone, resident};

/// Files that say something new, and files with errors in between.
const RELOADS: u32 = 200;
const BROKEN: u32 = 50;

/// Clients, each of which asks again when it has been answered.
const CLIENTS: usize = 8;

/// Permits of every service: between these.
const PERMITS: (u32, u32) = (2, 6);

/// Another configuration in each round: limits, deadlines, a page and a downstream that come and go.
fn round(round: u32, service: &str) -> String {
    let permits = if round.is_multiple_of(2) {
        PERMITS.0
    } else {
        PERMITS.1
    };
    let mut text = shipped(&[
        ("permits = 64", &format!("permits = {permits}")),
        // Wide enough for all clients: nobody is refused for want of a place.
        (
            "queue = 64",
            &format!("queue = {}", CLIENTS + round as usize % 3),
        ),
        (
            "max_wait = \"50ms\"",
            &format!("max_wait = \"{}s\"", 10 + round % 2),
        ),
        ("burst = 1000", "burst = 1000000"),
    ]);
    if round.is_multiple_of(3) {
        // A name that has never been there before.
        text += &format!(
            "\n[page.other-{round}]\npath = \"/other/{{id}}\"\n\
             part.a = {{ downstream = \"more-{round}\", path = \"/products/{{id}}\" }}\n\
             [downstream.more-{round}]\nurl = \"{service}\"\npermits = {permits}\n"
        );
    }
    text
}

/// Asks for pages on one connection until it is told to stop; returns what was not 200.
async fn client(to: std::net::SocketAddr, stop: Arc<AtomicBool>) -> (u32, Vec<u16>) {
    let (mut asked, mut other) = (0, Vec::new());
    let mut client = Client::connect(to).await;
    while !stop.load(Ordering::Relaxed) {
        client.send(get(PAGE, "")).await;
        let answer = client.answer().await;
        asked += 1;
        if answer.status != 200 || !answer.body.starts_with(b"{\"complete\":true") {
            other.push(answer.status);
        }
    }
    (asked, other)
}

/// Memory is that of the process, in which other tests would be running too.
#[test]
fn two_hundred_reloads_under_load_cost_no_page_and_leave_nothing_behind() {
    let name = "reload::load::two_hundred_reloads_under_load_cost_no_page_and_leave_nothing_behind";
    if alone(name) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(two_hundred_reloads());
    }
}

async fn two_hundred_reloads() {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    for service in Service::ALL {
        fakes
            .set(service, Behaviour::fixed(Duration::from_millis(3)))
            .unwrap();
    }
    let changes = shop_changes(
        &fakes,
        &[
            "page.product-page.part.reviews.required=true",
            "page.product-page.part.recommendations.required=true",
        ],
    );
    let service = fakes.url(Service::Product);
    let world = Reloading::start(&round(0, &service), &changes).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(client(world.gateway.public, Arc::clone(&stop)));
    }
    let mut resident_after_warm_up = 0;
    for number in 1..=RELOADS {
        assert_eq!(
            world.write(&round(number, &service)).await,
            ReloadOutcome::Applied
        );
        if number.is_multiple_of(RELOADS / BROKEN) {
            assert_eq!(
                world.write("permits = \"none").await,
                ReloadOutcome::Refused
            );
        }
        if number == RELOADS / 4 {
            resident_after_warm_up = resident("self");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (mut asked, mut lost) = (0, Vec::new());
    while let Some(ended) = clients.join_next().await {
        let (own, other) = ended.unwrap();
        asked += own;
        lost.extend(other);
    }
    assert_eq!(lost, Vec::<u16>::new(), "of {asked} pages");
    assert!(asked > RELOADS, "{asked} pages are no load");
    // Conservation: everything that was out has been released, under whatever configuration.
    world.gateway.at_rest().await;
    for service in Service::ALL {
        let most = fakes.stats(service).in_flight_max;
        let allowed = u64::from(PERMITS.1) * if service == Service::Product { 2 } else { 1 };
        assert!(most <= allowed, "{service:?}: {most} calls at once");
    }
    let page = world
        .generations
        .current()
        .pages
        .telemetry()
        .counts()
        .pages(gateway::config::PageId(0), PageOutcome::Complete);
    assert_eq!(
        page,
        u64::from(asked),
        "every page is counted once, across all of them"
    );
    assert_eq!(world.generations.current().number, u64::from(RELOADS));
    let grown = resident("self").saturating_sub(resident_after_warm_up) / 1024;
    assert!(
        grown < 24 * 1024,
        "{grown} KiB more than after a quarter of them"
    );
}
