//! What two worlds must differ in not to agree: a gateway with another queue, in any phase.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use chaos::agree::{Pair, TEN};
use chaos::play::Watch;
use chaos::record::Record;
use chaos::run::find;
use chaos::scenario::{Scenario, Text};
use chaos::simulated::play;
use chaos::verdict::World;

fn scenario(name: &str, config: &Text) -> Scenario {
    Scenario::load(&find(name).unwrap(), config).unwrap()
}

fn record(name: &str, config: &Text) -> Record {
    play(&scenario(name, config), &Watch::NOBODY).unwrap()
}

/// The config with other values of `queue` and `max_wait`.
fn queue(places: u32, max_wait: &str) -> Text {
    let default = Text::default_config();
    let lines =
        default.text.lines().map(
            |line| match line.split_once('=').map(|(key, _)| key.trim()) {
                Some("queue") => format!("queue = {places}"),
                Some("max_wait") => format!("max_wait = \"{max_wait}\""),
                Some(_) | None => line.to_owned(),
            },
        );
    Text {
        text: lines.collect::<Vec<_>>().join("\n"),
        ..default
    }
}

/// As if the gateway on sockets had another config than the one that was rehearsed.
fn agrees(name: &str, rehearsed: &Record, live: &Text) -> bool {
    let mut live = record(name, live);
    live.world = World::Live;
    let scenario = scenario(name, &Text::default_config());
    Pair::of(name, &scenario, [rehearsed, &live]).agrees()
}

#[test]
fn a_gateway_agrees_with_itself_and_not_without_its_queue_or_with_one_that_is_too_long() {
    for name in ["contention", "bursty-arrivals"] {
        let rehearsed = record(name, &Text::default_config());
        assert!(agrees(name, &rehearsed, &Text::default_config()), "{name}");
        assert!(!agrees(name, &rehearsed, &queue(0, "0ms")), "{name}");
        assert!(!agrees(name, &rehearsed, &queue(1000, "250ms")), "{name}");
    }
}

#[test]
fn phases_are_judged_one_by_one() {
    let rehearsed = Text::default_config();
    let name = "incident-required";
    let (scenario, first) = (scenario(name, &rehearsed), record(name, &rehearsed));
    let pair = Pair::of(name, &scenario, [&first, &first]);
    let windows: Vec<&str> = pair
        .phases
        .iter()
        .map(|phase| phase.window.as_str())
        .collect();
    assert_eq!(windows, ["0ms..10s", "10s..30s", "30s..40s"]);
    // A tenth fewer good pages while all is well are three points over the whole run.
    let mut other = first.clone();
    let well = other
        .pages
        .iter_mut()
        .filter(|page| page.at.as_secs() >= 30);
    for page in well.step_by(10) {
        page.took = scenario.length;
    }
    assert!(!Pair::of(name, &scenario, [&first, &other]).agrees());
}

#[test]
fn the_ten_are_shipped_and_differ() {
    let mut names = TEN.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 10);
    for name in names {
        assert!(find(name).is_ok(), "{name}");
    }
}
