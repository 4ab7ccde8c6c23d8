//! Downstreams with the same addresses are one service, whatever they are called.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use chaos::play::Watch;
use chaos::record::Record;
use chaos::scenario::{Scenario, Text};
use chaos::simulated::play;

/// Two pages that each call a downstream of their own, of 10 workers and 80 ms; `port` is that of the second.
fn record(port: u16, fault: &str) -> Record {
    let text = format!(
        r#"
        title = "t"
        length = "10s"
        [config.clients]
        rate = "none"
        [config.downstream]
        left = {{ url = "http://127.0.0.1:1", permits = 10 }}
        right = {{ url = "http://127.0.0.1:{port}", permits = 10 }}
        [config.page.left]
        path = "/left/{{id}}"
        params.id = "^[0-9]+$"
        part.left = {{ downstream = "left", path = "/l/{{id}}", required = true }}
        [config.page.right]
        path = "/right/{{id}}"
        params.id = "^[0-9]+$"
        part.right = {{ downstream = "right", path = "/r/{{id}}", required = true }}
        [downstream.left]
        latency = {{ fixed = "80ms" }}
        workers = 10
        [[load]]
        page = "left"
        rate = "200/s"
        [[load]]
        page = "right"
        rate = "200/s"
        {fault}
        "#
    );
    let name = "test.toml".to_owned();
    let scenario = Scenario::load(&Text { name, text }, &Text::default_config());
    let scenario = scenario.unwrap_or_else(|report| panic!("{report}"));
    let record = play(&scenario, &Watch::NOBODY).unwrap();
    assert_eq!(record.broken, Vec::<String>::new());
    record
}

fn served(record: &Record, load: usize) -> usize {
    let served = record.pages.iter().filter(|page| page.is_served());
    served.filter(|page| page.load == load).count()
}

#[test]
fn two_names_of_one_service_share_its_workers() {
    let one = record(1, "");
    // 10 workers, 80 ms: 1250 in ten seconds, of which each side has about half.
    let (left, right) = (served(&one, 0), served(&one, 1));
    assert!((1200..=1270).contains(&(left + right)), "{left} + {right}");
    assert!(left.abs_diff(right) < 200, "{left}, {right}");
    // Another service is another one: as healthy ones are, with workers enough.
    let two = record(2, "");
    assert!(served(&two, 0) > 1150, "{}", served(&two, 0));
    assert!(served(&two, 1) > 1150, "{}", served(&two, 1));
}

#[test]
fn a_fault_of_a_service_is_felt_under_all_of_its_names() {
    let fault = "[[fault]]\ndownstream = \"left\"\nerrors = [{ share = 1.0, kind = \"reset\" }]";
    let one = record(1, fault);
    // But for what is called when the fault is over, with the last arrivals.
    let (left, right) = (served(&one, 0), served(&one, 1));
    assert!(left < 20 && right < 20, "{left}, {right}");
    assert!(served(&record(2, fault), 1) > 1150);
}
